"""Judge the running canary, and do what follows: the next step, the promotion, or the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from governed_ml.core.files import write_json
from governed_ml.core.problem import FOUND, Problem
from governed_ml.ledger.events import Entry
from governed_ml.ledger.lifecycle import Version
from governed_ml.ledger.production.canary import MOST, Canary, CanaryRecord, Ending
from governed_ml.ledger.storage import now as moment
from governed_ml.registry import canary as registered
from governed_ml.registry.append_event import Situation, situation
from governed_ml.registry.notify import Lost
from governed_ml.registry.promote import promote
from governed_ml.registry.versions import Registry
from governed_ml.serving.canary.judge import CanaryJudgement, judge
from governed_ml.serving.canary.log_rows import DATA, read_arms
from governed_ml.serving.canary.outcome import LATEST, CanaryOutcome, LatestCanary, Verdict
from governed_ml.serving.canary.split_rows import comparable


@dataclass(frozen=True)
class _Judged:
    """A judgement on its way to an event. `overdue` says why the step must end, if it must."""

    seen: Situation
    canary: Canary
    champion: Version
    found: CanaryJudgement
    overdue: str | None

    def record(
        self, *first: str, share: int | None = None, ending: Ending | None = None
    ) -> CanaryRecord:
        """Return what the event holds; `first` are reasons before those of the judgement."""
        return CanaryRecord(
            champion=self.champion.number,
            share=share or self.canary.share,
            protected=self.seen.now.commit,
            since=self.canary.since,
            until=self.found.until,
            rows=self.found.rows,
            rules=self.found.rules,
            reasons=[one[:400] for one in (*first, *self.found.reasons)][:MOST],
            ending=ending,
        )


def clock() -> datetime:
    """Return the time, by which a step gets old."""
    return datetime.now(UTC)


def judge_once(
    base: Path,
    registry: Registry,
    folders: Sequence[Path] = (DATA,),
    *,
    go_on: bool = True,
) -> CanaryOutcome:
    """Judge the running canary once by the logs in `folders`, and record what follows.

    Without `go_on`, only a revert is recorded: a service may end its canary by itself, and never
    gives it more subjects. Raise `Problem` if there is no canary, or if it cannot be judged.
    """
    seen = situation(base, registry)
    judged = _judged(seen, [base / one for one in folders])
    outcome = _outcome(base, registry, judged, go_on=go_on)
    kept = LatestCanary(
        version=outcome.version,
        written=moment(),
        verdict=outcome.verdict,
        event=outcome.event,
        judged=outcome.record,
    )
    write_json(base / LATEST, kept.model_dump(mode="json"))
    return outcome


def _judged(seen: Situation, folders: Sequence[Path]) -> _Judged:
    canary, version, champion = registered.running(seen.life)
    terms, data = registered.terms_of(seen.now), seen.now.params.data
    since, overdue = datetime.fromisoformat(canary.since), None
    if clock() - since > timedelta(days=terms.maximum_days):
        overdue = f"the step began at {canary.since}, more than {terms.maximum_days} days ago"
    models = {"canary": version.subject["model"], "champion": champion.subject["model"]}
    try:
        rows = comparable(read_arms(folders, models, since, list(data.sensitive)))
    except Problem as problem:
        if overdue is None:
            raise
        unread = CanaryJudgement({}, {}, [str(problem)])
        return _Judged(seen, canary, champion, unread, overdue)
    found = judge(rows, terms, data, seen.now.policy.confidence)
    return _Judged(seen, canary, champion, found, overdue)


def _outcome(base: Path, registry: Registry, judged: _Judged, *, go_on: bool) -> CanaryOutcome:
    if judged.found.broken:
        return _reverted(base, registry, judged, judged.record(ending="rules"))
    first: list[str] = []
    if judged.found.passed:
        if not go_on:
            return CanaryOutcome(judged.canary.version, "passed", judged.record())
        try:
            return _went_on(base, registry, judged)
        except Problem as problem:
            if problem.exit_code != FOUND:
                raise
            first = [f"every rule holds, but {problem}"]
    if judged.overdue is not None:
        record = judged.record(judged.overdue, *first, ending="overdue")
        return _reverted(base, registry, judged, record)
    return _held(base, registry, judged, judged.record(*first), go_on=go_on)


def _went_on(base: Path, registry: Registry, judged: _Judged) -> CanaryOutcome:
    """Advance to the policy's next step or promote; raise `Problem` if that is refused."""
    seen, canary = judged.seen, judged.canary
    share = registered.terms_of(seen.now).next_step(canary.share)
    if share is not None:
        record = judged.record(share=share)
        return _recorded(
            canary.version,
            "advanced",
            record,
            lambda done: registered.advance(base, registry, seen, record, done),
        )
    record = judged.record()
    return _recorded(
        canary.version,
        "promoted",
        record,
        lambda done: promote(base, registry, canary.version, done, seen, record),
    )


def _reverted(
    base: Path, registry: Registry, judged: _Judged, record: CanaryRecord
) -> CanaryOutcome:
    number = judged.canary.version
    try:
        return _recorded(
            number,
            "reverted",
            record,
            lambda done: registered.revert(base, registry, judged.seen, record, done),
        )
    except Problem as problem:  # the caller must know the verdict, also if it was not recorded
        return CanaryOutcome(number, "reverted", record, failure=problem)


def _held(
    base: Path, registry: Registry, judged: _Judged, record: CanaryRecord, *, go_on: bool
) -> CanaryOutcome:
    """Record that the canary is held, once for each cause in a step."""
    number = judged.canary.version
    if not go_on or _known(judged, record):
        return CanaryOutcome(number, "held", record)
    return _recorded(
        number,
        "held",
        record,
        lambda done: registered.hold(base, registry, judged.seen, record, done),
    )


def _known(judged: _Judged, record: CanaryRecord) -> bool:
    """Return whether the last event about the canary held it for the same cause."""
    mine = [
        one.event
        for one in judged.seen.life.version(judged.canary.version).entries
        if one.event.action.startswith("canary_")
    ]
    if mine[-1].action != "canary_held":
        return False
    before = CanaryRecord.model_validate(mine[-1].details)
    return _cause(before) == _cause(record)


def _cause(record: CanaryRecord) -> tuple[dict[str, str], list[str]]:
    verdicts = {name: one.verdict for name, one in record.rules.items()}
    refused = [] if "insufficient" in verdicts.values() else record.reasons[:1]
    return verdicts, refused


def _recorded(
    number: int,
    verdict: Verdict,
    record: CanaryRecord,
    write: Callable[[Callable[[Entry], None]], object],
) -> CanaryOutcome:
    """Record an event; return the outcome with its number, and with a notification that failed."""
    done: list[Entry] = []
    failure: Problem | None = None
    try:
        write(done.append)
    except Lost as lost:
        failure = lost
    event = done[0].event.sequence if done else None
    return CanaryOutcome(number, verdict, record, event, failure)
