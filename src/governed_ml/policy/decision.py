"""The decision: `allow` or `deny`, with the reason for every rule."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from governed_ml.core.code import engine
from governed_ml.core.config.closed_model import Closed
from governed_ml.core.evidence import ByEngine, Collected, EngineRef, usable
from governed_ml.core.files import PAGE, digest_of, read_json, withdraw, write_json
from governed_ml.core.problem import Problem

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
    timed: bool = Field(default=False, description="whether the value is a time")

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out `timed` unless it is true, so that earlier decisions keep their digest."""
        return {k: v for k, v in handler(self).items() if k != "timed" or v}


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
    risk: float | None = Field(default=None, ge=0, le=100, description="as in policy/risk.py")
    subject: DecisionSubject
    policy_digest: str | None
    volatile: dict[str, str | None] = Field(default_factory=dict)

    def lasting(self) -> dict[str, Any]:
        """Return the part that every engine must judge alike: no date and no engine name."""
        return self.model_dump(mode="json", exclude={"volatile": True, "subject": {"engine"}})

    def digest(self) -> str:
        """Return the digest of the decision without its date.

        Of a rule about a time it covers the verdict only: the value, and with it the risk score,
        differ in every run, and a model that is registered again is no other version.
        """
        content = self.model_dump(mode="json", exclude={"volatile"})
        if any(rule.timed for rule in self.rules):
            content["risk"] = None
        for rule in content["rules"]:
            rule |= {"value": None, "reason": ""} if rule.get("timed") else {}
        return digest_of(content)

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
