"""Distances between two samples of one column, computed from the rows in each bin.

Both samples are counted over the same bins (see `binning`). No function here knows rows or limits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from governed_ml.core.problem import Problem

CHANCE = 0.01  # probability that `beyond_chance` is positive without drift
FLOOR = 1e-4  # least share of a bin, because the logarithm of 0 is undefined


def shares(counts: Sequence[int]) -> list[float]:
    """Turn bin counts into shares that sum to 1.

    Raise `Problem` if a count is negative or if there are no rows.
    """
    total = sum(counts)
    if total <= 0 or min(counts) < 0:
        raise Problem(
            "drift needs the number of rows in each bin: none may be negative, and one must "
            "be above 0"
        )
    return [count / total for count in counts]


def population_stability_index(reference: Sequence[int], current: Sequence[int]) -> float:
    """Return PSI = Σ (c − r) · ln(c / r) over bin shares, each share at least `FLOOR`; 0 or more.

    It is the symmetrised Kullback–Leibler divergence in nats (Siddiqi 2006, "Credit Risk
    Scorecards", chapter 8). `reference` and `current` are row counts over the same bins.
    """
    return math.fsum(contributions(reference, current))


def contributions(reference: Sequence[int], current: Sequence[int]) -> list[float]:
    """Return each bin's contribution to the population stability index; each is 0 or more."""
    pairs = zip(*_paired(reference, current), strict=True)
    floored = ((max(r, FLOOR), max(c, FLOOR)) for r, c in pairs)
    return [(c - r) * math.log(c / r) for r, c in floored]


def jensen_shannon_distance(reference: Sequence[int], current: Sequence[int]) -> float:
    """Return the Jensen–Shannon distance in base 2: from 0 (equal shares) to 1 (no common bin).

    It is the square root of the divergence, and a metric (Endres & Schindelin 2003, IEEE
    Transactions on Information Theory 49:1858). Arguments are row counts over the same bins, which
    may be empty.
    """
    terms: list[float] = []
    for r, c in zip(*_paired(reference, current), strict=True):
        middle = (r + c) / 2
        terms += [share * math.log2(share / middle) for share in (r, c) if share > 0]
    return math.sqrt(min(1.0, max(0.0, math.fsum(terms) / 2)))


def expected_without_drift(bins: int, reference_rows: int, current_rows: int) -> float:
    """Return the expected PSI if nothing drifts: (bins − 1) · (1/n + 1/m).

    `bins` is the number of bins that have rows; n and m are the rows of the two samples. Without
    drift, PSI / (1/n + 1/m) is approximately χ² distributed with bins − 1 degrees of freedom
    (Yurdakul & Naranjo 2020, "Statistical properties of the population stability index").
    """
    return max(0, bins - 1) * (1 / reference_rows + 1 / current_rows)


def beyond_chance(reference: Sequence[int], current: Sequence[int]) -> float:
    """Return the part of PSI that exceeds its 99 % quantile without drift, or 0.

    The quantile is that of the χ² distribution in `expected_without_drift`. Because of it, small
    samples raise no false alarm. `reference` and `current` are row counts over the same bins.
    """
    from scipy.special import chdtri

    bins = sum(r + c > 0 for r, c in zip(reference, current, strict=True))
    share = float(chdtri(max(1, bins - 1), CHANCE)) * (1 / sum(reference) + 1 / sum(current))
    return max(0.0, population_stability_index(reference, current) - share)


def largest(values: Mapping[str, float]) -> tuple[str, float]:
    """Return the name and value of the largest item; raise `Problem` if any value is not finite."""
    if not values:
        raise Problem(
            "no column has a drift value, so none is the largest: give the drift of at least one "
            "column"
        )
    for name, value in values.items():
        if not math.isfinite(value):
            raise Problem(f"the drift of column {name!r} is {value}, not a finite number")
    return max(values.items(), key=lambda item: (item[1], item[0]))


def _paired(reference: Sequence[int], current: Sequence[int]) -> tuple[list[float], list[float]]:
    if len(reference) != len(current):
        raise Problem(
            f"drift needs the same bins on both sides: the reference has {len(reference)}, "
            f"the current table {len(current)}"
        )
    return shares(reference), shares(current)
