"""Read what the arms of a service answered, from the logs of one or more processes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.files import shown
from governed_ml.core.problem import Problem, first_line
from governed_ml.pipeline.data.sources import engine
from governed_ml.pipeline.prediction_log.places import PREDICTIONS, SENSITIVE
from governed_ml.pipeline.prediction_log.store_files import files

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

DATA = PREDICTIONS.parent
"""The folder in which a process has its logs."""
KEYS = {"request_id": "VARCHAR", "row": "BIGINT"}
COLUMNS = {
    **KEYS,
    "arm": "VARCHAR",
    "subject": "VARCHAR",
    "error": "VARCHAR",
    "prediction": "VARCHAR",
    "score": "DOUBLE",
    "milliseconds": "DOUBLE",
    "model_digest": "VARCHAR",
    "predicted_at": "TIMESTAMP",
}
CLOCKS = timedelta(hours=1)
"""A file that was written for the last time so long before a moment has no row after it."""


@dataclass(frozen=True)
class LoggedArms:
    """Rows with the columns of `COLUMNS`, sorted by time, and their sensitive attributes.

    Both frames are aligned. An attribute that no log has is missing in `attributes`.
    """

    frame: pd.DataFrame
    attributes: pd.DataFrame


def read_arms(
    folders: Sequence[Path],
    models: dict[str, str],
    since: datetime | None,
    attributes: Sequence[str] = (),
) -> LoggedArms:
    """Read the rows since a moment of each arm in `models` (arm → digest of its model).

    Each folder has the logs of one process. A record that is in several of them counts once. Raise
    `Problem` if a log cannot be read.
    """
    import duckdb

    lost = next((one for one in folders if not one.is_dir()), None)
    if lost is not None:
        raise Problem(f"{shown(lost)} is no folder: name the data folder of a service")
    own = {tables.in_log(name): name for name in attributes}
    with tempfile.TemporaryDirectory() as scratch, engine() as db:
        try:
            for name, part in (("answers", PREDICTIONS.name), ("persons", SENSITIVE.name)):
                _load(db, name, _files(folders, part, since, Path(scratch)))
            _select_answers(db, models, since)
            there = _select_attributes(db, list(own))
            chosen = "".join(f", chosen.{tables.quoted(name)}" for name in there)
            found = db.execute(
                f"SELECT arms.*{chosen} FROM arms LEFT JOIN chosen USING (request_id, row) "
                "ORDER BY predicted_at, request_id, row, arm"
            ).df()
        except duckdb.Error as error:
            raise Problem(f"the prediction log cannot be read: {first_line(error)}") from error
    return LoggedArms(found[list(COLUMNS)], found[there].rename(columns=own))


def _files(folders: Sequence[Path], log: str, since: datetime | None, scratch: Path) -> list[Path]:
    """Return the files of a log that may have rows since a moment."""
    found: list[Path] = []
    for number, folder in enumerate(dict.fromkeys(one.resolve() for one in folders)):
        copies = scratch / f"{log}{number}"
        copies.mkdir()
        found += files(folder / log, copies)
    if since is None:
        return found
    first = (since - CLOCKS).timestamp()
    return [path for path in found if path.stat().st_mtime >= first]


def _load(db: duckdb.DuckDBPyConnection, name: str, paths: list[Path]) -> None:
    """Make a view of Parquet files, with the keys at least."""
    keys = ", ".join(f"CAST(NULL AS {kind}) AS {key}" for key, kind in KEYS.items())
    source = f"(SELECT {keys} WHERE false)"
    if paths:
        listed = ", ".join(map(tables.exact, paths))
        source = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    db.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM {source}")


def _names(db: duckdb.DuckDBPyConnection, view: str) -> set[str]:
    """Return the columns of a view in lower case, as DuckDB compares them."""
    return {str(row[0]).casefold() for row in db.execute(f"DESCRIBE {view}").fetchall()}


def _select_answers(
    db: duckdb.DuckDBPyConnection, models: dict[str, str], since: datetime | None
) -> None:
    """Make the table `arms` of the rows that were asked for, each once."""
    there = _names(db, "answers")
    chosen = ", ".join(
        f"TRY_CAST({tables.quoted(name) if name in there else 'NULL'} AS {kind}) AS {name}"
        for name, kind in COLUMNS.items()
    )
    of_models = " OR ".join(
        f"(arm = {tables.literal(arm)} AND model_digest = {tables.literal(digest)})"
        for arm, digest in models.items()
    )
    late = f"predicted_at >= TIMESTAMP '{since:%Y-%m-%d %H:%M:%S}'" if since else "true"
    db.execute(
        "CREATE TEMP TABLE arms AS SELECT DISTINCT ON (request_id, row, arm) * "
        f"FROM (SELECT {chosen} FROM answers) "
        f"WHERE request_id IS NOT NULL AND row IS NOT NULL AND ({of_models}) AND {late}"
    )


def _select_attributes(db: duckdb.DuckDBPyConnection, wanted: list[str]) -> list[str]:
    """Make the table `chosen` of the attributes that are there, and return their names.

    A row with contradicting values is not in it.
    """
    there = _names(db, "persons")
    names = [name for name in wanted if name.casefold() in there]
    keys = ", ".join(f"TRY_CAST({key} AS {kind}) AS {key}" for key, kind in KEYS.items())
    columns = "".join(f", {tables.quoted(name)}" for name in names)
    db.execute(
        f"CREATE TEMP TABLE chosen AS SELECT * FROM (SELECT DISTINCT {keys}{columns} FROM persons) "
        "QUALIFY count(*) OVER (PARTITION BY request_id, row) = 1"
    )
    return names
