"""Fairness with three or more classes: Fairlearn's numbers, and bounds that hold for the worst."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from fairlearn import metrics as fl
from sklearn.metrics import precision_score

from governed_ml.core.evidence import NOT_COMPARED, SAME_CLASS
from governed_ml.measures import fairness
from governed_ml.measures.clusters import Persons
from governed_ml.measures.multiclass import fairness as class_fairness
from governed_ml.policy.fixes.shortage import LACKING, SMALLEST

CONFIDENCE, LIMIT, DRAWS = 0.95, 0.10, 400
CLASSES = ["good", "fair", "poor"]
GROUPS = ["female", "male", "other"]


def rows(seed: int = 1, n: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group, true and predicted class of each row; groups are treated differently."""
    rng = np.random.default_rng(seed)
    group, true = rng.integers(0, 3, n), rng.choice(3, n, p=[0.5, 0.3, 0.2])
    other = (true + rng.integers(1, 3, n)) % 3
    return group, true, np.where(rng.random(n) < 0.6 + 0.1 * group, true, other)


def table(group: np.ndarray, true: np.ndarray, predicted: np.ndarray, k: int = 3) -> np.ndarray:
    counts = np.zeros((int(group.max()) + 1, k, k), dtype=np.int64)
    np.add.at(counts, (group, true, predicted), 1)
    return counts


def test_each_class_has_the_numbers_of_fairlearn() -> None:
    # Given rows of three groups and three classes
    group, true, predicted = rows()
    found = class_fairness.measured(GROUPS, table(group, true, predicted), CLASSES, CONFIDENCE)
    for place, name in enumerate(CLASSES):
        # When Fairlearn compares one class with the rest, row by row
        frame = fl.MetricFrame(
            metrics={
                "demographic_parity": fl.selection_rate,
                "equal_opportunity": fl.true_positive_rate,
                "false_positive_rate": fl.false_positive_rate,
                "predictive_parity": partial(precision_score, zero_division=0.0),
            },
            y_true=true == place,
            y_pred=predicted == place,
            sensitive_features=group,
        )
        gaps, ratios = frame.difference(), frame.ratio()
        # Then each class has these numbers
        for measure in ("demographic_parity", "equal_opportunity", "predictive_parity"):
            mine = [found[f"class.{name}.{measure}_{kind}"].value for kind in fairness.KINDS]
            assert mine == pytest.approx([gaps[measure], ratios[measure]], abs=1e-12)
        odds = found[f"class.{name}.equalized_odds_difference"].value
        assert odds == pytest.approx(max(gaps["equal_opportunity"], gaps["false_positive_rate"]))
    # And the whole is the worst class
    for measure in fairness.MEASURES:
        for kind, worse in (("difference", max), ("ratio", min)):
            each = [found[f"class.{name}.{measure}_{kind}"].value or 0.0 for name in CLASSES]
            whole = found[f"{measure}_{kind}"]
            assert whole.value == worse(each)
            assert whole.note.startswith(f"class {CLASSES[each.index(worse(each))]!r}: ")


def test_bounds_of_the_worst_class_prove_what_they_say() -> None:
    # Given the metrics of each class, with bounds of its own and for all classes at once
    counts = table(*rows())
    found = class_fairness.measured(GROUPS, counts, CLASSES, CONFIDENCE)
    for kind in fairness.KINDS:
        name = f"demographic_parity_{kind}"
        alone, joint = [], []
        for place, label in enumerate(CLASSES):
            one = class_fairness.against_rest(counts, place)
            points = fairness.fairlearn_points(one)
            more = fairness.compared(GROUPS, one, CONFIDENCE, points, classes=3)[name]
            alone.append(found[f"class.{label}.{name}"].interval or (0.0, 0.0))
            joint.append(more.interval or (0.0, 0.0))
        lower, upper = found[name].interval or (0.0, 0.0)
        # Then the bound to pass is the worst of their own, that to fail holds for all at once
        if kind == "difference":
            assert upper == max(high for _, high in alone)
            assert lower == max(low for low, _ in joint) < max(low for low, _ in alone)
        else:
            assert lower == min(low for low, _ in alone)
            assert upper == min(high for _, high in joint) > min(high for _, high in alone)


def test_a_class_that_is_never_predicted_is_not_compared() -> None:
    group, true, predicted = rows()
    never = np.where(predicted == 2, 1, predicted)
    found = class_fairness.measured(GROUPS, table(group, true, never), CLASSES, CONFIDENCE)
    for measure in fairness.MEASURES:
        metric = found[f"{measure}_difference"]
        assert metric.value is None
        assert metric.note == f"class 'poor': it is never predicted: its fairness {NOT_COMPARED}"
        assert found[f"class.good.{measure}_difference"].value is not None


def test_one_class_for_every_row_is_not_compared() -> None:
    group, true, predicted = rows()
    found = class_fairness.measured(GROUPS, table(group, true, predicted * 0), CLASSES, CONFIDENCE)
    assert len(found) == 8 * 4
    for metric in found.values():
        assert metric.value is None
        assert metric.note.startswith(SAME_CLASS)


def test_a_rate_of_one_in_every_group_is_not_compared() -> None:
    # Given a model that finds every row of the class "poor"
    group, true, predicted = rows()
    sure = np.where(true == 2, 2, predicted)
    found = class_fairness.measured(GROUPS, table(group, true, sure), CLASSES, CONFIDENCE)
    note = found["equal_opportunity_difference"].note
    assert note.startswith("class 'poor': every positive is selected: equal opportunity")
    assert note.endswith(NOT_COMPARED)
    assert found["demographic_parity_difference"].value is not None


def test_a_group_without_rows_of_a_class_is_named() -> None:
    # Given a group without any row of the class "fair"
    group, true, predicted = rows()
    kept = (group != 2) | (true != 1)
    counts = table(group[kept], true[kept], predicted[kept])
    note = class_fairness.measured(GROUPS, counts, CLASSES, CONFIDENCE)[
        "equal_opportunity_difference"
    ].note
    # Then the reason names class and group, and the list of fixes reads both
    assert note == "class 'fair': no rows of 'fair' in group other"
    lacking = LACKING.search(note)
    assert lacking is not None
    assert (lacking["what"], lacking["groups"]) == ("no rows of 'fair'", "other")


def test_the_note_names_the_smallest_group_of_any_class() -> None:
    group, true, predicted = rows()
    kept = (group != 2) | (true != 1) | (np.arange(len(true)) % 20 == 0)
    counts = table(group[kept], true[kept], predicted[kept])
    metric = class_fairness.measured(GROUPS, counts, CLASSES, CONFIDENCE)[
        "equal_opportunity_difference"
    ]
    found = SMALLEST.search(metric.note)
    assert found is not None
    assert found["group"] == "other"
    assert found["unit"] == "rows of 'fair'"
    assert metric.n == int(found["n"]) == counts[2, 1].sum()


def test_rows_of_a_person_widen_the_bounds_and_not_the_values() -> None:
    # Given rows that all occur ten times, as ten rows of one person
    group, true, predicted = rows(n=900)
    counts = table(group, true, predicted)
    values = np.zeros((900, 3, 3), dtype=np.int64)
    values[np.arange(900), true, predicted] = 10
    persons = Persons(group.astype(np.int64), np.arange(900), values)
    # When fairness is measured by person, then it is about as sure as with each row once
    by_person = class_fairness.measured(GROUPS, 10 * counts, CLASSES, CONFIDENCE, persons)
    once = class_fairness.measured(GROUPS, counts, CLASSES, CONFIDENCE)
    blind = class_fairness.measured(GROUPS, 10 * counts, CLASSES, CONFIDENCE)
    for name in ("demographic_parity_difference", "class.good.demographic_parity_difference"):
        assert by_person[name].value == pytest.approx(once[name].value)
        assert by_person[name].interval == pytest.approx(once[name].interval, abs=0.01)
        assert (blind[name].upper or 1) < (by_person[name].upper or 0)
        assert "persons" in by_person[name].note


def test_the_evidence_has_the_counts_and_the_rates_of_each_class() -> None:
    counts = table(*rows())
    found = class_fairness.described(("sex",), GROUPS, counts, CLASSES)
    female = found.groups[0]
    assert female.n == counts[0].sum() == sum(female.counts.values())
    assert female.counts["good → poor"] == counts[0, 0, 2]
    assert female.rates["true_positive_rate.fair"] == counts[0, 1, 1] / counts[0, 1].sum()
    assert female.rates["selection_rate.poor"] == counts[0, :, 2].sum() / counts[0].sum()


@pytest.mark.slow
@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize(("groups", "n"), [(2, 400), (4, 400)])
def test_a_class_that_is_off_by_the_limit_passes_in_at_most_a_twentieth(
    k: int, groups: int, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a class that one group gets less often by exactly the limit
    monkeypatch.setattr(fairness, "fairlearn_points", fairness.plain_points)
    rng = np.random.default_rng(10 * k + groups)
    shares = np.full((groups, k), (1 - 0.4) / (k - 1))
    shares[:, 0] = 0.4
    shares[0] += LIMIT / (k - 1)
    shares[0, 0] = 0.4 - LIMIT
    names, classes = [f"g{g}" for g in range(groups)], [f"c{c}" for c in range(k)]
    passed = failed = 0
    for _ in range(DRAWS):
        chosen = np.array([rng.multinomial(n, share) for share in shares])
        counts = np.zeros((groups, k, k), dtype=np.int64)
        counts[:, 0] = chosen
        metric = class_fairness.measured(names, counts, classes, CONFIDENCE)[
            "demographic_parity_difference"
        ]
        lower, upper = metric.interval or (0.0, 0.0)
        passed += upper <= LIMIT
        failed += lower > LIMIT
    # When it is judged, then it passes, or fails, in at most 5 %, give or take chance
    most = DRAWS * 0.05 + 2 * np.sqrt(DRAWS * 0.05 * 0.95)
    assert passed <= most
    assert failed <= most
