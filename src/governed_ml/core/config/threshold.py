"""`threshold` of `conf/model`: the probability from which on the model answers yes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from governed_ml.core.config.closed_model import Closed, Number

ThresholdMetric = Literal["accuracy", "balanced_accuracy", "f1", "precision", "recall"]
Share = Annotated[Number, Field(gt=0, le=1)]
EXTREME = {"precision": "recall", "recall": "precision"}
"""Metric that an extreme threshold maximises → the metric that has to be held at the same time."""
GIVE = "give a number between 0 and 1, `maximise: METRIC`, or `costs`"


class Costs(Closed):
    """What wrong answers cost, in any unit: only their ratio counts."""

    false_negative: Number = Field(gt=0, description="the cost of a no that should be yes")
    false_positive: Number = Field(gt=0, description="the cost of a yes that should be no")

    @property
    def threshold(self) -> float:
        """Return the probability from which on a yes costs less than a no (Elkan 2001)."""
        return self.false_positive / (self.false_positive + self.false_negative)


class Threshold(Closed):
    """One of a number, costs, or a metric that is maximised in cross-validation."""

    value: Number | None = Field(
        default=None, gt=0, lt=1, description="the probability; `threshold: 0.3` means the same"
    )
    maximise: ThresholdMetric | None = Field(
        default=None, description="the metric that the threshold makes as high as possible"
    )
    at_least: dict[ThresholdMetric, Share] | None = Field(
        default=None, min_length=1, description="with `maximise`: metric → the least it may be"
    )
    costs: Costs | None = Field(
        default=None, description="what wrong answers cost; the probabilities must be calibrated"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, given: Any) -> Any:
        if isinstance(given, int | float) and not isinstance(given, bool):
            if not 0 < given < 1:
                raise ValueError(f"every row has the same answer with threshold {given}: {GIVE}")
            return {"value": given}
        if not isinstance(given, dict | Threshold):
            raise ValueError(GIVE)
        return given

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [one for one in ("value", "maximise", "costs") if getattr(self, one) is not None]
        if len(given) != 1:
            raise ValueError(f"{' and '.join(given) or 'nothing'} is set: {GIVE}")
        held = self.at_least or {}
        if held and self.maximise is None:
            raise ValueError("at_least needs `maximise`: name the metric to maximise")
        if self.maximise in held:
            raise ValueError(f"at_least names {self.maximise}, which is maximised: remove it")
        other = EXTREME.get(self.maximise or "")
        if other and not held:
            raise ValueError(
                f"{self.maximise} alone is highest at an extreme threshold: add "
                f"`at_least: {{{other}: NUMBER}}`"
            )
        return self

    @model_serializer(mode="wrap")
    def _as_given(self, handler: SerializerFunctionWrapHandler) -> Any:
        return self.value or {k: v for k, v in handler(self).items() if v is not None}

    @property
    def known(self) -> float | None:
        """Return the threshold if it follows from the configuration alone, else None."""
        return self.costs.threshold if self.costs else self.value
