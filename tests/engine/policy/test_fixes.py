"""Each rule that denies names a number and a fix: missing rows, groups to merge, limits."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from governed_ml.core.config import Rule
from governed_ml.core.config.data import Data
from governed_ml.core.evidence import SAME_DECISION, Metric, model_of
from governed_ml.core.evidence_bodies import SplitBody
from governed_ml.measures import fairness
from governed_ml.policy.decision import Decision, DecisionSubject, RuleResult
from governed_ml.policy.fixes import shortage
from governed_ml.policy.fixes.causes import causes
from governed_ml.policy.fixes.known import Known, known
from governed_ml.policy.fixes.merging import quoted
from governed_ml.policy.fixes.steps import fix_of, next_steps
from governed_ml.policy.judge import compare

RULE = Rule(
    id="fairness.equal_opportunity",
    metric="fairness.{each}.equal_opportunity_difference",
    each="sensitive",
    block=0.1,
    evidence="interval",
    minimum_n=30,
    owner="risk-owner",
)
SUBJECT = {"inputs": {"a": "sha256:0"}, "code": "sha256:0", "config": "sha256:0"}
Counts = Mapping[str, tuple[int, ...]]
RACE: Counts = {  # group → true negatives, false positives, false negatives, true positives
    "Amer-Indian-Eskimo": (20, 10, 3, 9),
    "Black": (600, 300, 150, 450),
    "Other": (15, 5, 5, 15),
    "White": (6000, 3000, 1500, 4500),
}


def measured(groups: Counts, labels: dict[str, str] | None = None, **rule: Any) -> Any:
    """Return the rule's result for these groups of `race`, and what is known beside it."""
    counts = np.array(list(groups.values()), dtype=np.int64).reshape(-1, 2, 2)
    cells = [(name,) for name in groups]
    attribute, metrics, _ = fairness.classification(("race",), (0,), cells, counts, 0.95)
    policy = RULE.model_copy(update=rule)
    verdict, reason = compare(policy, metrics[str(policy.metric).rpartition(".")[2]])
    metric = metrics[str(policy.metric).rpartition(".")[2]]
    result = RuleResult(
        id=f"{policy.id}[race]",
        verdict=verdict,
        value=metric.value,
        interval=metric.interval,
        limit=policy.block,
        bound=policy.bound,
        reason=reason,
    )
    how = {"labels": labels} if labels else {}
    return result, Known(
        {"fairness": evidence_of(attribute)}, table({"race": how}), 0.3, {policy.id: policy}
    )


def evidence_of(*attributes: Any) -> Any:
    """Return evidence of fairness with these attributes."""
    body = {"task": "classification", "confidence": 0.95, "proxies": []}
    body["attributes"] = [one.model_dump() for one in attributes]
    values = {"gate": "fairness", "subject": SUBJECT, "tools": {}, "findings": [], "volatile": {}}
    return model_of("fairness").model_validate(values | {"metrics": {}, "body": body})


def table(sensitive: Any) -> Data:
    """Return a configuration of a table."""
    values = {"task": "classification", "target": "y", "positive": 1, "contract": "c.json"}
    source = {"kind": "synthetic", "rows": 10}
    return Data.model_validate(values | {"name": "adult", "source": source, "sensitive": sensitive})


def denial(*rules: RuleResult) -> Decision:
    """Return a decision that denies."""
    return Decision(
        verdict="deny", rules=list(rules), subject=DecisionSubject(), policy_digest=None
    )


def test_a_group_with_too_few_rows_says_how_many_are_missing_and_what_to_merge() -> None:
    # Given a group with 12 positives, when the rule wants 30
    rule, told = measured(RACE)
    assert rule.verdict == "insufficient"
    # Then the fix names the missing rows, the group, and the lines to write in the file
    assert fix_of(rule, told) == (
        "18 more positive test rows of group Amer-Indian-Eskimo (race) are missing: there are 12 "
        "of 30. Or merge groups: under `sensitive: race: labels:` in `conf/data/adult.yaml`, write "
        "`Amer-Indian-Eskimo: other`, `Other: other`."
    )
    # And the first step about small data says it in one sentence, too
    [step] = next_steps(denial(rule), told)
    assert step.startswith(fix_of(rule, told))
    assert step.endswith("It concerns fairness.equal_opportunity[race].")


def test_a_group_without_positives_and_rows_without_a_value_are_merged_by_their_codes() -> None:
    # Given a group of rows without a value and one of a code, both without positives
    groups = {"b": RACE["Black"], "missing": (26, 0, 0, 0), "small": (7, 1, 0, 0)}
    rule, told = measured(groups | {"w": RACE["White"]}, {"3": "small", "1": "w"})
    assert (rule.verdict, rule.value) == ("insufficient", None)
    # When the fix is asked for, then it names both groups, and merges them with the next one
    said = fix_of(rule, told)
    assert said.startswith(
        "30 more positive test rows of group missing (race) are missing: there are 0 of 30. The "
        "same holds for small."
    )
    assert "write `missing: other`, `3: other`, `b: other`." in said


def test_few_rows_without_a_value_are_left_out_and_not_merged_with_one_of_two_groups() -> None:
    # Given two groups, and one row without a value
    rule, told = measured({"b": RACE["Black"], "missing": (1, 0, 0, 0), "w": RACE["White"]})
    # When the fix is asked for, then it is to leave the row out
    assert fix_of(rule, told).endswith(
        "Or leave out the rows without a value: in `conf/data/adult.yaml`, write "
        "`rows: race IS NOT NULL`."
    )
    assert "merge" not in fix_of(rule, told)


def test_a_proxy_that_cannot_be_looked_for_lacks_rows_of_the_second_group() -> None:
    # Given one group with enough rows, when a model cannot learn to tell it from another
    reason = "fewer than two groups with 30 rows to learn from and to judge: A1 (272), A2, x (8)"
    rule = RuleResult(
        id="fairness.proxy[foreign]",
        verdict="insufficient",
        value=None,
        interval=None,
        limit=0.9,
        reason=reason,
    )
    # Then the step is about rows, and not to run the pipeline again
    [step] = next_steps(denial(rule), Known())
    assert step.startswith("22 more rows to learn and to judge the proxies by of group A2, x ")
    assert "there are 8 of 30" in step


def test_the_persons_that_a_skewed_mean_needs_are_called_persons() -> None:
    words = "a few extreme values decide the mean of group 1 (n=2): bounds would need about 6"
    for unit, said in (("rows", "test rows"), ("persons", "persons in the test rows")):
        rule = RuleResult(
            id="fairness.signed_error[sex]",
            verdict="insufficient",
            value=None,
            interval=None,
            limit=0.2,
            reason=f"{words} {unit}; take more",
        )
        assert fix_of(rule, Known()).startswith(f"About 4 more {said} of group 1 (sex) are missing")


def test_merging_as_advised_decides_the_rule() -> None:
    # Given advice to merge groups, when it is followed
    rule, told = measured(RACE)
    merged = {name: RACE[name] for name in ("Black", "White")}
    small = zip(RACE["Amer-Indian-Eskimo"], RACE["Other"], strict=True)
    again, _ = measured({**merged, "other": tuple(map(sum, small))}, minimum_n=30)
    # Then the group has the rows that the rule wants
    assert "`Amer-Indian-Eskimo: other`, `Other: other`" in fix_of(rule, told)
    assert "at least 30 wanted" not in again.reason


def test_no_merge_is_advised_that_leaves_nothing_to_compare() -> None:
    # Given two groups only, when one is too small
    rule, told = measured({"a": (9, 9, 2, 2), "b": RACE["White"]})
    # Then rows are the only fix
    assert "26 more positive test rows of group a" in fix_of(rule, told)
    assert "merge" not in fix_of(rule, told)


@pytest.mark.parametrize(("tp", "fn"), [(45, 15), (42, 18), (66, 34), (60, 40)])
def test_about_so_many_rows_decide_an_interval(tp: int, fn: int) -> None:
    # Given a group whose interval reaches beyond the limit
    groups = {"a": (100, 100, fn, tp), "b": (60_000, 60_000, 30_000, 90_000)}
    rule, told = measured(groups)
    assert rule.verdict == "insufficient"
    short = shortage.shortage(rule, told)
    assert short is not None
    assert (short.group, short.unit, short.roughly) == ("a", "positive test rows", True)
    # When the group has somewhat more rows than the fix says, at the same rates, it is decided
    factor = 1.3 * short.needed / (tp + fn)
    more = {"a": tuple(round(n * factor) for n in groups["a"]), "b": groups["b"]}
    told_so = "At the same rates, the rule then " in fix_of(rule, told)
    verdict = measured(more)[0].verdict
    assert told_so
    assert f"the rule then {verdict}{'es' if verdict == 'pass' else 's'}" in fix_of(rule, told)
    # And with half of them it is not
    less = {"a": tuple(round(n * factor / 2.6) for n in groups["a"]), "b": groups["b"]}
    assert measured(less)[0].verdict == "insufficient"
    said = fix_of(rule, told)
    assert said.startswith(f"About {short.missing:,} more positive test rows of group a (race) ")
    assert f"and every group needs about {shortage.about(short.needed):,}." in said


def test_a_value_at_the_limit_does_not_ask_for_endless_rows() -> None:
    rule = RuleResult(
        id="fairness.x[sex]", verdict="insufficient", value=0.1, interval=(0.05, 0.15), limit=0.1,
        bound="at_most", reason="0.1; smallest group f (n=50)",
    )  # fmt: skip
    assert fix_of(rule, Known()) == (
        "More than 1,000,000 test rows of group f (sex) would be needed, because the value is very "
        "near to the limit: there are 50. At the same rates, the rule then passes."
    )


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        (
            "split.test_rows",
            {"value": 412.0, "limit": 1000.0, "reason": "412; at least 1000 allowed"},
            (
                "588 more test rows are missing: there are 412 of 1,000. The table needs 1,960 "
                "more rows (test share 0.3)."
            ),
        ),
        (
            "evaluate.roc_auc",
            {
                "value": 0.8, "limit": 0.65, "verdict": "insufficient",
                "reason": "rests on 12 rows, at least 100 wanted; 12 of 90 rows are of the rarer "
                "class",
            },
            "88 more test rows of the rarer class are missing: there are 12 of 100.",
        ),
        (
            "evaluate.leak[savings]",
            {"value": 0.99, "limit": 0.95},
            (
                "To pass, lower it by at least 0.04. If it is not known when the model predicts, "
                "add it to `drop` in `conf/data/adult.yaml`."
            ),
        ),
        (
            "evaluate.roc_auc",
            {"value": 0.55, "limit": 0.65},
            "To pass, raise it by at least 0.1.",
        ),
        (
            "drift.data[day]",
            {
                "value": 0.75, "limit": 0.25,
                "reason": "0.75; it counts with time: if it names rows, list it under `drop` in c",
            },
            "To pass, lower it by at least 0.5. Or add `day` to `drop` in `conf/data/adult.yaml`.",
        ),
        ("drift.data[pay]", {"value": 0.5, "limit": 0.25}, "To pass, lower it by at least 0.25."),
        ("policy.complete", {}, ""),
    ],
)  # fmt: skip
def test_other_rules_name_a_number_and_a_fix(name: str, values: Any, said: str) -> None:
    # Given a rule that denies, when its fix is asked for, then it names the number
    result = {"id": name, "verdict": "fail", "value": None, "interval": None, "limit": None}
    rule = RuleResult.model_validate(result | {"reason": "why"} | values)
    assert fix_of(rule, Known(data=table({}), test_share=0.3)) == said


def test_the_step_about_small_data_is_about_the_rows_that_are_missing_for_certain() -> None:
    # Given a group that is too small for the policy, and a gap that needs far more rows
    small, told = measured(RACE)
    small = small.model_copy(update={"id": "fairness.predictive_parity[race]"})
    wide, _ = measured({"a": (100, 100, 34, 66), "b": RACE["White"]})
    assert wide.verdict == "insufficient"
    found = shortage.shortage(wide, told)
    assert found is not None
    assert found.missing > 1000
    # When people ask what to do, then the group that is too small is named, whatever the order
    for rules in ((small, wide), (wide, small)):
        [step] = next_steps(denial(*rules), told)
        assert step.startswith("18 more positive test rows of group Amer-Indian-Eskimo (race)")
    # And before both, the test set, if it is too small as a whole
    whole = small.model_copy(
        update={"id": "split.test_rows", "verdict": "fail", "value": 412.0, "limit": 1000.0}
    )
    [step] = next_steps(denial(wide, small, whole), told)
    assert step.startswith("588 more test rows are missing: there are 412 of 1,000.")


def test_evidence_that_the_decision_is_not_about_is_not_used() -> None:
    # Given evidence of another model, when a fix is asked for
    rule, told = measured(RACE)
    evidence = {"fairness": told.evidence["fairness"]}
    # Then its groups are not named as those of this decision
    assert known(denial(rule), evidence, None).evidence == {}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        *(("Amer-Indian-Eskimo", "Amer-Indian-Eskimo"), ("<25", '"<25"'), (">=65", '">=65"')),
        *(("1", "1"), ("01", '"01"'), ("No", '"No"'), ("a: b", '"a: b"'), ("a b", "a b")),
    ],
)
def test_a_group_is_written_as_yaml_reads_it(text: str, written: str) -> None:
    import yaml

    assert quoted(text) == written
    [found] = yaml.safe_load(f"{{{quoted(text)}: other}}")
    assert str(found) == text


def train_evidence(**values: Any) -> Any:
    """Return evidence of train with these values in its body."""
    body = {"model": "m", "estimator": "e", "parameters": {}, "rows": 9, "features": 1}
    body |= {"numeric": ["a"], "categorical": [], **values}
    found = {"gate": "train", "subject": SUBJECT, "tools": {}, "findings": [], "volatile": {}}
    return model_of("train").model_validate(found | {"metrics": {}, "body": body})


MITIGATION = {
    "method": "GridSearch", "constraint": "DemographicParity", "attributes": ["sex"],
    "tried": 9, "chosen": 2, "training_violation": 0.01,
}  # fmt: skip


@pytest.mark.parametrize(
    ("trained", "said"),
    [
        ({}, "write `calibration: isotonic` in the model's file in `conf/model/`"),
        ({"calibration": "isotonic"}, "probabilities are calibrated (isotonic)"),
        ({"calibration": "isotonic"}, "Try `calibration: sigmoid`"),
        ({"mitigation": MITIGATION}, "Choose a model without mitigation"),
    ],
)
def test_bad_calibration_names_the_key_that_fits_the_model(trained: Any, said: str) -> None:
    # Given a model that is denied for its calibration
    values: Any = {"value": 0.1, "interval": (0.08, 0.12), "limit": 0.05, "bound": "at_most"}
    rule = RuleResult(id="evaluate.calibration", verdict="fail", reason="0.1 > 0.05", **values)
    told = Known({"train": train_evidence(**trained)})
    # Then the step says what to write, if that is not written yet
    [step] = next_steps(denial(rule), told)
    assert said in step
    assert step.endswith("It concerns evaluate.calibration.")
    assert ("Set `calibration`" in fix_of(rule, told)) == (not trained)


def test_a_decision_that_does_not_vary_names_the_threshold() -> None:
    reason = SAME_DECISION[0]
    rule = RuleResult(
        id="evaluate.majority", verdict="insufficient", value=None, interval=None, limit=0.0,
        bound="at_least", reason=reason,
    )  # fmt: skip
    [step] = next_steps(denial(rule))
    assert "write `threshold: {maximise: balanced_accuracy}` in its file in `conf/model/`" in step


def test_every_cause_has_a_row_even_if_they_are_more_than_fit() -> None:
    rules = [
        RuleResult(id=f"{gate}.x", verdict="fail", value=1.0, interval=None, limit=0.0, reason="y")
        for gate in ("validate", "split", "evaluate", "drift", "fairness", "explain", "policy")
    ]
    found = causes(denial(*rules), 3)
    assert [one.name for one in found] == [
        *("fairness", "validate", "split", "evaluate", "drift", "explain", "policy")
    ]
    assert {len(one.rows) for one in found} == {1}


def test_a_metric_without_a_number_of_rows_is_not_guessed() -> None:
    # Given a metric that no row is behind
    verdict, reason = compare(RULE, Metric(value=0.01))
    rule = RuleResult(
        id="fairness.x[sex]", verdict=verdict, value=0.01, interval=None, limit=0.1, reason=reason
    )
    assert fix_of(rule, Known()) == "30 more test rows are missing: there are 0 of 30."


TEST_ROWS = {"id": "split.test_rows", "verdict": "fail", "limit": 1000.0, "bound": "at_least"}
FOLDS = {"train": 300, "test": 300}


SPLIT_FIX = "The table needs {} more rows (test share 0.3)."
MORE = " Or choose `split: cross_validated` in `conf/config.yaml`, which tests all 3,000 rows."
BY_FOLD = "The table needs 700 more rows (with cross-validation, every row is a test row)."


@pytest.mark.parametrize(
    ("rows", "share", "data", "said"),
    [
        ({"train": 2100, "test": 900}, 0.3, {}, SPLIT_FIX.format(334) + MORE),
        ({"train": 210, "test": 90}, 0.3, {}, SPLIT_FIX.format("3,034")),
        ({"train": 2100, "test": 900}, 0.3, {"time": "day"}, SPLIT_FIX.format(334)),
        (FOLDS, 1.0, {}, BY_FOLD),
    ],
)
def test_too_few_test_rows_are_counted_and_cross_validation_is_named_where_it_helps(
    rows: dict[str, int], share: float, data: dict[str, Any], said: str
) -> None:
    # Given a split with so many test rows
    body = SplitBody(
        kind="cross_validated" if share == 1 else "random",
        rows=rows,
        numeric=[],
        categorical=[],
        sensitive={},
        cut=None,
        folds=[60] * 5 if share == 1 else None,
    )
    split: Any = SimpleNamespace(body=body)
    known = Known({"split": split}, table({}).model_copy(update=data), share)
    value = float(rows["test"])
    rule = RuleResult.model_validate(
        TEST_ROWS | {"value": value, "interval": None, "reason": "too few"}
    )
    # When the rule denies, then one sentence says how many rows are missing
    start = f"{1000 - rows['test']} more test rows are missing: there are {rows['test']} of 1,000."
    assert fix_of(rule, known) == f"{start} {said}"
