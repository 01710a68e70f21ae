"""`conf/policy`: rules, limits, waivers, approvals and the organisation's floor."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from governed_ml.core.config.closed_model import AsGiven, Closed, Count, Number, PackageName, Task
from governed_ml.core.config.production.canary import CanaryTerms
from governed_ml.core.config.production.policy import (
    RULE_ID,
    Bound,
    Monitoring,
    ServedExplanations,
)


class Rule(AsGiven):
    """One rule: a limit on a metric, or a CEL expression."""

    id: str = Field(pattern=RULE_ID, description="the rule's name; its first part is the gate")
    metric: str | None = Field(default=None, description="the metric that the rule judges")
    each: Literal["feature", "numeric", "attribute", "sensitive", "class"] | None = Field(
        default=None, description="what the rule is repeated for; it replaces `{each}`"
    )
    task: Task | None = Field(default=None, description="the rule applies to this task only")
    bound: Bound = Field(default="at_most", description="the allowed side of the limits")
    warn: Number | None = Field(default=None, description="beyond it, the rule warns")
    block: Number | None = Field(default=None, description="beyond it, the rule fails")
    evidence: Literal["point", "beyond_chance", "interval"] = Field(
        default="point", description="whether the value or its bounds must be inside the limit"
    )
    minimum_n: Count | None = Field(default=None, description="fewer rows are insufficient")
    when: str | None = Field(default=None, description="CEL: the rule applies where this is true")
    require: str | None = Field(default=None, description="CEL, for `metric`: this must be true")
    owner: str = Field(description="the role that answers for the rule")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.metric is None) == (self.require is None):
            raise ValueError(f"rule {self.id}: give either metric or require")
        if self.metric is not None and self.warn is None and self.block is None:
            raise ValueError(f"rule {self.id}: a metric needs a limit (warn, block or both)")
        if self.require is not None and (self.warn is not None or self.block is not None):
            raise ValueError(f"rule {self.id}: require allows no warn or block: remove them")
        if (self.each is not None) != ("{each}" in (self.metric or "")):
            raise ValueError(f"rule {self.id}: each needs {{each}} in metric, and vice versa")
        return self


class Waiver(Closed):
    """The risk owner's decision to accept one failed rule until a date."""

    rule: str = Field(
        description="the id of the rule, with the group in brackets: `fairness.proxy[sex]`"
    )
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10)] = Field(
        description="why the failure is accepted"
    )
    approved_by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2)] = Field(
        description="who accepts it"
    )
    expires: date = Field(description="the last day on which the waiver counts")


class Approvals(Closed):
    """Who must approve a version before it is promoted. Nobody can approve their own work."""

    roles: list[str] = Field(
        min_length=1, description="the roles that must approve, each by a different person"
    )
    valid_days: Count = Field(description="an approval counts for so many days")


class EngineTerms(Closed):
    """How long measurements by an earlier engine stay valid."""

    accept_days: int = Field(
        strict=True,
        ge=0,
        description="days after its registration in which a version that another engine measured "
        "can be approved and promoted",
    )


class ForkTerms(Closed):
    """Terms for a pull request from a fork, which has no access to secrets."""

    accept_committed: bool = Field(
        strict=True,
        description="whether the fork's committed evidence is judged as it is if its jobs cannot "
        "read the data and measure nothing",
    )


class Perturbation(Closed):
    """The noise on numeric features, and how large a change of the output counts as a flip."""

    size: Number = Field(gt=0, description="the noise, in standard deviations of the feature")
    tolerance: Number = Field(
        gt=0,
        description="regression: the least change that counts, in deviations of the target",
    )


class Risk(Closed):
    """The weight of each gate in the risk score."""

    weights: dict[str, Annotated[Number, Field(gt=0)]] = Field(
        description="gate → its weight; together 100"
    )


LATER = ("engine", "forks", "estimator_packages", "explain", "canary")
"""Sections that policies of earlier engines did not have."""


class _Later(Closed):
    """Leaves sections in `LATER` out of the dump if unset: earlier policies keep their digest."""

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unset = [name for name in LATER if getattr(self, name) is None]
        return {name: value for name, value in handler(self).items() if name not in unset}


class Floor(_Later):
    """An organisation's minimum policy, pinned by digest. No limit of the project may be weaker."""

    file: str = Field(description="the path of the organisation's policy file")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="the digest of that file")
    rules: list[Rule] = Field(default=[], description="the file's content; `compose` fills it in")
    confidence: float = Field(default=0.5, description="the file's content; `compose` fills it in")
    approvals: Approvals | None = Field(default=None, description="the same")
    perturbation: Perturbation | None = Field(default=None, description="the same")
    risk: Risk | None = Field(default=None, description="the same")
    monitoring: Monitoring | None = Field(default=None, description="the same")
    engine: EngineTerms | None = Field(default=None, description="the same")
    forks: ForkTerms | None = Field(default=None, description="the same")
    estimator_packages: list[PackageName] | None = Field(default=None, description="the same")
    explain: ServedExplanations | None = Field(default=None, description="the same")
    canary: CanaryTerms | None = Field(default=None, description="the same")


class Policy(_Later):
    """The policy of a tier. Limits are set nowhere else."""

    name: str = Field(description="the name of the file, and the tier")
    confidence: Number = Field(gt=0.5, lt=1, description="the confidence of every interval")
    rules: list[Rule] = Field(min_length=1, description="rules of the gates; in a file: id → rule")
    waivers: list[Waiver] = Field(default=[], description="failures accepted until a date")
    approvals: Approvals | None = Field(
        default=None, description="who must approve a version before its promotion"
    )
    perturbation: Perturbation | None = Field(
        default=None, description="the noise that `evaluate.flip_share` adds"
    )
    risk: Risk | None = Field(default=None, description="the weights of the risk score")
    monitoring: Monitoring | None = Field(default=None, description="the rules of windows")
    engine: EngineTerms | None = Field(
        default=None, description="how long measurements of another engine count"
    )
    forks: ForkTerms | None = Field(default=None, description="terms for pull requests from forks")
    estimator_packages: list[PackageName] | None = Field(
        default=None, description="other packages whose estimators `conf/model` may name"
    )
    explain: ServedExplanations | None = Field(
        default=None, description="which predictions of the service are explained"
    )
    canary: CanaryTerms | None = Field(
        default=None, description="how a version is tried before its promotion; none: it is not"
    )
    floor: Floor | None = Field(default=None, description="the organisation's minimum policy")

    @property
    def accept_days(self) -> int:
        """Return for how many days measurements by an earlier engine count."""
        return self.engine.accept_days if self.engine else 0

    @property
    def accept_committed(self) -> bool:
        """Return whether evidence committed in a fork may be judged if CI could measure nothing."""
        return self.forks is not None and self.forks.accept_committed

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
                    f"a waiver names {waiver.rule}, which is no rule of the policy: correct "
                    "the name"
                )
        return self

    @model_validator(mode="after")
    def _attainable(self) -> Self:
        if self.explain and self.monitoring:
            self.explain.refuse_unattainable(self.monitoring.rules)
        return self
