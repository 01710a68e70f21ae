"""What in a table is worth a look before training, with the option that changes it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from governed_ml.core.config.closed_model import as_code
from governed_ml.core.problem import Problem, counted
from governed_ml.core.tables import literal, quoted
from governed_ml.init_data import names, split_columns
from governed_ml.init_data.answers import Draft, option
from governed_ml.init_data.profile import Profile, values

if TYPE_CHECKING:
    import duckdb

NINES = re.compile(r"-?9{2,}|-9|-1")
"""Matches numbers that programs write for a missing value."""
OFTEN = 2  # fewest rows with such a number
UNKNOWN = re.compile(
    r"\W*(un(known|determined|sure|defined|specified)|not (known|available|stated|specified)"
    r"|missing|undisclosed|don'?t know|do not know|dk|no (answer|response|information)|refused"
    r"|unbekannt|keine angabe|inconnu|desconocido)\W*",
    re.IGNORECASE,
)
"""Matches a label that says that the label is not known."""
SMALLEST, SMALL = 15, 2_000  # rows of a table that is looked at for copies of the target
SAME = 0.999  # least rank correlation of a copy
MOST = 8  # most columns that one line names


def require_labels(one: Profile) -> None:
    """Raise `Problem` if no row has a target."""
    if not one.filled:
        raise Problem(f"target {one.column.name!r} is empty in all rows: choose another column")


def require_features(draft: Draft, columns: dict[str, str]) -> None:
    """Raise `Problem` with the reason of each column if no feature is left."""
    if "feature" in columns.values():
        return
    told = [
        f"{name!r} is {role} ({'; '.join(draft.why.get(name, ['as conf/data says']))})"
        for name, role in columns.items()
        if role != "target"
    ]
    raise Problem(
        f"no column is left as a feature: {', '.join(told[:MOST]) or 'there is only the target'}; "
        "give a table with columns to predict from"
    )


def cautions(
    db: duckdb.DuckDBPyConnection,
    draft: Draft,
    found: dict[str, Profile],
    columns: dict[str, str],
    share: float | None,
) -> list[str]:
    """Return what is worth a look, one line each; `share` is that of the test rows."""
    features = [name for name, role in columns.items() if role == "feature"]
    return [
        *_unknown_labels(db, draft, found),
        *_copies(db, draft, found, features),
        *_like_attributes(draft, features),
        *_unused_dates(draft, found),
        *_one_class(db, draft, share),
        *_perhaps_times(draft, found, features),
        *[line for name in features if (line := _far_value(db, draft, found[name]))],
    ]


def _unknown_labels(
    db: duckdb.DuckDBPyConnection, draft: Draft, found: dict[str, Profile]
) -> list[str]:
    """Say that a label means that nobody knows the label."""
    name = draft.keys["target"]
    if draft.keys["task"] != "classification" or found[name].column.type != "VARCHAR":
        return []
    if "rows" in draft.keys:
        return []
    return [
        f"target {name!r}: {value!r} ({counted(n, 'row')}) seems to mean that the value is not "
        f"known; to leave these rows out, add {option({'spellings': {name: {value: ''}}})}"
        for value, n in values(db, name)
        if UNKNOWN.fullmatch(value) and value != str(draft.keys.get("positive"))
    ]


def _copies(
    db: duckdb.DuckDBPyConnection, draft: Draft, found: dict[str, Profile], features: list[str]
) -> list[str]:
    """Name numbers that order the rows as the target does; few rows hide this from leak rules."""
    name = draft.keys["target"]
    numeric = [one for one in features if found[one].column.kind in ("integer", "decimal")]
    if draft.keys["task"] != "regression" or not SMALLEST <= found[name].filled <= SMALL:
        return []
    listed = ", ".join(map(quoted, [name, *numeric]))
    frame = db.execute(f"SELECT {listed} FROM typed").df().astype("float64")
    told: list[str] = []
    for one in numeric:
        both = frame[[name, one]].dropna()
        alike = both[one].nunique() > SMALLEST and abs(both.rank().corr().iloc[0, 1]) > SAME
        if alike:
            draft.note(one, "leak suspect: it orders the rows as the target does")
            told.append(
                f"leak suspect {one!r}: it orders the rows as the target does, like a copy of it "
                f"in another unit; if it is one, add {option({'drop': [one]})}"
            )
    return told


def _like_attributes(draft: Draft, features: list[str]) -> list[str]:
    """Name the features that seem to say which group a person is in."""
    if not draft.keys.get("sensitive"):
        return []
    alike = [
        name
        for name in features
        if names.fits(names.GROUP, name) or names.fits(names.SENSITIVE, name)
    ]
    if not alike:
        return []
    more = f" and {len(alike) - MOST} more" if len(alike) > MOST else ""
    words = (
        f"features whose names are those of sensitive attributes: {', '.join(alike[:MOST])}{more}; "
        f"to measure fairness for one, add --sensitive {json.dumps(alike[0], ensure_ascii=False)}; "
        f"to leave one out, add {option({'drop': alike[:1]})}"
    )
    return [words]


def _unused_dates(draft: Draft, found: dict[str, Profile]) -> list[str]:
    """Say that rows are split at random though several dates could order them."""
    if draft.keys.get("time") or draft.keys.get("group"):
        return []
    able = [
        name
        for name, one in found.items()
        if one.column.kind == "date"
        and name != draft.keys["target"]
        and split_columns.why_no_time(name, one) is None
    ]
    if not able:
        return []
    words = f"{', '.join(map(repr, able))} could order the rows, which are now split at random; to "
    return [f"{words}test on the latest rows, add {option({'time': able[0]})}"]


def _one_class(db: duckdb.DuckDBPyConnection, draft: Draft, share: float | None) -> list[str]:
    """Say that a split by time leaves one side with one class, which stops the pipeline."""
    time, target = draft.keys.get("time"), draft.keys["target"]
    if draft.keys["task"] != "classification" or not share or not time or "group" in draft.keys:
        return []
    at, label = quoted(time), quoted(target)
    positive = draft.keys.get("positive")
    if positive is not None:
        label = f"CAST({label} AS VARCHAR) = {literal(as_code(positive))}"
    rows = f"FROM typed WHERE {at} IS NOT NULL AND {quoted(target)} IS NOT NULL"
    sides = db.execute(
        f"SELECT {at} >= (SELECT quantile_disc({at}, {1 - share}) {rows}) AS late, "
        f"count(DISTINCT {label}) {rows} GROUP BY late"
    ).fetchall()
    if len(sides) > 1 and all(classes > 1 for _, classes in sides):
        return []
    side = "latest" if any(late and classes < 2 for late, classes in sides) else "earlier"
    words = (
        f"by {time!r}, the {side} rows have only one class of {target!r}, so the pipeline will "
        f"stop at `split`; to split at random instead, add {option({'drop': [time]})}"
    )
    return [words]


def _perhaps_times(draft: Draft, found: dict[str, Profile], features: list[str]) -> list[str]:
    """Name features whose numbers may be times: years, or seconds since 1970."""
    told: list[str] = []
    for name in features:
        one = found[name]
        unit = split_columns.since_1970(one) if name not in draft.keys.get("numeric", []) else None
        if unit:
            told.append(
                f"{name!r}: all its whole numbers could be times in {unit} since 1970; if they "
                f"are, add {option({'time': name})} or {option({'drop': [name]})}"
            )
        elif (
            split_columns.YEAR.fullmatch(name)
            and split_columns.is_year(one)
            and "time" not in draft.keys
        ):
            told.append(
                f"{name!r} is a feature, and later rows will have years that training never had; "
                f"to test on the latest years instead, add {option({'time': name})}"
            )
    return told


def _far_value(db: duckdb.DuckDBPyConnection, draft: Draft, one: Profile) -> str | None:
    """Say that a number such as -999 or 9999 lies far from all others."""
    name = one.column.name
    numeric = one.column.type in ("BIGINT", "DOUBLE") and one.distinct > 2
    if not numeric or name in draft.keys.get("categorical", []):
        return None
    for value, negative in ((one.low, True), (one.high, False)):
        if float(value) != int(value) or not NINES.fullmatch(str(int(value))):
            continue
        column = quoted(name)
        others = f"FILTER ({column} <> {int(value)})"
        n, low, high = db.execute(
            f"SELECT count(*) FILTER ({column} = {int(value)}), min({column}) {others}, "
            f"max({column}) {others} FROM typed"
        ).fetchall()[0]
        if n < OFTEN or not (low >= 0 and high > 1 if negative else value - high > high - low):
            continue
        whole = f"{int(value)}"
        texts = [whole] if one.column.type == "BIGINT" else [whole, f"{whole}.0", f"{whole}.00"]
        return (
            f"{name!r}: {int(value):,} in {counted(n, 'row')} lies apart from all other values "
            f"({low:,} to {high:,}); if it means a missing value, add "
            f"{option({'spellings': {name: dict.fromkeys(texts, '')}})}"
        )
    return None
