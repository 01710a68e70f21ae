"""`conf/policy`: rules, limits, waivers, approvals and the organisation's floor."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from governed_ml.core.config.closed_model import AsGiven, Closed, Count, Number, Task


class Rule(AsGiven):
    """One rule: a limit on a metric, or a CEL expression."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$")
    metric: str | None = None
    each: Literal["feature", "attribute", "sensitive"] | None = None  # sensitive: intersections too
    task: Task | None = None
    bound: Literal["at_most", "at_least"] = "at_most"
    warn: Number | None = None
    block: Number | None = None
    evidence: Literal["point", "beyond_chance", "interval"] = "point"
    minimum_n: Count | None = None
    when: str | None = None
    require: str | None = None
    owner: str

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.metric is None) == (self.require is None):
            raise ValueError(f"rule {self.id}: give either metric or require")
        if self.metric is not None and self.warn is None and self.block is None:
            raise ValueError(f"rule {self.id}: a metric needs a limit (warn, block or both)")
        if self.require is not None and (self.warn is not None or self.block is not None):
            raise ValueError(f"rule {self.id}: require takes no warn or block")
        if (self.each is not None) != ("{each}" in (self.metric or "")):
            raise ValueError(f"rule {self.id}: each goes with {{each}} in metric")
        return self


class MonitoringRule(AsGiven):
    """One rule of a window of production: what a metric asks for beyond which limit."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$")
    metric: str
    each: Literal["feature", "sensitive"] | None = None
    task: Task | None = None
    bound: Literal["at_most", "at_least"] = "at_most"
    warn: Number | None = None
    retrain: Number | None = None
    rollback: Number | None = None
    minimum_n: Count | None = None
    owner: str

    @property
    def limits(self) -> dict[Literal["warn", "retrain", "rollback"], float]:
        """Return level → limit, mildest first."""
        found = {"warn": self.warn, "retrain": self.retrain, "rollback": self.rollback}
        return {level: limit for level, limit in found.items() if limit is not None}  # pyright: ignore[reportReturnType]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        limits = list(self.limits.values())
        if not limits:
            raise ValueError(f"rule {self.id}: give warn, retrain or rollback")
        if limits != sorted(limits, reverse=self.bound == "at_least"):
            raise ValueError(
                f"rule {self.id}: the limits must be reached in the order warn, retrain, rollback "
                f"({self.bound})"
            )
        if (self.each is not None) != ("{each}" in self.metric):
            raise ValueError(f"rule {self.id}: each goes with {{each}} in metric")
        return self


class Monitoring(Closed):
    """When a window of production counts, and what it asks for."""

    minimum_rows: Count = Field(description="fewer are no window")
    maximum_age_days: Count = Field(description="of a window's newest row: an older one is stale")
    liveness_days: Count = Field(description="without a measured window nothing is promoted")
    rollback_windows: Count = Field(description="in a row at the last level before a rollback")
    retrain_every_days: Count = Field(description="one retraining in so many days at most")
    rules: list[MonitoringRule] = Field(min_length=1)

    @model_validator(mode="after")
    def _once(self) -> Self:
        ids = [rule.id for rule in self.rules]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"rule {twice[0]} is listed twice: keep one")
        return self


class Waiver(Closed):
    """An owner's decision to live with one rule for a time."""

    rule: str
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10)]
    approved_by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2)]
    expires: date


class Approvals(Closed):
    """Who has to say yes before a model moves; nobody approves own work, whatever stands here."""

    roles: list[str] = Field(min_length=1, description="one approval each, by different people")
    valid_days: Count


class EngineTerms(Closed):
    """For how long measurements of an earlier engine count."""

    accept_days: int = Field(
        strict=True,
        ge=0,
        description="days after its registration in which a version that another engine measured "
        "can be approved and promoted",
    )


class ForkTerms(Closed):
    """What holds for a pull request from a fork, which gets no secret."""

    accept_committed: bool = Field(
        strict=True,
        description="whether the fork's committed evidence is judged as it is if its jobs cannot "
        "read the data and measure nothing",
    )


class Perturbation(Closed):
    """How far numeric features are moved, and what counts as another answer."""

    size: Number = Field(gt=0, description="in standard deviations of the feature in train")
    tolerance: Number = Field(gt=0, description="regression: likewise, of the target")


class Risk(Closed):
    """What the gates count for in the risk score."""

    weights: dict[str, Annotated[Number, Field(gt=0)]]


LATER = ("engine", "forks")
"""Sections that policies of earlier engines did not have: where one is not set, it is left out of
the dump, so that such a policy keeps its digest.
"""


def _without_unset(model: BaseModel, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
    unset = [name for name in LATER if getattr(model, name) is None]
    return {name: value for name, value in handler(model).items() if name not in unset}


class Floor(Closed):
    """An organisation's policy file, pinned by digest, that no limit may undercut."""

    file: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    rules: list[Rule] = Field(default=[], description="the file's content, filled in by compose")
    confidence: float = Field(default=0.5, description="the file's content, filled in by compose")
    approvals: Approvals | None = Field(default=None, description="likewise")
    perturbation: Perturbation | None = Field(default=None, description="likewise")
    risk: Risk | None = Field(default=None, description="likewise")
    monitoring: Monitoring | None = Field(default=None, description="likewise")
    engine: EngineTerms | None = Field(default=None, description="likewise")
    forks: ForkTerms | None = Field(default=None, description="likewise")

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_unset(self, handler)


class Policy(Closed):
    """The only place with limits."""

    name: str
    confidence: Number = Field(gt=0.5, lt=1)
    rules: list[Rule] = Field(min_length=1)
    waivers: list[Waiver] = Field(default=[])
    approvals: Approvals | None = None
    perturbation: Perturbation | None = None
    risk: Risk | None = None
    monitoring: Monitoring | None = None
    engine: EngineTerms | None = None
    forks: ForkTerms | None = None
    floor: Floor | None = None

    @property
    def accept_days(self) -> int:
        """Return for how many days measurements of an earlier engine count."""
        return self.engine.accept_days if self.engine else 0

    @property
    def accept_committed(self) -> bool:
        """Return whether a fork's committed evidence may be judged where nothing was measured."""
        return self.forks is not None and self.forks.accept_committed

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_unset(self, handler)

    @model_validator(mode="after")
    def _known(self) -> Self:
        ids = [rule.id for rule in self.rules]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"rule {twice[0]} is listed twice: keep one")
        waived = [waiver.rule for waiver in self.waivers]
        again = sorted({name for name in waived if waived.count(name) > 1})
        if again:
            raise ValueError(f"the waiver for {again[0]} is listed twice: keep one")
        for waiver in self.waivers:
            if waiver.rule.split("[")[0] not in ids:
                raise ValueError(
                    f"the waiver names {waiver.rule}, which is no rule of the policy: correct its "
                    "name"
                )
        return self
