"""Compute how often fairness rules pass wrongly and rightly, by the number of classes."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

import numpy as np
from many_groups import CONFIDENCE, LIMIT, SEED, TABLES, TAIL
from page_lines import Lines, head, row, wrapped

group_bounds, quantiles = (
    import_module(f"governed_ml.measures.bounds.{name}") for name in ("group_bounds", "quantiles")
)
FIRST = 0.4  # share of the first class; the others have equal parts of the rest
CLASSES, GROUPS, ROWS = (3, 5, 10), (2, 5), 800


def simulated(classes: int, groups: int, gap: float) -> tuple[float, float, float]:
    """Return shares of tables: passed by bounds for all classes at once, and alone; failed.

    The first group gets the first class less often by `gap`, and the others more often.
    """
    shares = np.full((groups, classes), (1 - FIRST) / (classes - 1))
    shares[:, 0] = FIRST
    shares[0] += gap / (classes - 1)
    shares[0, 0] = FIRST - gap
    rng = np.random.default_rng(SEED)
    hits = np.stack([rng.multinomial(ROWS, share, TABLES) for share in shares], axis=1)
    n, pairs = np.full(groups, ROWS), group_bounds.pairs(groups)
    joint, alone, at_once = [], [], []
    for place in range(classes):
        mine = hits[:, :, place]
        wide = quantiles.wilson(mine, n, quantiles.normal_quantile(CONFIDENCE, pairs * classes))
        narrow = quantiles.clopper_pearson(mine, n, TAIL)
        every = quantiles.clopper_pearson(mine, n, TAIL / classes)
        low, high = bounds(wide, narrow)
        joint.append(low)
        alone.append(high)
        at_once.append(bounds(wide, every)[1])
    passes = [np.max(one, axis=0) <= LIMIT + 1e-12 for one in (at_once, alone)]
    fails = np.max(joint, axis=0) > LIMIT
    return float(passes[0].mean()), float(passes[1].mean()), float(fails.mean())


def bounds(joint: Any, alone: Any) -> tuple[Any, Any]:
    """Return the lower and the upper bound of the largest difference of one class."""
    return group_bounds.largest_difference([joint], [alone])


def of_classes() -> Lines:
    """Compare a rule that judges all classes at once with one that judges each class alone."""
    lines = [
        "## Three or more classes",
        "",
        *wrapped(
            f"""With three or more classes, a fairness rule says that every pair of groups is inside
            the limit for every class. It passes if the one-sided bound of each class alone is
            inside the limit, as for pairs of groups. It fails only by bounds that hold for all
            pairs and all classes at once. Each line simulates {TABLES:,} tables with {ROWS:,} rows
            in each group. The first class has {FIRST:.0%} of the rows. *No gap*: every group gets
            each class equally often. *At the limit*: one group gets the first class less often by
            {LIMIT:g}, so every pass and every failure is wrong. *All at once* shows what would pass
            if the bounds to pass held for all classes at once."""
        ),
        *head(
            "classes and groups",
            *("no gap: passes, all at once", "no gap: passes", "no gap: fails"),
            *("at the limit: passes", "at the limit: fails"),
        ),
    ]
    for classes in CLASSES:
        for groups in GROUPS:
            at_once, fair, failed = simulated(classes, groups, 0.0)
            _, wrong, beyond = simulated(classes, groups, LIMIT)
            cells = (f"{share:.1%}" for share in (at_once, fair, failed, wrong, beyond))
            lines.append(row(f"{classes} classes, {groups} groups", *cells))
    return [*lines, ""]
