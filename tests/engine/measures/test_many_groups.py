"""A fairness rule with many groups: it seldom passes wrongly, and it passes a fair model."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from governed_ml.core.config import Rule
from governed_ml.measures import fairness
from governed_ml.measures.bounds import group_bounds, quantiles, rates
from governed_ml.policy.judge import compare

CONFIDENCE, WRONG, TABLES = 0.95, 0.05, 2000
LIMITS = {"difference": 0.10, "ratio": 0.80}
RULES = {
    "difference": Rule(
        id="fairness.test", metric="a.b", block=0.10, evidence="interval", owner="x"
    ),
    "ratio": Rule(
        id="fairness.test",
        metric="a.b",
        block=0.80,
        bound="at_least",
        evidence="interval",
        owner="x",
    ),
}
BOUND = {"difference": group_bounds.largest_difference, "ratio": group_bounds.smallest_ratio}


def bounds(kind: str, hits: Any, n: Any) -> tuple[Any, Any]:
    """Return both bounds for counts of shape (tables, groups)."""
    rate = rates.Rate(hits, np.broadcast_to(n, hits.shape), "")
    pairs = group_bounds.pairs(hits.shape[-1])
    return BOUND[kind]([rate.limits(CONFIDENCE, pairs)], [rate.alone(CONFIDENCE)])


def passing(kind: str, hits: Any, n: Any) -> Any:
    """Return which tables pass a rule whose limit is that of `LIMITS`."""
    lower, upper = bounds(kind, hits, n)
    return upper <= LIMITS[kind] if kind == "difference" else lower >= LIMITS[kind]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["difference", "ratio"])
@pytest.mark.parametrize("n", [(40, 500), (40, 1000), (200, 200), (500, 40), (1000, 40)])
@pytest.mark.parametrize("rate", [0.005, 0.02, 0.5, 0.88, 0.89])
def test_two_groups_at_the_limit_pass_in_at_most_5_percent_of_all_tables(
    kind: str, n: tuple[int, int], rate: float
) -> None:
    # Given two groups that are apart by just the limit, and every table that they can give
    true = (rate + 0.1, rate) if kind == "difference" else (0.8 * (rate + 0.1), rate + 0.1)
    hits = np.array(list(product(*(range(size + 1) for size in n))))
    chance = binom.pmf(hits, n, true).prod(axis=1)
    # When each is judged, then the tables that pass have a probability of at most 5 %
    assert chance @ passing(kind, hits, np.array(n)) <= WRONG


@pytest.mark.parametrize("kind", ["difference", "ratio"])
@pytest.mark.parametrize(
    ("n", "fair"),
    [
        ((1000,) * 5, 0.9),
        ((1000,) * 10, 0.75),
        ((2000,) * 30, 0.98),
        (range(500, 15_001, 500), 0.8),
    ],
)
def test_many_groups_pass_where_the_model_is_fair_and_not_where_one_is_at_the_limit(
    kind: str, n: Any, fair: float
) -> None:
    n, rng = np.array(n), np.random.default_rng(5)
    hits = rng.binomial(n, 0.5, (TABLES, len(n)))
    assert passing(kind, hits, n).mean() >= fair
    lower, upper = bounds(kind, hits, n)
    failed = lower > LIMITS[kind] if kind == "difference" else upper < LIMITS[kind]
    assert not failed.any()
    true = np.full(len(n), 0.6 if kind == "difference" else 0.625)
    true[0] = 0.5
    assert passing(kind, rng.binomial(n, true, (TABLES, len(n))), n).mean() <= WRONG


@pytest.mark.parametrize("kind", ["difference", "ratio"])
def test_a_fair_model_does_not_fail_by_the_worst_of_45_pairs(kind: str) -> None:
    # Given ten groups of a hundred rows, a model without a gap, and the strictest limit
    hits = np.random.default_rng(6).binomial(100, 0.5, (TABLES, 10))
    lower, upper = bounds(kind, hits, np.full(10, 100))
    # Then "some pair is beyond the limit" is wrong as seldom as it says
    failed = lower > 0 if kind == "difference" else upper < 1
    assert failed.mean() <= WRONG


@pytest.mark.parametrize("kind", ["difference", "ratio"])
def test_ten_groups_of_a_thousand_rows_get_a_verdict(kind: str) -> None:
    # Given a fair model and ten groups, for each of which 480 to 520 rows of 1,000 are selected
    selected = np.linspace(480, 520, 10).astype(np.int64)
    counts = np.stack([1000 - selected, selected], axis=-1)[:, None].repeat(2, axis=1)
    names = [f"group {place}" for place in range(10)]
    found = fairness.measured(names, counts, CONFIDENCE)[f"demographic_parity_{kind}"]
    # Then it passes, and with bounds for 45 pairs at once it would not
    assert compare(RULES[kind], found)[0] == "pass"
    z = quantiles.normal_quantile(CONFIDENCE, 45)
    part = [quantiles.wilson(selected, np.full(10, 1000), z)]
    lower, upper = (float(bound) for bound in BOUND[kind](part, part))
    assert upper > 0.1 if kind == "difference" else lower < 0.8
