"""Watch the champion: measure a window, record it, tell, and take the champion back where due."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ..config import Feed, Monitoring, Notify, Policy
from ..governance.bundle import Checked
from ..governance.chain import Entry
from ..governance.decision import RuleResult
from ..governance.ledger import now, read
from ..governance.lifecycle import Version, trace
from ..governance.liveness import reign
from ..governance.loading import loaded
from ..governance.notify import Lost
from ..governance.record import Situation, record, situation
from ..governance.registry import CHAMPION, Registry
from ..governance.risk import score
from ..governance.rollback import rollback
from ..pipeline.predict import Origin
from ..problem import Problem
from .history import Latest, keep
from .levels import Judged, Level, Said, due, windows_of
from .window import Asked, Window, look


@dataclass(frozen=True)
class Outcome:
    """What became of a window, and what went wrong after it was recorded."""

    version: int
    window: Window
    said: Said
    new: bool
    due: Level | Literal["none"]
    in_a_row: int
    rolled_back_to: int | None = None
    failure: Problem | None = None

    @property
    def exit_code(self) -> int:
        """Return 0: healthy; 1: something was found; 2: not measured."""
        return {"healthy": 0, "not_measured": 2}.get(self.said.level, 1)

    def values(self) -> dict[str, Any]:
        """Return the result for programs."""
        rules = [one.model_dump(mode="json") for one in self.window.rules]
        shown = ("window", "level", "risk", "rows", "labelled", "reasons")
        return {name: getattr(self.said, name) for name in shown} | {
            "version": self.version,
            "due": self.due,
            "in_a_row": self.in_a_row,
            "rules": rules,
            "rolled_back_to": self.rolled_back_to,
        }


def monitor(base: Path, registry: Registry, batch: Feed | None, *, act: bool = True) -> Outcome:
    """Measure one window of the champion; with `act`, roll back where that is due.

    The window is in the ledger before anything is done about it. What then fails (nobody could be
    told, there is nothing to roll back to) is in the ledger, too, and in `failure`.
    """
    seen = situation(base, registry)
    rules, champion = seen.now, seen.life.champion
    limits, feed = rules.policy.monitoring, batch or rules.monitor.source
    if limits is None:
        raise Problem(
            f"policy {rules.policy.name} has no section monitoring: the risk owner sets it"
        )
    if champion is None:
        raise Problem("there is no champion to watch: `uv run governance promote` makes one")
    if feed is None:
        raise Problem(
            "there is no batch: name one, or set monitor.source in conf/config.yaml "
            "({kind: log} is what `predict` has logged)"
        )
    _, earlier = reign(champion)
    with loaded(base, registry, CHAMPION) as (version, checked):
        if version.number != champion.number:
            raise Problem("another champion came meanwhile: run it again", 1)
        asked = Asked(
            monitoring=limits,
            monitor=rules.monitor,
            confidence=rules.policy.confidence,
            now=datetime.now(UTC),
            since=_logged_until(feed, earlier),
        )
        window = look(feed, _origin(version, checked), asked)
    return _recorded(base, registry, (seen, champion, limits), window, act=act)


def _origin(version: Version, checked: Checked) -> Origin:
    return Origin(
        version=version.number,
        state=version.state,
        digest=version.subject["model"],
        model=checked.model,
        evidence=checked.evidence(),
        data=checked.params().data,
    )


def _logged_until(feed: Feed, earlier: list[Entry]) -> datetime | None:
    """Return up to when the log was measured; what was too little is measured with what follows."""
    if feed.kind != "log":
        return None
    ends = [
        str(one.event.details["to"])
        for one in earlier
        if one.event.details["batch"] == "prediction log"
        and one.event.details["level"] != "not_measured"
        and one.event.details["to"]
    ]
    return datetime.fromisoformat(max(ends)) if ends else None


def risk_of(rules: list[Judged], policy: Policy) -> float | None:
    """Return the risk score over the rules that were measured, by the policy's formula.

    The limit of a rule is the last of its levels; one that asks for retraining has reached it.
    """
    results = [
        RuleResult(
            id=one.id,
            verdict="pass" if one.verdict in ("healthy", "warn") else "fail",
            value=one.value,
            interval=None,
            limit=list(one.limits.values())[-1] if one.limits else None,
            reason=one.reason,
        )
        for one in rules
        if one.verdict != "not_measured"
    ]
    return score(results, policy.risk.weights if policy.risk else None) if results else None


def _recorded(
    base: Path,
    registry: Registry,
    known: tuple[Situation, Version, Monitoring],
    window: Window,
    *,
    act: bool,
) -> Outcome:
    """Put a window into the ledger unless it is there, then do what it asks for."""
    seen, champion, limits = known
    every = windows(base)
    same = next((one for number, one in every if _same(one, number, window, champion)), None)
    following = 1 + max((one.window for _, one in every), default=0)
    new, failure = same is None or _tells_more(window, same), None
    said = _said(window, same.window if same else following, seen.now.policy)
    if new:
        failure = _record(base, registry, seen, champion, said)
    elif same is not None:
        said = same
    life = trace(read(base))
    row = windows_of([one.event.details for one in reign(life.version(champion.number))[1]])
    asked, in_a_row = due(row, limits)
    outcome = Outcome(champion.number, window, said, new, asked, in_a_row, failure=failure)
    if asked == "rollback" and act:
        outcome = _rolled_back(base, registry, outcome, row)
    latest = Latest(
        version=champion.number,
        model=champion.subject["model"],
        written=now(),
        due=asked,
        in_a_row=in_a_row,
        said=said,
        measured=window,
    )
    keep(base, latest, read(base))
    return outcome


def _same(one: Said, number: int, window: Window, champion: Version) -> bool:
    return (one.digest, number) == (window.digest, champion.number)


def _tells_more(window: Window, known: Said) -> bool:
    """Return whether a batch that is a window already says more now: labels came, say."""
    late = known.level == "not_measured" and window.level != "not_measured"
    return late or window.labelled > known.labelled


def windows(base: Path) -> list[tuple[int, Said]]:
    """Return every window that the ledger tells of with its version, in order, as it is now."""
    events = [one.event for one in read(base) if one.event.action == "monitored"]
    version = {event.details["window"]: event.version or 0 for event in events}
    return [(version[one.window], one) for one in windows_of([one.details for one in events])]


def _said(window: Window, number: int, policy: Policy) -> Said:
    return Said.model_validate(
        {
            "window": number,
            "batch": window.batch,
            "digest": window.digest,
            "rows": window.rows,
            "labelled": window.labelled,
            "from": window.since,
            "to": window.until,
            "level": window.level,
            "reasons": window.reasons,
            "values": {rule.id: rule.value for rule in window.rules},
            "risk": risk_of(window.rules, policy),
        }
    )


def _record(
    base: Path, registry: Registry, seen: Situation, champion: Version, said: Said
) -> Problem | None:
    """Write the event; people are told of all but a healthy window. Return a message's loss."""
    if said.level == "healthy":
        seen = replace(seen, now=replace(seen.now, notify=Notify()))
    try:
        record(
            base,
            registry,
            "monitored",
            seen,
            after=seen.after,
            version=champion.number,
            subject=champion.subject | {"policy": seen.now.policy_digest},
            reason=f"{said.level}: {'; '.join(said.reasons[:3])}",
            details=said.model_dump(mode="json", by_alias=True),
        )
    except Lost as lost:
        return lost
    return None


def _rolled_back(base: Path, registry: Registry, outcome: Outcome, row: list[Said]) -> Outcome:
    """Make an earlier champion champion again; what fails in it is kept with what failed before."""
    moved: list[Entry] = []
    names = ", ".join(str(one.window) for one in row if one.level == "rollback")
    reason = f"windows {names} ask for it: {'; '.join(row[-1].reasons[:1])}"
    failure = outcome.failure
    try:
        rollback(base, registry, reason, only_from=outcome.version, happened=moved.append)
    except Problem as problem:
        both = [str(one) for one in (failure, problem) if one]
        failure = Problem("; ".join(both), problem.exit_code)
    to = moved[0].event.version if moved else None
    return replace(outcome, rolled_back_to=to, failure=failure)
