"""Check that a table's target can be learned: it is complete and has the favourable value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.bodies.ingested import AgainstRest
from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem
from governed_ml.core.tables import literal, quoted
from governed_ml.pipeline.data.cells import digits
from governed_ml.pipeline.data.columns import as_code
from governed_ml.pipeline.data.spellings import shown

if TYPE_CHECKING:
    import duckdb


def require_target(
    db: duckdb.DuckDBPyConnection, rows: str, data: Data, kind: str
) -> AgainstRest | None:
    """Raise `Problem` if the target has nulls, only one value, or not the favourable value.

    Return what is predicted if it has more than two values, which `against: rest` allows.
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
    if data.task != "classification" or (0 < good < total and values == 2):
        return None
    if 0 < good < total and data.against == "rest":
        return AgainstRest(target=data.target, positive=as_code(data.positive), others=values - 1)
    counts = db.execute(
        f"SELECT {text} AS v, count(*) AS n FROM {rows} GROUP BY v ORDER BY n DESC, v"
    ).fetchall()
    raise _refused(data, shown([(str(value), int(rows)) for value, rows in counts]), good, values)


def _refused(data: Data, found: str, good: int, values: int) -> Problem:
    """Return why a target cannot be learned, with its values and their counts."""
    if good and values > 2:
        return Problem(
            f"target {data.target!r} has {values:,} values ({found}), and a model predicts yes or "
            f"no: write `against: rest` in conf/data to predict {data.positive!r} against all "
            "others, leave rows out with `rows`, or merge values with `spellings`"
        )
    if good:
        return Problem(
            f"target {data.target!r} has one value only ({found}): a classification needs two; "
            "take more rows, or name another target in conf/data"
        )
    hint = (
        "; YAML reads yes, no, on and off without quotes as true and false"
        if isinstance(data.positive, bool)
        else ""
    )
    return Problem(
        f"data.positive: {data.positive!r} is no value of the target {data.target!r}, which has "
        f"{found}: correct positive in conf/data{hint}"
    )
