"""Assign the columns that a table was encoded into to the features that they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt
    import pandas as pd


def by_feature(
    values: npt.NDArray[np.float64],
    transformed: list[str],
    features: list[str],
    changed_by: Callable[[str], set[int]],
) -> dict[str, Any]:
    """Sum the SHAP values of the columns that each feature was encoded into.

    `values` has the shape (rows, encoded features) or, of several classes, (rows, encoded features,
    classes). The result is feature → values of shape (rows,) or (rows, classes).
    """
    return summed(values, owners(transformed, features, changed_by), features)


def owners(
    transformed: list[str], features: list[str], changed_by: Callable[[str], set[int]]
) -> list[str | None]:
    """Return the feature that each encoded column comes from; None if no name fits.

    If the name of an encoded column fits several features (`a_b` is the feature `a_b`, or the
    category `b` of `a`), `changed_by` says which encoded columns a feature changes.
    """
    found: list[str | None] = []
    known: dict[str, set[int]] = {}
    for position, encoded in enumerate(transformed):
        plain = encoded.partition("__")[2]
        fits = [name for name in features if plain == name or plain.startswith(f"{name}_")]
        fits.sort(key=len, reverse=True)
        if len(fits) > 1:
            known |= {name: changed_by(name) for name in fits if name not in known}
            fits = [name for name in fits if position in known[name]] or fits
        found.append(fits[0] if fits else None)
    return found


def summed(
    values: npt.NDArray[np.float64], owned: list[str | None], features: list[str]
) -> dict[str, Any]:
    """Return feature → the sum of the values of its encoded columns."""
    total: dict[str, Any] = dict.fromkeys(features, 0.0)
    for position, name in enumerate(owned):
        if name is not None:
            total[name] = total[name] + values[:, position]
    return total


def moved(model: Any, rows: pd.DataFrame, name: str) -> set[int]:
    """Return the encoded columns that change if a feature's values are dealt to other rows."""
    import numpy as np

    features = model.named_steps["features"]
    other = rows.copy()
    other[name] = rows[name].to_numpy()[::-1]
    before, after = (np.asarray(features.transform(one), dtype="float64") for one in (rows, other))
    same = np.isclose(before, after, rtol=0, atol=0, equal_nan=True).all(axis=0)
    return set(np.flatnonzero(~same).tolist())
