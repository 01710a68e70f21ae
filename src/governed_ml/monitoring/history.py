"""Reports about production: the last window, a table of all windows, and a picture of trends.

They are derived from the ledger, which is the record. Git ignores these files.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.files import write_json, write_text
from governed_ml.monitoring.judge_window import Level, WindowRecord, windows_of
from governed_ml.monitoring.window import Window

if TYPE_CHECKING:
    from governed_ml.ledger.events import Entry

FOLDER = Path("reports/monitoring")
LATEST, HISTORY, TRENDS = FOLDER / "latest.json", FOLDER / "history.parquet", FOLDER / "trends.svg"
COLOURS = {"healthy": "#2e7d32", "warn": "#b26a00", "retrain": "#c43e00", "rollback": "#b00020",
           "not_measured": "#757575"}  # fmt: skip
SHOWN = 6  # lines in the picture: the rules whose values changed most


class LatestWindow(Closed):
    """The content of `reports/monitoring/latest.json`: the last window and its measurements."""

    schema_version: Literal[1] = 1
    version: int
    model: str
    written: str
    due: Level | Literal["none"]
    in_a_row: int
    said: WindowRecord
    measured: Window


def keep(base: Path, latest: LatestWindow | None, entries: list[Entry]) -> None:
    """Write the reports. `latest` is None if an earlier window was measured again."""
    import pandas as pd

    from governed_ml.core.tables import write

    if latest is not None:
        write_json(base / LATEST, latest.model_dump(mode="json", by_alias=True))
    rows = table(entries)
    write(pd.DataFrame(rows), base / HISTORY)
    events = [one.event for one in entries if one.event.action == "monitored"]
    write_text(base / TRENDS, picture(windows_of([event.details for event in events])))


def table(entries: list[Entry]) -> list[dict[str, Any]]:
    """Return one row per window and rule.

    A window that was measured again has its latest values.
    """
    events = {one.event.details["window"]: one.event for one in entries
              if one.event.action == "monitored"}  # fmt: skip
    return [
        {
            "window": number,
            "time": event.time,
            "version": event.version,
            "batch": said.batch,
            "from": said.since,
            "to": said.to,
            "rows": said.rows,
            "labelled": said.labelled,
            "level": said.level,
            "risk": said.risk,
            "rule": rule,
            "value": value,
        }
        for number, event in sorted(events.items())
        for said in [WindowRecord.model_validate(event.details)]
        for rule, value in said.values.items()
    ]


def picture(windows: list[WindowRecord]) -> str:
    """Draw the level of each window, and the rules that changed most, as a self-contained SVG."""
    names = list(dict.fromkeys(name for one in windows for name in one.values))
    series = {name: [one.values.get(name) for one in windows] for name in names}
    known = {name: [v for v in values if v is not None] for name, values in series.items()}
    moved = {name: max(v) - min(v) for name, v in known.items() if len(v) > 1}
    chosen = sorted(moved, key=lambda name: -moved[name])[:SHOWN]
    width, step = 720, 560 / max(1, len(windows) - 1)
    height = 60 + 60 * len(chosen)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"',
        ' font-family="system-ui, sans-serif" font-size="11" fill="#777">',
        f"<title>{len(windows)} windows of production</title>",
    ]
    for place, one in enumerate(windows):
        about = escape(f"window {one.window}, {one.batch}: {one.level.replace('_', ' ')}")
        lines.append(
            f'<circle cx="{20 + place * step:.1f}" cy="30" r="6" fill="{COLOURS[one.level]}">'
            f"<title>{about}</title></circle>"
        )
    lines.append('<text x="590" y="34">level</text>')
    for row, name in enumerate(chosen):
        low, high = min(known[name]), max(known[name])
        top = 60 + 60 * row
        spots = [
            f"{20 + place * step:.1f},{top + 45 - 40 * (value - low) / ((high - low) or 1):.1f}"
            for place, value in enumerate(series[name])
            if value is not None
        ]
        lines.append(
            f'<polyline points="{" ".join(spots)}" fill="none" stroke="#3367d6" stroke-width="2"/>'
            f'<text x="590" y="{top + 25}">{escape(name[:24])}</text>'
            f'<text x="590" y="{top + 40}">{low:.3g} to {high:.3g}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"
