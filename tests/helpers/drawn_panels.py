"""The panels of the dashboard, drawn as a page from what Prometheus answers to their queries."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

Series = list[tuple[str, list[tuple[float, float]]]]
"""Legend and points (time, value) of each line."""
Placing = Callable[[float, float], tuple[float, float]]
COLOURS = ("#2f6fb0", "#c8642b", "#3d8b4f", "#8a4fa3", "#b0882f", "#2f9a9a", "#a3334f", "#5b5b5b")
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 280, 118, 44, 16, 6
STYLE = """
body { margin: 0; padding: 12px; width: 1176px; background: #f4f5f6; color: #222;
  font: 11px/1.3 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 17px; margin: 0 0 2px; } h2 { font-size: 13px; margin: 10px 0 4px; }
p { margin: 0; color: #555; } .row { display: grid; gap: 6px; }
.panel { background: #fff; border: 1px solid #d5d8db; border-radius: 3px; padding: 5px 7px; }
.panel h3 { font-size: 11.5px; margin: 0 0 3px; } svg { display: block; width: 100%; }
.legend { color: #333; overflow-wrap: anywhere; } .legend i { display: inline-block; width: 9px;
  height: 3px; margin: 0 3px 2px 6px; } .stat { font-size: 30px; text-align: center;
  padding: 34px 0; border-radius: 3px; color: #fff; background: #3d8b4f; }
.stat.red { background: #b3302f; } .stat.plain { color: #222; background: none; font-size: 17px; }
"""


@dataclass(frozen=True)
class Drawn:
    """One panel of the dashboard's file, and the answers to its queries."""

    panel: dict[str, Any]
    series: Series


def page(title: str, drawn: Sequence[Drawn | str], about: str) -> str:
    """The page: headings, and rows of panels as the dashboard's file places them."""
    parts: list[str] = []
    rows: dict[int, list[Drawn]] = {}
    for one in [*drawn, ""]:
        if isinstance(one, Drawn):
            rows.setdefault(one.panel["gridPos"]["y"], []).append(one)
            continue
        for row in rows.values():
            boxes = "".join(map(_box, row))
            parts.append(f'<div class="row" style="grid-template-columns: {_columns(row)}">')
            parts.append(f"{boxes}</div>")
        rows = {}
        parts.append(f"<h2>{escape(one)}</h2>" if one else "")
    head = f"<h1>{escape(title)}</h1><p>{escape(about)}</p>"
    return f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>{head}{"".join(parts)}'


def _columns(row: list[Drawn]) -> str:
    return " ".join(f"{one.panel['gridPos']['w']}fr" for one in row)


def _box(one: Drawn) -> str:
    draw: dict[str, Callable[[Drawn], str]] = {
        "stat": _stat, "table": _table, "heatmap": _heatmap, "timeseries": _lines,
    }  # fmt: skip
    body = draw[one.panel["type"]](one) if one.series else '<div class="stat plain">no data</div>'
    return f'<div class="panel"><h3>{escape(one.panel["title"])}</h3>{body}</div>'


def _limit(one: Drawn) -> tuple[float, bool] | None:
    """The limit of a panel, and whether red is above it."""
    steps = one.panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
    return (steps[1]["value"], steps[1]["color"] == "red") if steps else None


def _shown(value: float, unit: str) -> str:
    """A value in its unit, in few characters."""
    if unit == "bool_yes_no":
        return "Yes" if value else "No"
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "s" and value and value < 1:
        return f"{1000 * value:.3g} ms"
    suffix = {"s": " s", "reqps": " req/s", "rowsps": " rows/s", "d": " days"}.get(unit, "")
    return f"{value:.3g}{suffix}"


def _unit(one: Drawn) -> str:
    return str(one.panel["fieldConfig"]["defaults"].get("unit", "short"))


def _stat(one: Drawn) -> str:
    value = one.series[0][1][-1][1]
    limit = _limit(one)
    red = limit is not None and (value >= limit[0]) == limit[1]
    return f'<div class="stat{" red" if red else ""}">{_shown(value, _unit(one))}</div>'


def _table(one: Drawn) -> str:
    lines = "<br>".join(escape(legend) for legend, _ in one.series)
    return f'<div class="stat plain">{lines}</div>'


def _frame(one: Drawn, top: float, unit: str) -> tuple[list[str], Placing]:
    """Axes with a few numbers, and what places a point."""
    times = [time for _, points in one.series for time, _ in points]
    start, end = min(times), max(times)

    def place(time: float, value: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - 4) * (time - start) / ((end - start) or 1)
        return x, TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)

    parts: list[str] = []
    for share in (0, 0.5, 1):
        _, y = place(start, share * top)
        parts.append(_level(y, 'stroke="#e3e5e7"'))
        said = escape(_shown(share * top, unit))
        parts.append(f'<text x="{LEFT - 4}" y="{y + 3:.1f}" text-anchor="end">{said}</text>')
    for share in (0, 0.5, 1):
        x, _ = place(start + share * (end - start), 0)
        said = f"{share * (end - start):.0f} s"
        anchor = {0: "start", 0.5: "middle", 1: "end"}[share]
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 3}" text-anchor="{anchor}">{said}</text>')
    return parts, place


def _level(y: float, style: str) -> str:
    """A horizontal line."""
    return f'<line x1="{LEFT}" x2="{WIDTH - 4}" y1="{y:.1f}" y2="{y:.1f}" {style}/>'


def _svg(parts: list[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" font-size="8.5" fill="#555">{"".join(parts)}</svg>'


def _lines(one: Drawn) -> str:
    values = [value for _, points in one.series for _, value in points if math.isfinite(value)]
    limit, highest = _limit(one), max(values, default=1.0)
    if limit is not None and (not highest or limit[0] < 20 * highest):
        highest = max(highest, limit[0])
    parts, place = _frame(one, _round_up(highest), _unit(one))
    if limit is not None and limit[0] <= _round_up(highest):
        _, y = place(0, limit[0])
        parts.append(_level(y, 'stroke="#b3302f" stroke-dasharray="5 3"'))
    legend: list[str] = []
    for number, (name, points) in enumerate(one.series):
        colour = COLOURS[number % len(COLOURS)]
        dashes = ' stroke-dasharray="3 3"' if name.startswith("limit") else ""
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in
                       (place(*point) for point in points if math.isfinite(point[1])))  # fmt: skip
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" '
                     f'stroke-width="1.4"{dashes}/>')  # fmt: skip
        legend.append(f'<i style="background:{colour}"></i>{escape(name)}')
    return _svg(parts) + f'<div class="legend">{"".join(legend)}</div>'


def _heatmap(one: Drawn) -> str:
    """Cells of time and bucket; what Prometheus counts up to a bound is taken apart."""
    rows = sorted(((float(name.replace("+Inf", "inf")), points) for name, points in one.series))
    rows = [row for row in rows if math.isfinite(row[0])]
    parts, place = _frame(one, 1, "short")
    below: dict[float, float] = {}
    cells: list[tuple[float, float, float]] = []
    for bound, points in rows:
        cells += [(time, bound, max(value - below.get(time, 0), 0)) for time, value in points]
        below = dict(points)
    most = max((count for _, _, count in cells), default=0) or 1
    width = (WIDTH - LEFT - 4) / max(len(rows[0][1]), 1)
    height = (HEIGHT - TOP - BOTTOM) / 10
    for time, bound, count in cells:
        x, y = place(time, bound)
        shade = f"rgba(47,111,176,{count / most:.2f})"
        parts.append(f'<rect x="{min(x, WIDTH - 4 - width):.1f}" y="{y:.1f}" width="{width:.1f}" '
                     f'height="{height:.1f}" fill="{shade}"/>')  # fmt: skip
    return _svg(parts)


def _round_up(value: float) -> float:
    """The next number with one digit."""
    if value <= 0:
        return 1.0
    size = 10 ** math.floor(math.log10(value))
    return math.ceil(value / size) * size


def legend(form: str, labels: dict[str, str]) -> str:
    """The legend of a series, as Grafana fills it in."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), form).strip()
