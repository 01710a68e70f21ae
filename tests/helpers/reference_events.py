"""docs/events.md: every event of the ledger, what it holds, and which command writes it."""

from __future__ import annotations

from typing import NamedTuple, get_args

from reference_models import rows_of
from reference_pages import WRITTEN, document, table, wrapped
from reference_sources import events

from governed_ml.ledger.events import Action, Event
from governed_ml.ledger.lifecycle import KEEPS_STATE, LEGAL
from governed_ml.ledger.production.canary import CanaryRecord, JudgedCanaryRule
from governed_ml.ledger.production.windows import WindowRecord

INTRO = (
    "The ledger is the git branch `governance-ledger`. Each commit holds one event as JSON, with "
    "the digest of the event before. `governance ledger show` prints them for people, "
    "`governance ledger export` as JSON. [The ledger](ledger.md) says how the "
    "ledger is protected, and which events are void."
)
FORM = (
    "Every event has `schema_version`, `sequence`, `time`, `actor`, `action`, `nonce` and "
    "`previous`. The sections below name the other fields that an event of that name sets."
)
PROTECTED = "the commit of `main` whose rules were applied"
WHY = "what failed, in words"
RUN = {
    "window": "the number of the window",
    "version": "the champion",
    "run": "the workflow's run",
    "page": "the address of that run",
}


class Told(NamedTuple):
    """When an event is written, by which commands, and the keys of its details."""

    when: str
    commands: tuple[str, ...]
    details: dict[str, str]


REGISTERED = {
    "run_id": "the run in MLflow that keeps the release",
    "signature": "the digest of the signature file",
    "isolation": "what kept the training apart from the test rows, if anything did",
}
RETRAINED = {
    "verdict": "the challenger's verdict",
    "data": "the digest of the new data",
    "pull": "the pull request's number",
    "url": "its address",
    "why": WHY,
    "run": RUN["run"],
    "page": RUN["page"],
}
EVENTS: dict[str, Told] = {
    "registered": Told(
        "A commit was measured again and allowed.",
        ("register",),
        REGISTERED,
    ),
    "quarantined": Told(
        "A commit was measured again and denied.",
        ("register",),
        REGISTERED,
    ),
    "approved": Told(
        "One or more people approved a version.",
        ("approve",),
        {"missing": "roles that still have to approve", "protected": PROTECTED},
    ),
    "rejected": Told("A version was rejected for good.", ("reject",), {}),
    "promoted": Told(
        "An approved version became the champion.",
        ("promote",),
        {
            "from": "the champion before; null for the first",
            "protected": PROTECTED,
            "not_compared": "why the version was not compared with the champion; empty if it was",
            "canary": "what the last step of its canary showed, as in `canary_advanced`",
        },
    ),
    "rolled_back": Told(
        "An earlier champion became the champion again.",
        ("rollback", "monitor"),
        {
            "from": "the champion before, which is now in quarantine",
            "skipped": "versions that were passed over, with the reason",
            "measured_otherwise": "settings that differ from those of `main` today",
            "protected": PROTECTED,
            "run": RUN["run"],
        },
    ),
    "rollback_failed": Told(
        "No earlier champion could return, or the one that returned is not deployed.",
        ("rollback", "monitor"),
        {"why": WHY},
    ),
    "reconciled": Told(
        "The registry was brought to what the ledger says.",
        ("reconcile",),
        {
            "found": "the differences",
            "changed": "what was changed",
            "void": "the void events that are known from now on",
            "gone": "versions that were deleted in MLflow and are known from now on",
        },
    ),
    "notification_lost": Told(
        "The webhook did not take the message about an event. Every command that writes an event "
        "can write this one.",
        ("register", "approve", "promote"),
        {"event": "the sequence of the event that the message was about", "why": WHY},
    ),
    "monitored": Told("A window of production was measured.", ("monitor",), {}),
    "rollback_asked": Told(
        "The workflow `rollback` was started.",
        ("monitor --dispatch",),
        {"reason": "the reason that the workflow was given", "from": "the champion", **RUN},
    ),
    "retraining_asked": Told(
        "The workflow `retrain` was started.",
        ("monitor --dispatch",),
        {"reason": "the reason that the workflow was given", **RUN},
    ),
    "retrained": Told("A retraining ended with a pull request.", ("retrain note",), RETRAINED),
    "retraining_failed": Told(
        "A retraining ended without a pull request.",
        ("retrain note",),
        RETRAINED | {"jobs": "the jobs that failed"},
    ),
    "dispatch_failed": Told(
        "A window could not be measured, or a workflow could not be started or left no result.",
        ("monitor --dispatch",),
        {"due": "what was due: monitor, retrain or rollback", "why": WHY, **RUN},
    ),
    "alert_failed": Told(
        "The issue about the monitoring could not be written.",
        ("monitor --dispatch", "retrain note"),
        RETRAINED | RUN | {"why": WHY, "jobs": "the jobs that failed"},
    ),
    "canary_started": Told(
        "An approved version began to answer a share of the subjects. It holds the approvals, "
        "because it answers people.",
        ("canary start",),
        {
            "champion": "the champion that it is compared with",
            "share": "the share of the subjects, in percent",
            "protected": PROTECTED,
        },
    ),
    "canary_advanced": Told(
        "Every rule about the canary held, and it answers the next share.",
        ("canary judge",),
        {},
    ),
    "canary_held": Told(
        "The canary neither advances nor ends. It is recorded once for each cause in a step.",
        ("canary judge",),
        {},
    ),
    "canary_reverted": Told(
        "The champion answers everybody again. If the canary broke rules, the version is "
        "quarantined from then on; otherwise it stays approved.",
        ("canary judge", "canary stop"),
        {},
    ),
}
OF_CANARY = ("canary_advanced", "canary_held", "canary_reverted")
"""Events whose details are a judgement of a canary."""
BY_HELPERS = (
    *("rollback_asked", "retraining_asked", "dispatch_failed"),
    *("retrained", "retraining_failed", "alert_failed"),
)
"""Events that share one function, which gives all of them the same fields."""
SHARED = {"subject", "reason", "details"}


def states(action: str) -> str:
    """Say in which states of a version an event is allowed, and whether it changes the state."""
    found = LEGAL.get(action)  # pyright: ignore[reportArgumentType]
    if found is None:
        return "It moves no version; its details may name one."
    if None in found:
        return "It makes a new version."
    names = " or ".join(f"`{one}`" for one in found)
    kept = " It leaves the version in that state." if action in KEEPS_STATE else ""
    return f"The version must be {names}.{kept}"


def section(action: str, told: Told, fields: set[str]) -> str:
    """Return the section of one event."""
    by = ", ".join(f"`governance {one}`" for one in told.commands)
    named = ", ".join(f"`{one}`" for one in Event.model_fields if one in fields)
    said = f"{told.when} {states(action)} Written by {by}. Fields: {named}."
    parts = [f"### `{action}`", wrapped(said)]
    if action == "monitored":
        parts.append(
            table(["details", "type", "default", "meaning"], rows_of(WindowRecord.model_fields, {}))
        )
    elif action == "canary_advanced":
        for head, model in (("details", CanaryRecord), ("of a rule", JudgedCanaryRule)):
            parts.append(
                table([head, "type", "default", "meaning"], rows_of(model.model_fields, {}))
            )
    elif action in OF_CANARY:
        parts.append("Its details are those of `canary_advanced`.")
    elif told.details:
        rows = [
            [f"`{name}`", f"{text[:1].upper()}{text[1:]}."] for name, text in told.details.items()
        ]
        parts.append(table(["details", "meaning"], rows))
    return "\n\n".join(parts)


def page() -> str:
    """Return the page."""
    found = events(get_args(Action))
    form = table(["field", "type", "default", "meaning"], rows_of(Event.model_fields, {}))
    parts = [
        section(action, told, SHARED if action in BY_HELPERS else found[action][0])
        for action, told in EVENTS.items()
    ]
    intro = (wrapped(INTRO), wrapped(FORM))
    return document(
        "Ledger events", WRITTEN, *intro, "## The form of an event", form, "## Events", *parts
    )
