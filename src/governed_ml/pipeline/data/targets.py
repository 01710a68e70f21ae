"""Check that a table's target can be learned: it is complete and has the configured values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from governed_ml.core.bodies.ingested import AgainstRest, TargetClass, TargetClasses
from governed_ml.core.config.classes import MOST, place_of
from governed_ml.core.config.closed_model import Scalar, as_code
from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem
from governed_ml.core.tables import literal, quoted
from governed_ml.pipeline.data.cells import digits
from governed_ml.pipeline.data.spellings import shown

if TYPE_CHECKING:
    import duckdb

LISTED = 10
"""Most classes that a message writes out as YAML."""


@dataclass(frozen=True)
class Predicted:
    """What is predicted if the target has more than two values; empty otherwise."""

    against_rest: AgainstRest | None = None
    classes: TargetClasses | None = None


def require_target(db: duckdb.DuckDBPyConnection, rows: str, data: Data, kind: str) -> Predicted:
    """Raise `Problem` if the target has nulls, only one value, or not the configured values.

    Return what is predicted if it has more than two values.
    """
    name, text = quoted(data.target), digits(quoted(data.target), kind)
    same, favourable = text, "false"
    if data.task == "classification":
        same = f"lower({text})" if isinstance(data.positive, bool) else text
        favourable = f"{same} = {literal(as_code(data.positive))}"
    total, filled, good, values = db.execute(
        f"SELECT count(*), count({name}), count(*) FILTER ({favourable}), count(DISTINCT {same}) "
        f"FROM {rows}"
    ).fetchall()[0]
    if filled < total:
        raise Problem(
            f"target {data.target!r} is missing in {total - filled:,} of {total:,} rows: write "
            "`drop_unlabelled: true` in conf/data to leave these rows out, or name another target"
        )
    plain = data.classes is None and 0 < good < total
    if data.task != "classification" or (plain and values == 2):
        return Predicted()
    if plain and data.against == "rest":
        positive = as_code(data.positive)
        return Predicted(AgainstRest(target=data.target, positive=positive, others=values - 1))
    found = db.execute(
        f"SELECT {text} AS v, count(*) AS n FROM {rows} GROUP BY v ORDER BY n DESC, v"
    ).fetchall()
    counts = [(str(value), int(rows)) for value, rows in found]
    if data.classes is not None:
        return Predicted(classes=_classes(data, data.classes, counts))
    raise _refused(data, counts, good, values)


def _classes(data: Data, classes: list[Scalar], counts: list[tuple[str, int]]) -> TargetClasses:
    """Return the rows of each class; raise `Problem` unless classes and values are the same."""
    rows = dict.fromkeys(data.class_names, 0)
    strange: list[tuple[str, int]] = []
    for value, n in counts:
        place = place_of(value, classes)
        if place is None:
            strange.append((value, n))
        else:
            rows[data.class_names[place]] += n
    if strange:
        what = "a value" if len(strange) == 1 else f"{len(strange):,} values"
        raise Problem(
            f"target {data.target!r} has {what} that data.classes does not list: "
            f"{shown(strange)}; list each under classes in conf/data, leave rows out with `rows`, "
            f"or merge values with `spellings`{_yaml_hint(data)}"
        )
    lost = next((name for name, n in rows.items() if not n), None)
    if lost is not None:
        raise Problem(
            f"data.classes: {lost!r} is no value of the target {data.target!r}, which has "
            f"{shown(counts)}: correct or remove it in conf/data{_yaml_hint(data)}"
        )
    listed = [TargetClass(name=name, rows=n) for name, n in rows.items()]
    return TargetClasses(target=data.target, values=listed)


def _refused(data: Data, counts: list[tuple[str, int]], good: int, values: int) -> Problem:
    """Return why a target cannot be learned, with its values and their counts."""
    found = shown(counts)
    if good and values > 2:
        each = f"{_classes_in_yaml(counts)} in place of `positive` to predict each value, or "
        return Problem(
            f"target {data.target!r} has {values:,} values ({found}), and `positive` names one: "
            f"write in conf/data {each if values <= MOST else ''}`against: rest` to predict "
            f"{data.positive!r} against all others, leave rows out with `rows`, or merge values "
            "with `spellings`"
        )
    if good:
        return Problem(
            f"target {data.target!r} has one value only ({found}): a classification needs two; "
            "take more rows, or name another target in conf/data"
        )
    return Problem(
        f"data.positive: {data.positive!r} is no value of the target {data.target!r}, which has "
        f"{found}: correct positive in conf/data{_yaml_hint(data)}"
    )


def _classes_in_yaml(counts: list[tuple[str, int]]) -> str:
    """Return the line of `conf/data` that lists the values, or its key if they are many."""
    import yaml

    if len(counts) > LISTED:
        return "`classes` with all values"
    names = sorted(value for value, _ in counts)
    listed = yaml.safe_dump(names, default_flow_style=True, allow_unicode=True, width=10_000)
    return f"`classes: {listed.strip()}`"


def _yaml_hint(data: Data) -> str:
    """Return a remark if a configured value is true or false, which may have been meant as text."""
    given = [data.positive, *(data.classes or [])]
    read = "; YAML reads yes, no, on and off without quotes as true and false"
    return read if any(isinstance(one, bool) for one in given) else ""
