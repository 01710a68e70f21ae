"""Whether measurements by another engine still count, according to the policy's accept_days.

A corrected measure gives other numbers, so a version that was measured with an earlier engine would
never match a new measurement. Therefore its own engine measures it again (`rejudge`), and today's
policy judges the result. `engine.accept_days` after its registration, the version must be
registered again with the current engine. Rolling back to an earlier champion has no such limit.
"""

from __future__ import annotations

from datetime import date

from governed_ml.core.code.engine import identity
from governed_ml.core.problem import Problem
from governed_ml.ledger.lifecycle import Version
from governed_ml.ledger.rules_in_force import Today

BEFORE = "before 0.2"  # the measuring code was the project's own


def refused(
    measured_by: str | None, running: str, registered: date, day: date, days: int
) -> str | None:
    """Return why a version's measurements do not count on a day, or None.

    `measured_by` (None for engines that recorded no name) and `running` are engine digests. `days`
    is for how many days after registration the measurements of another engine count.
    """
    age = (day - registered).days
    if measured_by == running or (days > 0 and age <= days):
        return None
    if days == 0:
        return "the policy accepts no measurements of another engine (engine.accept_days)"
    return (
        f"the policy accepts them for {days} days (engine.accept_days), and it was registered "
        f"{age} days ago"
    )


def require_accepted(version: Version, now: Today) -> None:
    """Raise `Problem` if a version's measurements are too old to approve or promote it."""
    subject, registered = version.subject, version.entries[0].event.moment.date()
    why = refused(
        subject.get("engine"), identity().digest, registered, now.day, now.policy.accept_days
    )
    if why:
        digest = subject.get("engine", "")
        name = subject.get("engine_version", BEFORE) + (f" ({digest[:19]})" if digest else "")
        raise Problem(
            f"version {version.number} was registered with engine {name}, and {why}: register "
            "the model again with the current engine",
            1,
        )
