"""What a column is: a feature (numeric or categorical), the target, or a sensitive attribute."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ..config import Data, Sensitive
from ..problem import Problem
from ..tables import TARGET

if TYPE_CHECKING:
    import pandas as pd


def features_of(raw: pd.DataFrame, data: Data) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return the features, and which are numeric and which categorical (as text).

    A feature is every column without another role: target, sensitive, drop, time, group.
    """
    import pandas as pd
    from pandas.api import types

    others = {data.target, *data.sensitive, *data.drop, data.time, data.group}
    strangers = sorted({*data.categorical, *data.drop} - set(raw.columns))
    if strangers:
        raise Problem(f"conf/data names column {strangers[0]!r}, which {data.name} does not have")
    numeric: list[str] = []
    columns: dict[str, pd.Series] = {}
    for name in (name for name in raw.columns if name not in others):
        column = raw[name]
        if types.is_datetime64_any_dtype(column) or _holds_dates(column):
            raise Problem(f"column {name!r} is a date: name it under time or drop in conf/data")
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
        raise Problem(f"{data.name} has no feature left: shorten drop or sensitive in conf/data")
    return pd.DataFrame(columns), numeric, [name for name in columns if name not in numeric]


def target_of(raw: pd.DataFrame, data: Data) -> pd.Series:
    """Return the target: 1 where it is the favourable value, else 0; for regression the number."""
    from pandas.api import types

    column = raw[data.target]
    if data.task == "classification":
        favourable = as_text(column) == _code(data.positive)
        if not favourable.any() or favourable.all():
            found = ", ".join(map(repr, column.drop_duplicates().head(5)))
            raise Problem(
                f"data.positive {data.positive!r} must be one of two or more values of "
                f"{data.target}; found {found}"
            )
        return favourable.astype("int64").rename(TARGET)
    if not types.is_numeric_dtype(column):
        raise Problem(
            f"target {data.target} is {column.dtype}, regression needs a number: correct conf/data"
        )
    return column.astype("float64").rename(TARGET)


def groups_of(raw: pd.DataFrame, data: Data) -> pd.DataFrame:
    """Return each sensitive attribute as the name of a group; a null is the group `missing`."""
    import pandas as pd

    return pd.DataFrame(
        {name: _grouped(raw[name], how) for name, how in data.sensitive.items()}, index=raw.index
    )


def _grouped(column: pd.Series, how: Sensitive) -> pd.Series:
    import pandas as pd
    from pandas.api import types

    if how.bins:
        if not types.is_numeric_dtype(column):
            raise Problem(
                f"sensitive column {column.name!r} has bins but is no number: correct conf/data"
            )
        edges = sorted(how.bins)
        names = [
            f"<{edges[0]:g}",
            *(f"{a:g}-{b:g}" for a, b in pairwise(edges)),
            f">={edges[-1]:g}",
        ]
        binned = pd.cut(column, [float("-inf"), *edges, float("inf")], right=False, labels=names)
        return binned.astype("object").where(column.notna(), "missing").astype("str")
    text = as_text(column)
    if how.labels is not None:
        text = text.map(lambda code: how.labels.get(code, code) if isinstance(code, str) else code)  # pyright: ignore[reportOptionalMemberAccess]
    return text.fillna("missing").astype("str")


def as_text(column: pd.Series) -> pd.Series:
    """Return a column as text, nulls kept; whole numbers lose their `.0`."""
    return column.map(_code, na_action="ignore").astype("str").where(column.notna())


def _code(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _holds_dates(column: pd.Series) -> bool:
    import datetime

    first = column.first_valid_index()
    return column.dtype == object and first is not None and isinstance(column[first], datetime.date)
