"""Propose the role of each column, and say why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from governed_ml.init_data import names
from governed_ml.init_data.answers import Draft
from governed_ml.init_data.profile import Profile, values
from governed_ml.pipeline.data.persons import MANY, candidates

if TYPE_CHECKING:
    import duckdb

NEARLY, SOME = 0.9, 50  # of 50 or more texts, nine in ten differ
MOST_CODES = 1_000  # most distinct values of a number that is taken for a code
LONG = 3.0  # mean number of blanks in a text from which it is free text
CLASSES = 20  # most distinct numbers of a target that may be classes


def drop_useless(draft: Draft, found: dict[str, Profile], target: str) -> None:
    """Drop columns that cannot be features: constants, keys, free text, e-mail addresses."""
    for name, one in found.items():
        if name == target or name in draft.keys.get("drop", []):
            continue
        if why := _useless(name, one):
            draft.add(name, ("drop", None))
            draft.note(name, why)
        elif names.fits(names.STANDS_IN, name) and one.column.type != "DOUBLE":
            for key in ("drop", "proxies"):
                draft.add(name, (key, None))
            draft.note(
                name, "proxy suspect: it can stand in for ethnic origin or another attribute"
            )
        elif _is_code(name, one):
            draft.add(name, ("categorical", None))
            draft.note(name, f"a code, not a number: {one.distinct:,} different whole numbers")


def _useless(name: str, one: Profile) -> str | None:
    if not one.filled:
        return "empty"
    if one.distinct == 1:
        return "constant: it has one value only"
    if one.mails * 2 > one.filled:
        return "e-mail addresses"
    if one.counts_up:
        return "id-like: it numbers the rows"
    if names.fits(names.WEIGHT, name):
        return "a sampling weight"
    if one.unique and names.fits(names.KEY, name) and one.column.type != "DOUBLE":
        return "id-like: every value occurs once"
    nearly = one.distinct >= one.filled * NEARLY and one.filled >= SOME
    if one.column.kind == "category" and (nearly or one.words >= LONG):
        return "free text or a key: nearly every value occurs once" if nearly else "free text"
    return None


def _is_code(name: str, one: Profile) -> bool:
    whole = one.column.type == "BIGINT" and one.column.kind == "integer"
    return whole and names.fits(names.CODE, name) and 2 < one.distinct <= MOST_CODES


def find_time(draft: Draft, found: dict[str, Profile], target: str) -> None:
    """Choose the column with the time of each row; drop other dates, which are no features."""
    dates = [name for name, one in found.items() if one.column.kind == "date" and name != target]
    able = [
        name
        for name in dates
        if found[name].distinct > 10
        and found[name].filled == found[name].rows
        and not names.fits(names.BORN, name)
    ]
    chosen = draft.keys.get("time") or (able[0] if len(able) == 1 else None)
    if chosen is not None and chosen in dates:
        draft.keys["time"] = chosen
        draft.note(chosen, "a date: the latest rows become test rows (time split)")
    for name in dates:
        if name != draft.keys.get("time") and name not in draft.keys.get("drop", []):
            draft.add(name, ("drop", None))
            several = f"; it is one of {len(able)} dates" if name in able and len(able) > 1 else ""
            draft.note(name, f"a date, which is no feature{several}")


def find_group(draft: Draft, found: dict[str, Profile], target: str) -> None:
    """Choose the column that identifies a person who has several rows."""
    if "group" in draft.keys:
        return
    data = draft.data()
    able: dict[str, int] = {}
    for name in candidates([one for one in found if one != target], data):
        one = found[name]
        if one.column.type != "DOUBLE" and MANY <= one.distinct < one.filled:
            able[name] = one.distinct
    if not able:
        return
    chosen = min(able, key=lambda name: (able[name], name))
    draft.keys["group"] = chosen
    one = found[chosen]
    draft.note(chosen, f"{one.distinct:,} persons with {one.rows:,} rows: no person is split")


def sensitive_candidates(draft: Draft, found: dict[str, Profile], target: str) -> list[str]:
    """Return the columns whose names are those of sensitive attributes."""
    no = {target, draft.keys.get("group"), draft.keys.get("time"), *draft.keys.get("drop", [])}
    return [name for name in found if name not in no and names.fits(names.SENSITIVE, name)]


def as_sensitive(draft: Draft, found: dict[str, Profile], chosen: list[str]) -> None:
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


def mark_possible_proxies(draft: Draft, found: dict[str, Profile], target: str) -> None:
    """Say which features may stand in for a sensitive attribute; they stay features."""
    no = {target, *draft.keys.get("drop", []), *draft.keys.get("sensitive", {})}
    for name in found:
        if name not in no and names.fits(names.MAY_STAND_IN, name):
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


def likely_targets(found: dict[str, Profile]) -> list[str]:
    """Return columns that may be the target: by name, then the last one."""
    named = [
        name for name, one in found.items() if names.fits(names.TARGETS, name) and one.distinct > 1
    ]
    last = list(found)[-1]
    return list(dict.fromkeys([*named, last]))
