"""What the policy says of production: when a window counts, its rules, and served explanations."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from governed_ml.core.config.closed_model import AsGiven, Closed, Count, Number, Task

Bound = Literal["at_most", "at_least"]
RULE_ID = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$"


class MonitoringRule(AsGiven):
    """One rule about a production window: a metric's limits for warn, retrain and rollback."""

    id: str = Field(pattern=RULE_ID, description="the rule's name in reports and in the ledger")
    metric: str = Field(description="the metric of the window to judge")
    each: Literal["feature", "numeric", "sensitive", "class"] | None = Field(
        default=None, description="what the rule is repeated for; it replaces `{each}`"
    )
    task: Task | None = Field(default=None, description="the rule applies to this task only")
    bound: Bound = Field(default="at_most", description="the allowed side of the limits")
    warn: Number | None = Field(default=None, description="beyond it, the window warns")
    retrain: Number | None = Field(default=None, description="beyond it, a challenger is trained")
    rollback: Number | None = Field(default=None, description="beyond it, the model is rolled back")
    minimum_n: Count | None = Field(default=None, description="fewer rows are not judged")
    owner: str = Field(description="the role that answers for the rule")

    @property
    def limits(self) -> dict[Literal["warn", "retrain", "rollback"], float]:
        """Return level → limit, from the mildest level to the most severe."""
        found = {"warn": self.warn, "retrain": self.retrain, "rollback": self.rollback}
        return {level: limit for level, limit in found.items() if limit is not None}  # pyright: ignore[reportReturnType]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        limits = list(self.limits.values())
        if not limits:
            raise ValueError(f"rule {self.id}: set at least one of warn, retrain and rollback")
        if limits != sorted(limits, reverse=self.bound == "at_least"):
            raise ValueError(
                f"rule {self.id}: the limits must be reached in the order warn, retrain, rollback "
                f"({self.bound})"
            )
        if (self.each is not None) != ("{each}" in self.metric):
            raise ValueError(f"rule {self.id}: each needs {{each}} in metric, and vice versa")
        return self


class Monitoring(Closed):
    """When a production window counts, and the rules that judge it."""

    minimum_rows: Count = Field(description="a batch with fewer rows is not measured")
    maximum_age_days: Count = Field(description="the maximum age of a window's newest row")
    liveness_days: Count = Field(
        description="no promotion unless a window was measured within so many days"
    )
    rollback_windows: Count = Field(
        description="so many windows in a row at `rollback` start a rollback"
    )
    retrain_every_days: Count = Field(description="at most one retraining in so many days")
    rules: list[MonitoringRule] = Field(min_length=1, description="the rules of a window")

    @model_validator(mode="after")
    def _once(self) -> Self:
        ids = [rule.id for rule in self.rules]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"rule {twice[0]} is listed twice: keep one")
        return self


SERVED_SHARE = "explain.served_share"
"""The metric of a window: the share of the service's predictions that were explained."""


class ServedExplanations(Closed):
    """For which predictions `governance serve` gives an explanation."""

    serve: Literal["all", "sampled", "on_request"] = Field(
        description="all predictions; a sample, and those that are asked for; or the latter only"
    )
    share: Number = Field(default=0.1, gt=0, le=1, description="sampled: the share of requests")

    @property
    def least_share(self) -> float:
        """Return the share of requests that are explained although nobody asks."""
        return {"all": 1.0, "sampled": float(self.share), "on_request": 0.0}[self.serve]

    def refuse_unattainable(self, rules: list[MonitoringRule]) -> None:
        """Raise ValueError if a rule wants more predictions explained than the sample has."""
        for rule in rules if self.serve == "sampled" else []:
            most = max(rule.limits.values())
            if rule.metric == SERVED_SHARE and rule.bound == "at_least" and most > self.share:
                raise ValueError(
                    f"rule {rule.id} wants a share of {most:g} explained, but explain.share is "
                    f"{self.share:g}: set a lower limit, or explain more"
                )
