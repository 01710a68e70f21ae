"""How a terminal shows a decision: the verdict, what to do next, and the rules that mattered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from governed_ml.core.evidence_bodies import BODY_OF_GATE
from governed_ml.core.files import PAGE, root
from governed_ml.core.terminal import screen
from governed_ml.policy.decision import LETS_THROUGH, Decision, RuleResult, alike, closest

if TYPE_CHECKING:
    from rich.table import Table

MOST_STEPS, MOST_ROWS = 3, 12
"""How many steps and rules are shown, so that verdict and steps stay on the screen."""

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
POLICY = "Correct `conf/policy/` with the risk owner. It concerns {rules}."
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
        (
            "Compare the groups in `reports/index.html` ({subjects}). Most people then try other "
            "features, or another regression model of `conf/model/`, named in `conf/config.yaml`."
        ),
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
FILES = (
    PAGE.as_posix(),
    "reports/decision.json",
    "reports/model_card.md",
    "reports/contract.html",
    "reports/drift.html",
    "reports/explanation.svg",
)
COLOURS = {
    "fail": "red",
    "insufficient": "red",
    "waived": "yellow",
    "warn": "yellow",
    "pass": "green",
}


def show(decision: Decision, *, every: bool = False, then: str = "") -> None:
    """Print the verdict, what to do next (`then` if allowed), and the rules that mattered.

    With `every`, all rules are in the table.
    """
    from rich.markup import escape

    console = screen()
    colour = "green" if decision.verdict == "allow" else "red"
    risk = "" if decision.risk is None else f" · risk {decision.risk:g} of 100"
    console.print(f"[bold {colour}]{decision.verdict}[/] · {decision.tally()}{risk}")
    steps = [then] if decision.verdict == "allow" else next_steps(decision)
    for step in filter(None, steps):
        console.print(f"next: {escape(step)}", soft_wrap=True, highlight=False)
    rows = [[rule] for rule in decision.by_weight()] if every else mattering(decision)
    console.print(_table(rows if every else rows[:MOST_ROWS]))
    if not every:
        left = len(rows) - MOST_ROWS
        more = f"{left:,} more rows, and " if left > 0 else ""
        console.print(f"{more}every rule: `uv run governance gate --all`", style="dim")
    there = [name for name in FILES if (root() / name).is_file()]
    console.print("open " + " ".join(there), style="dim", soft_wrap=True)


def mattering(decision: Decision) -> list[list[RuleResult]]:
    """Return the rules that did not pass, or else those that came nearest to their limit."""
    rules = decision.by_weight()
    return alike([rule for rule in rules if rule.verdict != "pass"] or closest(rules))


def next_steps(decision: Decision) -> list[str]:
    """Return what to do about a denial: at most `MOST_STEPS` sentences, in pipeline order.

    A stage that found a fault comes before the stages that did not run because of it.
    """
    found: dict[str, list[RuleResult]] = {}
    for rule in decision.by_weight():
        if rule.verdict not in LETS_THROUGH:
            found.setdefault(_step(rule), []).append(rule)
    order = sorted(found, key=lambda step: min(map(_place, found[step])))
    return [_filled(step, found[step]) for step in order[:MOST_STEPS]]


def _place(rule: RuleResult) -> int:
    """Return the place of a rule's gate in the pipeline; the policy itself comes first."""
    gate = _gate(rule)
    return list(BODY_OF_GATE).index(gate) if gate else -1


def _gate(rule: RuleResult) -> str:
    """Return the stage that a rule is about: `evidence.train` is about train."""
    parts = rule.id.partition("[")[0].split(".")
    return next((part for part in parts[:2] if part in BODY_OF_GATE), "")


def _step(rule: RuleResult) -> str:
    if rule.verdict == "insufficient" and " has no metric " in rule.reason:
        return NO_METRIC
    if rule.verdict == "insufficient":
        return NOT_MEASURED if rule.value is None else MORE_ROWS
    if rule.verdict == "fail" and rule.value is None and rule.id not in STEPS:
        return EXPRESSION if _is_expression(rule) else POLICY
    starts = [start for start in STEPS if f"{rule.id}.".startswith(start)]
    return STEPS[max(starts, key=len)] if starts else POLICY


def _is_expression(rule: RuleResult) -> bool:
    """Return whether a rule failed by its CEL expression, whose reason names it."""
    return rule.reason.startswith(("when: ", "cannot evaluate ", "does not hold: ", "`"))


def _filled(step: str, rules: list[RuleResult]) -> str:
    subjects = (rule.id.partition("[")[2].removesuffix("]") for rule in rules)
    gates = _listed(gate for gate in map(_gate, rules) if gate)
    return step.format(
        rules=_listed(rule.id for rule in rules),
        subjects=_listed(one for one in subjects if one) or "the reasons name them",
        gates=gates or "a stage",
    )


def _listed(names: Iterable[str], most: int = 3) -> str:
    every = list(dict.fromkeys(names))
    shown, left = every[:most], len(every) - most
    last = f"{left} more" if left > 0 else (shown.pop() if shown else "")
    return f"{', '.join(shown)} and {last}" if shown else last


def _table(rows: list[list[RuleResult]]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("verdict")
    table.add_column("rule", overflow="fold")
    table.add_column("limit", justify="right")
    table.add_column("reason", overflow="fold")
    for row in rows:
        rule, others = row[0], len(row) - 1
        limit = "" if rule.limit is None or others else f"{rule.limit:g}"
        table.add_row(
            f"[{COLOURS[rule.verdict]}]{rule.verdict}[/]",
            escape(rule.id) + (f" and {others} more" if others else ""),
            limit,
            escape(rule.reason),
        )
    return table
