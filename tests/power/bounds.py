"""Simulate how often bounds hold where rows are few, skewed or correlated; write docs/bounds.md.

    python tests/power/bounds.py

Every table is simulated with the seed `SEED`. "Before" is what engine 0.2 computed, "after" what
the package's own functions compute. Needs NumPy, SciPy and pandas; takes about a minute.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

import cross_validation
import many_classes
import many_groups
import numpy as np
import policies
from baked import ROOT
from page_lines import Lines, head, row, shares, wrapped
from sklearn.metrics import roc_auc_score

clusters, rates, group_bounds, fairness_regression, performance = (
    import_module(f"governed_ml.measures.{name}")
    for name in (
        "clusters",
        "bounds.rates",
        "bounds.group_bounds",
        "fairness_regression",
        "performance",
    )
)
SKEWED = fairness_regression.SKEWED
performance_bounds, quantiles = (
    import_module(f"governed_ml.measures.bounds.{name}")
    for name in ("performance_bounds", "quantiles")
)
Metric = import_module("governed_ml.core.evidence").Metric
compare = import_module("governed_ml.policy.judge").compare
judged = import_module("governed_ml.monitoring.judge_window").judged

SEED, CONFIDENCE = 2026, 0.95
# --- a spread that a few values cannot inflate ----------------------------------------------------


def of_spread() -> Lines:
    """Hold a gap of 1.28 against the standard deviation and against the robust one."""
    rng = np.random.default_rng(SEED)
    target = rng.normal(0, 1, 100_000)
    lines = [
        "## Gaps of a regression: a spread that a few values cannot inflate",
        "",
        *wrapped(
            """The target has 100,000 normally distributed values with standard deviation 1. A share
            of them is multiplied by a factor (first column). The predictions for one group are 1.28
            too low. *Before*: the gap was divided by the standard deviation of the target. *After*:
            it is divided by the smaller of the standard deviation and the interquartile range /
            1.349 (Silverman 1986). The limit of `fairness.signed_error` is 0.2."""
        ),
        *head("values", "standard deviation", "robust spread", "gap before", "gap after"),
    ]
    for share, factor in ((0.0, 1), (0.01, 100), (0.01, 1_000), (0.05, 1_000), (0.2, 1_000)):
        large = rng.random(len(target)) < share
        values = np.where(large, target * factor, target)
        deviation, robust = float(values.std()), quantiles.robust_spread(values)
        name = f"{share:.0%} times {factor:,}" if share else "normal"
        gaps = (f"{1.28 / deviation:.3f}", f"{1.28 / robust:.3f}")
        lines.append(row(name, f"{deviation:.2f}", f"{robust:.2f}", *gaps))
    limits = book_limits()
    before, after = float(limits.std()), quantiles.robust_spread(limits)
    return [
        *lines,
        "",
        *wrapped(
            f"""For the regression on the synthetic data (target `credit_limit`), the spread was
            {before:,.0f} before and is {after:,.0f} after. Its gaps and their bounds are therefore
            {before / after:.3f} times as large as before. The metrics of classifiers do not
            change."""
        ),
    ]


def book_limits() -> Any:
    """Return the target of the shipped regression."""
    book = import_module("governed_ml.pipeline.data.synthetic")
    return book.book(170_000, SEED, [])["credit_limit"].to_numpy("float64")


# --- skewed values --------------------------------------------------------------------------------

LARGE = 10_000
DRAWN: dict[str, Any] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "absolute value of a normal": lambda rng, size: np.abs(rng.normal(size=size)),
    "exponential": lambda rng, size: rng.exponential(1, size),
    "lognormal σ 1": lambda rng, size: rng.lognormal(0, 1, size),
    "lognormal σ 2": lambda rng, size: rng.lognormal(0, 2, size),
    "Student's t, 3 degrees of freedom": lambda rng, size: rng.standard_t(3, size),
    "0, except for 1 in 50": lambda rng, size: (
        (rng.random(size) < 0.02) * rng.exponential(50, size)
    ),
}


def of_skewed() -> Lines:
    """Bound the difference of a small and a large group with the same skewed values."""
    lines = [
        "## Means of skewed values",
        "",
        *wrapped(
            f"""A small group is compared with a group of {LARGE:,} rows. The values of both groups
            have the same distribution, so the true difference of their means is 0. Each line
            simulates 2,000 tables. *Before*: Welch's interval. *After*: an interval that is
            corrected for skewness (Hall 1992; Zhou & Dinh 2005)."""
        ),
        *wrapped(
            f"""After, a table is `insufficient` if the skewness of a group, or of all rows
            together, is more than {SKEWED} times the square root of the number of rows. A small
            sample of such values often lacks the rare large values that determine the mean."""
        ),
        "- *cover*: the share of tables whose interval contains the true difference. After, it is",
        "  the share of the answered tables.",
        "- *false allow*: the share of all tables whose upper bound is below the true difference;",
        "  a rule whose limit is the true difference would pass on them",
        "- *answered*: the share of tables that are not `insufficient`",
        "",
        *head(
            "values",
            "small group",
            "cover before",
            "false allow before",
            "answered",
            "cover after",
            "false allow after",
        ),
    ]
    for name, draw in DRAWN.items():
        rng = np.random.default_rng(SEED)
        large = summed(draw(rng, (200, LARGE)))
        for rows in (30, 100, 300, 1_000):
            tables = 2_000
            small = summed(draw(rng, (tables, rows)))
            found = compared(small, tuple(part[np.arange(tables) % 200] for part in large), rows)
            lines.append(row(name, f"{rows:,}", *found))
    return [*lines, ""]


def summed(values: Any) -> tuple[Any, Any, Any]:
    """Return means, and sums of squared and cubed deviations, of each table's rows."""
    mean = values.mean(axis=-1)
    away = values - mean[:, None]
    return mean, (away**2).sum(axis=-1), (away**3).sum(axis=-1)


def compared(small: Any, large: Any, rows: int) -> tuple[str, ...]:
    """Return the cells of one row: cover and false allows, before and after; the truth is 0."""
    n = np.array([rows, LARGE], dtype=float)
    mean, squares, cubes = (np.stack(pair, axis=1) for pair in zip(small, large, strict=True))
    means = group_bounds.Means(
        mean, squares / (n - 1) / n, cubes / n**3, np.broadcast_to(n - 1, mean.shape)
    )
    plain = group_bounds.Means(mean, means.variance, np.zeros_like(mean), means.freedom)
    (low, high), (bottom, top) = signed(means), signed(plain, old=True)
    answered = np.array([answer(n, squares[k], cubes[k]) for k in range(len(mean))])
    return (
        shares((bottom <= 0) & (top >= 0)),
        shares(top < 0),
        shares(answered),
        shares((low <= 0) & (high >= 0), answered),
        shares((high < 0) & answered),
    )


def signed(means: Any, *, old: bool = False) -> tuple[Any, Any]:
    """Return both limits of small minus large, from the package's own intervals.

    With `old`, the upper one holds with the confidence of the lower one, as in engine 0.2. A shift
    by far more than the interval is wide makes the largest |difference| that one's.
    """
    far = 1e6 * np.sqrt(means.variance.sum(axis=-1)).max()
    moved = means.value + np.array([far, 0.0])
    shifted = group_bounds.Means(moved, means.variance, means.third, means.freedom)
    level = 1 - (1 - CONFIDENCE) / 2 / quantiles.ALONE_MEANS if old else CONFIDENCE
    low = group_bounds.largest_mean_difference(shifted, CONFIDENCE)[0]
    return low - far, group_bounds.largest_mean_difference(shifted, level)[1] - far


def answer(n: Any, squares: Any, cubes: Any) -> bool:
    """Say whether the package gives bounds at all."""
    four = np.zeros((2, 4))
    sums = (np.repeat(part[:, None], 4, axis=1) for part in (squares, cubes))
    moments = fairness_regression.Moments(n.astype(np.int64), four, *sums)
    return not fairness_regression.too_skewed(
        ["small", "large"], moments, fairness_regression.ERROR
    )


# --- rows of one person ---------------------------------------------------------------------------

PERSONS, ROWS, ALIKE, LIMIT = 130, 77, 0.3, 0.10


def of_persons() -> Lines:
    """Bound rates and means where each person has many rows."""
    lines = [
        "## Rows of one person",
        "",
        *wrapped(
            f"""There are two groups, and each person has {ROWS} rows. The values of one person are
            similar (intraclass correlation {ALIKE}). The true difference between the groups is
            {LIMIT:g}, which is also the limit. Each line simulates 4,000 tables. *Before*: the
            bounds were computed as if all rows were independent. *After*, with `data.group`: rates
            use the design effect (Rao & Scott 1992) and Student's quantile, means use
            cluster-robust variances (Liang & Zeger 1986). *False fail* is the share of tables whose
            lower bound is above the true difference."""
        ),
        *head(
            "persons",
            "metric",
            "cover before",
            "false allow before",
            "false fail before",
            "cover after",
            "false allow after",
            "false fail after",
        ),
    ]
    for persons in (60, PERSONS, 400, 2_000):
        for name, draw in (("rate", rates_of_persons), ("mean", means_of_persons)):
            before, after = draw(persons, np.random.default_rng(SEED))
            cells = []
            for lower, upper in (before, after):
                cells += [
                    shares((lower <= LIMIT) & (upper >= LIMIT)),
                    shares(upper < LIMIT),
                    shares(lower > LIMIT),
                ]
            lines.append(row(f"{persons:,}", name, *cells))
    return [*lines, ""]


def difference(rate: Any) -> Any:
    """Return the bounds of the difference of two groups."""
    return group_bounds.largest_difference([rate.limits(CONFIDENCE, 1)], [rate.alone(CONFIDENCE)])


def rates_of_persons(persons: int, rng: Any) -> Any:
    """Return bounds of a difference of rates before and after."""
    half, before, after = persons // 2, [], []
    group = np.repeat([0, 1], half)
    rate = np.where(group == 0, 0.45, 0.45 + LIMIT)
    strength = 1 / ALIKE - 1
    for _ in range(4_000):
        hits = rng.binomial(ROWS, rng.beta(rate * strength, (1 - rate) * strength))
        n = np.full(persons, ROWS)
        whole = rates.Rate(*(np.bincount(group, x).astype(np.int64) for x in (hits, n)), "")
        worth = clusters.design_effect(group, hits, n, 2)
        by_person = rates.Rate(whole.hits, whole.n, "", worth.effect, worth.persons)
        before.append(difference(whole))
        after.append(difference(by_person))
    return np.array(before).T, np.array(after).T


def means_of_persons(persons: int, rng: Any) -> Any:
    """Return bounds of a difference of means before and after."""
    half, tables = persons // 2, 4_000
    own = rng.normal(0, np.sqrt(ALIKE), (tables, 2, half))
    noise = rng.normal(0, np.sqrt((1 - ALIKE) / ROWS), (tables, 2, half))
    each = own + noise + np.array([0.0, LIMIT])[:, None]  # the mean of a person's rows
    mean = each.mean(axis=-1)
    inside = (1 - ALIKE) * rng.chisquare(half * (ROWS - 1), (tables, 2))
    outside = ((each - mean[..., None]) ** 2).sum(axis=-1)
    n = half * ROWS
    rows = group_bounds.Means(
        mean,
        (inside + ROWS * outside) / (n - 1) / n,
        np.zeros_like(mean),
        np.full_like(mean, n - 1),
    )
    third = ((each - mean[..., None]) ** 3).sum(axis=-1) / half**3
    by_person = group_bounds.Means(
        mean, outside / (half - 1) / half, third, np.full_like(mean, half - 1)
    )
    return tuple(group_bounds.largest_mean_difference(x, CONFIDENCE) for x in (rows, by_person))


# --- numbers of performance -----------------------------------------------------------------------

TABLES = 400


def calibrated(rows: int, middle: float, slope: float, bias: float, rng: Any) -> tuple[Any, Any]:
    """Return labels and scores of a model whose logit is off by `bias`; 0: perfectly calibrated."""
    logit = middle + slope * rng.normal(size=rows)
    label = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(float)
    return label, 1 / (1 + np.exp(-(logit + bias)))


def of_calibration() -> Lines:
    """Judge the calibration of a perfect model, and of one that is just too bad."""
    lines = [
        "## Calibration error: `evaluate.calibration`",
        "",
        *wrapped(
            f"""The rule of the tier `limited` (block at 0.05, warn at 0.03) judges a model that is
            perfectly calibrated, and one whose scores are off. Each line simulates {TABLES} tables
            of test rows. *Before*: only the metric was compared with both limits. *After*: if the
            metric is beyond `block`, the rule fails if its lower bound is beyond `block`, too.
            Otherwise chance may explain it, and the rule is `insufficient`. Both verdicts deny the
            model. The rule warns only if the lower bound is beyond `warn`. `split.test_rows`
            requires 1,000 rows, so the lines with 400 rows assume a policy without that rule."""
        ),
        *head(
            "model",
            "rows",
            "rows of the rarer class",
            "denied before",
            "warned before",
            "insufficient after",
            "failed after",
            "warned after",
        ),
    ]
    rule = next(
        one for one in policies.of_template("limited").rules if one.id == "evaluate.calibration"
    )
    old = rule.model_copy(update={"evidence": "point"})
    models = (
        ("perfect", -0.9, 1.3, 0.0),
        ("perfect", 0.0, 1.3, 0.0),
        ("off by 0.09", 0.0, 1.3, 0.5),
    )
    for name, *shape in models:
        for rows in (400, 1_000, 2_000, 4_000, 10_000):
            rng, verdicts, rarer = np.random.default_rng([SEED, rows]), [], 0
            for _ in range(TABLES):
                metric, rarer = calibration_of(*calibrated(rows, *shape, rng))
                verdicts.append([compare(one, metric)[0] for one in (old, rule)])
            before, after = np.array(verdicts).T
            cells = (
                shares((before == "fail") | (before == "insufficient")),
                shares(before == "warn"),
                shares(after == "insufficient"),
                shares(after == "fail"),
                shares(after == "warn"),
            )
            lines.append(row(name, f"{rows:,}", f"{rarer:,}", *cells))
    return [*lines, ""]


def calibration_of(label: Any, score: Any) -> tuple[Any, int]:
    """Return the metric as the stage measures it, and the rows of the rarer class."""
    bins = performance.reliability(label, score)
    low, high = performance_bounds.calibration_error_bounds(bins, CONFIDENCE)
    rarer = int(min(label.sum(), len(label) - label.sum()))
    value = performance.calibration_error(bins)
    return Metric(value=value, lower=low, upper=high, n=rarer), rarer


def of_monitoring() -> Lines:
    """Judge windows of a model whose performance is what it was."""
    lines = [
        "## Performance in production, with few labels",
        "",
        *wrapped(
            f"""The monitoring rules of the tier `limited` (calibration warns at 0.10, ROC AUC at
            0.70) judge a perfectly calibrated model with a ROC AUC of 0.75, so every alarm is
            false. Each line simulates {TABLES} windows. *Before*: only the metric was compared with
            the limit. *After*: an alarm is raised only if the whole interval is beyond the limit
            (ROC AUC: DeLong et al. 1988). If only the metric is beyond it, the rule is
            `not_measured`."""
        ),
        *head("rule", "labels", "alarm before", "alarm after", "not measured after"),
    ]
    monitoring = policies.of_template("limited").monitoring
    rules = {one.id: one for one in monitoring.rules}
    for name in ("performance.calibration", "performance.roc_auc"):
        for labels in (110, 300, 1_000):
            rng, levels = np.random.default_rng([SEED, labels]), []
            for _ in range(TABLES):
                metric = window_of(name, *calibrated(labels, -0.2, 1.05, 0.0, rng))
                bare = metric.model_copy(update={"lower": None, "upper": None})
                levels.append([judged(rules[name], one)[0] for one in (bare, metric)])
            before, after = np.array(levels).T
            quiet = ("healthy", "not_measured")
            alarms = (shares(~np.isin(before, quiet)), shares(~np.isin(after, quiet)))
            lines.append(row(name, f"{labels:,}", *alarms, shares(after == "not_measured")))
    return [*lines, ""]


def window_of(name: str, label: Any, score: Any) -> Any:
    """Return one metric as monitoring measures it."""
    metric, rarer = calibration_of(label, score)
    if name == "performance.calibration":
        return metric
    value = float(roc_auc_score(label, score))
    low, high = performance_bounds.roc_auc(label, score, value, CONFIDENCE)
    return Metric(value=value, lower=low, upper=high, n=rarer)


def main() -> None:
    """Simulate, and write the page."""
    lines = [
        "# How often bounds hold",
        "",
        "Regenerate with `python tests/power/bounds.py`; do not edit.",
        "",
        *wrapped(
            f"""This page shows how often confidence intervals contain the true value. *Before* is
            what engine 0.2 computed, *after* is what the engine computes now. The confidence is
            {CONFIDENCE:.0%}. The bounds of a performance metric, and the bound by which a
            fairness rule fails, are wrong in 2.5% of the tables if they are exact. The bound by
            which a fairness rule passes is wrong in 4% (rates) or 3.5% (means). If the true value
            is exactly at the limit, a rule with `evidence: interval` passes by chance just as
            often."""
        ),
    ]
    for section in (
        many_groups.of_groups,
        many_classes.of_classes,
        of_spread,
        of_skewed,
        of_persons,
        of_calibration,
        of_monitoring,
        cross_validation.of_folds,
    ):
        print(f"{section.__doc__} ...", file=sys.stderr, flush=True)
        lines += section()
    page = ROOT / "docs" / "bounds.md"
    page.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
