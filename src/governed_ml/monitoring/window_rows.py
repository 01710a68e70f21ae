"""The rows of a window with their predictions, labels and sensitive groups."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from governed_ml.core.config.data import Data
from governed_ml.core.config.production.monitor import Feed, Monitor
from governed_ml.core.evidence_bodies import Column
from governed_ml.core.problem import Problem, Unusable
from governed_ml.core.tables import PERSON, in_log
from governed_ml.monitoring.feeds import (
    KEYS,
    FeedRows,
    inputs,
    joined,
    read,
    served_of,
)
from governed_ml.monitoring.label_values import target_of
from governed_ml.monitoring.logged.attributes import with_attributes
from governed_ml.monitoring.logged.champion_rows import ARM, ERROR, EXPLAINED, of_champion
from governed_ml.monitoring.logged.log_files import place_of
from governed_ml.monitoring.served_answers import answers, served, unfit
from governed_ml.pipeline import models
from governed_ml.pipeline.data import persons
from governed_ml.pipeline.data.batch import as_trained
from governed_ml.pipeline.data.column_readers import FrozenColumn, frozen, plain
from governed_ml.pipeline.data.columns import groups_of
from governed_ml.pipeline.predict_version import ServedVersion, scored
from governed_ml.pipeline.prediction_log.places import PREDICTIONS, SENSITIVE, TRUTH

if TYPE_CHECKING:
    import pandas as pd

# Seconds at the end of the log that are left to the next window, because a row gets its time just
# before its file is written. The second value is used if only the last minute has new rows.
GRACE = (60, 2)
IN_LOG = {
    ARM: FrozenColumn(Column(name=ARM, type="VARCHAR")),
    ERROR: FrozenColumn(Column(name=ERROR, type="VARCHAR")),
    EXPLAINED: FrozenColumn(
        Column(name=EXPLAINED, type="VARCHAR", kind="boolean", values=["true", "false"])
    ),
}


def body(origin: ServedVersion, gate: str) -> Any:
    """Return the body of a version's evidence; raise `Problem` if it cannot be read."""
    found = origin.evidence[gate]
    if isinstance(found, Unusable):
        raise Problem(f"the version's own evidence is not readable ({found}): register it again", 1)
    return found.body


@dataclass(frozen=True)
class Given:
    """The new rows of a window, the rows whose labels are due, their time column, and remarks."""

    new: FeedRows
    due: FeedRows
    time: str | None
    notes: list[str]


def gather(
    feed: Feed, origin: ServedVersion, monitor: Monitor, since: datetime | None, now: datetime
) -> Given:
    """Read a feed. From the log, take the rows since the last window, and those with labels due."""
    import pandas as pd

    types = {column.name: column.type for column in body(origin, "ingest").columns}
    named = monitor.time or origin.data.time
    dated = "predicted_at" if feed.kind == "log" else in_log(named) if named else None
    if not monitor.time and types.get(named or "") in ("BIGINT", "DOUBLE"):
        dated = None  # a number, such as a month count, is not a date
    own = plain({**({dated: "TIMESTAMP"} if dated else {}), **KEYS, **served_of(origin.data)})
    spelled = origin.data.spellings if feed.kind != "log" else {}  # the log has corrected spellings
    data = origin.data.model_copy(update={"spellings": spelled})
    columns = frozen(body(origin, "ingest").columns, data)
    known = {in_log(name): one.named(in_log(name)) for name, one in columns.items()}
    found = read(feed, IN_LOG | own | known, origin.data.source)
    found, notes = of_champion(found, origin.digest)
    if place_of(feed, PREDICTIONS):
        attributes = {name: known[name] for name in map(in_log, data.sensitive) if name in known}
        found, more = with_attributes(found, attributes)
        notes += more
    if feed.kind != "log" or found.frame.empty:
        return Given(found, found, dated, notes)
    moment = pd.to_datetime(found.frame["predicted_at"], utc=True)
    late = timedelta(days=monitor.label_delay_days)
    start = pd.Timestamp(since) if since else moment.min() - late - timedelta(seconds=1)
    ends = [pd.Timestamp(now) - timedelta(seconds=grace) for grace in GRACE]
    end = next((end for end in ends if moment.between(start, end, "right").any()), ends[-1])
    young = int((moment > end).sum())
    notes += [f"rows logged just now, for the next window: {young:,}"] if young else []
    parts = [
        replace(found, frame=found.frame[moment.between(start - by, end - by, "right")])
        for by in (timedelta(), late)
    ]
    return Given(parts[0], parts[1] if late else parts[0], dated, notes)


@dataclass(frozen=True)
class WindowRows:
    """Aligned rows: features, scores, predictions, target (null: no label) and sensitive groups.

    With three or more classes, prediction and target are positions of classes, and `probabilities`
    has the probability of each class, by position. `person` is a code for the person of each row,
    if known. `unfit` says why the rows cannot be measured.
    """

    features: pd.DataFrame
    score: pd.Series
    prediction: pd.Series
    target: pd.Series
    groups: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    unfit: str | None = None
    person: pd.Series | None = None
    probabilities: pd.DataFrame | None = None


def complete(rows: FeedRows, origin: ServedVersion, monitor: Monitor) -> WindowRows:
    """Predict rows that were not logged, and join labels and sensitive attributes."""
    trained, frame = body(origin, "train"), rows.frame
    numeric, categorical = list(trained.numeric), list(trained.categorical)
    features = as_trained(inputs(frame, [*numeric, *categorical]), numeric, categorical)
    if "model_digest" in rows.lost:  # otherwise use the predictions that were served
        with models.opened(origin.model) as model:
            found = answers(scored(model, features), frame.index)
    else:
        found = served(frame, origin.data)
    target, notes = labels(rows, origin, monitor)
    groups, more = _groups(rows, origin.data, monitor.sensitive, body(origin, "ingest").columns)
    why = unfit(found, origin.data)
    person, said = _persons(rows, body(origin, "split").person or origin.data.group)
    notes = [*notes, *more, *said]
    return WindowRows(
        features,
        found.score,
        found.prediction,
        target,
        groups,
        notes,
        why,
        person,
        found.probabilities,
    )


def _persons(rows: FeedRows, name: str | None) -> tuple[pd.Series | None, list[str]]:
    """Return the person of each row, from the same column as in training, and remarks."""
    there = rows.frame.drop(columns=list(rows.lost), errors="ignore")
    if name is None or there.empty:
        return None, []
    if in_log(name) not in there:
        return None, [f"the batch has no {name!r}: bounds treat each row as another person"]
    return persons.coded(there[in_log(name)]).set_index(there.index)[PERSON], []


def labels(rows: FeedRows, origin: ServedVersion, monitor: Monitor) -> tuple[pd.Series, list[str]]:
    """Return the label of each row, from the batch or joined to it, and remarks."""
    import pandas as pd

    frame, notes = rows.frame, list[str]()
    data, feed = origin.data, monitor.labels
    like = frozen(body(origin, "ingest").columns, data)[data.target].named("label")
    found = pd.Series(None, index=frame.index, dtype="object")
    if in_log(data.target) not in rows.lost:
        found = frame[in_log(data.target)]
    elif feed is not None and set(KEYS) & set(rows.lost):
        notes.append("labels: the batch has no request_id and row to join them by")
    elif feed is not None:
        answers = joined(frame, feed, {"label": like}, "labels", TRUTH)
        found, notes = answers.frame["label"], answers.notes
    without = int(found.isna().sum())
    notes += [f"labels: {without:,} of {len(frame):,} rows have none"] if without else []
    target, more = target_of(found, data)
    return target, notes + more


def _groups(
    rows: FeedRows, data: Data, feed: Feed | None, columns: list[Any]
) -> tuple[pd.DataFrame, list[str]]:
    """Return each row's groups for the attributes that are available, and remarks.

    Rows without a match in `feed` have no group.
    """
    import pandas as pd

    frame, notes = rows.frame, list[str]()
    here = [name for name in data.sensitive if in_log(name) not in rows.lost]
    absent = [name for name in data.sensitive if in_log(name) in rows.lost]
    raw, known = inputs(frame, here), pd.Series(True, index=frame.index)
    if here and rows.attributed is not None:
        known = rows.attributed.loc[frame.index]
    if absent and feed is not None and set(KEYS) & set(rows.lost):
        notes.append("sensitive attributes: the batch has no request_id and row to join them by")
    elif absent and feed is not None:
        known_as = frozen(columns, data)
        wanted = {name: known_as[name] for name in known_as if name in absent}
        found = joined(frame, feed, wanted, "sensitive attributes", SENSITIVE)
        raw, known = pd.concat([raw, found.frame], axis=1), found.frame.notna().all(axis=1)
        notes += found.notes
    lost = int((~known).sum())
    notes += [f"sensitive attributes: {lost:,} rows have none"] if lost else []
    some = {name: how for name, how in data.sensitive.items() if name in raw.columns}
    groups = groups_of(raw, data.model_copy(update={"sensitive": some}))
    return groups.where(known), notes
