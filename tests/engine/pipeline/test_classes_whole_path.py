"""A table of three classes through all stages: what is recorded, and how it is judged."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import whole_path
from served import in_own_folder  # noqa: F401 - a fixture
from sklearn import metrics as sk

from governed_ml.core import tables
from governed_ml.core.problem import Problem
from governed_ml.policy.count_agreement import contradictions

pytestmark = [pytest.mark.usefixtures("inside"), pytest.mark.slow]
GRADES = ["good", "fair", "poor"]
CONF: dict[str, Any] = {
    "target": "grade",
    "positive": None,
    "classes": GRADES,
    "sensitive": {"sex": {}},
}


def loans(rows: int = 3000, seed: int = 1) -> pd.DataFrame:
    """Loans with one of three grades."""
    rng = np.random.default_rng(seed)
    income, debt = rng.normal(size=(2, rows))
    region = rng.choice(["north", "south"], rows)
    score = income - debt + 0.5 * (region == "north") + rng.normal(size=rows)
    grade = np.select([score > 0.8, score > -0.8], ["good", "fair"], "poor")
    return pd.DataFrame(
        {
            "income": income,
            "debt": debt,
            "region": region,
            "sex": rng.choice(["female", "male"], rows),
            "grade": grade,
        }
    )


@pytest.fixture(name="pipe")
def whole() -> whole_path.Pipe:
    """The table through all stages."""
    return whole_path.run(loans(), **CONF)


def test_evaluate_records_the_answers_for_the_test_rows(pipe: whole_path.Pipe) -> None:
    # Given the predictions of the test rows
    found = pd.read_parquet(tables.PREDICTIONS)
    test = found[found["part"] == "test"]
    y, hat = test[tables.TARGET], test["prediction"]
    body, metrics = pipe.bodies["evaluate"], pipe.metrics["evaluate"]
    # Then the confusion matrix, the metrics and the plots are about them
    counts = sk.confusion_matrix(y, hat).flatten().tolist()
    pairs = [f"{true} → {predicted}" for true in GRADES for predicted in GRADES]
    assert body.confusion == dict(zip(pairs, counts, strict=True))
    assert metrics["accuracy"].value == sk.accuracy_score(y, hat)
    p = test[["score_0", "score_1", "score_2"]].to_numpy()
    right = sk.roc_auc_score(y, p, multi_class="ovr")
    assert metrics["roc_auc"].value == pytest.approx(right)
    assert metrics["leak_model"].value == metrics["roc_auc"].value
    assert metrics["leak_model"].note.startswith("the model rests most on ")
    assert metrics["class.fair.recall"].value == sk.recall_score(y == 1, hat == 1)
    assert metrics["flip_share"].value is not None
    assert body.calibration_class in GRADES
    assert sum(one.n for one in body.calibration) == len(test)
    lines = Path("reports/plots/roc.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "false_positive_rate,true_positive_rate"
    assert len(lines) == 201


def test_every_stage_records_the_classes(pipe: whole_path.Pipe) -> None:
    # Given the table through all stages, then drift bins prediction and target by class
    columns = {one.name: one for one in pipe.bodies["drift"].columns}
    for name in ("prediction", "target"):
        assert columns[name].kind == "categorical"
        assert {f"= {one}" for one in GRADES} <= set(columns[name].bins)
        assert pipe.metrics["drift"][f"{name}.psi_quantile10"].value is not None
    # And fairness has each class, with counts that agree with the confusion matrix
    metrics = pipe.metrics["fairness"]
    each = [metrics[f"sex.class.{name}.demographic_parity_difference"] for name in GRADES]
    whole = metrics["sex.demographic_parity_difference"]
    assert whole.value == max(one.value or 0.0 for one in each)
    groups = pipe.bodies["fairness"].attributes[0].groups
    for outcome, n in pipe.bodies["evaluate"].confusion.items():
        assert sum(one.counts.get(outcome, 0) for one in groups) == n
    evidence: Any = {
        gate: SimpleNamespace(body=body, metrics=pipe.metrics[gate])
        for gate, body in pipe.bodies.items()
        if gate != "train"
    }
    assert contradictions(evidence) == {}
    # And the explanation covers every class
    assert pipe.metrics["explain"]["coverage"].value == 1.0


def test_two_metrics_of_one_name_are_refused() -> None:
    frame = loans(600).assign(**{"sex.class.good": ["a", "b"] * 300})
    attributes = {"sex": {}, "sex.class.good": {}}
    with pytest.raises(
        Problem, match=r"two metrics of fairness are called sex\.class\.good\.demog"
    ):
        whole_path.run(frame, **CONF | {"sensitive": attributes})
