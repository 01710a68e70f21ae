"""The confusion matrix of several classes, from the counts in the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from governed_ml.core.config.classes import ARROW


def matrix(found: Mapping[str, int], names: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Return each class with how many of its rows were taken for which class, in their order."""
    return [(name, [found.get(f"{name}{ARROW}{guess}", 0) for guess in names]) for name in names]


def mistakes(found: Mapping[str, int], names: Sequence[str]) -> list[tuple[str, str, int]]:
    """Return true class, predicted class and rows of each mistake, the most frequent first."""
    wrong = [
        (name, guess, n)
        for name, counts in matrix(found, names)
        for guess, n in zip(names, counts, strict=True)
        if n and guess != name
    ]
    return sorted(wrong, key=lambda one: -one[2])
