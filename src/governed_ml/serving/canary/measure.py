"""Measure a canary against the champion: errors, time of answers, scores, and fairness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from governed_ml.core.config.data import Data
from governed_ml.core.config.production.canary import DRIFT, ERRORS, LATENCY
from governed_ml.measures.bounds.two_samples import (
    Comparison,
    PersonValues,
    Sureness,
    binned_together,
    index_beyond_chance,
    quantile_ratio,
    rate_difference,
)
from governed_ml.monitoring.label_values import places
from governed_ml.monitoring.measuring.group_treatment import treated
from governed_ml.monitoring.window_rows import WindowRows
from governed_ml.pipeline.data.columns import groups_of
from governed_ml.serving.canary.split_rows import ARMS, SplitRows

if TYPE_CHECKING:
    import pandas as pd

SLOW = 0.95  # the quantile of the time of an answer
LEAST = 1e-3  # milliseconds; a shorter time is not told apart from none


@dataclass(frozen=True)
class CanaryMetric:
    """A value with its bounds, which may be infinite, and the rows behind it."""

    value: float | None
    lower: float
    upper: float
    n: int
    note: str


def measured(rows: SplitRows, data: Data, sure: Sureness, fewest: int) -> dict[str, CanaryMetric]:
    """Return every metric of a canary by its name.

    A group with fewer than `fewest` rows is left out of fairness.
    """
    before, now = (rows.of(arm) for arm in ARMS)
    errors = _errors(before), _errors(now)
    times = _times(before), _times(now)
    scores = _scores(before, now, data)
    return {
        ERRORS: _metric(rate_difference(*errors, sure), errors),
        LATENCY: _metric(quantile_ratio(*times, SLOW, sure), times),
        DRIFT: _metric(index_beyond_chance(*scores, sure), scores),
        **_fairness(rows, data, sure, fewest),
    }


def _metric(found: Comparison, both: Sequence[PersonValues]) -> CanaryMetric:
    n = min(len(one.values) for one in both)
    return CanaryMetric(found.value, found.lower, found.upper, n, found.note)


def _errors(rows: pd.DataFrame) -> PersonValues:
    """Return for each request whether a row of it was not answered."""
    each = rows.groupby("request_id", sort=False)[["failed", "person"]].max()
    return PersonValues(each["failed"].to_numpy("float64"), each["person"].to_numpy("int64"))


def _times(rows: pd.DataFrame) -> PersonValues:
    """Return the milliseconds of each request that was answered."""
    there = rows[~rows["failed"] & rows["milliseconds"].notna()]
    each = there.groupby("request_id", sort=False)[["milliseconds", "person"]].max()
    times = each["milliseconds"].to_numpy("float64").clip(LEAST)
    return PersonValues(times, each["person"].to_numpy("int64"))


def _scores(
    before: pd.DataFrame, now: pd.DataFrame, data: Data
) -> tuple[PersonValues, PersonValues]:
    """Return the bin of each answer: of its score or, with several classes, of its class."""
    import pandas as pd

    old, new = (one[~one["failed"]] for one in (before, now))
    if data.multiclass:
        codes, _ = pd.factorize(pd.concat([old["prediction"], new["prediction"]]))
        bins = codes[: len(old)].astype("float64"), codes[len(old) :].astype("float64")
    else:
        bins = binned_together(*(one["score"].to_numpy("float64") for one in (old, new)))
    persons = [one["person"].to_numpy("int64") for one in (old, new)]
    return PersonValues(bins[0], persons[0]), PersonValues(bins[1], persons[1])


def _fairness(rows: SplitRows, data: Data, sure: Sureness, fewest: int) -> dict[str, CanaryMetric]:
    """Return the metrics of fairness of the canary's own predictions that need no labels."""
    window = _window(rows, data)
    confidence = 1 - (1 - sure.to_fail) / sure.comparisons
    to_fail, to_pass = (
        treated(window, data.task, one, fewest, late=False, classes=data.class_names).metrics
        for one in (confidence, sure.to_pass)
    )
    found: dict[str, CanaryMetric] = {}
    for name, one in to_pass.items():
        joint, n = to_fail[name].interval, one.n or 0
        if one.value is None or one.interval is None or joint is None:
            found[f"canary.{name}"] = CanaryMetric(None, 0.0, 0.0, n, one.note or "no bounds")
            continue
        ends = (joint[0], one.interval[1])  # of a difference: fail by the lower, pass by the upper
        if name.endswith("_ratio"):
            ends = (one.interval[0], joint[1])
        found[f"canary.{name}"] = CanaryMetric(one.value, *ends, n, one.note)
    return found


def _window(rows: SplitRows, data: Data) -> WindowRows:
    """Return the canary's answered rows in the form in which windows are measured."""
    import pandas as pd

    frame = rows.of("canary")
    frame = frame[~frame["failed"]]
    prediction = pd.to_numeric(frame["prediction"], errors="coerce")
    if data.multiclass:
        prediction, _ = places(frame["prediction"], data)
    elif data.task == "classification":
        prediction = prediction.where(prediction.isin([0, 1]))
    kept = prediction.notna()
    frame, prediction = frame[kept], prediction[kept].astype("float64")
    raw = rows.attributes.loc[frame.index]
    some = {name: how for name, how in data.sensitive.items() if name in raw.columns}
    groups = groups_of(raw, data.model_copy(update={"sensitive": some}))
    return WindowRows(
        features=frame[[]],
        score=frame["score"],
        prediction=prediction,
        target=pd.Series(float("nan"), index=frame.index),
        groups=groups.where(raw[list(some)].notna().all(axis=1), None),
        person=pd.Series(pd.factorize(frame["person"])[0], index=frame.index),
    )
