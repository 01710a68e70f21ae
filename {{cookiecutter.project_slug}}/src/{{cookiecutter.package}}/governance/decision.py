"""The decision: `allow` or `deny`, with the reason for every rule."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..config import Closed
from ..files import read_json, write_json
from ..problem import Problem

PATH = Path("reports/decision.json")
Verdict = Literal["pass", "warn", "fail", "insufficient", "waived"]
LETS_THROUGH: tuple[Verdict, ...] = ("pass", "warn", "waived")


class RuleResult(Closed):
    """One rule's verdict and why."""

    id: str
    verdict: Verdict
    value: float | None
    interval: tuple[float, float] | None
    limit: float | None
    reason: str


class DecisionSubject(Closed):
    """What was judged: digests that an approval can bind."""

    model: str | None = None
    inputs: dict[str, str] = Field(default_factory=dict)
    evidence: dict[str, str] = Field(
        default_factory=dict, description="gate → digest without volatile"
    )


class Decision(Closed):
    """`reports/decision.json`."""

    schema_version: Literal[1] = 1
    verdict: Literal["allow", "deny"]
    rules: list[RuleResult]
    subject: DecisionSubject
    policy_digest: str | None
    volatile: dict[str, str | None] = Field(default_factory=dict)

    def by_weight(self) -> list[RuleResult]:
        """Return the rules, those that deny first, then waived, warnings and passes."""
        order = {"fail": 0, "insufficient": 1, "waived": 2, "warn": 3, "pass": 4}
        return sorted(self.rules, key=lambda rule: order[rule.verdict])

    def tally(self) -> str:
        """Return e.g. `2 fail, 1 warn, 40 pass`."""
        counts = Counter(rule.verdict for rule in self.by_weight())
        return ", ".join(f"{n} {verdict}" for verdict, n in counts.items()) or "no rule judged"


def save(decision: Decision, base: Path = Path()) -> None:
    """Write the decision unless the one on disk says the same (then its time stays)."""
    path = base / PATH
    content: dict[str, Any] = decision.model_dump(mode="json")
    try:
        standing = read_json(path)
    except Problem:
        standing = None
    if isinstance(standing, dict) and standing | {"volatile": None} == content | {"volatile": None}:
        return
    write_json(path, content)
