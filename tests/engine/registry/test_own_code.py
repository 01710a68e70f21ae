"""Own columns, an own transformer, an own wrapper: trained, allowed, released, and asked later."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import registry
from baked import BakedProject

pytestmark = pytest.mark.slow

FEATURES = '''
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def columns(table: pd.DataFrame) -> pd.DataFrame:
    """Add what the loan is of the income, and whether nothing was ever paid late."""
    return table.assign(
        burden=table["loan_amount"] / (table["income"].abs() + 1),
        punctual=np.where(table["late_payments"] > 0, "no", "yes"),
    )


class Clip(TransformerMixin, BaseEstimator):
    """Keep numbers within the quantiles of the training rows; it names no columns."""

    def __init__(self, share: float = 0.01) -> None:
        self.share = share

    def fit(self, rows, target=None):
        self.low_, self.high_ = np.nanquantile(rows, [self.share, 1 - self.share], axis=0)
        return self

    def transform(self, rows):
        return np.clip(rows, self.low_, self.high_)


def preprocessing(numeric, categorical):
    numbers = make_pipeline(SimpleImputer(strategy="median"), Clip(), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return ColumnTransformer(
        [("numbers", numbers, numeric), ("categories", categories, categorical)]
    )
'''
TRAINING = '''
import mlflow
from sklearn.base import BaseEstimator, ClassifierMixin, clone


class Calm(ClassifierMixin, BaseEstimator):
    """Draw probabilities a little towards the middle."""

    def __init__(self, inner=None, share=0.98):
        self.inner, self.share = inner, share

    def fit(self, rows, target):
        self.inner_ = clone(self.inner).fit(rows, target)
        self.classes_ = self.inner_.classes_
        return self

    def predict_proba(self, rows):
        return self.share * self.inner_.predict_proba(rows) + (1 - self.share) / 2

    def predict(self, rows):
        return (self.predict_proba(rows)[:, 1] > 0.5).astype(int)


def fit(pipeline, features, target):
    mlflow.log_metric("rows_seen", len(features))
    mlflow.log_metric("roc_auc", 0.999, step=10)
    mlflow.log_text("what was tried", "notes/tried.txt")
    return Calm(pipeline).fit(features, target)
'''
RUN = """
import json
from governed_ml.core.mlflow_store import connect
from mlflow.tracking import MlflowClient
connect("any")
run_id = json.load(open("reports/evidence/train.json"))["volatile"]["notes"]["mlflow_run_id"]
run = MlflowClient().get_run(run_id)
files = [one.path for one in MlflowClient().list_artifacts(run_id)]
print(json.dumps([run.data.metrics, run.data.tags, files, run.info.status]))
"""


def predicted(project: BakedProject, source: Path, output: Path) -> pd.DataFrame:
    """What the champion says about the rows of a file."""
    project.governance("predict", str(source), "--output", str(output))
    return pd.read_csv(output)


@pytest.mark.nightly
def test_own_classes_are_released_and_answer_whatever_the_working_tree_says(
    finished: BakedProject, tmp_path: Path
) -> None:
    # Given a project whose columns, transformer and wrapper are its own, when its pipeline runs
    package = finished.path / "src" / finished.package
    (package / "features.py").write_text(FEATURES, encoding="utf-8")
    (package / "training.py").write_text(TRAINING, encoding="utf-8")
    finished.run(["dvc", "repro"])
    # Then it ends in allow, and every row that was explained adds up
    decision = json.loads(finished.read("reports/decision.json"))
    denied = [one for one in decision["rules"] if one["verdict"] not in ("pass", "warn")]
    assert decision["verdict"] == "allow", denied
    explained = json.loads(finished.read("reports/evidence/explain.json"))
    assert explained["body"]["method"] == "shap_permutation"
    assert explained["metrics"]["coverage"]["value"] == 1.0
    # And what `fit` logged is in the engine's run, in which the measured number is the latest
    metrics, tags, files, status = json.loads(finished.run(["python", "-c", RUN]).stdout)
    measured = json.loads(finished.read("reports/evidence/evaluate.json"))["metrics"]["roc_auc"]
    trained = json.loads(finished.read("reports/evidence/train.json"))
    assert metrics["rows_seen"] == trained["body"]["rows"]
    assert metrics["roc_auc"] == pytest.approx(measured["value"])
    assert tags["model_digest"] == trained["subject"]["model"]
    assert {"notes", "model", "params.yaml", "policy.json"} <= {Path(one).parts[0] for one in files}
    assert status == "FINISHED"
    # When it is registered, approved and promoted
    project = registry.equip(finished)
    project.governance("register")
    registry.approve(project, 1)
    project.governance("promote")
    # Then it predicts what was measured
    raw = pd.read_parquet(project.path / "data" / "raw.parquet").head(300)
    raw.to_csv(tmp_path / "in.csv", index=False)
    before = predicted(project, tmp_path / "in.csv", tmp_path / "before.csv")
    line = pd.read_parquet(project.path / "data" / "predictions.parquet").sort_values("__row")
    assert (before["score"] - line["score"].head(300).to_numpy()).abs().max() < 1e-9
    # And the same after the code of the working tree has changed, and after it is gone
    (package / "training.py").write_text("raise RuntimeError('changed')\n", encoding="utf-8")
    (package / "features.py").unlink()
    after = predicted(project, tmp_path / "in.csv", tmp_path / "after.csv")
    assert (after["score"] == before["score"]).all()
    assert (after["prediction"] == before["prediction"]).all()
