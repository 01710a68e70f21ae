"""Which person a row belongs to: the column that names persons, and a code for each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from governed_ml.core.config.data import Data
from governed_ml.core.tables import PERSON, ROW

if TYPE_CHECKING:
    import pandas as pd

WORD = (
    "person|patient|customer|client|user|member|subject|household|employee|applicant|borrower|"
    "student|citizen|individual|respondent|participant|account"
)
SUFFIX = "id|uuid|guid|key|nr|no|num|number|code|hash|ref"
KEY = re.compile(rf"(.*[^a-z])?({WORD})s?[^a-z]*({SUFFIX})[^a-z]*", re.IGNORECASE)
PLAIN = re.compile(r"(id|uuid|guid|ssn)[^a-z]*", re.IGNORECASE)
LIKELY = re.compile(rf"({WORD})[^a-z]*", re.IGNORECASE)
MANY = 30  # values from which on a column that is only called "patient" says whose a row is


def column_of(raw: pd.DataFrame, data: Data) -> str | None:
    """Return the column of persons: `data.group`, or one that by its name and values is an id.

    An id counts if its values repeat, and if it is no target, sensitive attribute or time. A
    person's key comes first (`customer_id`), then a person (`patient`), then an `id` under `drop`.
    Of several keys it is the one with the fewest values: a household before an account.
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
    """Return the columns that may say whose a row is, by their names."""
    if data.group is not None:
        return [data.group]
    others = {data.target, data.time, *data.sensitive, *data.categorical}
    return [
        name
        for name in names
        if name not in others and (_rank(name) < 2 or (_rank(name) == 2 and name in data.drop))
    ]


def _rank(name: str) -> int:
    """Return how surely a name is that of persons; 3 is not at all."""
    ranks = (KEY, LIKELY, PLAIN)
    return next((rank for rank, one in enumerate(ranks) if one.fullmatch(name)), len(ranks))


def coded(column: pd.Series) -> pd.DataFrame:
    """Return each row's person as a number; a row without one is its own."""
    import pandas as pd

    codes, values = pd.factorize(column)
    alone = codes < 0
    codes[alone] = range(len(values), len(values) + int(alone.sum()))
    return pd.DataFrame({ROW: range(len(column)), PERSON: codes.astype("int64")})
