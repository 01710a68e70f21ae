"""Group the rules of a decision by cause, so that no cause hides behind another."""

from __future__ import annotations

from typing import NamedTuple

from governed_ml.core.evidence_bodies import BODY_OF_GATE
from governed_ml.policy.decision import LETS_THROUGH, Decision, RuleResult, alike

FIRST = "fairness"
POLICY = "policy"
"""The cause of rules that are about no stage."""


class Cause(NamedTuple):
    """Rules of one stage that deny: those that are shown, one row for one reason, and how many."""

    name: str
    total: int
    rows: list[list[RuleResult]]

    @property
    def left(self) -> int:
        """Return how many rules are not shown."""
        return self.total - sum(map(len, self.rows))

    @property
    def heading(self) -> str:
        """Return the cause with its number of rules: `fairness: 14 rules deny, 3 shown`."""
        verb = "rule denies" if self.total == 1 else "rules deny"
        shown = f", {self.total - self.left:,} shown" if self.left else ""
        return f"{self.name}: {self.total:,} {verb}{shown}"


def denying(decision: Decision) -> list[RuleResult]:
    """Return the rules that deny, failed ones first."""
    return [rule for rule in decision.by_weight() if rule.verdict not in LETS_THROUGH]


def gate_of(rule: RuleResult) -> str:
    """Return the stage that a rule is about (`evidence.train` is about train), or ""."""
    parts = rule.id.partition("[")[0].split(".")
    return next((part for part in parts[:2] if part in BODY_OF_GATE), "")


def causes(decision: Decision, most: int) -> list[Cause]:
    """Group the rules that deny by stage, fairness first; show about `most` rows in all.

    Every cause has at least one row. The others are dealt out in turn.
    """
    found: dict[str, list[RuleResult]] = {}
    for rule in denying(decision):
        name = POLICY if rule.id.startswith("floor.") else gate_of(rule) or POLICY
        found.setdefault(name, []).append(rule)
    order = [FIRST, *BODY_OF_GATE, POLICY]
    names = sorted(found, key=order.index)
    rows = {name: alike(found[name]) for name in names}
    shown = dict.fromkeys(names, 1)
    while sum(shown.values()) < most:
        more = [name for name in names if shown[name] < len(rows[name])]
        if not more:
            break
        for name in more[: most - sum(shown.values())]:
            shown[name] += 1
    return [Cause(name, len(found[name]), rows[name][: shown[name]]) for name in names]
