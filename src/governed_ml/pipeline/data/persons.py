"""Whose a row is: the column that says so, and a code for each person."""

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
SURE = re.compile(
    rf"(.*[^a-z])?(id|uuid|guid|ssn|({WORD})s?[^a-z]*({SUFFIX}))[^a-z]*", re.IGNORECASE
)
LIKELY = re.compile(rf"({WORD})s?[^a-z]*", re.IGNORECASE)
MANY = 30  # values from which on a column that is only called "patient" says whose a row is


def column_of(raw: pd.DataFrame, data: Data) -> str | None:
    """Return the column of persons: `data.group`, or one that by its name and values is an id.

    An id counts if it comes again, and is no target, sensitive attribute or time. Of several it is
    the one with the fewest values.
    """
    if data.group is not None:
        return data.group
    others = {data.target, data.time, *data.sensitive, *data.categorical}
    found: dict[str, int] = {}
    for name in (name for name in raw.columns if name not in others):
        sure = _is_key(name, data)
        if not sure and not LIKELY.fullmatch(name):
            continue
        column = raw[name]
        values = int(column.nunique())
        if values < int(column.notna().sum()) and values >= (2 if sure else MANY):
            found[name] = values
    return min(found, key=lambda name: (found[name], name), default=None)


def _is_key(name: str, data: Data) -> bool:
    """Return whether a name says "id": of a person, or any id that is no feature."""
    if not SURE.fullmatch(name):
        return False
    return name in data.drop or re.search(WORD, name, re.IGNORECASE) is not None


def coded(column: pd.Series) -> pd.DataFrame:
    """Return each row's person as a number; a row without one is its own."""
    import pandas as pd

    codes, values = pd.factorize(column)
    alone = codes < 0
    codes[alone] = range(len(values), len(values) + int(alone.sum()))
    return pd.DataFrame({ROW: range(len(column)), PERSON: codes.astype("int64")})
