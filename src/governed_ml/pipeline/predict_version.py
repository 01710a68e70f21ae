"""Predict with a registered version, and log inputs and outputs."""

from __future__ import annotations

import csv
import tempfile
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.core.config.classes import names_of
from governed_ml.core.config.data import Data
from governed_ml.core.evidence import Collected
from governed_ml.core.files import write_text
from governed_ml.core.problem import Problem, Unusable, first_line
from governed_ml.pipeline import models
from governed_ml.pipeline.data.batch import Batch, as_trained, file_source, relation, typed
from governed_ml.pipeline.data.column_readers import FrozenColumn, frozen
from governed_ml.pipeline.data.sources import engine
from governed_ml.pipeline.model_outputs import Answers, answered
from governed_ml.pipeline.prediction_log import batch_files, places

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Predictions:
    """Where predictions were written, the version that made them, and remarks about the rows."""

    request: str
    version: int
    rows: int
    log: Path
    notes: list[str]


@dataclass(frozen=True)
class ServedVersion:
    """A registered version whose files were checked, and what was recorded with it."""

    version: int
    state: str
    digest: str
    model: Path
    evidence: Collected
    data: Data


def checked_request(source: Path, output: Path, request: str | None) -> str:
    """Return the request's id (by default a new one); raise `Problem` if it cannot be answered."""
    request = request or uuid.uuid4().hex
    if not request.replace("-", "").replace("_", "").isalnum() or len(request) > 64:
        raise Problem("a request id is at most 64 letters, digits, - and _: give another")
    if output.suffix not in (".csv", ".parquet"):
        raise Problem(f"{output}: name a file that ends in .csv or .parquet")
    if output.resolve() == source.resolve():
        raise Problem(f"{output} is also the input: name another file for the predictions")
    if output.exists() and not _holds_predictions(output):
        raise Problem(f"{output} exists and holds no predictions: name another file")
    before = batch_files.answered(request)
    if before is not None:
        raise Problem(
            f"request {request} already has an answer in {before.as_posix()}: use that, or give "
            "another id",
            1,
        )
    return request


def _holds_predictions(path: Path) -> bool:
    """Return whether `predict` wrote a file and may therefore overwrite it."""
    from pyarrow import ArrowException, parquet

    try:
        if path.suffix == ".parquet":
            names = list(parquet.read_schema(path).names)
        else:
            with path.open(encoding="utf-8", newline="") as file:
                names = next(csv.reader(file), [])
    except (OSError, ValueError, csv.Error, ArrowException):
        return False
    own = [name for name in names if not name.startswith(tables.CLASS_SCORE)]
    return own == list(tables.LOGGED)


def predict(origin: ServedVersion, source: Path, output: Path, request: str) -> Predictions:
    """Predict every row of a CSV, Parquet or JSON file; write the log, then `output`."""
    import pandas as pd

    features, kept, notes = _features(source, origin)
    with models.opened(origin.model) as model:
        found = scored(model, features)
    moment = datetime.now(UTC)  # the log is written right afterwards; `monitor` relies on that
    given = pd.DataFrame(
        {
            "request_id": request,
            "row": range(len(features)),
            **answers_of(found, origin.data),
            "model_version": origin.version,
            "model_state": origin.state,
            "model_digest": origin.digest,
            "predicted_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )
    log = _logged(given, kept, origin, moment.strftime("%Y-%m-%d"), request)
    if output.suffix == ".parquet":
        tables.write(given, output)
    else:
        write_text(output, given.to_csv(index=False, lineterminator="\n"))
    return Predictions(request, origin.version, len(given), log, notes)


def _logged(
    given: pd.DataFrame, kept: pd.DataFrame, origin: ServedVersion, day: str, request: str
) -> Path:
    """Log predictions with their rows, and the sensitive attributes of the rows apart from them."""
    import pandas as pd

    attributes = [name for name in origin.data.sensitive if name in kept]
    if attributes:
        apart = pd.concat([given[["request_id", "row"]], kept[attributes]], axis=1)
        batch_files.write(apart, places.SENSITIVE, day, request)
    arm = places.CHAMPION if origin.state == "champion" else None
    rows = kept.drop(columns=attributes).rename(columns=tables.in_log)
    return batch_files.write(
        pd.concat([given.assign(arm=arm), rows], axis=1), places.PREDICTIONS, day, request
    )


def answers_of(found: Answers, data: Data) -> dict[str, Any]:
    """Return the columns `prediction` and `score`, each of shape (rows,).

    With three or more classes, `prediction` is the name of a class, and the probability of each
    class follows.
    """
    if not data.multiclass:
        return {"prediction": found.prediction, "score": found.score}
    names = data.class_names
    each = zip(tables.class_scores(names), found.by_class().values(), strict=True)
    return {"prediction": names_of(found.prediction, names), "score": found.score, **dict(each)}


def scored(model: Any, features: pd.DataFrame) -> Answers:
    """Return the answers for each row."""
    task = "classification" if hasattr(model, "classes_") else "regression"
    try:
        return answered(model, features, task)
    except ValueError as error:
        raise Problem(
            f"the model cannot predict these rows: {first_line(error)}; fix the rows, or report "
            "this to the team"
        ) from error


def _features(source: Path, origin: ServedVersion) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return the features for the model, all known columns for the log, and remarks.

    Remarks are about values that training did not have but that the model can still predict.
    """
    import pandas as pd

    ingested, trained = origin.evidence["ingest"], origin.evidence["train"]
    if isinstance(ingested, Unusable) or isinstance(trained, Unusable):
        raise Problem("the version's own evidence is not readable: register the model again", 1)
    columns = frozen(ingested.body.columns, origin.data)
    numeric, categorical = trained.body.numeric, trained.body.categorical
    frame, notes = _read(source, origin.data, columns, [*numeric, *categorical])
    features = as_trained(frame, numeric, categorical)
    others = [name for name in frame.columns if name not in features]
    return features, pd.concat([features, frame[others]], axis=1), notes


def _read(
    source: Path, data: Data, columns: dict[str, FrozenColumn], wanted: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Read a file with the columns of the training table; raise `Problem` if values do not fit."""
    import duckdb

    with tempfile.TemporaryDirectory() as folder, engine() as db:
        scratch = Path(folder)
        rows = relation(file_source(str(source), data.source), db, scratch)
        try:
            db.execute(f"CREATE TEMP TABLE rows AS FROM {rows.sql}")
            found = typed(db, "rows", rows.marks, columns)
            _require_fit(source, found, columns, wanted)
            target = tables.literal(str(scratch / "rows"))
            db.execute(f"COPY ({found.sql}) TO {target} (FORMAT parquet)")
        except duckdb.Error as error:
            raise Problem(
                f"{source} cannot be read as a table: fix it, or save it as CSV, Parquet or JSON"
            ) from error
        new = [f"{n:,} values of {name!r} did not occur in training"
               for name, n in found.new.items() if name in wanted]  # fmt: skip
        return tables.read(scratch / "rows"), new


def _require_fit(
    source: Path, found: Batch, columns: dict[str, FrozenColumn], wanted: list[str]
) -> None:
    lost = [name for name in wanted if name not in found.names]
    if lost:
        others = {one.casefold(): one for one in (*found.names, *found.strange)}
        near = [others[one] for one in get_close_matches(lost[0].casefold(), others, 1)]
        maybe = f"; did you mean {near[0]!r}? Then rename it" if near else ""
        raise Problem(f"{source}: column {lost[0]!r} is missing, and the model needs it{maybe}")
    if found.rows == 0:
        raise Problem(f"{source} has no rows: give at least one")
    for name, count in found.unfit.items():
        places = ", ".join(f"{place:,}" for place in found.places[name])
        raise Problem(
            f"{source}: {count:,} of {found.rows:,} values of {name!r} are not "
            f"{columns[name].words}, which is what the model was trained on (row "
            f"{places}{', …' if count > len(found.places[name]) else ''}): fix them"
        )
