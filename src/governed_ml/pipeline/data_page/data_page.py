"""Draw `reports/data.html`: what the table looks like, for people, before a model is trained."""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from markupsafe import Markup

from governed_ml.core import tables
from governed_ml.core.config.data import Data, Source
from governed_ml.core.drawing import svg
from governed_ml.core.drawing.style_sheet import style
from governed_ml.core.files import write_text
from governed_ml.pipeline.data.columns import check_roles
from governed_ml.pipeline.data.table_files import public
from governed_ml.pipeline.data_page.column_facts import ColumnFacts, facts_of, role_of
from governed_ml.pipeline.data_page.shown_table import FEWEST, ShownTable
from governed_ml.pipeline.data_page.target_groups import averaged, by_group, classes
from governed_ml.pipeline.documents.templates import fill, number

DATA_PAGE = Path("reports/data.html")
DETAILED = 100  # most columns whose values are shown
FIRST = ("target", "sensitive")  # roles that are shown before others


@dataclass(frozen=True)
class Distribution:
    """A column with what is drawn of it: a histogram and its five numbers."""

    column: ColumnFacts
    mark: Markup | None = None
    ends: tuple[str, ...] = ()


def draw(base: Path, path: Path, data: Data, note: str = "") -> Path:
    """Write the page about a Parquet table; return its path in the project.

    `note` says which rows the table has, if they are not those that `ingest` keeps.
    """
    table = ShownTable(path, data)
    check_roles(data, list(table.types))
    write_text(base / DATA_PAGE, page(table, note))
    return DATA_PAGE


def page(table: ShownTable, note: str = "") -> str:
    """Return the page; it loads nothing, and shows no value that fewer than ten rows have."""
    data = table.data
    names = sorted(table.types, key=lambda name: role_of(name, data) not in FIRST)
    some = {*names[:DETAILED]}
    columns = {name: facts_of(table, name, detailed=name in some) for name in table.types}
    drawn = {name: _drawn(columns[name]) for name in names if name in some}
    values = {
        "data": data,
        "source": source_of(data.source),
        "note": note,
        "rows": table.rows,
        "person": table.person,
        "fewest": FEWEST,
        "columns": columns.values(),
        "target": drawn.pop(data.target),
        "averages": _averages(table),
        "classes": classes(table) if data.multiclass else [],
        "attributes": by_group(table),
        "drawn": [one for one in drawn.values() if not one.column.hidden],
        "left": len(columns) - len(some),
        "bar": svg.bar,
    }
    return fill(Path(__file__).with_suffix(".html.jinja"), _escaped, values | style())


def source_of(source: Source) -> str:
    """Return where a table comes from, without passwords."""
    if source.kind == "openml":
        return f"OpenML data set {source.openml_id}"
    if source.kind == "sql":
        url = source.url or ""
        return f"a query of {url if url.startswith('env:') else public(url)}"
    if source.kind == "team":
        return f"the function {source.function} of sources.py"
    return public(source.path or "") if source.kind == "file" else "synthetic rows"


def _averages(table: ShownTable) -> list[tuple[str, float | None]]:
    """Return what is averaged by group, with its average among all rows (None: no numbers)."""
    what = averaged(table)
    if table.data.task == "regression" and not table.is_number(table.data.target):
        return [(one.words, None) for one in what]
    means = ", ".join(f"avg({one.sql})" for one in what)
    found = tables.rows(f"SELECT {means} FROM {table.sql}")[0]
    return [(one.words, mean) for one, mean in zip(what, found, strict=True)]


def _drawn(column: ColumnFacts) -> Distribution:
    """Return a column with its histogram, if it has numbers that may be shown."""
    found = column.numbers
    if found is None:
        return Distribution(column)
    shown = _date if column.kind == "date" else number
    low, high = shown(found.low), shown(found.high)
    middle = (
        f"below {low}" if one < found.low else f"above {high}" if one > found.high else shown(one)
        for one in found.quartiles
    )
    ends = (low, *middle, high)
    said = f"Histogram of {column.name} from {low} to {high}, median {ends[2]}"
    counts = [max(count, FEWEST) if count else 0 for count in found.counts]
    mark = svg.histogram(counts, (low, high), said) if len(counts) > 1 else None
    return Distribution(column, mark, ends)


def _date(seconds: float) -> str:
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).date().isoformat()
    except OverflowError:
        return "beyond the year 9999"


def _escaped(text: str) -> Any:
    return html.escape(svg.plain(text))
