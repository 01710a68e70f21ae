"""Whether an event was allowed when it was written: approved, and under the rules of that day.

Anyone who can write to the ledger's branch can append an event "promoted". So an event's own claims
are not trusted: approvals carry their own proof, and the rules are read from the protected branch
as it was at the event's time.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from governed_ml.core.config.policy_schema import Approvals
from governed_ml.core.problem import Problem
from governed_ml.core.repository import PROTECTED, precedes
from governed_ml.ledger import approvers as people
from governed_ml.ledger.approvers import Approvers
from governed_ml.ledger.events import Entry
from governed_ml.ledger.lifecycle import Lifecycle, Version
from governed_ml.ledger.production.windows import WindowRecord
from governed_ml.ledger.protected_history import in_force, steps
from governed_ml.ledger.rules_in_force import Today, rules_of
from governed_ml.registry.approval.approvals import Approval, barred, given, missing, refused
from governed_ml.registry.approval.canary_steps import wrong_record, wrong_step

COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
NAMED = ("name", "commit", "model", "data")  # digests that a registered version must have
FOREVER = 10**6  # days; whether an approval expired is checked when a version is promoted


class Unproven(Exception):
    """Raised with the reason why an event is void."""


@dataclass(frozen=True)
class Proof:
    """The data that prove events: the protected branch up to `tip`, and valid signatures."""

    base: Path
    tip: str
    signed: Collection[str]  # commits of the events that a listed key signed
    went_by: dict[str, Today]  # commit of an event that changes the champion → its rules

    def doubt(self, life: Lifecycle, entry: Entry) -> str | None:
        """Return why an event is void, or None."""
        try:
            match entry.event.action:
                case "registered" | "quarantined":
                    _require_named(entry)
                case "approved":
                    self._approved(life, entry)
                case "promoted":
                    self._promoted(life, entry)
                case "rolled_back":
                    self._rolled_back(life, entry)
                case "monitored":
                    _require_window(entry)
                case "canary_started" | "canary_advanced":
                    self._tried(life, entry)
                case "canary_held" | "canary_reverted":
                    _require_none(wrong_record(entry.event))
                case _:
                    pass
        except Unproven as why:
            return str(why)
        return None

    def _day(self, life: Lifecycle, entry: Entry) -> tuple[str, datetime]:
        """Return the protected branch's commit whose rules apply to an event, and the event's time.

        The commit that the event names is used if a listed key signed the event. Otherwise the
        branch's dates determine the commit in force, and the event may name only that one or a
        newer one (clocks differ). An event's time is never before that of an earlier event.
        """
        moment = max([entry.event.moment, *(one.event.moment for one in life.counted)])
        named = entry.event.details.get("protected")
        then = in_force(self.base, self.tip, moment)
        if named is None:
            return then or self.tip, moment
        if not COMMIT.fullmatch(str(named)) or not precedes(self.base, str(named), self.tip):
            raise Unproven(f"it does not name the commit of {PROTECTED} whose rules it used")
        line = [one.commit for one in steps(self.base, self.tip)]
        own = named in line and (then is None or line.index(str(named)) >= line.index(then))
        if own or entry.commit in self.signed:
            return str(named), moment
        return then or self.tip, moment

    def _approved(self, life: Lifecycle, entry: Entry) -> None:
        """Require approvals that are new, and signed by people who were listed at the time."""
        event, version = entry.event, life.version(entry.event.version or 0)
        self._require_reviewed(version, self.tip)
        commit, moment = self._day(life, entry)
        listed = self._people(commit)
        known = [one.model_dump() for one in given(version)]
        for approval in _approvals(entry):
            if approval.model_dump() in known:
                raise Unproven("it repeats an approval")
            why = refused(
                *(approval, version, event.subject.get("policy", ""), listed),
                Approvals(roles=approval.roles, valid_days=FOREVER),
                set(),
                moment,
            )
            if why:
                raise Unproven(f"{approval.approver} did not approve: {why}")

    def _promoted(self, life: Lifecycle, entry: Entry) -> None:
        number = entry.event.version or 0
        try:
            self._require_approved(life, entry, life.version(number))
        except Unproven as why:
            raise Unproven(f"version {number} cannot be champion: {why}") from why

    def _tried(self, life: Lifecycle, entry: Entry) -> None:
        """Require the approvals of a promotion, because a canary answers people, and the steps."""
        number = entry.event.version or 0
        try:
            rules = self._require_approved(life, entry, life.version(number))
        except Unproven as why:
            raise Unproven(f"version {number} cannot be a canary: {why}") from why
        _require_none(wrong_step(rules.policy, life, entry.event))

    def _require_approved(self, life: Lifecycle, entry: Entry, version: Version) -> Today:
        """Require an approval in every role that the policy of that day requires; return it."""
        rules = self._policy(life, entry)
        self._require_reviewed(version, str(entry.event.details.get("protected")))
        wanted = rules.policy.approvals
        if wanted is None:
            raise Unproven(f"the policy of {rules.commit[:12]} asks for no approvals")
        told = entry.event.details.get("from")
        before = life.versions[told] if told in life.champions else life.champion
        since = before.subject["commit"] if before else None
        barring = barred(self.base, version, since, rules.approvers, self.tip)
        _, moment = self._day(life, entry)
        today = people.read(self.base, self.tip)
        good: list[Approval] = []
        why: list[str] = []
        for approval in _approvals(entry):
            reason = refused(
                *(approval, version, rules.policy_digest, rules.approvers, wanted, barring),
                moment=moment,
                stolen=_stolen(today, approval),
            )
            if approval.source != "ssh" and entry.commit not in self.signed:
                reason = reason or "given on GitHub, and no listed key signed the event"
            good += [] if reason else [approval]
            why += [f"{approval.approver}: {reason}"] if reason else []
        lost = missing(wanted, good)
        because = f" ({'; '.join(why)})" if why else ""
        if lost:
            raise Unproven(f"nobody approved it as {' and '.join(lost)}{because}")
        return rules

    def _rolled_back(self, life: Lifecycle, entry: Entry) -> None:
        """Require a reason, the champion of that time and the policy of that day."""
        event, champion = entry.event, life.champion
        if len(event.reason.split()) < 2:
            raise Unproven("a rollback without a reason")
        if champion is None or event.details.get("from") != champion.number:
            raise Unproven("it rolls back a version that was not the champion")
        rules = self._policy(life, entry)
        version = life.version(event.version or 0)
        if event.subject != version.subject | {"policy": rules.policy_digest}:
            raise Unproven(f"its subject differs from that of version {version.number}")

    def _policy(self, life: Lifecycle, entry: Entry) -> Today:
        """Return the rules in force at an event's time; the event must name the same policy."""
        named = str(entry.event.details.get("protected"))
        if entry.event.action != "rolled_back" and not COMMIT.fullmatch(named):
            raise Unproven(f"it does not name the commit of {PROTECTED} whose rules it used")
        commit, moment = self._day(life, entry)
        try:
            rules = replace(rules_of(self.base, commit), day=moment.date())
        except Problem as problem:
            raise Unproven(f"the rules of {commit[:12]} cannot be read: {problem}") from problem
        self.went_by[entry.commit] = rules
        if entry.event.subject.get("policy") != rules.policy_digest:
            raise Unproven(f"its policy is not the policy of {PROTECTED} at {rules.commit[:12]}")
        return rules

    def _require_reviewed(self, version: Version, commit: str) -> None:
        own = version.subject["commit"]
        if not precedes(self.base, own, commit):
            raise Unproven(f"commit {own[:12]} of version {version.number} was not on {PROTECTED}")

    def _people(self, commit: str) -> Approvers:
        try:
            return people.read(self.base, commit)
        except Problem as problem:
            raise Unproven(str(problem)) from problem


def _require_named(entry: Entry) -> None:
    subject, number = entry.event.subject, entry.event.version or 0
    lost = [name for name in NAMED if not subject.get(name)]
    if lost or number < 1 or not COMMIT.fullmatch(subject["commit"]):
        what = lost[0] if lost else "commit" if number > 0 else "version"
        raise Unproven(f"it registers a version and names no {what}")


def _require_window(entry: Entry) -> None:
    try:
        WindowRecord.model_validate(entry.event.details)
    except ValidationError as error:
        raise Unproven("it does not hold a valid window") from error


def _require_none(why: str | None) -> None:
    if why is not None:
        raise Unproven(why)


def _approvals(entry: Entry) -> list[Approval]:
    try:
        found = [Approval.model_validate(values) for values in entry.event.approvals]
        for one in found:
            _ = one.moment
    except ValueError as error:  # includes ValidationError
        raise Unproven("it holds an invalid approval") from error
    if not found and entry.event.action == "approved":
        raise Unproven("nobody approved it")
    return found


def _stolen(now: Approvers, approval: Approval) -> frozenset[str]:
    """Return keys that today's file declares invalid for the day of the approval."""
    keys = [key for person in now.people for key in person.keys]
    return frozenset(key.bare for key in keys if not key.counts(approval.moment.date()))
