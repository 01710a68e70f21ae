"""Earlier windows in the ledger: which rows were measured, and whether a batch has news."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from governed_ml.core.config.production.monitor import Feed
from governed_ml.ledger.lifecycle import Version
from governed_ml.ledger.liveness import reign
from governed_ml.monitoring.feeds import name_of
from governed_ml.monitoring.judge_window import WindowRecord, windows_of
from governed_ml.monitoring.window import Window
from governed_ml.registry.counted_events import follow


def windows(base: Path) -> list[tuple[int, WindowRecord]]:
    """Return every window in the ledger with its version, in order, each in its latest form."""
    events = [one.event for one in follow(base).counted if one.event.action == "monitored"]
    version = {event.details["window"]: event.version or 0 for event in events}
    return [(version[one.window], one) for one in windows_of([one.details for one in events])]


def measured(every: Sequence[tuple[int, WindowRecord]], version: int) -> frozenset[str]:
    """Return the digests of rows that were measured for a version."""
    return frozenset(
        one.digest for number, one in every if number == version and one.level != "not_measured"
    )


def of_digest(
    every: Sequence[tuple[int, WindowRecord]], digest: str, version: int
) -> WindowRecord | None:
    """Return the version's window with these rows, or None."""
    found = (one for number, one in every if (one.digest, number) == (digest, version))
    return next(found, None)


def logged_until(feed: Feed, champion: Version) -> datetime | None:
    """Return up to which time the prediction log was measured for the champion.

    It starts when the version became champion. Rows that were too few for a window count in the
    next one. Return None for any other feed.
    """
    if feed.kind != "log":
        return None
    crowned, events = reign(champion)
    found = [crowned.event.moment]
    for one in windows_of([one.event.details for one in events]):
        if one.batch == name_of(feed) and one.level != "not_measured" and one.to:
            found.append(datetime.fromisoformat(one.to))
    return max(found)


def tells_more(window: Window, known: WindowRecord) -> bool:
    """Return whether a batch that was recorded before has new information, such as more labels.

    If it now lacks a value that it had (for example because a feed is gone), return False.
    """
    if "not_measured" in (known.level, window.level):
        return window.level != "not_measured"
    now = {rule.id: rule.value for rule in window.rules}
    both = [(now[name], value) for name, value in known.values.items() if name in now]
    if any(value is None and before is not None for value, before in both):
        return False
    if window.labelled > known.labelled or window.level != known.level:
        return True
    return any(
        before is None or not math.isclose(value, before, rel_tol=1e-6, abs_tol=1e-9)
        for value, before in both
        if value is not None
    )


def lapse(window: Window) -> str | None:
    """Return why a batch that was measured before no longer counts as a window, or None."""
    if window.level == "not_measured":
        return window.reasons[0]
    return window.stale or None
