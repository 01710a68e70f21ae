"""What became of a canary that was judged, for the command, the service and the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.problem import FOUND, NO_ANSWER, Problem
from governed_ml.ledger.production.canary import CanaryRecord

LATEST = Path("reports/canary/latest.json")
Verdict = Literal["advanced", "promoted", "held", "reverted", "passed"]
"""`passed`: every rule holds, and the caller did not want the next step."""


@dataclass(frozen=True)
class CanaryOutcome:
    """What became of the canary. `event` is the number of the recorded event, if there is one.

    If a canary is `reverted` and there is no event, `failure` says why it could not be recorded.
    """

    version: int
    verdict: Verdict
    record: CanaryRecord
    event: int | None = None
    failure: Problem | None = None

    @property
    def exit_code(self) -> int:
        """Return 0 if the canary went on, 1 if it was held or reverted, 2 if that was not done."""
        if self.failure is not None and self.event is None:
            return NO_ANSWER
        return 0 if self.verdict in ("advanced", "promoted", "passed") else FOUND

    def values(self) -> dict[str, Any]:
        """Return the outcome as plain values for JSON."""
        return {
            "version": self.version,
            "verdict": self.verdict,
            "event": self.event,
            "failure": None if self.failure is None else str(self.failure),
            **self.record.model_dump(mode="json"),
        }


class LatestCanary(Closed):
    """The content of `reports/canary/latest.json`."""

    schema_version: Literal[1] = 1
    version: int
    written: str
    verdict: Verdict
    event: int | None
    judged: CanaryRecord
