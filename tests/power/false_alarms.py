"""How often drift is reported between two halves of one table, from a thousand rows to a million.

Each simulation draws a table, halves it at random, freezes bins on one half and counts the other,
with the package's own functions on Parquet files. Writes docs/drift.md. A few minutes.

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


def markdown(found: list[Row]) -> str:
    """The page for people."""
    lines = [
        "# False alarms of drift",
        "",
        "Regenerate with `python tests/power/false_alarms.py`; do not edit. Tables without drift",
        "are drawn, halved at random, and one half is held against bins frozen on the other.",
        f"*Warns* and *blocks* are the shares of tables with a PSI beyond {WARN:g} and {BLOCK:g},",
        "the limits of the shipped policies, which ask for 1,000 rows a side: fewer are",
        "`insufficient` at any PSI. Between halves of n rows PSI is about χ² / (n / 2). The",
        "degrees of freedom are one fewer than the bins with rows (`measures/drift.py`). So a",
        "column with dozens of categories has more noise than a number with its ten bins: it",
        "needs more rows or fewer categories.",
        "",
        "| rows | a side | judged | column | tables | mean PSI | largest | warns | blocks |",
        "| ---: | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in found:
        half, values = row.rows // 2, row.values
        cells = [
            f"{row.rows:,}",
            f"{half:,}",
            "yes" if half >= ENOUGH else "insufficient",
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
        lines += ["", f"Of {n:,} judged columns with {words}, {warn:,} warn and {block:,} block."]
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
