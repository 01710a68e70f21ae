"""The configuration of the split, as the files in `conf/split/` hold it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from governed_ml.core.config.closed_model import AsGiven, Number

CROSS_VALIDATED = "cross_validated"


class Split(AsGiven):
    """How rows are divided. Each kind has its own key: `folds`, or `test_share` for all others."""

    kind: Literal["random", "group", "time", "cross_validated"] = Field(
        description="test rows: at random (stratified), whole groups, or the latest ones; or "
        "cross_validated, where each row is a test row of one fold"
    )
    test_share: Number | None = Field(
        default=None, gt=0, lt=1, description="the share of rows that becomes test rows"
    )
    folds: Annotated[int, Field(strict=True, ge=3, le=20)] | None = Field(
        default=None, description="cross_validated: the number of folds, from 3 to 20"
    )

    @property
    def tested(self) -> float:
        """Return the share of the table's rows that are test rows."""
        return 1.0 if self.test_share is None else self.test_share

    @model_validator(mode="after")
    def _own_key(self) -> Self:
        needed, other = ("folds", "test_share")
        if self.kind != CROSS_VALIDATED:
            needed, other = other, needed
        if getattr(self, needed) is None:
            raise ValueError(f"split.kind {self.kind} needs {needed}")
        if getattr(self, other) is not None:
            raise ValueError(f"split.kind {self.kind} takes no {other}: remove it")
        return self
