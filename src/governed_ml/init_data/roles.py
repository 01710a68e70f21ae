"""Propose the role of each column, and say why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from governed_ml.core.problem import counted
from governed_ml.init_data import names
from governed_ml.init_data.answers import Draft
from governed_ml.init_data.profile import Profile, is_whole, rises, values
from governed_ml.pipeline.contract.ranges import YEAR
from governed_ml.pipeline.data.persons import MANY, candidates, is_person

if TYPE_CHECKING:
    import duckdb

Profiles = dict[str, Profile]
"""Column → what is counted in it."""
NEARLY, SOME = 0.9, 50  # of 50 or more texts, nine in ten differ
MOST_CODES = 1_000  # most distinct values of a number that is taken for a code
LONG = 3.0  # mean number of blanks in a text from which it is free text
CLASSES = 20  # most distinct numbers of a target that may be classes
FEW_CELLS = 10  # fewest filled and fewest empty cells of a mark such as `X`
DAYS = 10  # a column with no more different times does not order the rows
EPOCHS = {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000}
"""Unit of a time since 1970 → its number in a second."""
SINCE, UNTIL = 631_152_000, 2_208_988_800  # 1990 and 2040, in seconds since 1970
YEARS = (1500, 2200)


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
    if is_time(name, one) or one.column.kind not in ("integer", "decimal", "category", "code"):
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


def is_time(name: str, one: Profile) -> bool:
    """Return whether a column holds times: dates, or numbers that its name calls times."""
    if one.column.kind == "date":
        return True
    if one.column.type != "BIGINT" or not one.filled:
        return False
    if names.fits(names.TIME, name):
        return since_1970(one) is not None
    return YEAR.fullmatch(name) is not None and one.unique and is_year(one)


def is_year(one: Profile) -> bool:
    """Return whether all values of a column could be years."""
    return (
        one.column.type == "BIGINT"
        and one.distinct > 1
        and YEARS[0] <= one.low <= one.high <= YEARS[1]
    )


def since_1970(one: Profile) -> str | None:
    """Return the unit in which all whole numbers of a column are times from 1990 to 2040."""
    if one.column.type != "BIGINT" or one.distinct <= DAYS:
        return None
    return next(
        (unit for unit, n in EPOCHS.items() if SINCE * n <= one.low <= one.high <= UNTIL * n), None
    )


def find_time(draft: Draft, found: Profiles, target: str) -> None:
    """Choose the column with the time of each row; drop other dates, which are no features."""
    wanted = draft.keys.get("time")
    given = {*draft.keys.get("numeric", []), *draft.keys.get("categorical", []), target}
    times = [name for name, one in found.items() if is_time(name, one) and name not in given]
    able = [name for name in times if why_no_time(name, found[name]) is None]
    chosen = wanted or (able[0] if len(able) == 1 else None)
    if chosen is not None:
        draft.keys["time"] = chosen
        if chosen in draft.keys.get("drop", []):
            draft.keys["drop"].remove(chosen)
        group = draft.keys.get("group")
        rows = (
            f"the rows are split by {group!r}, not by time"
            if group
            else "the latest rows become test rows (time split)"
        )
        draft.note(chosen, f"{_what(chosen, found)}: {rows}")
    for name in times:
        if name != chosen and name not in draft.keys.get("drop", []):
            draft.add(name, ("drop", None))
            why = why_no_time(name, found[name]) or f"it is one of {len(able)} dates"
            draft.note(name, f"{_what(name, found)}, which is no feature; {why}")


def _what(name: str, found: Profiles) -> str:
    one = found.get(name)
    if one is None or one.column.kind == "date":
        return "a date"
    unit = since_1970(one)
    return f"a time in {unit} since 1970" if unit else "a number that orders the rows"


def why_no_time(name: str, one: Profile) -> str | None:
    """Return why a date cannot order the rows, if so."""
    if names.fits(names.BORN, name):
        return "a date of birth"
    if one.filled < one.rows:
        return f"missing in {counted(one.rows - one.filled, 'row')}"
    return f"only {counted(one.distinct, 'day')}" if one.distinct <= DAYS else None


def find_group(draft: Draft, found: Profiles, target: str) -> None:
    """Choose the column that identifies a person who has several rows."""
    if "group" in draft.keys:
        return
    data = draft.data()
    able: dict[str, tuple[bool, int]] = {}
    for name in {*candidates([one for one in found if one != target], data), *found}:
        one, dropped = found[name], name in data.drop
        person = name in candidates([name], data)
        if not person and not (dropped and names.fits(names.ROW_KEY, name)):
            continue
        if (dropped or one.column.type != "DOUBLE") and MANY <= one.distinct < one.filled:
            able[name] = (not person, one.distinct)
    if not able:
        return
    chosen = min(able, key=lambda name: (able[name], name))
    draft.keys["group"] = chosen
    if chosen in draft.keys.get("drop", []):
        draft.keys["drop"].remove(chosen)
        draft.why[chosen] = [one for one in draft.why[chosen] if not one.startswith("id-like")]
    one = found[chosen]
    words = f"{one.distinct:,} keys in {one.rows:,} rows: rows with one key stay together"
    if is_person(chosen):
        words = f"{one.distinct:,} persons with {one.rows:,} rows: no person is split"
    draft.note(chosen, words)


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
