"""Whether the champion is monitored: promotion requires a recent window that was measured."""

from __future__ import annotations

from datetime import date

from governed_ml.core.config.policy_schema import Policy
from governed_ml.ledger.events import Entry, Event
from governed_ml.ledger.lifecycle import MAKES_CHAMPION, Lifecycle, Version


def reign(champion: Version) -> tuple[Entry, list[Entry]]:
    """Return the event that made a version champion, and its windows since, oldest first."""
    moves = [n for n, one in enumerate(champion.entries) if one.event.action in MAKES_CHAMPION]
    since = champion.entries[moves[-1] :]
    return since[0], [one for one in since if one.event.action == "monitored"]


def last_window(champion: Version) -> str:
    """Describe a champion's last window in one line."""
    _, windows = reign(champion)
    if not windows:
        return (
            f"champion {champion.number} has no window since it became champion: run `uv run "
            "governance monitor BATCH`"
        )
    event = windows[-1].event
    level = str(event.details.get("level")).replace("_", " ")
    window = f"window {event.details.get('window')} of champion {champion.number}"
    return f"{window}, {event.time[:10]}: {level}"


def alarm(champion: Version) -> str | None:
    """Return in one line what people must look at in production, or None.

    This is a failed rollback, or a last window whose level is worse than warn.
    """
    _, windows = reign(champion)
    if not windows:
        return None
    last = windows[-1].event
    failed = [
        one.event
        for one in champion.entries
        if one.event.action == "rollback_failed" and one.event.sequence > last.sequence
    ]
    if failed:
        why = failed[-1].details.get("why") or "no reason is recorded"
        return f"{last_window(champion)}, and the rollback failed: {why}"
    calm = last.details.get("level") in ("healthy", "warn")
    return None if calm else last_window(champion)


def last_measured(champion: Version) -> tuple[Event, bool]:
    """Return the event of the champion's last measured window; of its promotion if there is none.

    Also return whether it is a window's. Labels that arrive later do not make a window newer.
    """
    first, windows = reign(champion)
    measured: dict[object, Entry] = {}
    for one in windows:
        if one.event.details.get("level") != "not_measured":
            measured.setdefault(one.event.details.get("window"), one)
    return [first, *measured.values()][-1].event, bool(measured)


def unwatched(life: Lifecycle, policy: Policy, day: date) -> str | None:
    """Return why the champion is not monitored as often as the policy requires, or None.

    Days count from the last measured window, or from the promotion if there is none.
    """
    champion, limits = life.champion, policy.monitoring
    if champion is None:
        return None
    if limits is None:
        return f"policy {policy.name} has no section monitoring: ask the risk owner to add it"
    last, measured = last_measured(champion)
    days = (day - last.moment.date()).days
    if days <= limits.liveness_days:
        return None
    ago = f"{days} days ago"
    never = f"it was promoted {ago} and has not been measured since"
    what = f"its last measured window was {ago}" if measured else never
    return (
        f"champion {champion.number} is not monitored: {what}, and the policy allows "
        f"{limits.liveness_days}; run `uv run governance monitor BATCH` first"
    )
