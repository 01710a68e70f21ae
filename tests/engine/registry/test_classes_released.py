"""A model of three classes, from `init-data` to the watched champion, with one digest."""

from __future__ import annotations

import json
from pathlib import Path

import baked
import numpy as np
import pandas as pd
import pytest
import registry
import watching
from baked import Bake, BakedProject

from governed_ml.core import model_file

NAMES = ["fair, so far", "good", "poor"]
TODAY = pd.Timestamp.now("UTC").tz_localize(None).floor("D")
COMPARED = {"models/model.skops", "data/predictions.parquet", "numbers of evaluate",
            "numbers of explain", "numbers of fairness"}  # fmt: skip


def grades(rows: int, seed: int) -> pd.DataFrame:
    """Loans whose grade depends on income and debt, and not on the sex."""
    chance = np.random.default_rng(seed)
    income, debt = chance.normal(size=(2, rows)).round(3)
    margins = np.stack([0.2 - np.abs(income), 1.5 * income - debt, debt - 1.5 * income])
    noise = -np.log(-np.log(chance.random(margins.shape)))
    return pd.DataFrame(
        {
            "applied_on": TODAY - pd.to_timedelta(np.arange(rows) % 60, "D"),
            "income": income,
            "debt": debt,
            "region": chance.choice(["north", "south", "east"], rows),
            "sex": chance.choice(["f", "m"], rows),
            "grade": np.array(NAMES)[(margins + noise).argmax(axis=0)],
        }
    )


@pytest.mark.nightly
def test_three_classes_are_trained_released_watched_and_reproduced(
    bake_runnable: Bake, tmp_path: Path
) -> None:
    # Given a table whose target has three values, when it is drafted without a question
    project, path = bake_runnable(risk_tier="minimal"), tmp_path / "grades.csv"
    grades(20_000, 1).to_csv(path, index=False)
    words = ["init-data", str(path), "--target", "grade", "--yes", "--json"]
    drafted = json.loads(project.call(*words).stdout)
    assert drafted["data"]["classes"] == NAMES
    # Then one run comes to a decision, which allows it, and the cards say what is predicted
    project.run(["dvc", "repro", "--quiet"])
    decision = json.loads(project.read("reports/decision.json"))
    bad = [one["id"] for one in decision["rules"] if one["verdict"] in ("fail", "insufficient")]
    assert (decision["verdict"], bad) == ("allow", [])
    card = project.read("reports/model_card.md")
    assert "predicts `grade` (one of 3 classes) from 3 features" in card
    for text in (card, project.read("reports/data_card.md"), project.read("reports/index.html")):
        assert "one of 3 classes" in text
    baked.commit_all(project.path, "The pipeline ran")
    # When it is registered, approved and promoted, then the ledger has its digest
    digest = model_file.digest(project.path / model_file.PATH)
    project = registry.equip(project)
    project.governance("register")
    registry.approve(project, 1)
    project.governance("promote")
    assert registry.actions(project) == ["registered 1", "approved 1", "promoted 1"]
    assert {one["subject"]["model"] for one in registry.ledger(project)} == {digest}
    # When it predicts, then it gives the pipeline's numbers, and names of classes
    require_the_numbers_of_the_pipeline(project, tmp_path)
    # When what it was asked is monitored, with labels of production, then it is healthy
    new = grades(1_500, 2)
    new.drop(columns=["grade"]).to_csv(tmp_path / "new.csv", index=False)
    project.governance("predict", str(tmp_path / "new.csv"), "--output", "new-out.csv")
    answers = pd.read_csv(project.path / "new-out.csv")
    served = pd.concat([answers, new], axis=1)
    batch = watching.written(project, served)
    window = watching.monitor(project, batch)
    assert (window["level"], window["version"]) == ("healthy", 1), window["reasons"]
    levels = {one["id"]: one["verdict"] for one in window["rules"]}
    assert levels["performance.roc_auc"] == levels["fairness.demographic_parity[sex]"] == "healthy"
    # And a shift between the classes is found, and a label that is no class is named
    poor = served[served["prediction"] == "poor"]
    shifted = pd.concat([poor] * 5, ignore_index=True).head(1_500).assign(row=range(1_500))
    shifted.loc[:49, "grade"] = "awful"
    window = watching.monitor(project, watching.written(project, shifted, "poor.csv"), code=1)
    levels = {one["id"]: one["verdict"] for one in window["rules"]}
    assert levels["drift.prediction"] == levels["drift.target"] == "retrain"
    assert any("values that the target does not have" in one for one in window["reasons"])
    # When the champion is reproduced, then all of it is equal
    registry.save(project, "The champion is watched")
    done = project.governance("lineage", "reproduce", "1", "--json")
    rows = {row["what"]: row["state"] for row in json.loads(done.stdout)["rows"]}
    assert set(rows.values()) == {"equal"}
    assert rows.keys() >= COMPARED


def require_the_numbers_of_the_pipeline(project: BakedProject, folder: Path) -> None:
    """Compare what `predict` answers with the predictions of the pipeline, and with its log."""
    raw = pd.read_parquet(project.path / "data" / "raw.parquet").head(400)
    raw.to_csv(folder / "in.csv", index=False)
    project.governance("predict", str(folder / "in.csv"), "--output", str(folder / "out.csv"))
    found = pd.read_csv(folder / "out.csv")
    line = pd.read_parquet(project.path / "data" / "predictions.parquet")
    line = line.sort_values("__row").head(400).reset_index(drop=True)
    assert found["prediction"].tolist() == [NAMES[place] for place in line["prediction"]]
    for name, place in (("score", "score"), *zip_names()):
        assert (found[name] - line[place]).abs().max() < 1e-12


def zip_names() -> list[tuple[str, str]]:
    """Column of `predict` and column of the pipeline, for the probability of each class."""
    return [(f"score[{name}]", f"score_{place}") for place, name in enumerate(NAMES)]
