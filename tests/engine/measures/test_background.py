"""Rows made from evidence have the distributions of the training reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from governed_ml.core.evidence_bodies import ColumnDrift, DriftBody
from governed_ml.measures.explanations.background import ROWS, reference_rows


def column(name: str, kind: str, shares: dict[str, float], **more: Any) -> ColumnDrift:
    """A column of the evidence of drift."""
    values = list(shares.values())
    return ColumnDrift(
        name=name,
        kind=kind,
        bins=list(shares),
        reference=values,
        current=values,
        edges=more.pop("edges", []),
        population_stability_index=0.0,
        jensen_shannon_distance=0.0,
        **more,
    )


def body(*columns: ColumnDrift) -> DriftBody:
    """Evidence with these columns."""
    return DriftBody(reference_rows=1000, current_rows=0, share_floor=0.0001, columns=list(columns))


OUTSIDE = {"below reference": 0.0, "above reference": 0.0, "new value": 0.0}


def test_numbers_have_the_quantiles_and_gaps_of_the_reference() -> None:
    # Given a skewed column with gaps, of which evidence has quantiles
    known = np.quantile(np.random.default_rng(1).exponential(size=5000), np.linspace(0.005, 1, 200))
    shares = {"below reference": 0.0, "[0, 9]": 0.8, "above reference": 0.0, "null": 0.2}
    one = column("x", "numeric", shares, edges=[0.0, 9.0], quantiles=known.tolist())
    # When rows are made
    made = reference_rows(body(one), ["x"], [])["x"]
    # Then they have them, too
    assert made.dtype == "float64"
    assert made.isna().mean() == pytest.approx(0.2, abs=1 / ROWS)
    assert made.mean() == pytest.approx(known.mean(), rel=0.03)
    assert set(made.dropna()) <= set(known)


def test_categories_have_the_shares_of_the_reference() -> None:
    shares = {"= owner": 0.5, "= tenant": 0.3, "rare categories": 0.1, "new category": 0.0}
    one = column("housing", "categorical", shares | {"null": 0.1})
    made = reference_rows(body(one), [], ["housing"])["housing"]
    found = made.value_counts(dropna=False, normalize=True)
    assert made.dtype == "str"
    assert found["owner"] == pytest.approx(0.5, abs=1 / ROWS)
    assert found["tenant"] == pytest.approx(0.3, abs=1 / ROWS)
    assert found["rare categories"] == pytest.approx(0.1, abs=1 / ROWS)
    assert made.isna().mean() == pytest.approx(0.1, abs=1 / ROWS)
    assert "new category" not in found


def test_evidence_of_an_engine_without_quantiles_gives_values_or_middles_of_bins() -> None:
    # Given a column with a bin for each value, and one with intervals
    inside = {"= 0": 0.75, "= 1": 0.25, "new value": 0.0}
    single = column("s", "numeric", ends(inside), edges=[0.0, 1.0])
    wide = column("w", "numeric", ends({"[0, 10]": 0.5, "(10, 40]": 0.5}), edges=[0.0, 10.0, 40.0])
    # When rows are made, then they are those values, and the middles of the intervals
    made = reference_rows(body(single, wide), ["s", "w"], [])
    assert made["s"].mean() == pytest.approx(0.25, abs=1 / ROWS)
    assert set(made["s"]) == {0.0, 1.0}
    assert made["w"].value_counts().to_dict() == {5.0: ROWS // 2, 25.0: ROWS // 2}


def ends(inside: dict[str, float]) -> dict[str, float]:
    """The bins of a numeric column without gaps."""
    return {"below reference": 0.0, **inside, "above reference": 0.0, "null": 0.0}


def test_columns_are_independent_and_always_the_same() -> None:
    # Given two columns with the same distribution
    known = np.linspace(0, 1, 200).tolist()
    shares = ends({"[0, 1]": 1.0})
    two = body(*(column(n, "numeric", shares, edges=[0.0, 1.0], quantiles=known) for n in "ab"))
    # When rows are made twice
    made, again = (reference_rows(two, ["a", "b"], []) for _ in range(2))
    # Then they are the same rows, and the columns do not depend on each other
    assert made.equals(again)
    assert abs(made["a"].corr(made["b"])) < 0.15
    assert sorted(made["a"]) == sorted(made["b"])


def test_what_evidence_does_not_have_is_missing() -> None:
    empty = column("e", "numeric", {})
    made = reference_rows(body(empty), ["e", "other"], ["text"])
    assert made.isna().all().all()
    assert made.dtypes.astype(str).tolist() == ["float64", "float64", "str"]


def test_features_named_like_the_target_are_found() -> None:
    # Given a feature `target`, which evidence lists under another name, beside the target itself
    shares = ends({"= 1": 1.0, "new value": 0.0})
    own = column("target", "numeric", shares, edges=[7.0])
    feature = column("input.target", "numeric", shares, edges=[1.0])
    made = reference_rows(body(own, feature), ["target"], [])
    assert set(made["target"]) == {1.0}
