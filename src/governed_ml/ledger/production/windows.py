"""The levels of a monitoring window, and the record of a window in the ledger."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from governed_ml.core.config.closed_model import Closed

Level = Literal["healthy", "warn", "retrain", "rollback", "not_measured"]


class WindowRecord(Closed):
    """The record of one window: the `details` of its ledger event."""

    window: int = Field(ge=1, description="the number of the window")
    batch: str = Field(description="where the rows came from")
    digest: str = Field(description="the digest of the rows, without labels")
    rows: int = Field(description="number of rows")
    labelled: int = Field(description="number of rows with a label")
    since: str | None = Field(
        alias="from", description="the time from which on 95 % of the rows are"
    )
    to: str | None = Field(description="the time of the newest row")
    level: Level = Field(description="the level of the window")
    reasons: list[str] = Field(description="why, in words")
    values: dict[str, float | None] = Field(description="rule → the value that was judged")
    risk: float | None = Field(description="the risk score, 0 to 100")
    asking: list[str] = Field(default=[], description="the rules that determine the level")
    unknown: list[str] = Field(default=[], description="the rules that were not measured")
