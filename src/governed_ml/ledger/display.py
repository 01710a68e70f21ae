"""Print the ledger's events: all in a table, or those of one version with every field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from governed_ml.core.terminal import plain, screen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from governed_ml.ledger.events import Event

DIGESTS = ("model", "data", "policy")  # columns of the table
NAMES = {  # labels for an event's keys
    "signature": "model signature",
    "run_id": "MLflow run",
    "release": "release record",
    "from": "instead of version",
    "protected": "policy of commit",
}
SIGNED = {
    "good": "yes, by",
    "unlisted": "by a key that governance/approvers.yaml does not list:",
    "bad": "NO, the signature is wrong:",
    "unsigned": "no",
}


def table(events: list[Event], void: Sequence[str] = ()) -> None:
    """Print one row per event, with shortened digests, then list the void events."""
    from rich.table import Table

    found = Table(box=None, pad_edge=False)
    for name in ("#", "time (UTC)", "actor", "action", "version"):
        right = name in ("#", "version")
        found.add_column(name, justify="right" if right else "left", no_wrap=name != "actor")
    for name in (*DIGESTS, "approved by", "reason"):
        found.add_column(name, overflow="fold", no_wrap=name in DIGESTS)
    for event in events:
        cells = [
            str(event.sequence),
            _time(event.time),
            event.actor,
            event.action.replace("_", " "),
            "" if event.version is None else str(event.version),
            *(_short(event.subject.get(name, "")) for name in DIGESTS),
            ", ".join(_approver(one) for one in event.approvals),
            event.reason,
        ]
        found.add_row(*map(plain, cells))
    console = screen()
    console.print(found)
    for line in void:
        console.print(f"[red]{plain(line)}[/]", soft_wrap=True)
    console.print("digests are shortened: `--version N` shows a version in full", style="dim")


def in_full(records: list[dict[str, Any]]) -> None:
    """Print every field that is set. Of a signature, print only who signed."""
    console = screen()
    for record in records:
        event = record["event"]
        action = event["action"].replace("_", " ")
        title = f"{event['sequence']} · {action} · {_time(event['time'])} · {event['actor']}"
        console.print(f"[bold]{plain(title)}[/]", soft_wrap=True)
        for name, value in _rows(event):
            if value not in (None, "", [], {}):
                console.print(f"  {plain(name):<18} {plain(str(value))}", soft_wrap=True)
        if record.get("void"):
            console.print(f"  [red]{'void':<18}[/] {plain(str(record['void']))}", soft_wrap=True)
        state, _, by = str(record["signature"]).partition(" ")
        console.print(f"  {'signed':<18} {plain(f'{SIGNED[state]} {by}'.strip())}", soft_wrap=True)
        console.print(f"  {'event in git':<18} {plain(record['commit'])}", soft_wrap=True)


def _rows(event: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    subject = dict(event["subject"])
    yield "model name", subject.pop("name", "")
    yield "version", event["version"]
    yield "reason", event["reason"]
    for name in (*DIGESTS, *sorted(subject.keys() - set(DIGESTS))):
        yield NAMES.get(name, name), subject.get(name)
    for one in event["approvals"]:
        yield "approved by", _approval(one)
    decision = event["decision"] or {}
    yield "verdict", decision.get("verdict")
    yield "rules", decision.get("tally")
    yield "risk score", decision.get("risk")
    for rule, said in (decision.get("rules") or {}).items():
        yield "not passed", f"{rule}: {said}"
    details: dict[str, Any] = event["details"]
    for name, value in details.items():
        yield NAMES.get(name) or name.replace("_", " "), _said(value)


def _approval(values: dict[str, Any]) -> str:
    """Return who approved, in which roles, how, when and why, without the signature's bytes."""
    roles = " and ".join(map(str, values.get("roles") or []))
    parts = [_approver(values) + (f" as {roles}" if roles else "")]
    source = str(values.get("source") or "")
    if source == "ssh":
        parts.append("signed with an SSH key")
    elif source:
        parts.append(source.replace("github:", "on GitHub, ").replace(":", " "))
    parts += [_time(str(values.get("time") or "")), str(values.get("comment") or "")]
    return " · ".join(one for one in parts if one)


def _approver(approval: dict[str, Any]) -> str:
    return str(approval.get("approver") or "?")


def _said(value: Any) -> Any:
    """Return a value as text for people, also if it is a list or a mapping."""
    if isinstance(value, dict):
        return " · ".join(f"{name} {_said(one)}" for name, one in value.items())
    if isinstance(value, list):
        return " · ".join(str(_said(one)) for one in value)
    return value


def _time(text: str) -> str:
    return text.removesuffix("Z").replace("T", " ")


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
