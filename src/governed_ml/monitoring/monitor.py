"""Monitor the champion: measure a window, record it, notify people, and roll back if required."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from governed_ml.core.config.policy_schema import Policy
from governed_ml.core.config.production.monitor import Feed
from governed_ml.core.config.production.policy import Monitoring
from governed_ml.core.problem import FOUND, NO_ANSWER, Problem, first_line
from governed_ml.ledger.events import Entry
from governed_ml.ledger.lifecycle import Version
from governed_ml.ledger.liveness import reign
from governed_ml.ledger.storage import now
from governed_ml.monitoring.earlier_windows import (
    lapse,
    logged_until,
    measured,
    of_digest,
    tells_more,
    windows,
)
from governed_ml.monitoring.history import LatestWindow, keep
from governed_ml.monitoring.judge_window import Judged, Level, WindowRecord, due, windows_of
from governed_ml.monitoring.measuring.served_explanations import limits_of
from governed_ml.monitoring.release_contract import with_contract
from governed_ml.monitoring.window import Asked, Window, look
from governed_ml.pipeline.predict_version import ServedVersion
from governed_ml.policy.decision import RuleResult
from governed_ml.policy.risk import score
from governed_ml.registry.append_event import Situation, record, situation
from governed_ml.registry.counted_events import follow
from governed_ml.registry.notify import Lost
from governed_ml.registry.release.bundle import Checked
from governed_ml.registry.release.loading import loaded
from governed_ml.registry.rollback import rollback
from governed_ml.registry.versions import CHAMPION, Registry


@dataclass(frozen=True)
class WindowOutcome:
    """The result of monitoring a window, and any failure after it was recorded."""

    version: int
    window: Window
    said: WindowRecord
    new: bool
    due: Level | Literal["none"]
    in_a_row: int
    rolled_back_to: int | None = None
    failure: Problem | None = None

    @property
    def exit_code(self) -> int:
        """Return 0 if healthy, 1 if something was found, 2 if nothing was measured."""
        if self.said.level == "healthy":  # this may be an earlier window, measured again
            return 0 if self.due == "none" else FOUND
        return NO_ANSWER if self.said.level == "not_measured" else FOUND

    def values(self) -> dict[str, Any]:
        """Return the result as plain values for JSON."""
        rules = [one.model_dump(mode="json") for one in self.window.rules]
        shown = ("window", "level", "risk", "rows", "labelled", "reasons")
        return {name: getattr(self.said, name) for name in shown} | {
            "version": self.version,
            "due": self.due,
            "in_a_row": self.in_a_row,
            "rules": rules,
            "rolled_back_to": self.rolled_back_to,
            "recorded": self.new,
            "failure": None if self.failure is None else str(self.failure),
        }


def monitor(
    base: Path, registry: Registry, batch: Feed | None, *, act: bool = True
) -> WindowOutcome:
    """Measure one window of the champion; with `act`, roll back if that is due.

    The window is recorded in the ledger before any action. Later failures (of a notification or a
    rollback) are recorded, too, and returned in `failure`.
    """
    seen = situation(base, registry)
    rules, champion = seen.now, seen.life.champion
    limits, feed = limits_of(rules.policy), batch or rules.params.monitor.source
    if limits is None:
        raise Problem(
            f"policy {rules.policy.name} has no section monitoring: ask the risk owner to add it"
        )
    if champion is None:
        raise Problem("there is no champion to monitor: make one with `uv run governance promote`")
    if feed is None:
        raise Problem(
            "no batch was given: run `uv run governance monitor BATCH`, or set "
            "monitor.source in conf/config.yaml (`{kind: log}`: what was predicted)"
        )
    with (
        tempfile.TemporaryDirectory() as folder,
        loaded(base, registry, CHAMPION) as (version, checked),
    ):
        if version.number != champion.number:
            raise Problem("the champion changed during this command: run the command again", 1)
        asked = Asked(
            monitoring=limits,
            monitor=rules.params.monitor,
            confidence=rules.policy.confidence,
            now=datetime.now(UTC),
            since=logged_until(feed, champion),
            known=measured(windows(base), champion.number),
        )
        window = look(feed, _origin(base, version, checked, Path(folder)), asked)
    return _recorded(base, registry, (seen, champion, limits), window, act=act)


def _origin(base: Path, version: Version, checked: Checked, folder: Path) -> ServedVersion:
    evidence, data = checked.evidence(), checked.params().data
    return ServedVersion(
        version=version.number,
        state=version.state,
        digest=version.subject["model"],
        model=checked.model,
        evidence=evidence,
        data=with_contract(base, version, data, evidence, folder),
    )


def risk_of(rules: list[Judged], policy: Policy) -> float | None:
    """Return the risk score over the rules that were measured, by the policy's formula.

    A rule's limit is that of its most severe level. A rule that asks for retraining counts as
    failed.
    """
    results = [
        RuleResult(
            id=one.id,
            verdict="pass" if one.verdict in ("healthy", "warn") else "fail",
            value=one.value,
            interval=one.interval,
            limit=list(one.limits.values())[-1] if one.limits else None,
            bound=one.bound,
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
) -> WindowOutcome:
    """Record a window in the ledger unless it is there already, then take the due action."""
    seen, champion, limits = known
    every = windows(base)
    same = of_digest(every, window.digest, champion.number)
    following = 1 + max((one.window for _, one in every), default=0)
    new, failure = same is None or tells_more(window, same), None
    said = _said(window, same.window if same else following, seen.now.policy)
    lapsed = None if new else lapse(window)
    if new:
        failure = _record(base, registry, seen, champion, said)
    elif lapsed is not None:
        more = [one for one in window.reasons if one != lapsed]
        said = said.model_copy(update={"level": "not_measured", "reasons": [lapsed, *more]})
    elif same is not None:
        said = same
    life = follow(base)
    row = windows_of([one.event.details for one in reign(life.version(champion.number))[1]])
    asked, in_a_row = ("none", 0) if lapsed else due(row, limits)
    outcome = WindowOutcome(champion.number, window, said, new, asked, in_a_row, failure=failure)
    if asked == "rollback" and act:
        outcome = _rolled_back(base, registry, outcome, row)
    latest = LatestWindow(
        version=champion.number,
        model=champion.subject["model"],
        written=now(),
        due=asked,
        in_a_row=in_a_row,
        said=said,
        measured=window,
    )
    try:
        newest = said.window >= max((one.window for one in row), default=said.window)
        keep(base, latest if newest else None, follow(base).counted)
    except Exception as error:  # noqa: BLE001 - a failed report must not prevent the due action
        lost = f"reports/monitoring/ was not written: {first_line(error, 160)}"
        said_before = [str(outcome.failure)] if outcome.failure else []
        outcome = replace(outcome, failure=Problem("; ".join([*said_before, lost])))
    return outcome


def _said(window: Window, number: int, policy: Policy) -> WindowRecord:
    return WindowRecord.model_validate(
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
            "asking": [
                rule.id for rule in window.rules if rule.verdict == window.level != "healthy"
            ],
            "unknown": [rule.id for rule in window.rules if rule.verdict == "not_measured"],
        }
    )


def _record(
    base: Path, registry: Registry, seen: Situation, champion: Version, said: WindowRecord
) -> Problem | None:
    """Append the event, notify people unless it is healthy; return a failed notification."""
    if said.level == "healthy":
        seen = replace(seen, now=seen.now.silent())
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


def _rolled_back(
    base: Path, registry: Registry, outcome: WindowOutcome, row: list[WindowRecord]
) -> WindowOutcome:
    """Roll back to an earlier champion; add any failure to the outcome's failure."""
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
