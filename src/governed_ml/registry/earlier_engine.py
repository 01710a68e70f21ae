"""Whether a version that an earlier engine measured still counts: for as long as the policy says.

A measure that is fixed gives other numbers, and a version that was judged before would never be
promoted again. So its own engine measures it again, today's policy judges the result, and after
`engine.accept_days` it has to be registered again with the engine of today.
Going back to an earlier champion is no promotion, and has no such limit.
"""

from __future__ import annotations

from datetime import date

from governed_ml.core.problem import Problem


def refused(
    measured_by: tuple[str, str], running: tuple[str, str], registered: date, day: date, days: int
) -> str:
    """Return why a version's measurements do not count on a day, or nothing. Pure.

    `measured_by` and `running` are an engine's name for people and the digest of its files;
    `days`: how long after the registration the measurements of another engine count.
    """
    (name, digest), (_, today) = measured_by, running
    if digest == today or (day - registered).days <= days:
        return ""
    allowed = f"the policy accepts another engine for {days} days" if days else (
        "the policy accepts no other engine"
    )
    return f"registered with engine {name}; re-register with the current engine ({allowed})"


def require_accepted(
    number: int,
    measured_by: tuple[str, str],
    running: tuple[str, str],
    registered: date,
    day: date,
    days: int,
) -> None:
    """Refuse a version whose measurements do not count any more."""
    why = refused(measured_by, running, registered, day, days)
    if why:
        raise Problem(f"version {number} was {why}", 1)
