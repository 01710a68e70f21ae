"""Simulate how often drift is reported between two random halves of one table; write docs/drift.md.

Each simulation draws a table, splits it at random, computes the bins from one half and counts the
rows of the other in them, with the package's own functions on Parquet files. Takes a few minutes.

    python tests/power/false_alarms.py [--quick]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

import numpy as np
import pandas as pd
from baked import ROOT

tables, binning, drift = (
    import_module("governed_ml.core.tables"),
    import_module("governed_ml.measures.binning"),
    import_module("governed_ml.measures.drift"),
)

TABLES = {1_000: 200, 2_000: 200, 10_000: 100, 100_000: 40, 1_000_000: 10}  # rows → simulations
WARN, BLOCK = 0.10, 0.25
ENOUGH = 1_000  # rows a side that the shipped policies ask for

Draw = Callable[[Any, int], Any]
COLUMNS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "heavy-tailed": lambda rng, n: rng.lognormal(10, 2, n),
    "rounded": lambda rng, n: rng.normal(size=n).round(0),
    "mostly zero": lambda rng, n: np.where(rng.random(n) < 0.7, 0, rng.exponential(9, n)),
    "10 % null": lambda rng, n: np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
    "5 categories": lambda rng, n: rng.choice(list("abcde"), n, p=[0.4, 0.3, 0.2, 0.09, 0.01]),
    "60 categories": lambda rng, n: np.char.mod("c%d", np.minimum(rng.geometric(0.06, n), 60)),
}


@dataclass(frozen=True)
class Row:
    """PSI of one column between halves, over all simulations."""

    rows: int
    column: str
    values: Any


def halves(rows: int, simulations: int, seed: int = 1) -> list[Row]:
    """Measure every column in so many tables of so many rows."""
    found: dict[str, list[float]] = {name: [] for name in COLUMNS}
    categorical = [name for name in COLUMNS if name.endswith("categories")]
    numeric = [name for name in COLUMNS if name not in categorical]
    with tempfile.TemporaryDirectory() as folder:
        sides = [Path(folder) / f"{side}.parquet" for side in ("reference", "current")]
        for number in range(simulations):
            rng = np.random.default_rng([seed, rows, number])
            table = pd.DataFrame({name: draw(rng, rows) for name, draw in COLUMNS.items()})
            order = rng.permutation(rows)
            for path, part in zip(sides, np.array_split(order, 2), strict=True):
                table.iloc[part].to_parquet(path)
            columns = binning.binned(*map(tables.table, sides), numeric, categorical)
            for name, column in columns.items():
                index = drift.population_stability_index(column.reference, column.current)
                found[name].append(index)
    return [Row(rows, name, np.array(values)) for name, values in found.items()]


INTRO = """\
# False alarms of drift

Regenerate with `python tests/power/false_alarms.py`; do not edit.

This page shows how often the drift rules report drift where there is none. Simulated tables without
drift are split at random into two halves. The bins are computed from one half, and the other half
is compared with it by the population stability index (PSI).

*Warns* and *blocks* are the shares of tables with a PSI above {warn:g} and {block:g}, the limits
of the shipped policies. These policies require {enough:,} rows in each half. With fewer rows, the
verdict is `insufficient` at any PSI.

If both halves have n rows, PSI is approximately distributed as χ² / (n / 2). The degrees of freedom
are the number of bins that are not empty, minus one (`measures/drift.py`). A column with dozens of
categories therefore has a larger PSI by chance than a numeric column with its ten bins. It needs
more rows or fewer categories.

Two more distances compare the values of a numeric column instead of its bins. The
Kolmogorov-Smirnov distance (`ks_statistic`, from 0 to 1) is the largest difference of the
distribution functions. The Wasserstein distance (`wasserstein_normed`) is how far the values have
moved on average, in robust standard deviations of the training rows. Missing values are part of
neither; PSI counts them in a bin of their own. No shipped rule uses them, because the rules about
PSI judge the same drift. [Your rules](add-a-rule.md#judge-drift-by-another-distance) can use them.
With n and m rows on the two sides and without drift, the first distance is below 1.63 times √(1/n +
1/m) in 99 of 100 columns.

| rows | in each half | judged | column | tables | mean PSI | largest PSI | warns | blocks |
| ---: | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |"""


def markdown(found: list[Row]) -> str:
    """The page for people."""
    lines = [INTRO.format(warn=WARN, block=BLOCK, enough=ENOUGH)]
    for row in found:
        half, values = row.rows // 2, row.values
        cells = [
            f"{row.rows:,}",
            f"{half:,}",
            "yes" if half >= ENOUGH else "no (`insufficient`)",
            row.column,
            f"{len(values):,}",
            f"{values.mean():.5f}",
            f"{values.max():.5f}",
            f"{(values > WARN).mean():.1%}",
            f"{(values > BLOCK).mean():.1%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for words, few in (("up to 12 bins", True), ("60 categories", False)):
        judged = [
            row.values
            for row in found
            if row.rows // 2 >= ENOUGH and (row.column != "60 categories") == few
        ]
        n = sum(map(len, judged))
        warn, block = (sum(int((v > limit).sum()) for v in judged) for limit in (WARN, BLOCK))
        told = (
            f"Of {n:,} columns that are judged and have {words}, {warn:,} warn and {block:,} block."
        )
        lines += ["", told]
    return "\n".join([*lines, ""])


def main() -> None:
    """Simulate, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few simulations, to try it out")
    quick = parser.parse_args().quick
    found: list[Row] = []
    for rows, simulations in TABLES.items():
        print(f"{rows:,} rows ...", file=sys.stderr, flush=True)
        found += halves(rows, 3 if quick else simulations)
    page = ROOT / "docs" / "drift.md"
    page.write_text(markdown(found), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
