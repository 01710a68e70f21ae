"""Bounds that stay right if data are looked at again and again while they grow.

Who looks often enough sees any bound fail once. So data are judged at certain sizes only, each
twice the one before, and the k-th look may be wrong with the k-th part of the whole probability:
1/2, 1/6, 1/12, … (1 / (k (k + 1)), which add up to 1; Bonferroni correction).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """One look at growing data.

    `size` is the number of rows that count. `to_pass` and `to_fail` are the confidence of a bound
    to pass by (None: too early) and of a bound to fail by, each for this look alone.
    """

    size: int
    to_pass: float | None
    to_fail: float


def look(rows: int, to_pass_from: int, to_fail_from: int, confidence: float) -> Look | None:
    """Return the last look at so many rows; None if there are too few for the first one.

    `to_pass_from` rows are the first that may pass. Before, at that number halved again and again,
    they may only fail, as long as there are `to_fail_from` rows.
    """
    sizes = [to_pass_from]
    while sizes[0] // 2 >= to_fail_from:
        sizes.insert(0, sizes[0] // 2)
    early = len(sizes) - 1
    while sizes[-1] * 2 <= rows:
        sizes.append(sizes[-1] * 2)
    reached = [size for size in sizes if size <= rows]
    if not reached:
        return None
    number = len(reached)
    return Look(
        size=reached[-1],
        to_pass=_share(confidence, number - early) if number > early else None,
        to_fail=_share(confidence, number),
    )


def _share(confidence: float, number: int) -> float:
    """Return the confidence of the look with this number, counted from 1."""
    return 1 - (1 - confidence) / (number * (number + 1))
