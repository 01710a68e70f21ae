"""Propose the role of each column, and say why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from governed_ml.init_data import names, split_columns
from governed_ml.init_data.answers import Draft
from governed_ml.init_data.profile import Profile, is_whole, rises, values
from governed_ml.pipeline.data.persons import MANY, is_person

if TYPE_CHECKING:
    import duckdb

Profiles = dict[str, Profile]
"""Column → what is counted in it."""
NEARLY, SOME = 0.9, 50  # of 50 or more texts, nine in ten differ
MOST_CODES = 1_000  # most distinct values of a number that is taken for a code
LONG = 3.0  # mean number of blanks in a text from which it is free text
CLASSES = 20  # most distinct numbers of a target that may be classes
FEW_CELLS = 10  # fewest filled and fewest empty cells of a mark such as `X`


def drop_useless(db: duckdb.DuckDBPyConnection, draft: Draft, found: Profiles, target: str) -> None:
    """Drop columns that cannot be features: constants, keys, free text, e-mail addresses."""
    for name, one in found.items():
        if name == target or name in draft.keys.get("drop", []) or name == draft.keys.get("group"):
            continue
        if why := _useless(name, one) or _key(db, name, one):
            draft.add(name, ("drop", None))
            draft.note(name, why)
        elif _is_code(db, name, one):
            draft.add(name, ("categorical", None))
            draft.note(name, f"a code, not a number: {one.distinct:,} different whole numbers")
        elif one.distinct == 1:
            draft.note(name, "one value or nothing: an empty cell may mean no")


def _useless(name: str, one: Profile) -> str | None:
    if not one.filled:
        return "empty"
    if one.distinct == 1 and min(one.filled, one.rows - one.filled) < FEW_CELLS:
        return "constant: it has one value only"
    if one.mails * 2 > one.filled:
        return "e-mail addresses"
    if names.fits(names.WEIGHT, name):
        return "a sampling weight"
    nearly = one.distinct >= one.filled * NEARLY and one.filled >= SOME
    long = one.words >= LONG and one.distinct > SOME
    if one.column.type != "VARCHAR" or one.column.kind == "boolean":
        return None
    if nearly:
        return "free text or a key: nearly every value occurs once"
    return "free text" if long or names.fits(names.REMARK, name) else None


def _key(db: duckdb.DuckDBPyConnection, name: str, one: Profile) -> str | None:
    """Return why a column names rows or things, if it does, instead of describing them."""
    if split_columns.is_time(name, one) or one.column.kind not in (
        "integer",
        "decimal",
        "category",
        "code",
    ):
        return None
    if one.counts_up:
        return "id-like: it numbers the rows"
    keyed = names.is_key(name) and (one.column.kind != "decimal" or is_whole(db, name))
    if one.unique and (keyed or (names.fits(names.CODE, name) and one.filled >= SOME)):
        return "id-like: every value occurs once"
    if one.unique and one.column.type == "BIGINT" and one.filled >= SOME and rises(db, name):
        return "id-like: whole numbers that rise from row to row"
    few = MANY if names.fits(names.ROW_KEY, name) or is_person(name) else SOME
    if keyed and one.distinct >= few:
        return f"id-like: {one.distinct:,} keys in {one.filled:,} rows"
    return None


def _is_code(db: duckdb.DuckDBPyConnection, name: str, one: Profile) -> bool:
    coded = names.fits(names.CODE, name) or names.fits(names.CODE_ID, name)
    if not coded or is_person(name) or not 2 < one.distinct <= MOST_CODES:
        return False
    return one.column.kind == "integer" or (one.column.kind == "decimal" and is_whole(db, name))


def sensitive_candidates(draft: Draft, found: Profiles, target: str) -> list[str]:
    """Return the columns whose names are those of sensitive attributes."""
    no = {target, draft.keys.get("group"), draft.keys.get("time"), *draft.keys.get("drop", [])}
    return [name for name in found if name not in no and names.fits(names.SENSITIVE, name)]


def as_sensitive(draft: Draft, found: Profiles, chosen: list[str]) -> None:
    """Make columns sensitive attributes; numbers with many values get bins."""
    kept: dict[str, Any] = draft.keys.setdefault("sensitive", {})
    for name in chosen:
        if name in kept:
            continue
        one = found[name]
        for key in ("categorical", "drop", "proxies"):
            if name in draft.keys.get(key, []):
                draft.keys[key].remove(name)
        kept[name] = {}
        draft.note(name, "a sensitive attribute: no feature, and fairness is measured for it")
        if one.column.type in ("BIGINT", "DOUBLE") and one.distinct > CLASSES:
            kept[name] = {"bins": bins(float(one.low), float(one.high))}
            draft.note(name, "its numbers are put into bins")


def bins(low: float, high: float) -> list[float]:
    """Return round edges that divide a range into three parts; ages get 30, 45 and 60."""
    if low >= 0 and 30 < high <= 125 and low < 30:
        return [float(edge) for edge in (30, 45, 60) if edge < high]
    step = (high - low) / 3
    return sorted({float(f"{low + step * part:.2g}") for part in (1, 2)})


def drop_proxies(draft: Draft, found: Profiles, target: str) -> None:
    """Drop columns that can stand in for a person's attribute, such as postcodes and names."""
    no = {target, draft.keys.get("group"), draft.keys.get("time"), *draft.keys["sensitive"]}
    for name, one in found.items():
        if name in no or not names.fits(names.STANDS_IN, name) or one.column.type == "DOUBLE":
            continue
        for key in ("drop", "proxies"):
            draft.add(name, (key, None))
        draft.note(name, "proxy suspect: it can stand in for ethnic origin or another attribute")


def mark_possible_proxies(draft: Draft, found: Profiles, target: str) -> None:
    """Say which features may stand in for a sensitive attribute; they stay features."""
    no = {target, *draft.keys.get("drop", []), *draft.keys.get("sensitive", {})}
    for name in found:
        if name in no:
            continue
        if names.fits(names.GROUP, name) or names.fits(names.SENSITIVE, name):
            draft.note(name, "its name is that of a sensitive attribute, and it is a feature")
        elif names.fits(names.MAY_STAND_IN, name):
            draft.note(
                name, "may stand in for a sensitive attribute; the rule fairness.proxy judges"
            )


def task_of(db: duckdb.DuckDBPyConnection, one: Profile, name: str) -> tuple[str | None, str]:
    """Return the task for a target (None: it cannot be known), and why."""
    if one.column.type in ("BIGINT", "DOUBLE") and one.distinct > CLASSES:
        return "regression", f"numbers with {one.distinct:,} different values"
    if one.distinct <= 2 or one.column.type == "VARCHAR":
        shown = ", ".join(f"{value!r} ({n:,})" for value, n in values(db, name, 4))
        return "classification", f"{one.distinct} classes: {shown}"
    return None, f"{one.distinct} different numbers, which may be classes or amounts"


def likely_targets(found: Profiles) -> list[str]:
    """Return columns that may be the target: by name, then the last one."""
    named = [
        name for name, one in found.items() if names.fits(names.TARGETS, name) and one.distinct > 1
    ]
    last = list(found)[-1]
    return list(dict.fromkeys([*named, last]))
