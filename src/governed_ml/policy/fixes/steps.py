"""What to do about a denial: a few steps for the whole decision, and one fix for each rule."""

from __future__ import annotations

import math
from collections.abc import Iterable

from governed_ml.core.evidence import NOT_COMPARED, SAME_DECISION
from governed_ml.core.evidence_bodies import BODY_OF_GATE
from governed_ml.policy.decision import Decision, RuleResult
from governed_ml.policy.fixes.causes import denying, gate_of
from governed_ml.policy.fixes.known import Known
from governed_ml.policy.fixes.merging import merging
from governed_ml.policy.fixes.shortage import Shortage, shortage
from governed_ml.policy.limits import beyond, number

CALIBRATION = "evaluate.calibration"
MOST_STEPS = 3
"""How many steps are shown, so that verdict and steps stay on the screen."""
SAME = (
    "The model gives the same answer for every row. If it answers yes or no, write `threshold: "
    "{{maximise: balanced_accuracy}}` in its file in `conf/model/`. Otherwise try other features "
    "or another model, or check `positive` or `classes` in `conf/data/`. It concerns {rules}."
)
FLAT = (
    "Compare the groups in `reports/index.html`: where the decision does not vary, equal rates are "
    "no sign of fairness. It concerns {rules}."
)
NOT_MEASURED = (
    "Run `uv run dvc repro`, because {gates} did not measure these files. If a stage stops, "
    "correct first what it says."
)
NO_METRIC = (
    "Correct the name of the metric in `conf/policy/`: no stage writes the metric of {rules}."
)
EXPRESSION = (
    "Correct the expression in `conf/policy/`, or what it asks for: the expression of {rules} is "
    "not true, or cannot be evaluated."
)
MORE_ROWS = (
    "Bring more rows, or a larger share of test rows (`conf/split/`), for {rules}: a group or the "
    "whole test set is too small to decide."
)
CALIBRATE = (
    "Calibrate the probabilities: write `calibration: isotonic` in the model's file in "
    "`conf/model/` (with fewer than 1,000 training rows of the rarer class, `calibration: "
    "sigmoid`). It concerns {rules}."
)
CALIBRATED = (
    "The probabilities are calibrated ({method}), but they do not agree with the test rows. Try "
    "`calibration: {other}` in `conf/model/`, and check in `reports/drift.html` whether the test "
    "rows differ from the training rows. It concerns {rules}."
)
MITIGATED = (
    "Choose a model without mitigation and write `calibration: isotonic` in its file in "
    "`conf/model/`, or change `constraint_weight`: a model with mitigation is not calibrated. It "
    "concerns {rules}."
)
DROP = "If it is not known when the model predicts, add it to `drop` in {table}."
POLICY = "Correct `conf/policy/` with the risk owner. It concerns {rules}."
OTHER_MODEL = (
    "Compare the groups in `reports/index.html` ({subjects}). Most people then try other features, "
    "or another model of `conf/model/`, named in `conf/config.yaml`."
)
STEPS = {
    "validate": (
        "Look at `reports/contract.html`. Correct the data, or, if the data are right, change the "
        "contract in `governance/expectations/` with the risk owner."
    ),
    "split": "Look at `conf/split/`: it says how rows are divided. It concerns {rules}.",
    "evaluate.leak": (
        "Find out whether these features are known when the model predicts: {subjects}. Remove "
        "those that are not from the table in `conf/data/`."
    ),
    "evaluate.champion": (
        "Keep the champion, or find a better model: name another file of `conf/model/` in "
        "`conf/config.yaml`."
    ),
    "evaluate": (
        "Try other features, or another model: name another file of `conf/model/` in "
        "`conf/config.yaml`. It concerns {rules}."
    ),
    "drift": (
        "Compare training rows with test rows in `reports/drift.html`: {subjects}. Then choose a "
        "split in which they are alike."
    ),
    "fairness.proxy": (
        "Find the features that tell the groups apart ({subjects}) in `reports/index.html`, and "
        "decide whether the model needs them."
    ),
    "fairness.declared": (
        "Name the sensitive attributes in `conf/data/`, or say there why there are none "
        "(`no_sensitive_reason`)."
    ),
    **dict.fromkeys(
        ("fairness.mean_prediction", "fairness.signed_error", "fairness.group_error"),
        OTHER_MODEL.replace("another", "another regression"),
    ),
    "fairness": (
        "Compare the groups in `reports/index.html` ({subjects}). Most people then try other "
        "features, or a model with mitigation: name a `fair_` file of `conf/model/` in "
        "`conf/config.yaml`. If it is one already, change its `constraints` and "
        "`constraint_weight`."
    ),
    "explain": "Look at `reports/explanation.svg`: explanations do not add up to the predictions.",
}
"""Start of a rule's id → what to do if it denies; the longest start that fits counts."""


def same_decision(decision: Decision) -> str:
    """Return that the model decides the same for every row, if a rule says so, else ""."""
    found = (text for rule in denying(decision) for text in SAME_DECISION if text in rule.reason)
    return next(found, "")


def next_steps(decision: Decision, known: Known | None = None) -> list[str]:
    """Return what to do about a denial: at most `MOST_STEPS` sentences, in pipeline order.

    A stage that found a fault comes before the stages that did not run because of it. A model
    that decides the same for every row comes before all.
    """
    known = known or Known()
    found: dict[str, list[RuleResult]] = {}
    for rule in denying(decision):
        found.setdefault(_step(rule, known), []).append(rule)
    order = sorted(found, key=lambda step: (step != SAME, min(map(_place, found[step]))))
    return [_filled(step, found[step], known) for step in order[:MOST_STEPS]]


def fix_of(rule: RuleResult, known: Known) -> str:
    """Return one rule's fix, with the number that it is about, or "" if its reason says all."""
    if short := shortage(rule, known):
        return _rows(rule, short, known)
    name = rule.id.partition("[")[0]
    if rule.verdict != "fail" or rule.value is None or rule.limit is None:
        return ""
    bound = rule.bound or ("at_least" if rule.value < rule.limit else "at_most")
    if not beyond(rule.value, rule.limit, bound):
        return ""
    word = "raise" if bound == "at_least" else "lower"
    away = f"To pass, {word} it by at least {number(abs(rule.value - rule.limit))}."
    if name in ("evaluate.leak", "evaluate.leak_regression"):
        return f"{away} {DROP.format(table=known.table)}"
    if name == CALIBRATION and _calibration(known) == CALIBRATE:
        return f"{away} Set `calibration` in the model's file in `conf/model/`."
    if "list it under `drop`" in rule.reason:
        return f"{away} Or add `{_subject(rule)}` to `drop` in {known.table}."
    return away


def _rows(rule: RuleResult, short: Shortage, known: Known) -> str:
    attribute = _subject(rule)
    said = short.sentence(attribute)
    if short.roughly and rule.value is not None and rule.limit is not None and rule.bound:
        if beyond(rule.value, rule.limit, rule.bound):
            return f"{said} At the same rates, the rule then fails: change the model, too."
        said += " At the same rates, the rule then passes."
    if short.group:
        return f"{said} {merging(attribute, short, known)}".strip()
    if short.unit == "test rows" and known.test_share and not short.roughly:
        table = math.ceil(round(short.missing / known.test_share, 6))
        share = f"test share {known.test_share:g}"
        if known.test_share == 1:
            share = "with cross-validation, every row is a test row"
        said += f" The table needs {table:,.0f} more rows ({share})."
        if known.test_share < 1 and known.untimed >= short.needed:
            said += (
                f" Or choose `split: cross_validated` in `conf/config.yaml`, which tests all "
                f"{known.untimed:,} rows."
            )
    return said


def _place(rule: RuleResult) -> int:
    """Return the place of a rule's gate in the pipeline; the policy itself comes first."""
    gate = gate_of(rule)
    return list(BODY_OF_GATE).index(gate) if gate else -1


def _step(rule: RuleResult, known: Known) -> str:
    if any(text in rule.reason for text in SAME_DECISION):
        return SAME
    if rule.verdict == "insufficient" and " has no metric " in rule.reason:
        return NO_METRIC
    if shortage(rule, known):
        return MORE_ROWS
    if rule.verdict == "insufficient" and NOT_COMPARED in rule.reason:
        return FLAT
    if rule.verdict == "insufficient":
        return NOT_MEASURED if rule.value is None else MORE_ROWS
    if rule.verdict == "fail" and rule.value is None and rule.id not in STEPS:
        return EXPRESSION if _is_expression(rule) else POLICY
    if rule.id == CALIBRATION and rule.verdict == "fail":
        return _calibration(known)
    starts = [start for start in STEPS if f"{rule.id}.".startswith(start)]
    start = max(starts, key=len, default="")
    if start == "fairness" and known.data and known.data.multiclass:
        return OTHER_MODEL  # a mitigation is for yes and no only
    return STEPS.get(start, POLICY)


def _calibration(known: Known) -> str:
    """Return what to do if probabilities are not right, from how the model was trained."""
    train = known.evidence.get("train")
    if train is None or (train.body.mitigation is None and train.body.calibration is None):
        return CALIBRATE
    if train.body.mitigation is not None:
        return MITIGATED
    method = str(train.body.calibration)
    other = "sigmoid" if method == "isotonic" else "isotonic"
    return CALIBRATED.replace("{method}", method).replace("{other}", other)


def _is_expression(rule: RuleResult) -> bool:
    """Return whether a rule failed by its CEL expression, whose reason names it."""
    return rule.reason.startswith(("when: ", "cannot evaluate ", "does not hold: ", "`"))


def _filled(step: str, rules: list[RuleResult], known: Known) -> str:
    names = _listed(rule.id for rule in rules)
    if step == MORE_ROWS and (worst := _worst(rules, known)):
        return f"{_rows(*worst, known)} It concerns {names}."
    gates = _listed(gate for gate in map(gate_of, rules) if gate)
    return step.format(
        rules=names,
        subjects=_listed(one for one in map(_subject, rules) if one) or "the reasons name them",
        gates=gates or "a stage",
    )


def _worst(rules: list[RuleResult], known: Known) -> tuple[RuleResult, Shortage] | None:
    """Return the rule for which most rows are missing.

    Too few test rows come first, then groups with fewer rows than the policy wants, then estimates;
    of each, single attributes before intersections.
    """
    each = [(rule, short) for rule in rules if (short := shortage(rule, known))]
    return min(
        each,
        key=lambda one: (
            *(bool(one[1].group), one[1].roughly, one[0].id.count("*")),
            -one[1].missing,
        ),
        default=None,
    )


def _subject(rule: RuleResult) -> str:
    return rule.id.partition("[")[2].removesuffix("]")


def _listed(names: Iterable[str], most: int = 3) -> str:
    every = list(dict.fromkeys(names))
    shown, left = every[:most], len(every) - most
    last = f"{left} more" if left > 0 else (shown.pop() if shown else "")
    return f"{', '.join(shown)} and {last}" if shown else last
