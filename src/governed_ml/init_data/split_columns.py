"""Choose the columns that the split goes by: the time of a row, and the person it belongs to."""

from __future__ import annotations

from governed_ml.core.problem import counted
from governed_ml.init_data import names
from governed_ml.init_data.answers import CODES, Draft
from governed_ml.init_data.profile import Profile
from governed_ml.pipeline.contract.ranges import YEAR
from governed_ml.pipeline.data.persons import MANY, candidates, is_person

Profiles = dict[str, Profile]
"""Column → what is counted in it."""
DAYS = 10  # a column with no more different times does not order the rows
EPOCHS = {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000}
"""Unit of a time since 1970 → its number in a second."""
SINCE, UNTIL = 631_152_000, 2_208_988_800  # 1990 and 2040, in seconds since 1970
ANSWERED = ("numeric", "categorical")  # keys that say that numbers are no times
YEARS = (1500, 2200)


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
    given = {target, *draft.refused}.union(*(draft.keys.get(key, []) for key in ANSWERED))
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
    codes = draft.keys.get("categorical", [])
    given = [one for one in codes if CODES not in "; ".join(draft.why.get(one, []))]
    data = draft.data().model_copy(update={"categorical": given})
    persons = candidates([one for one in found if one != target], data)
    able: dict[str, tuple[bool, int]] = {}
    for name, one in found.items():
        dropped = name in data.drop
        person = name in persons
        if not person and not (dropped and names.fits(names.ROW_KEY, name)):
            continue
        if (dropped or one.column.type != "DOUBLE") and MANY <= one.distinct < one.filled:
            able[name] = (not person, one.distinct)
    if not able:
        return
    chosen = min(able, key=lambda name: (able[name], name))
    draft.keys["group"] = chosen
    for key in ("drop", "categorical"):
        if chosen in draft.keys.get(key, []):
            draft.keys[key].remove(chosen)
    why = draft.why.get(chosen, [])
    draft.why[chosen] = [one for one in why if not one.startswith(("id-like", CODES))]
    one = found[chosen]
    words = f"{one.distinct:,} keys in {one.rows:,} rows: rows with one key stay together"
    if is_person(chosen):
        words = f"{one.distinct:,} persons with {one.rows:,} rows: no person is split"
    draft.note(chosen, words)
