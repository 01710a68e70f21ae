"""Compute how often fairness rules pass wrongly and rightly, by the number of groups."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

import numpy as np
from page_lines import Lines, head, row, wrapped
from scipy.stats import binom

group_bounds, quantiles = (
    import_module(f"governed_ml.measures.bounds.{name}") for name in ("group_bounds", "quantiles")
)
CONFIDENCE, LIMIT, RATIO, TABLES, SEED = 0.95, 0.10, 0.80, 4_000, 2026
TAIL = quantiles.ALONE_RATES * (1 - CONFIDENCE)
SIZES = (30, 40, 50, 70, 100, 200, 500, 1_000, 5_000, 50_000)
RATES = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 0.85, 0.88, 0.89, 0.9)
MOST = 1_000_000  # most pairs of counts that are added up for one line
SHAPES = {
    "2 groups of 1,000": (1_000,) * 2,
    "5 groups of 1,000": (1_000,) * 5,
    "10 groups of 1,000": (1_000,) * 10,
    "30 groups of 2,000": (2_000,) * 30,
    "2 groups: 30 and 50,000": (30, 50_000),
    "5 groups: 100 to 50,000": (100, 500, 2_000, 10_000, 50_000),
    "10 groups: 30 to 50,000": (30, 50, 100, 300, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000),
    "30 groups: 500 to 15,000": tuple(range(500, 15_001, 500)),
}


def deciding(kind: str, joint: Any, alone: Any) -> Any:
    """Return the bound by which a rule passes: the upper of a difference, the lower of a ratio."""
    if kind == "difference":
        return group_bounds.largest_difference([joint], [alone])[1]
    return group_bounds.smallest_ratio([joint], [alone])[0]


def inside(kind: str, bound: Any) -> Any:
    """Return whether a rule passes with this bound."""
    return bound <= LIMIT + 1e-12 if kind == "difference" else bound >= RATIO - 1e-12


def counted(n: int, rate: float) -> tuple[Any, Any]:
    """Return the counts that are at all likely, and their probabilities."""
    low, high = binom.ppf([1e-7, 1 - 1e-7], n, rate)
    counts = np.arange(int(low), int(high) + 1)
    return counts, binom.pmf(counts, n, rate)


def passes_wrongly(kind: str, n: tuple[int, int], rates: tuple[float, float]) -> float | None:
    """Return the exact probability that two groups pass; None if it would take too long."""
    (one, of_one), (other, of_other) = (counted(*pair) for pair in zip(n, rates, strict=True))
    if len(one) * len(other) > MOST:
        return None
    each = [quantiles.clopper_pearson(*pair, TAIL) for pair in zip((one, other), n, strict=True)]
    alone = quantiles.Estimates(
        *(
            np.stack(np.meshgrid(*(getattr(x, of) for x in each), indexing="ij"), axis=-1)
            for of in ("value", "lower", "upper")
        )
    )
    return float(of_one @ inside(kind, deciding(kind, alone, alone)) @ of_other)


def worst(kind: str) -> tuple[float, tuple[int, int], tuple[float, float], int]:
    """Return the largest probability over all sizes and rates, where it is, and how many."""
    found = []
    for n in ((one, other) for one in SIZES for other in SIZES):
        for rate in RATES:
            rates = (rate + LIMIT, rate)
            if kind == "ratio":
                rates = ((rate + 0.1) * RATIO, rate + 0.1)
            chance = passes_wrongly(kind, n, rates)
            if chance is not None:
                found.append((chance, n, rates))
    return (*max(found), len(found))


def simulated(kind: str, n: tuple[int, ...], rates: Any) -> tuple[float, float]:
    """Return the shares of tables that pass with bounds for all pairs at once, and alone."""
    hits = np.random.default_rng(SEED).binomial(n, rates, (TABLES, len(n)))
    z = quantiles.normal_quantile(CONFIDENCE, group_bounds.pairs(len(n)))
    joint = quantiles.wilson(hits, np.array(n), z)
    alone = quantiles.clopper_pearson(hits, np.array(n), TAIL)
    each = (inside(kind, deciding(kind, joint, part)).mean() for part in (joint, alone))
    return tuple(map(float, each))  # pyright: ignore[reportReturnType]


def of_groups() -> Lines:
    """Compare bounds for all pairs of groups at once with bounds for each pair alone."""
    lines = [
        "## Many groups",
        "",
        *wrapped(
            """A fairness rule says that every pair of groups is inside the limit. With ten groups
            there are 45 pairs. *Before* (engine 0.3), the rule passed only if an interval that
            holds for all 45 pairs at once was inside the limit, so it hardly ever passed a fair
            model. That is stricter than needed: if the model is unfair, some pair is beyond the
            limit, and the rule passes wrongly only if the bound of this one pair is wrong. *After*,
            the rule passes if the one-sided bound of each pair alone is inside the limit (an
            intersection-union test, Berger 1982). A rule still fails only by an interval that holds
            for all pairs, because a search for the worst pair finds large gaps by chance."""
        ),
        *wrapped(
            f"""The bounds of a rate are exact (Clopper & Pearson 1934). Combining two of them is an
            approximation, so each leaves out {TAIL:.0%} and not 5%."""
        ),
        *wrapped(
            f"""Each line simulates {TABLES:,} tables. *No gap*: all groups have the rate 0.5. *At
            the limit*: the first group's rate is 0.5 and all other rates are higher by {LIMIT:g}
            (for the ratio: 0.5 and {0.5 / RATIO:g}), so every pass is wrong."""
        ),
        *head(
            "groups",
            *(f"{kind}, no gap: passes {when}" for kind in KINDS for when in ("before", "after")),
            *(f"{kind}, at the limit: {when}" for kind in KINDS for when in ("before", "after")),
        ),
    ]
    for name, n in SHAPES.items():
        cells = []
        for gap in (False, True):
            for kind in KINDS:
                other = 0.5 if not gap else 0.5 + LIMIT if kind == "difference" else 0.5 / RATIO
                rates = np.full(len(n), other)
                rates[0] = 0.5
                cells += [f"{share:.1%}" for share in simulated(kind, n, rates)]
        lines.append(row(name, *cells))
    lines.append("")
    for kind in KINDS:
        chance, n, rates, many = worst(kind)
        lines += wrapped(
            f"""For two groups, the probability of a wrong pass is computed exactly, for {many:,}
            combinations of sizes from {SIZES[0]} to {SIZES[-1]:,} and of rates. The largest of the
            {kind} is {chance:.1%}, with groups of {n[0]:,} and {n[1]:,} rows and rates of
            {rates[0]:.3f} and {rates[1]:.3f}."""
        )
    return lines


KINDS = ("difference", "ratio")
