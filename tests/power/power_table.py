"""Simulate how often the shipped interval rules pass on the shipped data; write docs/power.*.

    python tests/power/power_table.py [--test-rows 36000] [--simulations 4000]

Groups, limits and confidence are read from the template; counts are drawn, no model is trained.
Needs NumPy, SciPy, Pydantic and PyYAML; takes about a minute.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

import numpy as np
import policies
import yaml
from baked import ROOT, TEMPLATE

group_bounds, keys, quantiles = (
    import_module("governed_ml.measures.bounds.group_bounds"),
    import_module("governed_ml.measures.groups"),
    import_module("governed_ml.measures.bounds.quantiles"),
)

# The synthetic credit book under its best model (see pipeline/synthetic.py; no column depends on
# a sensitive attribute, so these hold in each group).
POSITIVE, SELECTED = 0.706, 0.789
TRUE_POSITIVE, FALSE_POSITIVE, PRECISION = 0.912, 0.494, 0.816
PREDICTION_SPREAD, ERROR, ERROR_SPREAD = 1.10, 0.293, 0.299  # in robust ones of the target
SHARES = {"sex": (0.5, 0.5), "age_group": (0.25, 0.45, 0.3)}
GAPS = (0.0, 0.02, 0.04)
TIERS = ("minimal", "limited", "high")
WANTED = 0.99
NO_RULE = (
    "No fairness rule of this tier uses an interval. The rules judge only the metric, and warn."
)

Bounds = tuple[Any, Any]


@dataclass(frozen=True)
class Row:
    """One line of the table; `passes` in the order of `GAPS`, `before` as engine 0.3 judged."""

    rule: str
    task: str
    attribute: str
    limit: float
    smallest: int
    reach: float
    passes: tuple[float, ...]
    rows_needed: int
    before: float
    before_rows: int


def groups_of(attribute: str) -> Any:
    """Shares of the groups of an attribute or intersection."""
    shares = np.ones(1)
    for name in attribute.split("*"):
        shares = np.outer(shares, SHARES[name]).ravel()
    return shares


def binomial(rate: float, gap: float, n: Any, simulations: int, seed: int) -> Any:
    """Hits of shape (simulations, groups); the first group's true rate is lower by `gap`."""
    rates = np.full(len(n), rate)
    rates[0] -= gap
    return np.random.default_rng(seed).binomial(n, rates, (simulations, len(n)))


def of_rates(parts: list[tuple[float, float]], which: str, confidence: float, old: bool) -> Any:
    """A drawing of rates: parts of (rate, share of rows behind it); the gap is in the first."""
    bound = (
        group_bounds.largest_difference if which == "difference" else group_bounds.smallest_ratio
    )
    tail = quantiles.ALONE_RATES * (1 - confidence)

    def draw(n: Any, gap: float, simulations: int) -> tuple[Any, Bounds]:
        z = quantiles.normal_quantile(confidence, group_bounds.pairs(len(n)) * len(parts))
        joint, alone = [], []
        for number, (rate, share) in enumerate(parts):
            rows = np.maximum((n * share).astype(np.int64), 1)
            hits = binomial(rate, gap if number == 0 else 0.0, rows, simulations, number)
            joint.append(quantiles.wilson(hits, rows, z))
            alone.append(joint[-1] if old else quantiles.clopper_pearson(hits, rows, tail))
        if which == "difference":
            spread = [part.value.max(axis=1) - part.value.min(axis=1) for part in joint]
            return np.max(spread, axis=0), bound(joint, alone)
        ratios = [part.value.min(axis=1) / part.value.max(axis=1) for part in joint]
        return np.min(ratios, axis=0), bound(joint, alone)

    return draw


def of_means(mean: float, spread: float, which: str, confidence: float, old: bool) -> Any:
    """A drawing of group means and their variances, normal; the first group's mean is higher."""

    def draw(n: Any, gap: float, simulations: int) -> tuple[Any, Bounds]:
        rng = np.random.default_rng(0)
        true = np.full(len(n), mean)
        true[0] += gap
        means = rng.normal(true, spread / np.sqrt(n), (simulations, len(n)))
        variances = spread**2 * rng.chisquare(n - 1, (simulations, len(n))) / (n - 1)
        freedom = np.broadcast_to(n - 1.0, means.shape)
        groups = group_bounds.Means(means, variances / n, np.zeros_like(means), freedom)
        pairs = group_bounds.pairs(len(n))
        level = confidence if not old else 1 - (1 - confidence) / 2 / pairs / quantiles.ALONE_MEANS
        if which == "difference":
            value = means.max(axis=1) - means.min(axis=1)
            return value, group_bounds.largest_mean_difference(groups, level)
        joint = group_bounds.student_for_all(groups, confidence, pairs)
        alone = group_bounds.student(groups, level)
        value = means.min(axis=1) / means.max(axis=1)
        return value, group_bounds.smallest_ratio([joint], [alone])

    return draw


def drawing(metric: str, confidence: float, *, old: bool = False) -> tuple[Any, float]:
    """How a metric is drawn, and the share of rows behind its smallest denominator.

    With `old`, the bound that decides holds for all pairs at once, as in engine 0.3.
    """
    measure, _, which = metric.rpartition("_")
    positives, negatives = (TRUE_POSITIVE, POSITIVE), (FALSE_POSITIVE, 1 - POSITIVE)
    parts = {
        "demographic_parity": [(SELECTED, 1.0)],
        "equal_opportunity": [positives],
        "equalized_odds": [negatives, positives],
        "predictive_parity": [(PRECISION, SELECTED)],
    }
    if measure in parts:
        return of_rates(parts[measure], which, confidence, old), min(p[1] for p in parts[measure])
    if measure == "mean_prediction":
        return of_means(0.0, PREDICTION_SPREAD, which, confidence, old), 1.0
    if measure == "mean_signed_error":
        return of_means(0.0, math.hypot(ERROR, ERROR_SPREAD), which, confidence, old), 1.0
    return of_means(ERROR, ERROR_SPREAD, which, confidence, old), 1.0


def passed(draw: Any, rule: Any, n: Any, gap: float, simulations: int) -> tuple[float, float]:
    """Share of simulations that pass, and how far the deciding bound is from the value."""
    value, (lower, upper) = draw(n, gap, simulations)
    if rule.bound == "at_most":
        return float((upper <= rule.block).mean()), float((upper - value).mean())
    return float((lower >= rule.block).mean()), float((value - lower).mean())


def rows_needed(draw: Any, rule: Any, shares: Any) -> int:
    """Test rows at which the rule passes with `WANTED` probability at a true gap of 0."""
    low, high = 100.0, 100.0
    while passed(draw, rule, sizes(high, shares), 0.0, 2000)[0] < WANTED:
        low, high = high, high * 2
        if high > 1e8:
            return 0
    while high / low > 1.02:
        middle = math.sqrt(low * high)
        enough = passed(draw, rule, sizes(middle, shares), 0.0, 2000)[0] >= WANTED
        low, high = (low, middle) if enough else (middle, high)
    return math.ceil(high / 100) * 100


def sizes(rows: float, shares: Any) -> Any:
    """Rows of each group, at least 4."""
    return np.maximum((rows * shares).astype(np.int64), 4)


def table(policy: Any, test_rows: int, simulations: int) -> list[Row]:
    """The rows of one tier: each interval rule on each attribute and intersection."""
    found: list[Row] = []
    for rule in policy.rules:
        if rule.evidence != "interval" or rule.each != "sensitive" or rule.block is None:
            continue
        metric = rule.metric.rpartition(".")[2]
        draw, share = drawing(metric, policy.confidence)
        earlier, _ = drawing(metric, policy.confidence, old=True)
        for attribute in map(keys.label, keys.intersections(tuple(SHARES))):
            shares = groups_of(attribute)
            n = sizes(test_rows, shares)
            outcomes = [passed(draw, rule, n, gap, simulations) for gap in GAPS]
            found.append(
                Row(
                    rule=f"{rule.id}, {rule.bound.replace('_', ' ')} {rule.block:g}",
                    task=rule.task or "",
                    attribute=attribute,
                    limit=rule.block,
                    smallest=int(n.min() * share),
                    reach=outcomes[0][1],
                    passes=tuple(outcome[0] for outcome in outcomes),
                    rows_needed=rows_needed(draw, rule, shares),
                    before=passed(earlier, rule, n, GAPS[-1], simulations)[0],
                    before_rows=rows_needed(earlier, rule, shares),
                )
            )
    return found


INTRO = """\
# Power of the interval rules on the shipped data

Regenerate with `python tests/power/power_table.py`; do not edit.

This page shows how often the fairness rules with `evidence: interval` pass, by tier. The default
project (synthetic data) has {rows:,} test rows and no true gap between groups. For each rule and
gap, {simulations:,} tables are simulated in which the rate of one of the smallest groups differs
from all other rates by the gap. For the rules of a regression, the means differ; the gap is then in
robust standard deviations of the target.

- *smallest denominator*: the smallest number of rows that a rate or mean is computed from
- *reach*: the mean distance between the metric and the bound that decides
- *passes at*: the share of tables on which the rule passes if there is a true gap of this size; on
  the other tables it is `insufficient`
- *rows needed*: the test rows with which the rule passes on 99 of 100 tables without a gap
- *before*: the same for engine 0.3, whose bounds held for all pairs of groups at once
  ([how often a rule passes wrongly](bounds.md#many-groups))

The policy's confidence applies to each rule on its own.
"""


def markdown(tables: dict[str, list[Row]], test_rows: int, simulations: int) -> str:
    """The page for people."""
    lines = [INTRO.format(rows=test_rows, simulations=simulations)]
    for tier, rows in tables.items():
        lines += [f"## {tier}", ""]
        if not rows:
            lines += [NO_RULE, ""]
            continue
        heads = "".join(f" passes at {gap:.2f} |" for gap in GAPS)
        lines += [f"| rule | attribute | smallest denominator | reach |{heads} rows needed |"]
        lines[-1] += f" before: passes at {GAPS[-1]:.2f} | before: rows needed |"
        lines += ["| --- | --- " + "| ---: " * (5 + len(GAPS)) + "|"]
        for row in rows:
            shares = "".join(f" {share:.3f} |" for share in row.passes)
            head = f"| {row.rule} | {row.attribute} | {row.smallest:,} | {row.reach:.3f}"
            old = f"{row.before:.3f} | {row.before_rows:,}"
            lines += [f"{head} |{shares} {row.rows_needed:,} | {old} |"]
        for task in sorted({row.task for row in rows}):
            least = max(0.0, 1 - sum(1 - row.passes[0] for row in rows if row.task == task))
            told = f"Without a gap, all {task} rules pass together on a share of at least"
            lines += ["", f"{told} {least:.3f} of the tables."]
        lines += [""]
    return "\n".join(lines)


def comma_separated(tables: dict[str, list[Row]]) -> str:
    """The same for programs."""
    heads = ["tier", "rule", "attribute", "limit", "smallest_denominator", "reach"]
    heads += [f"passes_at_{gap:.2f}" for gap in GAPS] + ["rows_needed"]
    heads += [f"before_passes_at_{GAPS[-1]:.2f}", "before_rows_needed"]
    lines = [",".join(heads)]
    for tier, rows in tables.items():
        for row in rows:
            numbers = [f"{row.reach:.4f}", *(f"{share:.4f}" for share in row.passes)]
            rule = row.rule.partition(",")[0]
            cells = [tier, rule, row.attribute, f"{row.limit:g}", str(row.smallest), *numbers]
            cells += [str(row.rows_needed), f"{row.before:.4f}", str(row.before_rows)]
            lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the policies, simulate, and write docs/power.md and docs/power.csv."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--test-rows", type=int, default=shipped_test_rows())
    parser.add_argument("--simulations", type=int, default=4000)
    options = parser.parse_args()
    tables: dict[str, list[Row]] = {}
    for tier in TIERS:
        print(f"{tier} ...", file=sys.stderr, flush=True)
        tables[tier] = table(policies.of_template(tier), options.test_rows, options.simulations)
    folder = ROOT / "docs"
    folder.mkdir(exist_ok=True)
    page = markdown(tables, options.test_rows, options.simulations)
    (folder / "power.md").write_text(page, encoding="utf-8", newline="\n")
    (folder / "power.csv").write_text(comma_separated(tables), encoding="utf-8", newline="\n")


def shipped_test_rows() -> int:
    """Test rows of the synthetic default under the random split."""
    conf = TEMPLATE / "conf"
    data = yaml.safe_load((conf / "data" / "synthetic.yaml").read_text(encoding="utf-8"))
    split = yaml.safe_load((conf / "split" / "random.yaml").read_text(encoding="utf-8"))
    return int(data["source"]["rows"] * split["test_share"])


if __name__ == "__main__":
    main()
