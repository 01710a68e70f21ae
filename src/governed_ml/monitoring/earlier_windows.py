"""What the ledger has of earlier windows: which rows were measured, and what a second look adds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from governed_ml.core.config.production import Feed
from governed_ml.ledger.lifecycle import Version
from governed_ml.ledger.liveness import reign
from governed_ml.monitoring.feeds import name_of
from governed_ml.monitoring.judge_window import WindowRecord, windows_of
from governed_ml.monitoring.window import Window
from governed_ml.registry.counted_events import follow


def windows(base: Path) -> list[tuple[int, WindowRecord]]:
    """Return every window that the ledger tells of with its version, in order, as it is now."""
    events = [one.event for one in follow(base).counted if one.event.action == "monitored"]
    version = {event.details["window"]: event.version or 0 for event in events}
    return [(version[one.window], one) for one in windows_of([one.details for one in events])]


def measured(every: Sequence[tuple[int, WindowRecord]], version: int) -> frozenset[str]:
    """Return the digests of the rows of which a version has a measured window."""
    return frozenset(
        one.digest for number, one in every if number == version and one.level != "not_measured"
    )


def of_digest(
    every: Sequence[tuple[int, WindowRecord]], digest: str, version: int
) -> WindowRecord | None:
    """Return the window that these rows are already, of this version."""
    found = (one for number, one in every if (one.digest, number) == (digest, version))
    return next(found, None)


def logged_until(feed: Feed, champion: Version) -> datetime | None:
    """Return up to when the log was measured, at the latest when the version became champion.

    What was too little is measured with what follows.
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
    """Return whether a batch that is a window already says more now: labels came, say.

    What then lacks a value that it had (a feed is gone) does not stand for it.
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
    """Return why a batch that was measured once is no window any more, or None if it still is."""
    if window.level == "not_measured":
        return window.reasons[0]
    return window.stale or None
