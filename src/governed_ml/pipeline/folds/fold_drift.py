"""Drift with cross-validation: each fold's rows against those on which its model was trained.

A distance is the mean over the folds. The population stability index of a few rows is large by
chance alone, so the part that chance gives on average is subtracted. The bins are those of all
rows, because later windows of production are compared with the rows of the released model.
"""

from __future__ import annotations

from dataclasses import dataclass

from governed_ml.core.evidence import Metric
from governed_ml.core.evidence_bodies import DriftBody
from governed_ml.measures import binning, drift
from governed_ml.measures.binning import Binned
from governed_ml.pipeline.folds import assignment
from governed_ml.pipeline.folds.fold_tables import inside, outside


@dataclass(frozen=True)
class FoldDrift:
    """One column: counts of all rows and of the fold that differs most, and the mean distances."""

    counts: Binned
    index: float
    jensen_shannon: float
    note: str


def binned(relation: str, numeric: list[str], categorical: list[str]) -> dict[str, FoldDrift]:
    """Compare every column of a relation, which has row numbers, fold by fold."""
    folds = assignment.numbers()
    each = [
        binning.binned(relation, inside(relation, fold), numeric, categorical) for fold in folds
    ]
    return {name: _mean(folds, [one[name] for one in each]) for name in each[0]}


def _mean(folds: list[int], each: list[Binned]) -> FoldDrift:
    pairs = [(_rest(one), one.current) for one in each]
    found = [drift.population_stability_index(*pair) for pair in pairs]
    chance = [_by_chance(*pair) for pair in pairs]
    index = max(0.0, sum(found) - sum(chance)) / len(folds)
    shape = sum(drift.jensen_shannon_distance(*pair) for pair in pairs) / len(folds)
    worst = found.index(max(found))
    note = (
        f"; mean over {len(folds)} folds, minus {sum(chance) / len(folds):.2g}, the value expected "
        f"by chance; fold {folds[worst]} differs most"
    )
    return FoldDrift(each[worst], index, shape, note)


def _rest(counts: Binned) -> list[int]:
    """Return the number of rows outside of the fold in each bin."""
    return [every - mine for every, mine in zip(counts.reference, counts.current, strict=True)]


def _by_chance(reference: list[int], current: list[int]) -> float:
    bins = sum(r + c > 0 for r, c in zip(reference, current, strict=True))
    return drift.expected_without_drift(bins, sum(reference), sum(current))


def distances(relation: str, column: str, spread: float) -> dict[str, Metric]:
    """Return Kolmogorov-Smirnov and Wasserstein distance of a number, as means over the folds."""
    found: list[dict[str, Metric]] = []
    for fold in assignment.numbers():
        train, test = (
            binning.ascending(side(relation, fold), column) for side in (outside, inside)
        )
        sides = drift.SortedValues(train, len(train), spread), drift.SortedValues(test, len(test))
        found.append(drift.distances(*sides))
    return {name: _averaged([one[name] for one in found]) for name in found[0]}


def _averaged(found: list[Metric]) -> Metric:
    """Return the mean of metrics and of their bounds, if all have a value; else the first null."""
    lost = next((one for one in found if one.value is None), None)
    if lost is not None:
        return lost
    worst = max(found, key=lambda one: one.value or 0.0)
    return worst.model_copy(
        update={
            "value": _mean_of([one.value for one in found]),
            "lower": _mean_of([one.lower for one in found]),
            "upper": _mean_of([one.upper for one in found]),
            "n": sum(one.n or 0 for one in found),
            "note": f"mean over {len(found)} folds; the largest: {worst.note}",
        }
    )


def _mean_of(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(values) if len(known) == len(values) else None


def averaged(body: DriftBody, found: dict[str, FoldDrift]) -> DriftBody:
    """Return the body with the distances of all folds, or unchanged without folds.

    The shares of a column stay: those of all rows, and of the fold that differs most.
    """
    if not found:
        return body
    columns = [
        one.model_copy(
            update={
                "population_stability_index": found[one.name].index,
                "jensen_shannon_distance": found[one.name].jensen_shannon,
            }
        )
        for one in body.columns
    ]
    return body.model_copy(update={"columns": columns, "current_rows": body.reference_rows})
