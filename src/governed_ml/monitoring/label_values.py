"""Labels and classes in production rows, from their texts to the model's numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from governed_ml.core.config.classes import names_of, place_of
from governed_ml.core.config.closed_model import Scalar, as_code
from governed_ml.core.config.data import Data
from governed_ml.pipeline.contract.suite_file import given
from governed_ml.pipeline.contract.validation import columns_of
from governed_ml.pipeline.data.columns import as_text
from governed_ml.pipeline.data.spellings import OFTEN

if TYPE_CHECKING:
    import pandas as pd


def target_of(column: pd.Series, data: Data) -> tuple[pd.Series, list[str]]:
    """Return the target in the model's form, null where there is no label, and remarks.

    A value that the contract does not list for the target is not a label: "pending" does not mean
    "no".
    """
    import pandas as pd

    if data.task == "regression":
        return column.astype("float64"), []
    text, there = _spelled(column, data), column.notna()
    if data.multiclass:
        target, strange = places(column, data)
        return target, _strange(text[strange], data.class_names)
    values = pd.Series([data.positive, *_values(data)], dtype="object")
    favourable, *known = _spelled(values, data)
    target = (text == favourable).astype("float64").where(there)
    if not known:
        why = f"labels: the contract has no set of values for {data.target!r}: "
        return target, [f"{why}each but {favourable!r} is unfavourable"] if there.any() else []
    strange = there & ~text.isin([favourable, *known])
    return target.mask(strange), _strange(text[strange], known)


def _strange(values: pd.Series, known: Sequence[str]) -> list[str]:
    """Return a remark about labels that are no value of the target."""
    if values.empty:
        return []
    listed = f"{', '.join(known[:5])}{', …' if len(known) > 5 else ''}"
    note = f"labels: values that the target does not have ({listed}): {len(values):,}"
    return [note + (f", such as {found}" if (found := often(values)) else "")]


def _spelled(column: pd.Series, data: Data) -> pd.Series:
    """Return a column's values in the form in which training compares them."""
    text = as_text(column)
    return text.str.lower() if isinstance(data.positive, bool) else text


def _values(data: Data) -> list[Any]:
    """Return the target's possible values according to the contract."""
    return [
        value
        for one in given(data)
        if one["type"].endswith("values_to_be_in_set") and columns_of(one) == [data.target]
        if one["kwargs"].get("mostly", 1) == 1
        for value in one["kwargs"]["value_set"]
    ]


def places(column: pd.Series, data: Data) -> tuple[pd.Series, pd.Series]:
    """Return the position of each row's class, and whether a value is no class.

    Both are aligned with `column`, and have the shape (rows,). The position is NaN if the value is
    missing or no class.
    """
    text = as_text(column)
    known = {str(one): _place(str(one), data.classes or []) for one in text.dropna().unique()}
    found = text.map(known).astype("float64")
    return found, text.notna() & found.isna()


def named(positions: pd.Series, data: Data) -> pd.Series:
    """Return the names of the classes at these positions, of which none is missing."""
    import pandas as pd

    return pd.Series(names_of(positions, data.class_names), positions.index, dtype="str")


def _place(value: str, classes: list[Scalar]) -> int | None:
    """Return the position of a class, which a file with gaps may give as 1.0 instead of 1."""
    place = place_of(value, classes)
    if place is not None:
        return place
    try:
        number = float(value)
    except ValueError:
        return None
    return place_of(as_code(number), classes) if math.isfinite(number) else None


def often(strange: pd.Series) -> str:
    """Return the values that occur so often that they are no person's, with their numbers."""
    counts = strange.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    found = [f"{str(value)[:40]!r} {n:,} times" for value, n in counts.items() if n >= OFTEN]
    return ", ".join(found[:3])
