"""What the ledger has of a window of monitoring, and the levels that a window can have."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from governed_ml.core.config.closed_model import Closed

Level = Literal["healthy", "warn", "retrain", "rollback", "not_measured"]


class WindowRecord(Closed):
    """What the ledger has of one window: the `details` of its event."""

    window: int = Field(ge=1)
    batch: str
    digest: str
    rows: int
    labelled: int
    since: str | None = Field(alias="from")
    to: str | None
    level: Level
    reasons: list[str]
    values: dict[str, float | None]
    risk: float | None
    asking: list[str] = Field(default=[], description="the rules that made the level")
    unknown: list[str] = Field(default=[], description="the rules that were not measured")
