"""Check that a table's target can be learned: it is complete and has the favourable value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem
from governed_ml.core.tables import literal, quoted
from governed_ml.pipeline.data.cells import digits
from governed_ml.pipeline.data.columns import as_code
from governed_ml.pipeline.data.spellings import shown

if TYPE_CHECKING:
    import duckdb


def require_target(db: duckdb.DuckDBPyConnection, rows: str, data: Data, kind: str) -> None:
    """Raise `Problem` if the target has nulls, only one value, or not the favourable value."""
    name, text = quoted(data.target), digits(quoted(data.target), kind)
    if data.task == "classification":
        wanted = as_code(data.positive)
        same = f"lower({text})" if isinstance(data.positive, bool) else text
        favourable = f"{same} = {literal(wanted)}"
    else:
        favourable = "false"
    total, filled, good = db.execute(
        f"SELECT count(*), count({name}), count(*) FILTER ({favourable}) FROM {rows}"
    ).fetchall()[0]
    if filled < total:
        raise Problem(
            f"target {data.target!r} is missing in {total - filled:,} of {total:,} rows: leave "
            "these rows out at the source, or name another target in conf/data"
        )
    if data.task != "classification" or 0 < good < total:
        return
    counts = db.execute(
        f"SELECT {text} AS v, count(*) AS n FROM {rows} GROUP BY v ORDER BY n DESC, v"
    ).fetchall()
    found = shown([(str(value), int(rows)) for value, rows in counts])
    if good:
        raise Problem(
            f"target {data.target!r} has one value only ({found}): a classification needs two; "
            "take more rows, or name another target in conf/data"
        )
    hint = (
        "; YAML reads yes, no, on and off without quotes as true and false"
        if isinstance(data.positive, bool)
        else ""
    )
    raise Problem(
        f"data.positive: {data.positive!r} is no value of the target {data.target!r}, which has "
        f"{found}: correct positive in conf/data{hint}"
    )
