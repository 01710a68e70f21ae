"""Small tables through the pipeline: measured by folds, denied in one sentence, released whole."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import registry
import served
import tables
import watching
from baked import Bake, BakedProject

from governed_ml.core import model_file
from governed_ml.core.tables import FOLDS

pytestmark = pytest.mark.slow

LOANS = """\
name: loans
task: classification
source: {kind: file, path: data/source/loans.csv}
target: repaid
positive: "yes"
sensitive: {sex: {}, region: {}}
contract: governance/expectations/loans.json
"""
CONTRACT = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 10}}


def evidence(project: BakedProject, gate: str) -> Any:
    """The evidence of a gate."""
    return json.loads(project.read(f"reports/evidence/{gate}.json"))


def reasons(project: BakedProject) -> str:
    """What a person reads of the decision, in one line."""
    return " ".join(project.call("gate", code=1).stdout.split())


def test_a_table_of_300_rows_with_a_rare_group_is_denied_in_one_sentence(
    bake_runnable: Bake,
) -> None:
    # Given 300 loans, of which 9 are of one region
    project = bake_runnable()
    frame = served.loans(300).drop(columns="applied_on")
    frame["region"] = np.where(np.arange(300) < 9, "north", "south")
    frame.to_csv(project.path / "data/source/loans.csv", index=False)
    project.write("conf/data/loans.yaml", LOANS)
    project.write("governance/expectations/loans.json", json.dumps({"expectations": [CONTRACT]}))
    project.write("conf/split/cross_validated.yaml", "kind: cross_validated\nfolds: 3\n")
    tables.choose(project, data="loans", model="logistic_regression", split="cross_validated")
    # When it is cross-validated
    project.stages()
    # Then one sentence says how many rows are missing, and one how many of which group
    said = reasons(project)
    assert (
        "700 more test rows are missing: there are 300 of 1,000. The table needs 700 more" in said
    )
    assert "21 more test rows of group north (region) are missing: there are 9 of 30" in said
    # And page and card say how it was measured, and on what the released model is trained
    page, card = (project.read(f"reports/{name}") for name in ("index.html", "model_card.md"))
    assert "3-fold cross-validation: every row is predicted by a model that was not" in page
    assert "The released model is trained on all 300 rows" in card
    assert "3 folds for cross-validation" in project.read("reports/data_card.md")
    # And without the rows of a fold, its model is another one
    train = evidence(project, "train")
    assert len({*train["body"]["fold_models"], train["subject"]["model"]}) == 4
    # When it is split instead, then fewer rows are tested, and the sentence says so
    tables.choose(project, data="loans", model="logistic_regression", split="random")
    project.stages()
    assert "910 more test rows are missing: there are 90 of 1,000" in reasons(project)
    assert re.search(r"more test rows of group north \(region\) are missing", reasons(project))
    assert json.loads(project.read("models/folds/folds.json")) == []
    assert not (project.path / FOLDS).exists()
    assert "fold_models" not in evidence(project, "train")["body"]


@pytest.mark.nightly  # on every push: the parts, test_cross_validation.py and test_folds_apart.py
def test_a_cross_validated_model_is_released_used_watched_and_reproduced(
    bake_runnable: Bake, tmp_path: Path
) -> None:
    # Given a table that is cross-validated, when it is judged and registered
    project = bake_runnable(risk_tier="minimal")
    data = project.read("conf/data/synthetic.yaml")
    data = re.sub(r"rows: \d+", "rows: 30000", data).replace("time: applied_on\n", "")
    project.write("conf/data/synthetic.yaml", data.replace("limit]", "limit, applied_on]"))
    tables.choose(project, model="logistic_regression", split="cross_validated")
    project.run(["dvc", "repro", "--quiet"])
    decision = json.loads(project.read("reports/decision.json"))
    loud = [(one["id"], one["reason"]) for one in decision["rules"] if one["verdict"] != "pass"]
    assert decision["verdict"] == "allow", loud
    project = registry.equip(project)
    project.governance("register")
    # Then registering has trained the same models, and the version can be promoted
    registry.approve(project, 1)
    project.governance("promote")
    digest = model_file.digest(project.path / model_file.PATH)
    assert {one["subject"]["model"] for one in registry.ledger(project)} == {digest}
    # And it predicts
    raw = pd.read_parquet(project.path / "data" / "raw.parquet").head(400)
    raw.to_csv(tmp_path / "in.csv", index=False)
    project.governance("predict", str(tmp_path / "in.csv"), "--output", str(tmp_path / "out.csv"))
    assert len(pd.read_csv(tmp_path / "out.csv")) == 400
    # And a batch of production does not drift from the rows that it is trained on
    done = project.governance("monitor", str(watching.batch(project)), "--json", code=None)
    window = json.loads(done.stdout)
    assert window["failure"] is None
    drift = {one["id"]: one["verdict"] for one in window["rules"] if one["id"].startswith("drift")}
    assert drift.keys() >= {"drift.data[income]", "drift.prediction", "drift.target"}
    assert set(drift.values()) == {"healthy"}
    # And it is reproduced, all of it equal, with the folds
    registry.save(project, "The champion is watched")
    done = project.governance("lineage", "reproduce", "1", "--json")
    rows = {row["what"]: row["state"] for row in json.loads(done.stdout)["rows"]}
    assert set(rows.values()) == {"equal"}, rows
    assert FOLDS.as_posix() in rows
    # And no model of a fold is part of the release
    files = [path.name for path in registry.artifacts(project, 1).rglob("*")]
    assert "model.skops" in files
    assert not [name for name in files if name.startswith("fold")]
