"""Faults in ledger and registry, by somebody who can write to both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from governed_ml.core import tables
from governed_ml.core.problem import Problem
from governed_ml.core.repository import git
from governed_ml.drill.command_result import Sign
from governed_ml.drill.fault import Fault
from governed_ml.drill.scratch import Scratch
from governed_ml.ledger import remote, storage
from governed_ml.ledger.chain import EMPTY_TREES, GENESIS
from governed_ml.ledger.events import Entry, Event
from governed_ml.registry.versions import BUNDLE, CHAMPION, STATUS, model_name

NOBODY = "nobody@drill.invalid"
VERIFY = ("ledger", "verify")
ROWS = tables.RAW.with_name("rows.parquet").as_posix()


def rewrite(scratch: Scratch, events: list[Event]) -> None:
    """Replace the branch by another chain of commits in the ledger's format."""
    tip: str | None = None
    for event in events:
        seconds = int(datetime.fromisoformat(event.time).timestamp())
        who = f"{event.actor} <{event.actor}> {seconds} +0000"
        above = f"parent {tip}\n" if tip else ""
        head = f"tree {EMPTY_TREES[0]}\n{above}author {who}\ncommitter {who}\n"
        body = f"{head}\n{event.canonical()}\n".encode()
        words = ("hash-object", "-t", "commit", "-w", "--stdin")
        tip = git(scratch.project, *words, stdin=body)
    git(scratch.project, "update-ref", storage.REF, str(tip))


def _events(scratch: Scratch) -> list[Event]:
    return [entry.event for entry in storage.read(scratch.project)]


def edited(scratch: Scratch) -> Sign:
    """Change an event and rewrite all commits after it."""
    one, two, *rest = _events(scratch)
    rewrite(scratch, [one, two.model_copy(update={"reason": "as agreed"}), *rest])
    return Sign(r"broken at event 3 .*does not name the digest of the event before")


def cut(scratch: Scratch) -> Sign:
    """Remove the last event."""
    last: Entry = storage.read(scratch.project)[-2]
    git(scratch.project, "update-ref", storage.REF, last.commit)
    return Sign("truncated or made elsewhere: the registered model")


def reordered(scratch: Scratch) -> Sign:
    """Swap two events."""
    one, two, three, *rest = _events(scratch)
    rewrite(scratch, [one, three, two, *rest])
    return Sign("broken at event 2 .*it has number 3 where 2 was expected")


def rewritten(scratch: Scratch) -> Sign:
    """Rewrite the whole ledger with matching digests, so that the chain is valid."""
    made: list[Event] = []
    for event in _events(scratch):
        previous = made[-1].digest() if made else GENESIS
        made.append(
            event.model_copy(update={"previous": previous, "actor": "nobody@drill.invalid"})
        )
    rewrite(scratch, made)
    return Sign("rewritten: the registered model")


def emptied(scratch: Scratch) -> Sign:
    """Delete the ledger's branch; an empty chain is always valid."""
    git(scratch.project, "update-ref", "-d", storage.REF)
    return Sign("emptied: the registered model")


def alias(scratch: Scratch) -> Sign:
    """Set the champion alias in MLflow to a version that nobody approved."""
    scratch.mlflow("set_registered_model_alias", model_name(scratch.project), CHAMPION, "1")
    return Sign(f"alias {CHAMPION} names version 1, the ledger says no version")


def tag(scratch: Scratch) -> Sign:
    """Write an approval into a tag in MLflow."""
    name = model_name(scratch.project)
    scratch.mlflow("set_model_version_tag", name, "1", STATUS, "approved")
    return Sign(f"version 1: tag {STATUS} says 'approved', the ledger 'pending_review'")


def replayed(scratch: Scratch) -> Sign:
    """Use a version's approvals for another commit, by adding its digests to the ledger."""
    scratch.project.joinpath("NOTES").write_text("Another commit\n", encoding="utf-8")
    commit = scratch.commit("Another commit")
    events = _events(scratch)
    subject = events[0].subject | {"commit": commit}
    given = [one for event in events if event.action == "approved" for one in event.approvals]
    promoted = events[-1]
    details = dict[str, Any](promoted.details) | {"from": 1, "protected": commit, "missing": []}
    append: Callable[..., Entry] = storage.append
    for action in ("registered", "approved", "promoted"):
        what = {"version": 2, "details": details, "approvals": given}
        what |= {"subject": subject | {"policy": promoted.subject["policy"]}}
        append(scratch.project, action, **what)
    remote.push(scratch.project)
    return Sign(r"is void: drill-\S+ did not approve: it is for another commit")


def tampered(scratch: Scratch) -> Sign:
    """Change the champion's file in the registry's store."""
    files = [*scratch.project.glob(f"mlruns/**/{BUNDLE}/model.skops")]
    if not files:
        raise Problem("the registry does not keep its models on this machine")
    for path in files:
        path.write_bytes(path.read_bytes() + b"\0")
    return Sign(r"signature is invalid: model\.skops changed")


PREDICT = ("predict", ROWS, "--output", "reports/predicted.parquet")
FAULTS = (
    Fault("edited-ledger", "an event was edited", (25,), VERIFY, edited, "promoted"),
    Fault("cut-ledger", "the last event was removed", (25,), VERIFY, cut, "promoted"),
    Fault("reordered-ledger", "two events were swapped", (25,), VERIFY, reordered, "promoted"),
    Fault("rewritten-ledger", "every event was rewritten", (25,), VERIFY, rewritten, "promoted"),
    Fault("emptied-ledger", "the ledger's branch was deleted", (25,), VERIFY, emptied, "promoted"),
    Fault(
        "moved-alias",
        "the alias champion was moved by hand",
        (16,),
        ("status",),
        alias,
        "registered",
    ),
    Fault(
        "forged-tag",
        "a tag of the registry was set to approved",
        (17,),
        ("status",),
        tag,
        "registered",
    ),
    Fault(
        "replayed-approval",
        "an approval was copied from another commit",
        (34,),
        VERIFY,
        replayed,
        "promoted",
    ),
    Fault("tampered-model", "the champion's file changed", (27, 28), PREDICT, tampered, "promoted"),
)
