"""What the service does again and again: follow the ledger, and close files of the log."""

from __future__ import annotations

import sys
from collections.abc import Callable

from governed_ml.core.problem import Problem
from governed_ml.serving.app.service import Service
from governed_ml.serving.canary.outcome import CanaryOutcome


class Upkeep:
    """One pass over everything that changes while the service runs."""

    def __init__(
        self, service: Service, judge: Callable[[], CanaryOutcome | None] | None = None
    ) -> None:
        """Look after a service. `judge` judges its canary, and may do no more than revert it."""
        self._service, self._judge = service, judge
        self._said: str | None = None

    def once(self) -> None:
        """Read the ledger, replace the model if needed, and close full files of the log."""
        service = self._service
        view = service.keeper.refresh()
        service.recorder.ledger(read=view is not None and view.trouble is None)
        if view is not None:
            service.follow(view)
        self._tell()
        if view is not None and view.life.canary is not None and self._judge is not None:
            self._judge_canary(self._judge)
        for _, store in service.stores.named():
            try:
                store.rotate_if_due()
            except Problem as problem:
                print(f"serve: {problem}", file=sys.stderr)
        if (champion := service.keeper.lineup.champion) is not None:
            champion.prepare_explanations()  # so that the first request for one is not slow

    def _judge_canary(self, judge: Callable[[], CanaryOutcome | None]) -> None:
        """Have the canary judged by the log; if it is reverted, it answers nobody from now on."""
        try:
            found = judge()
        except Problem as problem:
            print(f"serve: the canary is not judged: {problem}", file=sys.stderr)
            return
        if found is not None and found.verdict == "reverted":
            reasons = "; ".join(found.record.reasons)
            print(f"serve: canary {found.version} is reverted: {reasons}", file=sys.stderr)
            if found.failure is not None:
                print(f"serve: {found.failure}", file=sys.stderr)
            self._service.keeper.end_canary(found.version, found.record.since)
            self._service.keeper.refresh()

    def _tell(self) -> None:
        """Print which version is served, or why none is, whenever that changes."""
        lineup = self._service.keeper.lineup
        said = (
            f"no answers: {lineup.why}"
            if lineup.champion is None
            else (f"version {lineup.champion.number} ({lineup.champion.digest[:19]}) answers")
        )
        if said != self._said:
            print(f"serve: {said}", file=sys.stderr, flush=True)
            self._said = said
            left = lineup.champion.reader.left_to_monitoring if lineup.champion else []
            if left:
                print(f"serve: no single row is judged by {', '.join(left)}", file=sys.stderr)
