"""Every input format, and every kind of column as each of them holds it: what is measured."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from governed_ml.pipeline.data import sources
from governed_ml.pipeline.isolated import source_process

ROWS = 60
ROW = np.arange(ROWS)
GAP = ROW == 7
STEADY = {"steady": ROW / 4, "repaid": np.where(ROW * 7 % 10 < 5, "yes", "no")}
"""What every table has beside the column that is looked at: a plain feature, and the target."""


# --- kinds ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A kind of column: its values, what they are once read, and the answer if `ingest` asks.

    `later`: what production writes, if something else. `rule`: by what it is the same then.
    """

    name: str
    values: pd.Series
    right: pd.Series
    kind: str
    answer: dict[str, Any] = field(default_factory=dict)
    later: pd.Series | None = None
    later_right: pd.Series | None = None
    rule: str = ""
    later_rule: str = ""

    @property
    def column(self) -> str:
        """Return what its column is called."""
        return "".join(one if one.isalnum() else "_" for one in self.name)


def series(values: Any, dtype: str | None = None) -> pd.Series:
    """Return values with their gap, which is the eighth row."""
    found = pd.Series(values, dtype=dtype)
    return found.mask(GAP) if dtype else found.astype("object").where(~GAP, None)


def pick(*values: Any) -> np.ndarray:
    """Return values in turn, one a row."""
    return np.array(values, dtype="object")[ROW % len(values)]


CODES = {"categorical": ""}
DAYS = pd.Series(pd.Timestamp("2025-01-01") + pd.to_timedelta(ROW % 28, "D"))
TWELVE = pd.Series(pd.Timestamp("2025-01-01") + pd.to_timedelta(ROW % 12, "D"))
SPREAD = pd.Series(pd.Timestamp("2025-01-01") + pd.to_timedelta(ROW, "D"))
HUGE = 923456789012345000 + ROW % 3
TRUTH = series(pick(True, False, False))


def text(name: str, values: Any, kind: str = "category", **more: Any) -> Kind:
    """Return a kind whose values are texts and stay as they are written."""
    return Kind(name, series(values), series(values), kind, **more)


def truth(name: str, yes: Any, no: Any) -> Kind:
    """Return truth values, which production spells in another way."""
    rule = "all spellings of a truth value count as the same value, 1 and 0 included"
    more = {"later": TRUTH.map({True: yes, False: no}).where(~GAP, None), "later_rule": rule}
    return Kind(name, TRUTH, TRUTH, "boolean", **more)


def day(name: str, written: pd.Series, right: pd.Series, form: str = "", rule: str = "") -> Kind:
    """Return dates, which are the table's time."""
    return Kind(name, written, right, "date", {"dates": form} if form else {}, rule=rule)


KINDS = [
    Kind("integer", pd.Series(ROW % 9), pd.Series(ROW % 9), "integer"),
    Kind("integer with gaps", series(ROW % 9, "Int64"), series(ROW % 9), "integer"),
    Kind("integer, later a decimal", pd.Series(ROW % 5), pd.Series(ROW % 5), "integer",
         later=pd.Series(ROW % 5 + 0.4), later_right=pd.Series(ROW % 5 + 0.4),
         later_rule="the decimal is used unchanged"),
    Kind("integer beyond 2^53", series(HUGE, "Int64"), series(HUGE.astype(str)), "code",
         CODES),
    Kind("decimal", series((ROW / 7).round(9), "float64"), series((ROW / 7).round(9)), "decimal"),
    Kind("boolean", TRUTH, TRUTH, "boolean"),
    truth("boolean, later in capitals", "TRUE", "FALSE"),
    truth("boolean, later in small letters", "true", "false"),
    truth("boolean, later 1", 1, 0),
    text("category", pick("north", "south", "east")),
    text("code with leading zeros", pick("007", "7", "012"), "code", answer=CODES),
    text("code like 250.0 and 250.00", pick("250.0", "250.00", "250.01"), "code",
         answer=CODES),
    day("date, ISO", DAYS.dt.strftime("%Y-%m-%d"), DAYS),
    day("date, typed", DAYS, DAYS),
    day("date, day first", TWELVE.dt.strftime("%d/%m/%Y"), TWELVE, "%d/%m/%Y"),
    day("date with a month's name", DAYS.dt.strftime("%b %d, %Y"), DAYS, "%b %d, %Y"),
    day("date like 20250131", SPREAD.dt.strftime("%Y%m%d").astype(int), SPREAD, "%Y%m%d"),
    day("time with a zone", DAYS.dt.strftime("%Y-%m-%dT00:30:00+01:00"),
        DAYS - pd.Timedelta(minutes=30), rule="a time with an offset is stored in UTC"),
    text("amount with a sign", [f"€{n}.50" for n in ROW], "code", answer=CODES),
    text("percentage", [f"{n % 9}%" for n in ROW], "code", answer=CODES),
    text("text, nearly all distinct", [f"note {n}, by hand" for n in ROW]),
]  # fmt: skip


def answers(kinds: list[Kind]) -> dict[str, Any]:
    """Return what `conf/data` says of these columns, because `ingest` asked."""
    conf: dict[str, Any] = {}
    for one in kinds:
        for key, form in one.answer.items():
            if key == "dates":
                conf.setdefault(key, {})[one.column] = form
            else:
                conf.setdefault(key, []).append(one.column)
    return conf


# --- formats --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Format:
    """An input format: how a table is written in it, and what its source needs to be told.

    `origin`: a model that production asks is trained from it.
    """

    name: str
    suffix: str
    words: str
    answer: dict[str, Any] = field(default_factory=dict)
    origin: bool = True
    trains: bool = True
    predicts: bool = True
    monitors: bool = True


FORMATS = [
    Format("CSV", "csv", "with commas; tabs, `;` and `|` are recognised, too"),
    Format("CSV (;)", "semicolons.csv", 'with semicolons and decimal commas, and `decimal: ","`',
           {"decimal": ","}),
    Format("Parquet", "parquet", "as pandas writes it"),
    Format("JSON lines", "jsonl", "one object a line"),
    Format("JSON", "json", "a list of objects", origin=False),
    Format("SQLite", "db", "`kind: sql` with a query; `predict` gets the database file"),
    Format("team", "team", "a data frame that a function of `sources.py` returns",
           predicts=False, monitors=False),
    Format("OpenML", "openml", "a data frame, as scikit-learn fetches it",
           origin=False, predicts=False, monitors=False),
    Format("CSV.gz", "csv.gz", "a CSV that is packed with gzip", origin=False),
    Format("CSV in zip", "zip", "a zip file with one CSV inside", origin=False),
    Format("Arrow", "feather", "an Arrow file, which is also called Feather", origin=False),
    Format("Excel", "xlsx", "a workbook with one sheet that has cells", origin=False),
    Format("folder", "folder", "a folder with the first half as CSV and the second as Parquet",
           origin=False, trains=False, predicts=False),
    Format("log", "log", "the prediction log, after `predict` read Parquet",
           origin=False, trains=False, predicts=False),
]  # fmt: skip


def table(kinds: list[Kind], *, later: bool = False) -> pd.DataFrame:
    """Return a table of these columns, as training or as production has them."""
    columns = {
        one.column: one.later if later and one.later is not None else one.values for one in kinds
    }
    return pd.DataFrame(columns | STEADY)


def write(frame: pd.DataFrame, form: Format, stem: str) -> dict[str, Any]:
    """Write a table, and return the source that reads it."""
    path = Path(f"{stem}.{form.suffix}")
    source: dict[str, Any] = {"kind": "file", "path": str(path)}
    dates = {name: frame[name].dt.strftime("%Y-%m-%d") for name in frame.select_dtypes("datetime")}
    texts = frame.assign(**dates)
    if form.suffix == "csv":
        texts.to_csv(path, index=False)
    elif form.suffix == "semicolons.csv":
        texts.to_csv(path, index=False, sep=";", decimal=",")
    elif form.suffix == "parquet":
        frame.to_parquet(path, index=False)
    elif form.suffix in ("json", "jsonl"):
        rows = [json.dumps(row) for row in _plain(texts).to_dict("records")]
        lines = "\n".join(rows) if form.suffix == "jsonl" else f"[{', '.join(rows)}]"
        path.write_text(lines + "\n", encoding="utf-8")
    elif form.suffix == "db":
        with sqlite3.connect(path) as connection:
            _plain(texts).to_sql("loans", connection, index=False, if_exists="replace")
        connection.close()
        url = f"sqlite:///{path.as_posix()}"
        source = {"kind": "sql", "url": url, "query": "SELECT * FROM loans"}
    elif form.suffix == "team":
        source = {"kind": "team", "function": "loans"}
    elif form.suffix == "openml":
        source = {"kind": "openml", "openml_id": 1}
    elif form.suffix == "folder":
        path.mkdir(exist_ok=True)
        texts[: ROWS // 2].to_csv(path / "1.csv", index=False)
        frame[ROWS // 2 :].to_parquet(path / "2.parquet", index=False)
        source["kind"] = "folder"
    elif form.suffix == "csv.gz":
        path.write_bytes(gzip.compress(texts.to_csv(index=False).encode(), mtime=0))
    elif form.suffix == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("table.csv", texts.to_csv(index=False))
    elif form.suffix == "feather":
        frame.to_feather(path)
    elif form.suffix == "xlsx":
        workbook(frame, path)
    return source


def workbook(frame: pd.DataFrame, path: Path) -> None:
    """Write a workbook as people save it: numbers, texts, days and truth values are what they are.

    A second sheet is empty, as in many workbooks.
    """
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(frame))
    for row in _plain(frame).itertuples(index=False):
        sheet.append(list(row))
    book.create_sheet("Sheet2")
    book.save(path)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of plain Python values, with nothing where nothing is."""
    return frame.astype("object").where(frame.notna(), None)


@contextmanager
def framed(frame: pd.DataFrame) -> Generator[None]:
    """Answer the sources that have no file with a data frame, as pandas holds it by default."""
    usual = frame.assign(
        **{
            name: column.astype("float64") if column.isna().any() and column.max() < 2**53
            else column
            for name, column in frame.select_dtypes("Int64").items()
        }
    )  # fmt: skip

    class Answered:
        """A process of the team's code that has answered."""

        def __init__(self, *given: Any) -> None:
            self.parts = [bytes(source_process.as_parquet(usual, "sources.py"))]

        def answer(self) -> tuple[dict[str, Any], list[bytes]]:
            """Return the table."""
            return {}, self.parts

        def close(self) -> None:
            """Do nothing."""

    package, fetched = SimpleNamespace(name="team"), SimpleNamespace(frame=usual)
    with (
        mock.patch.object(sources, "Process", Answered),
        mock.patch.object(sources, "sent", return_value={}),
        mock.patch.object(sources.stage_code, "package", return_value=package),
        mock.patch("sklearn.datasets.fetch_openml", return_value=fetched),
    ):
        yield
