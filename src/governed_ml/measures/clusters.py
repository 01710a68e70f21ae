"""Variances and design effects for rows of the same person, which are not independent.

A "person" is anything that several rows belong to: a value of `data.group`. Point estimates use the
rows as they are; only their uncertainty is computed from each person's total.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Persons:
    """Each person's contribution to each cell, with one entry per (cell, person) that has rows.

    `cell` and `person` are integer codes from 0, shape (entries,). `values` has the shape (entries,
    …).
    """

    cell: Integers
    person: Integers
    values: npt.NDArray[Any]

    def merged(self, position: Integers) -> Persons:
        """Sum cells into groups; `position` maps each cell to its group."""
        group = position[self.cell]
        most = int(self.person.max(initial=0)) + 1
        both, place = np.unique(group * most + self.person, return_inverse=True)
        values = np.zeros((len(both), *self.values.shape[1:]), dtype=self.values.dtype)
        np.add.at(values, place.reshape(-1), self.values)
        return Persons(both // most, both % most, values)


@dataclass(frozen=True)
class Worth:
    """The design effect of each group, and the number of persons in it; both of shape (groups,).

    Dividing a group's rows by its design effect gives its effective number of rows.
    """

    effect: Floats
    persons: Integers


def design_effect(group: Integers, hits: Integers, n: Integers, groups: int) -> Worth:
    """Return the design effect of clustering by person on each group's rate hits / n, at least 1.

    `group`, `hits` and `n` have the shape (entries,), with one entry for each person in a group.
    The effect is the variance of the ratio estimator over the variance for independent rows; hits
    and n are to be divided by it (Rao & Scott 1992, Biometrics 48:577). Where a rate is 0 or 1, the
    variance cannot be estimated. All rows of a person are then assumed to be equal (an intraclass
    correlation of 1; Kish 1965, Survey Sampling, section 5.4).
    """
    there = n > 0
    group, hits, n = group[there], hits[there], n[there]
    persons = np.bincount(group, minlength=groups)
    total = np.bincount(group, n, groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.bincount(group, hits, groups) / total
        most = np.bincount(group, n.astype(np.float64) ** 2, groups) / total
        away = np.bincount(group, (hits - rate[group] * n) ** 2, groups)
        variance = persons / (persons - 1) * away / total**2
        effect = variance / (rate * (1 - rate) / total)
    seen = (rate > 0) & (rate < 1) & (persons > 1)
    return Worth(np.maximum(np.where(seen, effect, most), 1.0), persons)


def rate_worth(person: Integers, hits: npt.NDArray[np.bool_]) -> Worth:
    """Return the design effect on a single rate; `person` and `hits` have the shape (rows,)."""
    _, code = np.unique(person, return_inverse=True)
    code = code.reshape(-1)
    n, mine = np.bincount(code), np.bincount(code, hits).astype(np.int64)
    return design_effect(np.zeros(len(n), dtype=np.int64), mine, n, 1)


def mean_variance(person: Integers, values: Floats) -> tuple[float, int]:
    """Return the variance of the mean of `values`, clustered by person, and the number of persons.

    It is the cluster-robust variance (Liang & Zeger 1986, Biometrika 73:13), times persons /
    (persons − 1). `person` and `values` have the shape (rows,).
    """
    _, code = np.unique(person, return_inverse=True)
    away = np.bincount(code.reshape(-1), values - values.mean())
    many = len(away)
    return float(many / max(many - 1, 1) * (away**2).sum() / len(values) ** 2), many


def mean_effect(person: Integers | None, values: Floats) -> float:
    """Return the design effect on the mean of `values`, at least 1; 1 if `person` is None."""
    plain = float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0
    if person is None or plain == 0:
        return 1.0
    return max(1.0, mean_variance(person, values)[0] / plain)
