"""Rates of groups, with bounds for all pairs of groups at once and for one pair alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from governed_ml.measures.bounds.quantiles import (
    ALONE_RATES,
    Estimates,
    clopper_pearson,
    normal_quantile,
    student_quantile,
    student_tail,
    wilson,
)
from governed_ml.measures.groups import Floats, Integers


@dataclass(frozen=True)
class Rate:
    """The rate hits / n of each group, both of shape (groups,). `unit` says what `n` counts.

    If rows belong to persons, `effect` is the design effect and `persons` the number of persons
    with such rows; both have the shape (groups,).
    """

    hits: Integers
    n: Integers
    unit: str
    effect: Floats | None = None
    persons: Integers | None = None

    @property
    def units(self) -> Integers:
        """Return the number of independent units in each group: persons if known, else rows."""
        return self.n if self.persons is None else self.persons

    @property
    def counted(self) -> str:
        """Return what `units` counts, in words."""
        if self.persons is None:
            return self.unit
        return f"persons with {self.unit}" if self.unit else "persons"

    def limits(self, confidence: float, comparisons: int) -> Estimates:
        """Return the rates with Wilson's bounds for `comparisons` simultaneous intervals.

        If rows belong to persons, the bounds use the effective number of rows, and Student's
        quantile with persons − 1 degrees of freedom instead of the normal one (Korn & Graubard
        1998, Survey Methodology 24:193).
        """
        if self.persons is None or self.effect is None:
            return wilson(self.hits, self.n, normal_quantile(confidence, comparisons))
        freedom = self.persons.astype(np.float64) - 1
        quantile = student_quantile(confidence, comparisons, freedom)
        return wilson(self.hits / self.effect, self.n / self.effect, quantile)

    def alone(self, confidence: float) -> Estimates:
        """Return the rates with exact one-sided bounds for one pair of groups alone.

        If rows belong to persons, the bounds use the effective number of rows, adjusted for the
        persons − 1 degrees of freedom (Korn & Graubard 1998, Survey Methodology 24:193).
        """
        tail = (1 - confidence) * ALONE_RATES
        if self.persons is None or self.effect is None:
            return clopper_pearson(self.hits, self.n, tail)
        freedom = self.persons.astype(np.float64) - 1
        shrunk = (
            student_tail(tail, np.full_like(freedom, np.inf)) / student_tail(tail, freedom)
        ) ** 2
        return clopper_pearson(
            self.hits / self.effect * shrunk, self.n / self.effect * shrunk, tail
        )

    @property
    def value(self) -> Floats:
        """Return the rates, shape (groups,). Every `n` must be positive."""
        return self.hits / self.n


UNITS = ("positives", "negatives", "selected")


def rates(counts: Integers, units: tuple[str, str, str] = UNITS) -> dict[str, Rate]:
    """Return the four rates of each group from counts of shape (groups, label, prediction).

    `units` says what rows with label 1, with label 0 and with prediction 1 are called.
    """
    positives, negatives, chosen = units
    selected, positive, negative = counts[:, :, 1].sum(axis=1), counts[:, 1], counts[:, 0]
    return {
        "selection_rate": Rate(selected, counts.sum(axis=(1, 2)), ""),
        "true_positive_rate": Rate(positive[:, 1], positive.sum(axis=1), positives),
        "false_positive_rate": Rate(negative[:, 1], negative.sum(axis=1), negatives),
        "precision": Rate(positive[:, 1], selected, chosen),
    }
