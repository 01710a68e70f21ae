"""`canary` in the policy: how a version is tried on some of the traffic before its promotion."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from governed_ml.core.config.closed_model import AsGiven, Closed, Count, Number, Task
from governed_ml.core.config.production.policy import RULE_ID, Bound

ERRORS, LATENCY, DRIFT = (
    "canary.error_rate_difference",
    "canary.latency_p95_ratio",
    "canary.score_drift",
)
FAIRNESS = (
    "canary.fairness.{each}.demographic_parity_difference",
    "canary.fairness.{each}.demographic_parity_ratio",
)
METRICS = (ERRORS, LATENCY, DRIFT, *FAIRNESS)
"""Every metric of a canary, as a rule names it."""
Share = Annotated[int, Field(strict=True, ge=1, le=99)]


class CanaryRule(AsGiven):
    """One rule about a canary: the limit that one of its metrics must keep."""

    id: str = Field(pattern=RULE_ID, description="the rule's name in reports and in the ledger")
    metric: str = Field(description=f"the metric to judge: {', '.join(f'`{m}`' for m in METRICS)}")
    each: Literal["sensitive"] | None = Field(
        default=None, description="what the rule is repeated for; it replaces `{each}`"
    )
    task: Task | None = Field(default=None, description="the rule applies to this task only")
    bound: Bound = Field(default="at_most", description="the allowed side of the limit")
    block: Number = Field(description="surely beyond it, the canary is reverted")
    minimum_n: Count | None = Field(default=None, description="fewer rows are not judged")
    owner: str = Field(description="the role that answers for the rule")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.metric not in METRICS:
            raise ValueError(f"rule {self.id}: a canary has the metrics {', '.join(METRICS)}")
        if (self.each is not None) != ("{each}" in self.metric):
            raise ValueError(f"rule {self.id}: each needs {{each}} in metric, and vice versa")
        return self


class CanaryTerms(Closed):
    """The steps of a canary, and the rules that judge each step."""

    steps: list[Share] = Field(
        min_length=1,
        description="the shares of subjects that the canary answers, in percent, one after the "
        "other; after the last one, the version is promoted",
    )
    minimum_rows: Count = Field(
        description="in each step, the canary and the champion must answer so many rows"
    )
    maximum_days: Count = Field(description="a step that lasts longer ends the canary")
    rules: list[CanaryRule] = Field(
        min_length=1, description="the rules of each step; in a file: id → rule"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.steps != sorted(set(self.steps)):
            raise ValueError("canary.steps: each share must be larger than the one before")
        ids = [rule.id for rule in self.rules]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"rule {twice[0]} is listed twice: keep one")
        return self

    def next_step(self, share: int) -> int | None:
        """Return the share of the step after the one with this share; None after the last one."""
        return next((one for one in self.steps if one > share), None)
