"""The decision: `allow` or `deny`, with the reason for every rule; and how people see it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from governed_ml.core.code import engine
from governed_ml.core.config.closed_model import Closed
from governed_ml.core.evidence import ByEngine, Collected, EngineRef, usable
from governed_ml.core.files import PAGE, digest_of, read_json, root, withdraw, write_json
from governed_ml.core.problem import Problem
from governed_ml.core.terminal import screen

if TYPE_CHECKING:
    from rich.table import Table

PATH = Path("reports/decision.json")
Verdict = Literal["pass", "warn", "fail", "insufficient", "waived"]
LETS_THROUGH: tuple[Verdict, ...] = ("pass", "warn", "waived")


class RuleResult(Closed):
    """One rule's verdict and the reason."""

    id: str
    verdict: Verdict
    value: float | None
    interval: tuple[float, float] | None
    limit: float | None
    bound: Literal["at_most", "at_least"] | None = None
    reason: str


class DecisionSubject(ByEngine):
    """The digests of what was judged, to which an approval is bound, and the engine that judged."""

    model: str | None = None
    inputs: dict[str, str] = Field(default_factory=dict)
    evidence: dict[str, str] = Field(
        default_factory=dict, description="gate → digest without volatile"
    )


class Decision(Closed):
    """The content of `reports/decision.json`."""

    schema_version: Literal[1] = 1
    verdict: Literal["allow", "deny"]
    rules: list[RuleResult]
    risk: float | None = Field(default=None, ge=0, le=100, description="as in governance/risk.py")
    subject: DecisionSubject
    policy_digest: str | None
    volatile: dict[str, str | None] = Field(default_factory=dict)

    def lasting(self) -> dict[str, Any]:
        """Return the part that every engine must judge alike: no date and no engine name."""
        return self.model_dump(mode="json", exclude={"volatile": True, "subject": {"engine"}})

    def by_weight(self) -> list[RuleResult]:
        """Return the rules in order: those that deny, then waived ones, warnings and passes."""
        order = {"fail": 0, "insufficient": 1, "waived": 2, "warn": 3, "pass": 4}
        return sorted(self.rules, key=lambda rule: order[rule.verdict])

    def tally(self) -> str:
        """Return the number of rules per verdict: `2 fail, 1 warn, 40 pass`."""
        counts = Counter(rule.verdict for rule in self.by_weight())
        return ", ".join(f"{n} {verdict}" for verdict, n in counts.items()) or "no rule judged"


def subject_of(evidence: Collected) -> DecisionSubject:
    """Return the digests that the evidence names, and the running engine, which judges it."""
    trusted = usable(evidence)
    inputs = {
        path: digest
        for found in trusted.values()
        for path, digest in found.subject.inputs.items()
        if not path.startswith("reports/")
    }
    model = next((found.subject.model for found in trusted.values() if found.subject.model), None)
    digests = {
        gate: digest_of(found.model_dump(mode="json", exclude={"volatile"}))
        for gate, found in trusted.items()
    }
    return DecisionSubject(
        model=model,
        inputs=dict(sorted(inputs.items())),
        evidence=digests,
        engine=EngineRef(**engine.identity().stated()),
    )


def save(decision: Decision, base: Path = Path()) -> None:
    """Write the decision, unless the existing one differs only in its date."""
    path = base / PATH
    content: dict[str, Any] = decision.model_dump(mode="json")
    try:
        standing = read_json(path)
    except Problem:
        standing = None
    if not isinstance(standing, dict) or _lasting(standing) != _lasting(content):
        withdraw(base / PAGE)
        write_json(path, content)


def _lasting(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content without the date."""
    return content | {"volatile": dict(content.get("volatile") or {}) | {"judged_on": None}}


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


def show(decision: Decision, *, every: bool = False) -> None:
    """Print a table of the rules that mattered (or of every rule), then the verdict."""
    console = screen()
    chosen = decision.by_weight()
    if not every:
        chosen = [rule for rule in chosen if rule.verdict != "pass"] or closest(chosen)
    console.print(_table([[rule] for rule in chosen] if every else alike(chosen)))
    colour = "green" if decision.verdict == "allow" else "red"
    risk = "" if decision.risk is None else f" · risk {decision.risk:g} of 100"
    more = "" if every else " · `governance gate --all` lists every rule"
    console.print(f"[bold {colour}]{decision.verdict}[/] · {decision.tally()}{risk}{more}")
    there = [name for name in FILES if (root() / name).is_file()]
    console.print("open " + " ".join(there), style="dim", soft_wrap=True)


def alike(rules: list[RuleResult]) -> list[list[RuleResult]]:
    """Group rules without a value that have the same verdict and reason: one cause is one row."""
    rows: dict[object, list[RuleResult]] = {}
    for rule in rules:
        key = (rule.verdict, rule.reason) if rule.value is None else rule.id
        rows.setdefault(key, []).append(rule)
    return list(rows.values())


def closest(rules: list[RuleResult], most: int = 5) -> list[RuleResult]:
    """Return the rules whose value or bound is closest to the limit, relative to the limit."""

    def distance(rule: RuleResult) -> float:
        ends = rule.interval or (() if rule.value is None else (rule.value,))
        if not ends or not rule.limit:
            return float("inf")
        return min(abs(end - rule.limit) for end in ends) / abs(rule.limit)

    return sorted((rule for rule in rules if distance(rule) < float("inf")), key=distance)[:most]


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
