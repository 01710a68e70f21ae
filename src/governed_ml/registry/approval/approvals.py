"""Approvals: who approved which digests in which role, and whether an approval is still valid."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from governed_ml.core.config import AsGiven
from governed_ml.core.config.policy_schema import Approvals
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import git, names, precedes, written_by
from governed_ml.ledger.approvers import Approvers, Person
from governed_ml.ledger.events import TOLERANCE
from governed_ml.ledger.lifecycle import Version
from governed_ml.ledger.protected_history import signers
from governed_ml.ledger.signatures import Signature, Signer, signatures
from governed_ml.ledger.storage import now

TIME = "%Y-%m-%dT%H:%M:%SZ"
NAMESPACE = "governance-approval"  # SSH's signature namespace, so a signed commit is no approval
AFTER_WHOM = ("--", ".", ":!conf/policy", ":!governance")  # editing rules is no authorship


def _moment(text: str) -> datetime:
    return datetime.strptime(text, TIME).replace(tzinfo=UTC)


def _time(text: str) -> str:
    """Refuse any other format, because times are compared as text."""
    if f"{_moment(text):{TIME}}" != text:
        raise ValueError("give a time as 2026-01-31T12:00:00Z")
    return text


class Approval(AsGiven):
    """One person's approval of a version."""

    schema_version: Literal[1] = 1
    name: str
    version: int
    commit: str
    model: str
    data: str
    policy: str
    engine: str | None = Field(default=None, description="digest of the engine that measured")
    approver: str
    roles: list[str] = Field(min_length=1, description="in which the approver acts")
    source: str = Field(description="`ssh`, `github:run:ID` or `github:pull:N`")
    time: Annotated[str, AfterValidator(_time)]
    comment: str = ""
    signature: str = Field(default="", description="SSH signature over the rest")

    @property
    def moment(self) -> datetime:
        """Return the time of the approval."""
        return _moment(self.time)

    def signed_text(self) -> bytes:
        """Return the bytes that are signed: canonical JSON of everything except the signature."""
        values = self.model_dump(mode="json", exclude={"signature"})
        return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def sign(approval: Approval, key: Path) -> Approval:
    """Sign an approval with an SSH key (or its agent); raise `Problem` if that fails."""
    command = ["ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", str(key.expanduser())]
    try:
        done = subprocess.run(
            command, input=approval.signed_text(), capture_output=True, check=False
        )
    except OSError as error:
        raise Problem("ssh-keygen was not found: install OpenSSH") from error
    if done.returncode:
        said = first_line(ValueError(done.stderr.decode(errors="replace")), 160)
        raise Problem(f"cannot sign with {key}: {said}")
    return approval.model_copy(update={"signature": done.stdout.decode()})


def _has_signed(
    approval: Approval, person: Person, moment: datetime, stolen: frozenset[str]
) -> bool:
    """Return whether one of the person's keys signed the approval.

    The key must be valid at `moment` and when the approval was given. Keys in `stolen` do not
    count.
    """
    days = (moment.date(), _moment(approval.time).date())
    keys = [one for one in person.keys if all(one.counts(day) for day in days)]
    keys = [one for one in keys if one.bare not in stolen]
    if not keys or not approval.signature:
        return False
    with tempfile.TemporaryDirectory() as scratch:
        allowed, signature = Path(scratch) / "allowed", Path(scratch) / "signature"
        allowed.write_text("".join(f"approver {one.bare}\n" for one in keys), encoding="utf-8")
        signature.write_text(approval.signature, encoding="utf-8")
        command = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", "approver"]
        command += ["-n", NAMESPACE, "-s", str(signature)]
        done = subprocess.run(
            command, input=approval.signed_text(), capture_output=True, check=False
        )
    return done.returncode == 0


def barred(
    base: Path, version: Version, since: str | None, approvers: Approvers, tip: str
) -> set[str]:
    """Return the names whose approval does not count: authors of the changes since `since`.

    `since` is the champion's commit. Names are e-mail addresses and GitHub accounts in lower case.
    They include the person who registered the version: the actor that the event names, and the
    owner of the key that signed it, because the actor comes from a variable or from git's
    configuration. `tip` is the protected branch's commit, whose history lists the keys.
    """
    commit = version.subject["commit"]
    if git(base, "rev-parse", "--is-shallow-repository") == "true":
        raise Problem(
            "this clone is shallow and does not show who wrote what: run `git fetch --unshallow` "
            "(actions/checkout: `fetch-depth: 0`)"
        )
    new = f"{since}..{commit}" if since and precedes(base, since, commit) else commit
    own = written_by(base, new, *AFTER_WHOM) | written_by(base, f"{commit}^!")
    first = version.entries[0]
    signed = signatures(base, [first.commit], signers(base, tip))[first.commit]
    for person in approvers.people:
        if _is_by(signed, person, approvers):
            own |= _known_as(person)
    return own | names(first.event.actor)


def _is_by(signed: Signature, person: Person, approvers: Approvers) -> bool:
    """Return whether a person made a signature, by the name of the key or by the key itself."""
    if signed.state == "good":
        keys = {one.bare for one in approvers.ledger if one.name == signed.by}
        return signed.by == person.name or any(one.bare in keys for one in person.keys)
    known = [Signer(person.name, one.bare).fingerprint for one in person.keys]
    return signed.state == "unlisted" and signed.by in known


def _known_as(person: Person) -> set[str]:
    github = {person.github.lower()} if person.github else set[str]()
    return github | {mail.lower() for mail in person.emails}


def refused(
    approval: Approval,
    version: Version,
    policy: str,
    approvers: Approvers,
    wanted: Approvals,
    own: set[str],
    moment: datetime,
    stolen: frozenset[str] = frozenset(),
) -> str | None:
    """Return why an approval does not count at a moment, or None.

    `own` are names that may not approve (see `barred`); `stolen` are keys that do not count.
    """
    bound = version.subject | {"policy": policy}
    for name in ("name", "commit", "model", "data", "policy", "engine"):
        if getattr(approval, name) != bound.get(name):
            return f"it is for another {name} ({str(getattr(approval, name))[:20]})"
    if approval.version != version.number:
        return f"it is for version {approval.version}"
    person = next((one for one in approvers.people if one.name == approval.approver), None)
    if person is None:
        return "governance/approvers.yaml on the protected branch does not list the approver"
    strange = [role for role in approval.roles if role not in person.roles]
    if strange:
        return f"the approver does not have the role {strange[0]} on the protected branch"
    if not set(approval.roles) & set(wanted.roles):
        return f"the policy wants {' and '.join(wanted.roles)}, not {', '.join(approval.roles)}"
    if own & _known_as(person):
        return "the approver wrote or registered what is to be approved"
    moment, then = max(moment, version.entries[0].event.moment), _moment(approval.time)
    if then > moment + TOLERANCE:
        return f"its time is in the future ({approval.time})"
    if approval.time < version.entries[0].event.time:
        return "it is older than the registration"
    if moment - then > timedelta(days=wanted.valid_days):
        return f"it expired: given on {approval.time[:10]}, valid for {wanted.valid_days} days"
    if approval.source == "ssh" and not _has_signed(approval, person, moment, stolen):
        return "none of the approver's keys that count today signed it"
    return None


def not_approved(number: int, roles: list[str], why: Iterable[str] = ()) -> str:
    """Return the message that a version lacks approvals in these roles, with the next step."""
    because = "; ".join(why)
    return (
        f"version {number} still needs approval by {' and '.join(roles)}"
        f"{f' ({because})' if because else ''}: for each role, one person runs "
        f"`uv run governance approve {number}`"
    )


def missing(wanted: Approvals, good: list[Approval]) -> list[str]:
    """Return the fewest roles that stay unfilled if each person fills at most one role."""
    latest = {approval.approver: approval for approval in good}
    people = list(latest.values()) + [None] * len(wanted.roles)
    best = wanted.roles
    for chosen in permutations(people, len(wanted.roles)):
        lost = [
            role
            for role, approval in zip(wanted.roles, chosen, strict=True)
            if approval is None or role not in approval.roles
        ]
        best = lost if len(lost) < len(best) else best
    return list(best)


def given(version: Version) -> list[Approval]:
    """Return all approvals of a version that the ledger holds."""
    found: list[Approval] = []
    for entry in version.entries:
        for values in entry.event.approvals if entry.event.action == "approved" else []:
            try:
                found.append(Approval.model_validate(values))
            except ValidationError as error:
                raise Problem(
                    f"event {entry.event.sequence} holds no approval: {first_line(error, 120)}", 1
                ) from error
    return found


def of(version: Version, policy: str, person: Person, roles: list[str], comment: str) -> Approval:
    """Return a person's approval of a version, unsigned."""
    subject = version.subject
    return Approval(
        name=subject["name"],
        commit=subject["commit"],
        model=subject["model"],
        data=subject["data"],
        version=version.number,
        policy=policy,
        engine=subject.get("engine"),
        approver=person.name,
        roles=roles or person.roles,
        source="ssh",
        time=max(now(), version.entries[0].event.time),
        comment=comment,
    )
