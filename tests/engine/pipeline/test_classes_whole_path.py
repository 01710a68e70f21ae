"""A table of three classes through all stages: what is recorded, and how it is judged."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import policies
import pytest
import served
import whole_path
from baked import TEMPLATE
from served import in_own_folder  # noqa: F401 - a fixture
from sklearn import metrics as sk

from governed_ml.core import evidence, model_file, tables
from governed_ml.core.code.team import TeamPackage
from governed_ml.core.config import Rule
from governed_ml.core.config.params import Params
from governed_ml.core.evidence import Metric
from governed_ml.core.evidence_bodies import ValidateBody
from governed_ml.core.problem import Problem
from governed_ml.pipeline.evaluation import champion
from governed_ml.policy.count_agreement import contradictions
from governed_ml.policy.decision import LETS_THROUGH as PASSES
from governed_ml.policy.fixes.known import Known
from governed_ml.policy.fixes.shortage import shortage
from governed_ml.policy.judge import judge

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
    found: Any = {
        gate: SimpleNamespace(body=body, metrics=pipe.metrics[gate])
        for gate, body in pipe.bodies.items()
        if gate != "train"
    }
    assert contradictions(found) == {}
    # And the explanation covers every class
    assert pipe.metrics["explain"]["coverage"].value == 1.0


def test_two_metrics_of_one_name_are_refused() -> None:
    frame = loans(600).assign(**{"sex.class.good": ["a", "b"] * 300})
    attributes = {"sex": {}, "sex.class.good": {}}
    with pytest.raises(
        Problem, match=r"two metrics of fairness are called sex\.class\.good\.demog"
    ):
        whole_path.run(frame, **CONF | {"sensitive": attributes})


# --- the decision ---------------------------------------------------------------------------------

EACH = {
    "fairness.each_class": {
        "each": "class",
        "metric": "fairness.sex.class.{each}.demographic_parity_difference",
        "block": 0.10,
        "evidence": "interval",
        "owner": "risk-owner",
    },
    "evaluate.each_class": {
        "each": "class",
        "metric": "evaluate.class.{each}.recall",
        "bound": "at_least",
        "block": 0.4,
        "minimum_n": 100,
        "owner": "model-owner",
    },
}


def decided(frame: pd.DataFrame, **conf: Any) -> tuple[str, dict[str, Any]]:
    """Measure a table, and judge it by the template's policy with a rule for each class."""
    pipe = whole_path.run(frame, **CONF | conf)
    policy = policies.read(TEMPLATE / "conf" / "policy", "limited")
    policy["rules"] += [{"id": name} | rule for name, rule in EACH.items()]
    owners = {"risk_owner": "@r", "model_owner": "@m", "organisation": "o"}
    params = Params.model_validate(
        {
            "project": {"name": "p", "risk_tier": "limited"} | owners,
            "seed": 1,
            "experiment": "x",
            "deployment": {},
            "data": served.data(**CONF | conf).model_dump(),
            "split": {"kind": "random", "test_share": 0.4},
            "model": {"name": "m", "estimator": {"_target_": "sklearn.linear_model.Ridge"}},
            "policy": policy,
        }
    )
    subject = {"inputs": {"a": "sha256:0"}, "code": "sha256:0", "config": "sha256:0"}
    head = {"subject": subject, "tools": {}, "findings": [], "volatile": {}}
    contract = {"contract": "c", "contract_digest": "d", "rows": len(frame), "expectations": []}
    bodies = pipe.bodies | {"validate": ValidateBody(columns=1, **contract)}
    metrics = pipe.metrics | {"validate": {"failed_expectations": Metric(value=0.0)}}
    found = {
        gate: evidence.model_of(gate).model_validate(
            head | {"gate": gate, "body": body, "metrics": metrics[gate]}
        )
        for gate, body in bodies.items()
        if gate != "train"
    }
    decision = judge(params, found, date(2026, 12, 1))
    return decision.verdict, {rule.id: rule for rule in decision.rules}


def test_a_fair_model_of_three_classes_is_allowed() -> None:
    # Given grades that do not depend on sex, when model and policy are the template's
    verdict, rules = decided(loans(12_000))
    # Then every rule lets the model pass, each class's rule too
    refused = {name: one.reason for name, one in rules.items() if one.verdict not in PASSES}
    assert (verdict, refused) == ("allow", {})
    for name in GRADES:
        assert rules[f"fairness.each_class[{name}]"].verdict == "pass"
        assert rules[f"evaluate.each_class[{name}]"].verdict == "pass"
    # And no rule of a classification is lost
    assert {"evaluate.roc_auc", "evaluate.calibration", "evaluate.leak_model"} <= rules.keys()
    assert {"fairness.equalized_odds[sex]", "fairness.predictive_parity[sex]"} <= rules.keys()


def test_a_model_that_is_unfair_in_one_class_is_denied() -> None:
    # Given women who get "fair" where men get "good", which a feature shows
    frame = loans(12_000)
    women = (frame["sex"] == "female") & (frame["grade"] == "good")
    frame["office"] = np.where(frame["sex"] == "female", "a", "b")
    frame.loc[women & (frame["income"] < 1.5), "grade"] = "fair"
    # When it is judged, then the rules fail that the two classes break, and name a class
    verdict, rules = decided(frame)
    assert verdict == "deny"
    found = rules["fairness.demographic_parity[sex]"]
    assert found.verdict == "fail"
    assert re.search(r"class '(good|fair)': (fe)?male vs (fe)?male; smallest group", found.reason)
    assert rules["fairness.each_class[good]"].verdict == "fail"
    assert rules["fairness.each_class[fair]"].verdict == "fail"
    assert rules["fairness.each_class[poor]"].verdict == "pass"


def test_a_class_with_few_rows_denies_and_says_how_many_are_missing() -> None:
    # Given a class with about fifty test rows
    frame = loans(12_000)
    rare = (frame["grade"] == "good").to_numpy().nonzero()[0][:130]
    frame.loc[rare, "grade"] = "excellent"
    classes = ["excellent", *GRADES]
    verdict, rules = decided(frame, classes=classes)
    # Then the rules that need rows are insufficient and name the class
    assert verdict == "deny"
    found = rules["evaluate.roc_auc"]
    assert found.verdict == "insufficient"
    assert "rows are of the rarest class 'excellent'" in found.reason
    short = shortage(found, Known(rules={"evaluate.roc_auc": Rule.model_validate(ROC_AUC)}))
    assert short is not None
    assert short.sentence().startswith("48 more test rows of class 'excellent' are missing: ")


ROC_AUC = {"id": "evaluate.roc_auc", "metric": "evaluate.roc_auc", "block": 0.6, "owner": "o",
           "minimum_n": 100}  # fmt: skip


# --- the champion ---------------------------------------------------------------------------------


def compared(pipe: whole_path.Pipe, classes: list[str] | None) -> Metric:
    """The comparison with a champion of these classes, which is fitted like the model."""
    body = pipe.bodies["split"].model_copy(update={"classes": classes})
    whole_path.fit(body, "classification", tables.TRAIN, champion.CHAMPION)
    found = tables.read(tables.PREDICTIONS)
    test, frame = found[found["part"] == "test"], tables.read(tables.TEST)
    params: Any = SimpleNamespace(data=served.data(**CONF), policy=whole_path.POLICY)
    digest, difference = champion.against_champion(
        test, frame, body.numeric + body.categorical, params
    )
    assert digest == model_file.digest(champion.CHAMPION)
    return difference


def test_a_champion_of_the_same_classes_is_compared(pipe: whole_path.Pipe) -> None:
    # Given a model file that has the names of its classes
    assert model_file.class_names() == GRADES
    # When the champion is the same model, then neither is better
    found = compared(pipe, GRADES)
    assert (found.value, found.lower, found.upper) == pytest.approx((0, 0, 0), abs=1e-9)
    assert model_file.digest(champion.CHAMPION) == model_file.digest()


@pytest.mark.parametrize(
    ("classes", "said", "place"),
    [
        (["good", "poor", "fair"], "'good', 'poor', 'fair'", 2),
        (["good", "fair", "bad"], "'good', 'fair', 'bad'", 3),
        ([*GRADES, "worst"], "'good', 'fair', 'poor', 'worst'", 4),
        (None, "not listed", 1),
    ],
)
def test_a_champion_of_other_classes_or_another_order_is_not_compared(
    pipe: whole_path.Pipe, classes: list[str] | None, said: str, place: int
) -> None:
    found = compared(pipe, classes)
    assert found.value is None
    assert found.note == (
        f"the champion's classes are {said}, the model's are 'good', 'fair', 'poor', and differ "
        f"from number {place} on: only the same classes in the same order are compared"
    )


def test_a_model_whose_champion_has_another_order_is_denied() -> None:
    # Given a fair model, and a champion whose classes have another order
    body = whole_path.run(loans(), **CONF).bodies["split"]
    swapped = body.model_copy(update={"classes": GRADES[::-1]})
    whole_path.fit(swapped, "classification", tables.TRAIN, champion.CHAMPION)
    # When it is judged, then only the comparison is missing
    verdict, rules = decided(loans(12_000))
    refused = {name for name, one in rules.items() if one.verdict not in PASSES}
    assert (verdict, refused) == ("deny", {"evaluate.champion"})
    assert rules["evaluate.champion"].verdict == "insufficient"
    assert "the champion's classes are 'poor', 'fair', 'good'" in rules["evaluate.champion"].reason


def test_the_reason_stays_short_and_says_where_long_lists_differ() -> None:
    names = [f"{place} {'long ' * 100}" for place in range(50)]
    found = champion.other_classes(names, [*names[:40], *names[:39:-1]])
    assert "and 45 more" in found
    assert "differ from number 41 on" in found
    assert len(found) < 500


def test_the_names_of_the_classes_belong_to_the_digest(tmp_path: Path) -> None:
    # Given one model, saved without names of classes, with them, and with another order of them
    import skops.io
    from sklearn.dummy import DummyClassifier

    content = skops.io.dumps(DummyClassifier().fit([[0]] * 3, [0, 1, 2]))
    digests: set[str] = set()
    for number, classes in enumerate((None, GRADES, GRADES[::-1])):
        path = tmp_path / f"{number}.skops"
        model_file.save(content, TeamPackage("", {}), path=path, classes=classes)
        assert model_file.class_names(path) == (classes or [])
        digests.add(model_file.digest(path))
    # Then each has a digest of its own, and without names it is that of the model alone
    assert len(digests) == 3
    plain = tmp_path / "plain.skops"
    plain.write_bytes(content)
    assert model_file.digest(plain) in digests


def test_names_of_classes_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(model_file.CLASSES, "[1")
    with pytest.raises(Problem, match="is not a readable model"):
        model_file.class_names(path)
