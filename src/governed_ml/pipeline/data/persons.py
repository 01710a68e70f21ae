"""The person of each row: which column identifies persons, and a code for each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.config.data import Data
from governed_ml.core.tables import PERSON, ROW

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

WORD = (
    "person|patient|customer|client|user|member|subject|household|employee|applicant|borrower|"
    "student|citizen|individual|respondent|participant|account"
)
SUFFIX = "id|uuid|guid|key|nr|no|num|number|code|hash|ref"
KEY = re.compile(rf"(.*[^a-z])?({WORD})s?[^a-z]*({SUFFIX})[^a-z]*", re.IGNORECASE)
PLAIN = re.compile(r"(id|uuid|guid|ssn)[^a-z]*", re.IGNORECASE)
LIKELY = re.compile(rf"({WORD})[^a-z]*", re.IGNORECASE)
MANY = 30  # fewest distinct values for a column called just "patient" to count as an id


def column_of(raw: pd.DataFrame, data: Data) -> str | None:
    """Return the column that identifies persons: `data.group`, or an id by its name and values.

    An id must have repeated values, and must not be the target, a sensitive attribute or the time.
    A person's key (`customer_id`) takes precedence over a person (`patient`), and that over an `id`
    under `drop`. Of several keys, the one with the fewest values counts: a household before an
    account. Return None if there is no such column.
    """
    if data.group is not None:
        return data.group
    found: dict[str, tuple[int, int]] = {}
    for name in candidates([str(name) for name in raw.columns], data):
        column, rank = raw[name], _rank(name)
        values = int(column.nunique())
        if values < int(column.notna().sum()) and values >= (MANY if rank == 1 else 2):
            found[name] = (rank, values)
    return min(found, key=lambda name: (*found[name], name), default=None)


def candidates(names: list[str], data: Data) -> list[str]:
    """Return the columns whose names suggest that they identify persons."""
    if data.group is not None:
        return [data.group]
    others = {data.target, data.time, *data.sensitive, *data.categorical}
    return [
        name
        for name in names
        if name not in others and (_rank(name) < 2 or (_rank(name) == 2 and name in data.drop))
    ]


def is_person(name: str) -> bool:
    """Return whether a column's name says that it identifies persons."""
    return _rank(name) < 2


def _rank(name: str) -> int:
    """Return how clearly a name identifies persons, from 0 (clearest) to 3 (not at all)."""
    ranks = (KEY, LIKELY, PLAIN)
    return next((rank for rank, one in enumerate(ranks) if one.fullmatch(name)), len(ranks))


def coded(column: pd.Series) -> pd.DataFrame:
    """Return each row's person as a number; a row without a value is a person of its own."""
    import pandas as pd

    codes, values = pd.factorize(column)
    alone = codes < 0
    codes[alone] = range(len(values), len(values) + int(alone.sum()))
    return pd.DataFrame({ROW: range(len(column)), PERSON: codes.astype("int64")})


def persons_of(frame: pd.DataFrame) -> npt.NDArray[np.int64] | None:
    """Return the person of each row, or None if rows do not belong to persons."""
    if not tables.PERSONS.is_file():
        return None
    known = tables.read(tables.PERSONS).set_index(tables.ROW)[tables.PERSON]
    return known.reindex(frame[tables.ROW]).to_numpy("int64")
