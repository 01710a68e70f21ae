"""A project with a booster, from `pyproject.toml` to the watched champion, with one digest."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import baked
import pandas as pd
import pytest
import registry
import watching
from baked import ROOT, BakedProject

from governed_ml.core import model_file

PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
COMPARED = {"models/model.skops", "data/predictions.parquet", "numbers of evaluate",
            "numbers of explain"}  # fmt: skip


def opted_in(template: Path, folder: Path, library: str) -> BakedProject:
    """A project whose team did what `docs/models.md` says, in an environment of its own."""
    name = f"{library}_classifier"
    made = baked.bake(template, folder)
    edited = {
        "pyproject.toml": ('"governed-ml[pipeline]"', f'"governed-ml[pipeline,{library}]"'),
        "conf/config.yaml": ("model: hist_gradient_boosting_classifier", f"model: {name}"),
    }
    for file, (before, after) in edited.items():
        assert before in made.read(file)
        made.write(file, made.read(file).replace(before, after))
    [text] = re.findall(rf"^`conf/model/{name}\.yaml`:\n\n```yaml\n(.*?)^```", PAGE, re.M | re.S)
    made.write(f"conf/model/{name}.yaml", text)
    environment = folder / "environment"
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv
    to = {"UV_PROJECT_ENVIRONMENT": str(environment), "UV_NO_CONFIG": "1"}
    baked.run_plain([uv, "sync", "--quiet", "--all-groups"], made.path, **to)
    return BakedProject(made.path, environment, {"DVC_SITE_CACHE_DIR": str(folder / "site")})


@pytest.mark.nightly
@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "catboost"])
def test_a_booster_is_trained_released_watched_and_reproduced(
    library: str, template: Path, tmp_path: Path
) -> None:
    # Given a project that trains with one of the libraries
    project = opted_in(template, tmp_path, library)
    assert "nvidia" not in project.read("uv.lock")
    # When its pipeline runs, then the model is allowed, and its trees are explained
    project.run(["dvc", "repro", "--quiet"])
    assert json.loads(project.read("reports/decision.json"))["verdict"] == "allow"
    explained = json.loads(project.read("reports/evidence/explain.json"))
    assert explained["body"]["method"] == "shap"
    assert explained["metrics"]["coverage"]["value"] == 1.0
    baked.commit_all(project.path, "The pipeline ran")
    # And another training gives the same digest, and leaves no file behind
    digest = model_file.digest(project.path / model_file.PATH)
    project.run(["dvc", "repro", "--quiet", "--force", "--single-item", "train"])
    assert model_file.digest(project.path / model_file.PATH) == digest
    assert baked.git(project.path, "status", "--porcelain", "--", "models", "catboost_info") == ""
    assert not (project.path / "catboost_info").exists()
    baked.git(project.path, "checkout", "--", ".")
    # And its evidence names the library's version
    trained = json.loads(project.read("reports/evidence/train.json"))
    assert any(name.startswith(library) for name in trained["tools"])
    # When it is registered, approved and promoted, then the ledger has this digest
    project = registry.equip(project)
    project.governance("register")
    registry.approve(project, 1)
    project.governance("promote")
    events = registry.ledger(project)
    assert registry.actions(project) == ["registered 1", "approved 1", "promoted 1"]
    assert {one["subject"]["model"] for one in events} == {digest}
    raw = pd.read_parquet(project.path / "data" / "raw.parquet").head(400)
    raw.to_csv(tmp_path / "in.csv", index=False)
    # When it predicts, then it gives the pipeline's numbers
    words = ["predict", str(tmp_path / "in.csv"), "--output", str(tmp_path / "out.csv"), "--json"]
    project.governance(*words)
    line = pd.read_parquet(project.path / "data" / "predictions.parquet")
    scores = line.sort_values("__row").head(400)["score"].reset_index(drop=True)
    found = pd.read_csv(tmp_path / "out.csv")
    assert (found["score"] - scores).abs().max() < 1e-12
    assert set(found["model_digest"]) == {digest}
    # And MLflow loads the model of the run with nothing but the libraries
    logged = project.run(["python", "-c", LOADED, trained["volatile"]["notes"]["mlflow_run_id"]])
    assert "named_steps" in logged.stdout
    # When a batch of production is monitored, then it is healthy
    batch = watching.batch(project)
    window = json.loads(project.governance("monitor", str(batch), "--json").stdout)
    assert (window["level"], window["version"]) == ("healthy", 1)
    # When a challenger is trained, then it is compared with the champion on the same rows
    registry.save(project, "The champion is watched")
    champion = project.path / model_file.CHAMPION
    shutil.copyfile(project.path / model_file.PATH, champion)
    name = f"conf/model/{library}_classifier.yaml"
    project.write(name, project.read(name).replace("learning_rate: 0.1", "learning_rate: 0.2"))
    project.run(["dvc", "repro", "--quiet"])
    compared = json.loads(project.read("reports/evidence/evaluate.json"))["metrics"]
    assert compared["champions"]["value"] == 1.0
    assert 0 < abs(compared["champion_difference"]["value"]) < 0.1
    assert (
        model_file.digest(champion) == digest != model_file.digest(project.path / model_file.PATH)
    )
    # When the champion is reproduced, then all of it is equal
    done = project.governance("lineage", "reproduce", "1", "--json")
    rows = {row["what"]: row["state"] for row in json.loads(done.stdout)["rows"]}
    assert set(rows.values()) == {"equal"}
    assert rows.keys() >= COMPARED


LOADED = """import sys
from mlflow.sklearn import load_model
print(*dir(load_model(f"runs:/{sys.argv[1]}/model")))
"""
