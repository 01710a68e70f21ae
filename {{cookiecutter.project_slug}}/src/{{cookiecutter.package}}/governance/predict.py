"""Predict: the one way to load a model. By alias, never by path, and only after every check."""

from __future__ import annotations

import sys
import tempfile
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import model_file, tables
from ..config import Data, Source
from ..problem import Problem
from . import approvers, bundle, ledger
from .bundle import Checked
from .ledger_remote import last_seen, pull
from .lifecycle import Version, trace
from .record import require_signed, require_whole
from .registry import CHALLENGER, CHAMPION, Registry
from .repository import last_protected
from .vouch import unfounded

if TYPE_CHECKING:
    import pandas as pd

LOG = Path("data/prediction_log")  # one Parquet file a request: what came in, what went out


@dataclass(frozen=True)
class Answer:
    """Where predictions went, and from which version they are."""

    request: str
    version: int
    rows: int
    log: Path


@contextmanager
def loaded(base: Path, registry: Registry, alias: str) -> Generator[tuple[Version, Checked]]:
    """Give the version behind an alias with its checked files, which vanish afterwards.

    The alias must be what the ledger says; the files must be those that were signed and recorded.
    """
    people = approvers.read(base, last_protected(base))
    with ledger.locked(base):
        try:
            pull(base)
        except Problem as problem:
            if problem.exit_code != 2:
                raise
            print(f"note: {problem}; going by the ledger as it is here", file=sys.stderr)
        entries = ledger.read(base)
        require_whole(base, [*registry.anchors(), *last_seen(base)])
        shown = registry.aliases().get(alias)
    life = trace(entries)
    wanted = {CHAMPION: life.champion, CHALLENGER: life.challenger()}
    if alias not in wanted:
        raise Problem(f"there is no alias {alias!r}: take {CHAMPION} or {CHALLENGER}")
    version = wanted[alias]
    if version is None and shown is None:
        raise Problem(f"there is no {alias} yet: `uv run governance status` shows what there is", 1)
    if version is None or shown != version.number:
        says = f"version {version.number}" if version else "no version"
        raise Problem(
            f"alias {alias} names {f'version {shown}' if shown else 'no version'}, the ledger "
            f"says {says}: run `uv run governance reconcile`",
            1,
        )
    require_signed(base, version.entries + entries[-1:], people.signers())
    if alias == CHAMPION and (why := unfounded(base, life, version)):
        raise Problem(f"version {version.number} is no champion: {why}", 1)
    with tempfile.TemporaryDirectory() as scratch:
        yield version, bundle.fetch(registry, version, people, Path(scratch))


def predict(
    base: Path, registry: Registry, source: Path, output: Path, alias: str, request: str | None
) -> Answer:
    """Predict for every row of a CSV or Parquet file, and log it; `output` is written last."""
    import pandas as pd

    request = request or uuid.uuid4().hex
    if not request.replace("-", "").replace("_", "").isalnum() or len(request) > 64:
        raise Problem("a request id is at most 64 letters, digits, - and _: give another")
    if output.suffix not in (".csv", ".parquet"):
        raise Problem(f"{output}: name a file that ends in .csv or .parquet")
    if output.resolve() == source.resolve():
        raise Problem(f"{output} is the input, too: name another file for the predictions")
    moment = datetime.now(UTC)
    log = LOG / moment.strftime("%Y-%m-%d") / f"{request}.parquet"
    if log.exists():
        raise Problem(f"request {request} was answered already: {log.as_posix()}", 1)
    with loaded(base, registry, alias) as (version, checked):
        features, kept = _features(source, checked)
        model = model_file.load(checked.model)
        score, prediction = _predicted(model, features)
    given = pd.DataFrame(
        {
            "request_id": request,
            "row": range(len(features)),
            "prediction": prediction,
            "score": score,
            "model_version": version.number,
            "model_state": version.state,
            "model_digest": version.subject["model"],
            "predicted_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )
    tables.write(pd.concat([given, kept], axis=1), log)
    if output.suffix == ".parquet":
        tables.write(given, output)
    else:
        from ..files import write_text

        write_text(output, given.to_csv(index=False, lineterminator="\n"))
    return Answer(request, version.number, len(given), log)


def _predicted(model: Any, features: pd.DataFrame) -> tuple[Any, Any]:
    from ..pipeline.evaluate import predicted

    task = "classification" if hasattr(model, "classes_") else "regression"
    return predicted(model, features, task)


def _features(source: Path, checked: Checked) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the features as the model was trained on them, and all known columns for the log."""
    import pandas as pd

    from ..pipeline.columns import as_text

    evidence = checked.evidence()
    ingested, trained = evidence["ingest"], evidence["train"]
    if isinstance(ingested, str) or isinstance(trained, str):
        raise Problem("the version's own evidence is not readable: register the model again", 1)
    data = checked.params().data
    types = {column.name: column.type for column in ingested.body.columns}
    numeric, categorical = trained.body.numeric, trained.body.categorical
    frame = _read(source, data, types, [*numeric, *categorical])
    columns = {name: frame[name].astype("float64") for name in numeric}
    columns |= {name: as_text(frame[name]) for name in categorical}
    others = [name for name in frame.columns if name not in columns]
    features = pd.DataFrame(columns)[[*numeric, *categorical]]
    return features, pd.concat([features, frame[others]], axis=1)


def _read(source: Path, data: Data, types: dict[str, str], wanted: list[str]) -> pd.DataFrame:
    """Read a file with the column types of the training table; what does not fit is refused."""
    import duckdb

    from ..pipeline import sources

    with tempfile.TemporaryDirectory() as scratch, duckdb.connect() as db:
        described = Source(kind="file", path=str(source), missing=data.source.missing)
        try:
            found = sources.file(described, 0, db, Path(scratch))
        except Problem as problem:
            text = str(problem).removeprefix("data.source.path: ")
            raise Problem(text.replace("(paths count from the project's root)", "")) from problem
        before, csv, after = found.relation.rpartition("header=true, ")  # the path comes before
        relation = f"{before}{csv}{'all_varchar=true, ' if csv else ''}{after}"
        try:
            there = [str(row[0]) for row in db.execute(f"DESCRIBE FROM {relation}").fetchall()]
            lost = [name for name in wanted if name not in there]
            if lost:
                raise Problem(f"{source}: column {lost[0]!r} is missing, which the model needs")
            names = [name for name in types if name in there]
            casts = {name: f"TRY_CAST({tables.quoted(name)} AS {types[name]})" for name in names}
            bad = ", ".join(
                f"count(*) FILTER ({tables.quoted(name)} IS NOT NULL AND {cast} IS NULL)"
                for name, cast in casts.items()
            )
            counts = db.execute(f"SELECT {bad}, count(*) FROM {relation}").fetchall()[0]
            _require_fit(source, dict(zip(names, counts, strict=False)), types, int(counts[-1]))
            listed = ", ".join(f"{cast} AS {tables.quoted(name)}" for name, cast in casts.items())
            return db.execute(f"SELECT {listed} FROM {relation}").df()
        except duckdb.Error as error:
            raise Problem(f"{source} cannot be read as a table: mend or convert it") from error


def _require_fit(source: Path, bad: dict[str, int], types: dict[str, str], rows: int) -> None:
    if rows == 0:
        raise Problem(f"{source} has no row")
    kinds = {"DOUBLE": "a number", "BIGINT": "a whole number", "TIMESTAMP": "a date"}
    for name, count in bad.items():
        if count:
            raise Problem(
                f"{source}: {count:,} of {rows:,} values of {name!r} are not "
                f"{kinds.get(types[name], 'text')}, as the model was trained on: mend them"
            )
