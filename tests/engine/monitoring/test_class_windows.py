"""A window of a champion of three classes is measured as scikit-learn and plain counts say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from governed_ml.measures.bounds import performance_bounds
from governed_ml.measures.multiclass.auc_bounds import mean_roc_auc
from governed_ml.measures.multiclass.performance import ClassAnswers
from governed_ml.monitoring import measure
from governed_ml.monitoring.measuring.group_treatment import treated
from governed_ml.monitoring.window_rows import WindowRows

NAMES = ["good", "fa.ir", "poor"]


def answers(rows: int, seed: int, classes: int = 3) -> ClassAnswers:
    """Answers whose probabilities are those by which the classes were drawn."""
    chance = np.random.default_rng(seed)
    found = np.exp(chance.normal(size=(rows, classes)))
    found /= found.sum(axis=1, keepdims=True)
    target = (found.cumsum(axis=1) < chance.random((rows, 1))).sum(axis=1)
    return ClassAnswers(target, found.argmax(axis=1), found, NAMES[:classes])


def window(rows: int = 900, seed: int = 1) -> WindowRows:
    """The same as rows of a window, of people in two groups."""
    found = answers(rows, seed)
    sex = np.where(np.random.default_rng(seed).random(rows) < 0.5, "f", "m")
    return WindowRows(
        pd.DataFrame({"x": range(rows)}),
        pd.Series(found.probabilities.max(axis=1)),
        pd.Series(found.prediction),
        pd.Series(found.target, dtype="float64"),
        pd.DataFrame({"sex": sex}),
        probabilities=pd.DataFrame(found.probabilities),
    )


def test_performance_is_that_of_the_labelled_rows() -> None:
    # Given a window in which every third label is missing
    rows = window()
    rows = replace(rows, target=rows.target.where(rows.target.index % 3 > 0))
    # When it is measured, then scikit-learn says the same of the others
    found = measure.performed(rows, "classification", 0.95, NAMES).metrics
    known = rows.target.dropna().astype("int64")
    assert rows.probabilities is not None
    scores = rows.probabilities.loc[known.index].to_numpy()
    area = sk.roc_auc_score(known, scores, multi_class="ovr", average="macro")
    metric = found["performance.roc_auc"]
    assert metric.value == pytest.approx(area)
    assert metric.lower is not None
    assert metric.upper is not None
    assert metric.lower < area < metric.upper
    recall = sk.recall_score(known == 1, rows.prediction[known.index] == 1)
    assert found["performance.class.fa.ir.recall"].value == pytest.approx(recall)
    # And a class without a label is named, and no number stands for it
    lost = replace(rows, target=rows.target.where(rows.target != 2))
    found = measure.performed(lost, "classification", 0.95, NAMES).metrics
    assert found["performance.roc_auc"].value is None
    assert found["performance.roc_auc"].note == "no row is of class 'poor'"
    # And neither without any label
    none = replace(rows, target=rows.target.where(rows.target > 2))
    found = measure.performed(none, "classification", 0.95, NAMES).metrics
    assert found["performance.roc_auc"].note == "no labels yet"


def gap(prediction: pd.Series, groups: pd.Series, among: pd.Series) -> float:
    """The largest difference between two groups, over the classes, in the share of a class."""
    shares = [
        (prediction[among] == place).groupby(groups[among]).mean() for place in range(len(NAMES))
    ]
    return max(float(share.max() - share.min()) for share in shares)


def test_fairness_is_that_of_the_worst_class_with_labels_or_without() -> None:
    # Given a window in which half of the labels are missing, and women are called good more often
    rows = window()
    women = rows.groups["sex"] == "f"
    rows = replace(
        rows,
        prediction=rows.prediction.mask(women & (rows.prediction.index % 3 == 0), 0),
        target=rows.target.where(rows.target.index % 2 > 0),
    )
    # When it is measured, then parity is of all rows, other measures of those with labels
    found = treated(rows, "classification", 0.95, 30, late=True, classes=NAMES)
    every = pd.Series(True, index=rows.target.index)
    parity = found.metrics["fairness.sex.demographic_parity_difference"]
    assert parity.value == pytest.approx(gap(rows.prediction, rows.groups["sex"], every))
    assert parity.note.startswith("class 'good': m vs f")
    known = rows.target.notna()
    rates = [
        (rows.prediction == place)[known & (rows.target == place)]
        .groupby(rows.groups["sex"])
        .mean()
        for place in range(3)
    ]
    wanted = max(float(rate.max() - rate.min()) for rate in rates)
    opportunity = found.metrics["fairness.sex.equal_opportunity_difference"]
    assert opportunity.value == pytest.approx(wanted)
    # And what is shown of a group has each class, of all its rows
    [attribute] = found.groups
    [shown] = [group for group in attribute.groups if group.name == "f"]
    assert shown.n == women.sum()
    chosen = (rows.prediction[women] == 1).mean()
    assert shown.rates["selection_rate.fa.ir"] == pytest.approx(chosen)
    # And without labels, parity alone is measured
    bare = replace(rows, target=rows.target.where(rows.target > 2))
    none = treated(bare, "classification", 0.95, 30, late=True, classes=NAMES).metrics
    assert none["fairness.sex.demographic_parity_difference"].value == parity.value
    assert none["fairness.sex.equalized_odds_difference"].note == "no labels yet"
    early = treated(bare, "classification", 0.95, 30, late=False, classes=NAMES).metrics
    assert {name.rpartition(".")[2] for name in early} == {
        "demographic_parity_difference",
        "demographic_parity_ratio",
    }


def test_rows_of_one_person_count_as_one_in_the_bounds() -> None:
    # Given a window, and the same with every row five times, as rows of one person
    rows = window(300)
    again = pd.Index(np.repeat(rows.target.index, 5))
    assert rows.probabilities is not None
    many = WindowRows(
        *(one.loc[again].reset_index(drop=True) for one in (rows.features, rows.score)),
        *(one.loc[again].reset_index(drop=True) for one in (rows.prediction, rows.target)),
        rows.groups.loc[again].reset_index(drop=True),
        person=pd.Series(again),
        probabilities=rows.probabilities.loc[again].reset_index(drop=True),
    )
    # When both are measured, then the bounds are as wide
    widths = []
    for one in (rows, many, replace(many, person=None)):
        found = measure.performed(one, "classification", 0.95, NAMES).metrics
        parity = treated(one, "classification", 0.95, 30, late=True, classes=NAMES).metrics
        two = (
            found["performance.roc_auc"],
            parity["fairness.sex.demographic_parity_difference"],
        )
        widths.append([(one.upper or 0) - (one.lower or 0) for one in two])
    assert widths[0] == pytest.approx(widths[1], rel=0.1)
    assert all(narrow < 0.7 * right for narrow, right in zip(widths[2], widths[0], strict=True))


@pytest.mark.slow
def test_the_bounds_of_the_mean_auc_hold_and_are_those_of_two_classes() -> None:
    # Given two classes, of which each AUC is the other's
    two = answers(400, 3, classes=2)
    truth, score = two.one(1)
    area = float(sk.roc_auc_score(truth, score))
    plain = performance_bounds.roc_auc(truth, score, area, 0.95)
    assert mean_roc_auc(two, 0.95) == pytest.approx(plain, abs=1e-3)
    # And given draws of three classes, when their mean AUC is bounded
    large = answers(200_000, 4)
    true = sk.roc_auc_score(large.target, large.probabilities, multi_class="ovr")
    bounds = [mean_roc_auc(answers(300, seed), 0.95) for seed in range(200)]
    # Then the true one lies within the bounds nearly as often as they say, and not always
    inside = sum(low < true < high for low, high in bounds)
    assert 0.91 * 200 <= inside < 200


@pytest.mark.parametrize("seed", [1, 2])
def test_classes_that_are_perfectly_told_apart_have_bounds(seed: int) -> None:
    found = answers(90, seed)
    right = found._replace(probabilities=np.eye(3)[found.target])
    low, high = mean_roc_auc(right, 0.95)
    assert 0.8 < low < 1
    assert high == pytest.approx(1)
