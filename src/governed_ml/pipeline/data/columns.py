"""The role of each column: numeric or categorical feature, target, or sensitive attribute."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from governed_ml.core.config.classes import place_of
from governed_ml.core.config.closed_model import Scalar, as_code
from governed_ml.core.config.data import MISSING, Data, Sensitive
from governed_ml.core.problem import Problem
from governed_ml.core.tables import TARGET, is_reserved
from governed_ml.pipeline.data.reading.answers import together

if TYPE_CHECKING:
    import pandas as pd


NO_HEADER = ", or, if line 1 has values and not names, write a line with names above it"
JOINED_BY = ("request_id", "row")  # labels and groups of production are joined by these


def check_names(names: list[str]) -> None:
    """Raise `Problem` with all column names that are missing, reserved or not distinct."""
    told: list[str] = []
    for number, name in enumerate(names, start=1):
        if not name.strip():
            told.append(
                f"column {number} of the table has no name: write one into the header (if it "
                "is the index of a pandas table, use `to_csv(…, index=False)`)"
            )
        elif is_reserved(name):
            told.append(f"column {name!r}: the engine reserves this name; rename it in your data")
    told += _alike([name for name in names if name.strip()])
    if told:
        raise together(told, f"{len(told)} names of columns cannot be used")


def require_distinct(names: list[str]) -> None:
    """Raise `Problem` if DuckDB would treat names as equal and rename or empty a column."""
    if told := _alike(names):
        raise together(told, f"{len(told)} names of columns cannot be used")


def _alike(names: list[str]) -> list[str]:
    """Return which names DuckDB would treat as equal."""
    seen: dict[str, str] = {}
    told: list[str] = []
    for name in names:
        other = seen.setdefault(name.strip().casefold(), name)
        if other == name and names.count(name) > 1:
            told.append(
                f"column {name!r} is in the table {names.count(name)} times: rename one"
                + (NO_HEADER if re.fullmatch(r"[-+0-9.,]+", name) else "")
            )
        if other != name:
            what = "case" if other.strip() != name.strip() else "blanks around them"
            told.append(f"columns {other!r} and {name!r} differ only in {what}: rename one")
    return list(dict.fromkeys(told))


def check_roles(data: Data, names: list[str]) -> None:
    """Raise `Problem` if a configured column is not in the table, naming the most similar one."""
    roles = {
        "target": [data.target],
        "sensitive": list(data.sensitive),
        "drop": data.drop,
        "categorical": data.categorical,
        "numeric": data.numeric,
        "dates": list(data.dates),
        "spellings": list(data.spellings),
        "distinct": data.distinct,
        "time": [data.time] if data.time else [],
        "group": [data.group] if data.group else [],
    }
    for name in (data.target, *data.sensitive):
        if name.casefold() in JOINED_BY:
            raise Problem(
                f"column {name!r} is the target or a sensitive attribute, and `monitor` joins "
                "these to predictions by a column of this name: rename it in your data"
            )
    for role, wanted in roles.items():
        for name in wanted:
            if name in names:
                continue
            near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
            hint = (
                f"did you mean {' or '.join(map(repr, near))}?"
                if near
                else f"it has {_some(names)}"
            )
            raise Problem(f"data.{role}: the table has no column {name!r}; {hint}")


def features_of(raw: pd.DataFrame, data: Data) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return the features, and the names of the numeric and of the categorical ones (as text).

    A feature is any column without another role: target, sensitive, drop, time, group.
    """
    import pandas as pd
    from pandas.api import types

    others = {data.target, *data.sensitive, *data.drop, data.time, data.group}
    strangers = sorted({*data.categorical, *data.drop} - set(raw.columns))
    if strangers:
        raise Problem(
            f"conf/data names column {strangers[0]!r}, which {data.name} does not have: correct "
            "the name"
        )
    numeric: list[str] = []
    columns: dict[str, pd.Series] = {}
    for name in (name for name in raw.columns if name not in others):
        column = raw[name]
        if types.is_datetime64_any_dtype(column) or _holds_dates(column):
            raise Problem(f"column {name!r} is a date: list it under time or drop in conf/data")
        if (
            types.is_numeric_dtype(column)
            and not types.is_bool_dtype(column)
            and name not in data.categorical
        ):
            numeric.append(name)
            columns[name] = column.astype("float64")
        else:
            columns[name] = as_text(column)
    if not columns:
        raise Problem(
            f"{data.name} has no feature left: remove columns from drop or sensitive in conf/data"
        )
    return pd.DataFrame(columns), numeric, [name for name in columns if name not in numeric]


def target_of(raw: pd.DataFrame, data: Data) -> pd.Series:
    """Return the target as numbers.

    This is 1 for the favourable value, else 0; of several classes, the position of the row's class;
    in a regression, the number.
    """
    from pandas.api import types

    column = raw[data.target]
    if data.task == "classification":
        text = as_text(column)
        if data.classes is not None:
            return _positions(text, data.classes, data)
        if isinstance(data.positive, bool):  # tables contain TRUE, True or true
            text = text.str.lower()
        favourable = text == as_code(data.positive)
        if not favourable.any() or favourable.all():
            raise Problem(_not_positive(column, data))
        return favourable.astype("int64").rename(TARGET)
    if not types.is_numeric_dtype(column):
        raise Problem(
            f"target {data.target!r} has the type {column.dtype}, but a regression needs "
            "numbers: choose another target or task in conf/data, or fix the column's texts"
        )
    return column.astype("float64").rename(TARGET)


def _positions(text: pd.Series, classes: list[Scalar], data: Data) -> pd.Series:
    """Return the position of each row's class; raise `Problem` for a value that is no class."""
    places = {value: place_of(value, classes) for value in text.dropna().unique()}
    strange = sorted(value for value, place in places.items() if place is None)
    if strange or text.isna().any():
        what = repr(strange[0])[:40] if strange else "a missing value"
        raise Problem(
            f"the target {data.target!r} has {what}, which data.classes does not list: run `uv run "
            "dvc repro` from the stage ingest on, or correct classes in conf/data"
        )
    return text.map(places).astype("int64").rename(TARGET)


def _not_positive(column: pd.Series, data: Data) -> str:
    found = ", ".join(repr(value)[:40] for value in column.drop_duplicates().head(5))
    hint = (
        "; YAML reads yes, no, on and off without quotes as true and false"
        if isinstance(data.positive, bool)
        else ""
    )
    return (
        f"data.positive is {data.positive!r}: set it to one of the values of {data.target!r}, "
        f"which must have two or more; found {found}{hint}"
    )


def groups_of(raw: pd.DataFrame, data: Data) -> pd.DataFrame:
    """Return each sensitive attribute as group names.

    Nulls form the group `missing`, unless a label merges them into another one.
    """
    import pandas as pd

    return pd.DataFrame(
        {name: _values(raw[name], how).map(how.label) for name, how in data.sensitive.items()},
        index=raw.index,
        dtype="str",
    )


def merged_groups(raw: pd.DataFrame, data: Data) -> dict[str, dict[str, dict[str, int]]]:
    """Return attribute → group → value → rows, for the groups that labels make of several values.

    The values are those of the table, the names of bins, and `missing`.
    """
    found: dict[str, dict[str, dict[str, int]]] = {}
    for name, how in data.sensitive.items():
        groups: dict[str, dict[str, int]] = {}
        for value, rows in _values(raw[name], how).value_counts().sort_index().items():
            groups.setdefault(how.label(str(value)), {})[str(value)] = int(rows)
        found[name] = {group: values for group, values in groups.items() if len(values) > 1}
    return {name: groups for name, groups in found.items() if groups}


def _values(column: pd.Series, how: Sensitive) -> pd.Series:
    """Return the values of a sensitive attribute as text, or the bins that they are in."""
    import pandas as pd
    from pandas.api import types

    if how.bins:
        if not types.is_numeric_dtype(column):
            raise Problem(
                f"sensitive column {column.name!r} has bins but does not hold numbers: remove "
                "its bins in conf/data, or use labels"
            )
        edges = [float("-inf"), *how.edges, float("inf")]
        binned = pd.cut(column, edges, right=False, labels=how.bin_names)
        return binned.astype("object").where(column.notna(), MISSING).astype("str")
    return as_text(column).fillna(MISSING).astype("str")


def as_text(column: pd.Series) -> pd.Series:
    """Return a column as text with nulls kept; integers lose their `.0`."""
    if column.dtype == "str":
        return column
    if column.dtype == "Int64":  # `map` would pass floats
        column = column.astype("object")
    return column.map(as_code, na_action="ignore").astype("str").where(column.notna())


def _holds_dates(column: pd.Series) -> bool:
    import datetime

    first = column.first_valid_index()
    return column.dtype == object and first is not None and isinstance(column[first], datetime.date)


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
