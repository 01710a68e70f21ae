"""What a classification predicts: one of three or more classes, or one value against the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.config.classes import FEWEST, MOST
from governed_ml.core.config.closed_model import Scalar, as_code
from governed_ml.core.evidence_bodies import Column
from governed_ml.core.problem import Problem, counted
from governed_ml.core.tables import quoted
from governed_ml.init_data import wishes
from governed_ml.init_data.answers import Draft
from governed_ml.init_data.profile import Profile, values
from governed_ml.init_data.questions import asked
from governed_ml.pipeline.data.reading.row_filter import checked

if TYPE_CHECKING:
    import duckdb

Counts = dict[str, int]
"""Value as text → its rows, the most frequent value first."""
SHOWN = 6  # most values that a message lists


def decide(
    given: wishes.Wishes,
    draft: Draft,
    db: duckdb.DuckDBPyConnection,
    one: Profile,
    ask: wishes.Prompt | None,
) -> None:
    """Write `classes` for a target with three or more values, else `positive`.

    `--positive` asks for one value against the others. Raise `Problem` if the values cannot be
    predicted, or if the favourable one is not known and nobody can be asked.
    """
    if given.positive is not None:
        draft.keys.pop("classes", None)
    found = kept(draft, db, one)
    plain = given.positive is not None or draft.keys.get("positive") is not None
    if plain or (len(found) < FEWEST and "classes" not in draft.keys):
        _favourable(given, draft, one.column, found, ask)
        return
    name = one.column.name
    if "classes" in draft.keys:
        _require_listed(name, [as_code(value) for value in draft.keys["classes"]], found)
    else:
        draft.keys["classes"] = _proposed(name, one.column.type, found)
    draft.note(name, f"the model predicts one of {len(found)} classes")


def kept(draft: Draft, db: duckdb.DuckDBPyConnection, one: Profile) -> Counts:
    """Return the values of the target in the rows that `rows` keeps."""
    condition = draft.keys.get("rows")
    if condition is None:
        return dict(values(db, one.column.name, one.distinct))
    names = [str(row[0]) for row in db.execute("DESCRIBE typed").fetchall()]
    where = checked(db, str(condition), names)
    column = quoted(one.column.name)
    found = db.execute(
        f"SELECT {column} AS v, count(*) AS n FROM typed WHERE {where} AND {column} IS NOT NULL "
        "GROUP BY v ORDER BY n DESC, v"
    ).fetchall()
    return {as_code(value): int(n) for value, n in found}


def _favourable(
    given: wishes.Wishes,
    draft: Draft,
    column: Column,
    found: Counts,
    ask: wishes.Prompt | None,
) -> None:
    """Find the favourable value, and whether it is one against several others."""
    name = column.name
    if len(found) < 2:
        raise Problem(
            f"target {name!r} has one value only ({listed(found)}): choose another column"
        )
    said = given.positive if given.positive is not None else draft.keys.get("positive")
    number = column.type in ("BIGINT", "DOUBLE")

    def read(answer: str) -> str:
        text = _shortened(answer, number=number)
        alike = [one for one in found if one.lower() == text.lower()]
        if column.kind == "boolean" and len(alike) == 1:
            return alike[0]  # Python writes True
        if text not in found:
            raise Problem(f"positive: {text!r} is no value of {name!r}, which has {listed(found)}")
        return text

    if said is None and ask is not None:
        words = f"Which value of the target is favourable for a person? {listed(found)}"
        said = asked(ask, words, None, read)
    if said is None:
        raise Problem(
            f"target {name!r} has {listed(found)}: add --positive VALUE, the value that is "
            "favourable for a person"
        )
    text = read(str(said).lower() if isinstance(said, bool) else str(said))
    draft.keys["positive"] = int(text) if number and text.lstrip("-").isdigit() else text
    if len(found) >= FEWEST:
        draft.keys["against"] = "rest"
        draft.note(name, f"{text!r} is predicted against {len(found) - 1} other values")


def _shortened(text: str, *, number: bool) -> str:
    """Return 1 for 1.0 of a target that holds numbers."""
    return text.removesuffix(".0") if number else text


def predicted(draft: Draft, db: duckdb.DuckDBPyConnection, one: Profile) -> Counts:
    """Return the classes that the model tells apart, with their rows."""
    found = kept(draft, db, one)
    if "classes" in draft.keys:
        return found
    favourable = as_code(draft.keys["positive"])
    others = [name for name in found if name != favourable]
    rest = others[0] if len(others) == 1 else "all others"
    return {favourable: found[favourable], rest: sum(found[name] for name in others)}


def listed(found: Counts) -> str:
    """Return the most frequent values with their rows, for a message."""
    shown = ", ".join(f"{value!r} ({counted(n, 'row')})" for value, n in [*found.items()][:SHOWN])
    return shown + (f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else "")


def _proposed(name: str, kind: str, found: Counts) -> list[Scalar]:
    """Return all values in ascending order; raise `Problem` if they are too many."""
    if len(found) > MOST:
        raise Problem(
            f"target {name!r} has {len(found):,} values ({listed(found)}), and a model can choose "
            f"among at most {MOST}: merge values with --set 'spellings: {{{name}: {{OLD: NEW}}}}', "
            "leave rows out with --set 'rows: CONDITION', or predict one value against all others "
            "with --positive VALUE"
        )
    if kind not in ("BIGINT", "DOUBLE"):
        return [*sorted(found)]
    numbers = (int(one) if one.lstrip("-").isdigit() else float(one) for one in found)
    return [*sorted(numbers)]


def _require_listed(name: str, given: list[str], found: Counts) -> None:
    """Raise `Problem` unless the listed classes are the values of the target."""
    unknown = next((one for one in given if one not in found), None)
    if unknown is not None:
        raise Problem(f"classes: {unknown!r} is no value of {name!r}, which has {listed(found)}")
    left = next((one for one in found if one not in given), None)
    if left is not None:
        raise Problem(
            f"classes does not list {left!r}, which {name!r} has in {counted(found[left], 'row')}: "
            "add it, merge it with another class with --set 'spellings: …', or leave its rows out "
            "with --set 'rows: CONDITION'"
        )
