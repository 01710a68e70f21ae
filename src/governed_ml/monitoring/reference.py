"""Drift of a window against the bins in a version's own evidence."""

from __future__ import annotations

from governed_ml.core import tables
from governed_ml.core.evidence import NO_ORDER, Metric
from governed_ml.core.evidence_bodies import ColumnDrift, DriftBody
from governed_ml.core.problem import Problem
from governed_ml.measures import drift
from governed_ml.measures.binning import LABEL, NEW, NULL, RARE, Frozen, ascending, counted

EXCESS = "psi_quantile10_beyond_chance"


def against(
    reference: DriftBody, relations: dict[str, str]
) -> tuple[list[ColumnDrift], dict[str, Metric]]:
    """Count each column of `relations` (name → SQL) in its frozen bins; return shares and metrics.

    If a relation has no rows, the metric has no value. Raise `Problem` if the evidence lacks a
    column.
    """
    known = {column.name: column for column in reference.columns}
    lost = [name for name in relations if name not in known]
    if lost:
        raise Problem(
            f"the version's evidence of drift has no column {lost[0]!r}: register the model again"
        )
    columns: list[ColumnDrift] = []
    metrics: dict[str, Metric] = {}
    for name, counts in _counts(known, relations).items():
        column, n = known[name], sum(counts)
        apart = _apart(reference, column, relations[name])
        metrics |= {f"{name}.{what}": metric for what, metric in apart.items()}
        if not n or not reference.reference_rows:
            metrics[f"{name}.{EXCESS}"] = Metric(value=None, n=0, note="no row has it")
            continue
        before = [round(share * reference.reference_rows) for share in column.reference]
        bins = column.bins
        if RARE in bins:  # rare values are not recorded, so new ones count as rare
            new = bins.index(NEW)
            before, counts = ([*c[:new], *c[new + 1 :]] for c in (before, _moved(bins, counts)))
            bins = [*bins[:new], *bins[new + 1 :]]
        index = drift.population_stability_index(before, counts)
        parts = drift.contributions(before, counts)
        worst = parts.index(max(parts))
        shares = drift.shares(before), drift.shares(counts)
        columns.append(
            ColumnDrift(
                name=name,
                kind=column.kind,
                bins=bins,
                edges=column.edges,
                reference=shares[0],
                current=shares[1],
                population_stability_index=index,
                jensen_shannon_distance=drift.jensen_shannon_distance(before, counts),
                ks_statistic=apart[drift.KS].value,
                wasserstein_normed=apart[drift.WASSERSTEIN].value,
            )
        )
        change = f"{shares[0][worst]:.1%} before, {shares[1][worst]:.1%} now"
        note = f"most of it in '{bins[worst]}': {change}"
        left = drift.beyond_chance(before, counts)
        metrics[f"{name}.{EXCESS}"] = Metric(value=left, n=n, note=f"PSI {index:.3g}, {note}")
    return columns, metrics


def _apart(reference: DriftBody, column: ColumnDrift, relation: str) -> dict[str, Metric]:
    """Compare a column's values with the quantiles that stand for the reference rows."""
    import numpy as np

    why = NO_ORDER if column.kind != "numeric" else ""
    if not why and not column.quantiles:
        why = (
            "the version's evidence of drift has no quantiles of this column: its engine was too "
            f"old, or it had fewer than {drift.EACH} training rows"
        )
    if why or column.quantiles is None:
        return dict.fromkeys((drift.KS, drift.WASSERSTEIN), Metric(value=None, note=why))
    rows = round((1 - column.reference[-1]) * reference.reference_rows)
    values = np.asarray(column.quantiles, dtype=np.float64)
    now = ascending(relation, column.name)
    before = drift.SortedValues(values, rows, column.spread or 0.0)
    return drift.distances(before, drift.SortedValues(now, len(now)))


def _counts(known: dict[str, ColumnDrift], relations: dict[str, str]) -> dict[str, list[int]]:
    """Return the rows per bin of each column, with one pass per relation for numeric columns."""
    found: dict[str, list[int]] = {}
    for relation in dict.fromkeys(relations.values()):
        mine = [name for name, where in relations.items() if where == relation]
        frozen = {
            name: Frozen(one.edges, single=len(one.bins) == len(one.edges) + 4)
            for name in mine
            if (one := known[name]).kind == "numeric"
        }
        found |= counted(relation, frozen)
        found |= {name: _categories(known[name], relation) for name in mine if name not in frozen}
    return {name: found[name] for name in relations}


def _categories(column: ColumnDrift, relation: str) -> list[int]:
    name = tables.quoted(column.name)
    place = {text: index for index, text in reversed(list(enumerate(column.bins)))}
    counts = [0] * len(column.bins)
    for value, n in tables.rows(
        f"SELECT left(CAST({name} AS VARCHAR), {LABEL}), count(*) FROM {relation} GROUP BY 1"
    ):
        label = NULL if value is None else f"= {value}"
        counts[place.get(label, place[NEW])] += int(n)
    return counts


def _moved(bins: list[str], counts: list[int]) -> list[int]:
    """Add the count of new categories to that of rare categories."""
    moved = list(counts)
    moved[bins.index(RARE)] += moved[bins.index(NEW)]
    return moved
