"""Which events are void because of their time or their signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from governed_ml.ledger.events import TOLERANCE, Entry, Event
from governed_ml.ledger.signatures import Signature, Signer


def future(event: Event, now: datetime | None = None) -> str | None:
    """Return why an event is dated in the future, or None."""
    if event.moment <= (now or datetime.now(UTC)) + TOLERANCE:
        return None
    return f"it is dated {event.time}, in the future: the writer's clock is ahead"


def dubious(
    entries: Sequence[Entry],
    found: Mapping[str, Signature],
    signers: Sequence[Signer],
    now: datetime | None = None,
) -> dict[str, str]:
    """Return commit → why its event is void because of its time or signature.

    An event must be signed from the day after a key was listed, and after any event that a listed
    key signed, as long as some key is valid.
    """
    wrong: dict[str, str] = {}
    signed = False
    for entry in entries:
        signature = found[entry.commit]
        why = future(entry.event, now) or _signed_wrongly(entry.event, signature, signers, signed)
        if why:
            wrong[entry.commit] = why
        signed = signed or (signature.state == "good" and not why)
    return wrong


def _signed_wrongly(
    event: Event, signature: Signature, signers: Sequence[Signer], signed: bool
) -> str | None:
    due = any(signer.expects(event) for signer in signers)
    known = [one for one in signers if one.fingerprint == signature.by]
    if signature.state == "good":
        return None
    if signature.state == "bad":
        return "its signature is invalid for this event"
    if known:
        return f"it is signed by {known[0].principal} with a key that was not valid on that day"
    if signature.state == "unlisted":
        unlisted = (
            f"it is signed by a key that governance/approvers.yaml does not list ({signature.by})"
        )
        return unlisted if due else None
    if due:
        return "it is unsigned, but it must be signed"
    if signed and any(signer.counts(event) for signer in signers):
        return "it is unsigned, but an earlier event is signed"
    return None
