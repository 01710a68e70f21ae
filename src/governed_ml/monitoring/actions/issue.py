"""The one issue of monitoring: its text and pictures in Markdown, and when it is open."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from governed_ml.github.client import at, read_all
from governed_ml.github.current_settings import Hub
from governed_ml.github.workflow_run.workflow_output import plain
from governed_ml.pipeline.documents.templates import fill

LABEL = "governance-monitoring"  # nobody but who may write can set one
SHOWN = 40  # rules in the table
WINDOWS, CHARTS = 30, 3
FAILED = "failed: "  # how a line begins that says what could not be done
ROOM = 60_000  # characters; GitHub takes 65,536
SIGNS = {"healthy": "✅", "warn": "⚠️", "retrain": "🔁", "rollback": "⏪", "not_measured": "❔"}
Window = Mapping[str, Any]  # as `governance monitor --json` prints it


class Issue(BaseModel):
    """An issue, or a pull request, which GitHub lists among them."""

    model_config = ConfigDict(strict=True, frozen=True)
    number: int
    title: str
    body: str | None = None
    state: str
    html_url: str
    pull_request: Any = None


def title(window: Window) -> str:
    """Return the issue's title; a new one is told to who follows the issue."""
    level = str(window["level"]).replace("_", " ").replace("rollback", "roll back")
    of = "" if window["window"] is None else f" (version {window['version']})"
    return f"Monitoring: {level}{of}"


def none(why: str) -> Window:
    """Return what is told where no window came about."""
    return {"window": None, "version": None, "level": "not_measured", "due": "none",
            "reasons": [why], "rules": []}  # fmt: skip


def body(window: Window, history: Sequence[Window], done: Sequence[str]) -> str:
    """Return the whole text: what happened, what to do, what was done, the rules, pictures.

    `history` holds the details of the ledger's events `monitored`, oldest first.
    """
    level = str(window["level"])
    rules: list[Window] = sorted(window["rules"], key=lambda one: _order(one["verdict"]))
    loud = [one for one in rules if _order(one["verdict"]) < _order("healthy")]
    values = {
        "window": {"risk": None, "in_a_row": 0} | dict(window),
        "sign": SIGNS.get(level, ""),
        "signs": SIGNS,
        "level": level.replace("_", " "),
        "done": done,
        "failed": any(one.startswith(FAILED) for one in done),
        "shown": loud[:SHOWN],
        "healthy": len(rules) - len(loud),
        "hidden": len(loud[SHOWN:]),
    }
    parts = [fill(Path(__file__).with_suffix(".md.jinja"), plain, values)]
    parts += _pictures(loud, history)
    parts += [
        (
            "This issue was written by `governance monitor`, which closes it when a window is "
            "healthy again."
        )
    ]
    text = "\n\n".join(one.strip("\n") for one in parts)
    return text if len(text) <= ROOM else text[:ROOM].rpartition("\n")[0] + "\n\n… cut here"


def _order(verdict: str) -> int:
    return {"rollback": 0, "retrain": 1, "warn": 2, "healthy": 4, "pass": 4}.get(verdict, 3)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _pictures(loud: Sequence[Window], history: Sequence[Window]) -> list[str]:
    """Return a chart of the risk score and of the rules that matter most, window by window."""
    seen = history[-WINDOWS:]
    risk = [(one["window"], one["risk"]) for one in seen if one.get("risk") is not None]
    charts = [xychart("risk score", risk, {})] if risk else []
    for rule in [one for one in loud if one["value"] is not None][:CHARTS]:
        values = [(one["window"], one["values"].get(rule["id"])) for one in seen]
        known = [(number, value) for number, value in values if value is not None]
        charts += [xychart(str(rule["id"]), known, rule["limits"] or {})] if known else []
    return ["### Window by window", *charts] if charts else []


def xychart(name: str, points: Sequence[tuple[int, float]], limits: Mapping[str, float]) -> str:
    """Return a Mermaid chart: a bar for each window that has a value, a line for each limit."""
    values = [value for _, value in points]
    every = [0.0, *values, *limits.values()]
    low, high = min(every), max(every)
    high = high if high > low else low + 1
    lines = [
        "xychart-beta",
        f'    title "{_text(name)}"',
        f'    x-axis "window" [{", ".join(str(number) for number, _ in points)}]',
        f'    y-axis "value" {_decimal(low)} --> {_decimal(high + (high - low) / 10)}',
        f"    bar [{', '.join(map(_decimal, values))}]",
        *(f"    line [{', '.join([_decimal(one)] * len(points))}]" for one in limits.values()),
    ]
    chart = "\n".join(["```mermaid", *lines, "```"])
    said = ", ".join(f"{level} {_number(limit)}" for level, limit in limits.items())
    return f"{chart}\n\nLines: {said}" if said else chart


def _text(name: str) -> str:
    """Return a name that ends no string and no fence; a column may be called anything."""
    return re.sub(r"[^\w .,:;()\[\]=*+/-]", "_", name)[:80]


def _decimal(value: float) -> str:
    """Return a number as Mermaid reads one: without an exponent."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def of(hub: Hub) -> Issue | None:
    """Return the issue: the open one, else the last that was closed."""
    path = f"/repos/{hub.name}/issues?state=all&sort=created&direction=asc&labels={LABEL}"
    found = read_all(Issue, "the issues", at(hub.github, path), hub.need)
    issues = [one for one in found if one.pull_request is None]
    return next((one for one in issues if one.state == "open"), issues[-1] if issues else None)


def update(hub: Hub, wanted: str, text: str, *, healthy: bool, loud: bool) -> str:
    """Open, change or close the issue; return its address (empty: there is none, and none is due).

    A changed text tells nobody, so a comment does where `loud` or the title is another.
    """
    there = of(hub)
    if there is None:
        if healthy:
            return ""
        values = {"title": wanted, "body": text, "labels": [LABEL]}
        hub.send("a new issue", "POST", "/issues", values)
        there = of(hub)
        return there.html_url if there else ""
    if healthy and there.state == "closed":
        return ""
    what, path = f"issue {there.number}", f"/issues/{there.number}"
    state = "closed" if healthy else "open"
    if loud or (there.title, there.state) != (wanted, state):
        comment(hub, there, text.partition("\n\n### Rules")[0])
    values = {"title": wanted, "body": text, "state": state}
    hub.send(what, "PATCH", path, values | ({"state_reason": "completed"} if healthy else {}))
    return there.html_url


def comment(hub: Hub, there: Issue, text: str) -> None:
    """Tell who follows the issue."""
    path = f"/issues/{there.number}/comments"
    hub.send(f"a comment on issue {there.number}", "POST", path, {"body": text})
