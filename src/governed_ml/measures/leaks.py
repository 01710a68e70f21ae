"""Leaks: features that reveal the target, and rows that are in both parts of the split."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.core.evidence import Metric
from governed_ml.measures.binning import Frozen, double, freeze, number

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

BINS = 50  # most quantile bins of a numeric feature
ROWS_PER_BIN = 20  # approximate least number of train rows in each bin
SCALE = (
    2**30
)  # numeric targets are rounded to (train range / SCALE), so that sums are exact integers
TOGETHER = 3  # most numeric features in the weighted sum
SAMPLE = 20_000  # approximate number of rows taken from each part
GAIN = 0.001  # least share of the train target's variance that each must add

Cell = tuple[float, int, int, int]  # train score; count, Σ target and Σ target² of test rows


def target_leaks(
    train: Path, test: Path, numeric: list[str], categorical: list[str], task: str
) -> dict[str, float | None]:
    """Return feature → how well it alone predicts the target.

    Each quantile bin or category of a feature (null is a category) is scored with its mean target
    on the train rows; the scores are evaluated on the test rows. Classification: area under the ROC
    curve, or 1 minus it if that is larger (0.5 to 1). Regression: R² (0 to 1). None if the target
    is constant on the test rows.
    """
    target = _target(train, task)
    if target is None:
        return dict.fromkeys([*numeric, *categorical])
    rows, total = tables.rows(
        f"SELECT count(q), sum(q) FROM (SELECT {target} AS q FROM {tables.table(train)})"
    )[0]
    bins = max(2, min(BINS, rows // ROWS_PER_BIN))
    judge = folded_roc_auc if task == "classification" else explained_variance
    scores: dict[str, float | None] = {}
    for name in numeric:
        key = bin_of_x(freeze(tables.table(train), name, bins))
        scores[name] = judge(_cells(train, test, number(name), key, target, total / rows))
    for name in categorical:
        scores[name] = judge(
            _cells(
                train, test, f"CAST({tables.quoted(name)} AS VARCHAR)", "x", target, total / rows
            )
        )
    return scores


def folded_roc_auc(cells: list[Cell]) -> float | None:
    """Return max(AUC, 1 − AUC) of scored cells, with ties counting half.

    Return None if there is only one class.
    """
    positives = sum(cell[2] for cell in cells)
    negatives = sum(cell[1] for cell in cells) - positives
    if not positives or not negatives:
        return None
    twice, below = 0, 0  # twice the correctly ordered pairs; negatives with a lower score
    for score in sorted({cell[0] for cell in cells}):
        same = [cell for cell in cells if cell[0] == score]
        up = sum(cell[2] for cell in same)
        down = sum(cell[1] for cell in same) - up
        twice += up * (2 * below + down)
        below += down
    area = twice / (2 * positives * negatives)
    return max(area, 1 - area)


def explained_variance(cells: list[Cell]) -> float | None:
    """Return R² = cor(y, score)² of scored cells; None if the target has no variance.

    This is R² after a linear recalibration, so a target that has shifted since the train rows
    cannot hide a leak. A constant score has R² 0.
    """
    rows, total = sum(cell[1] for cell in cells), sum(cell[2] for cell in cells)
    spread = rows * sum(cell[3] for cell in cells) - total * total  # an exact integer
    if rows == 0 or spread == 0:
        return None
    mean = math.fsum(score * n for score, n, _, _ in cells) / rows
    own = math.fsum((score - mean) ** 2 * n for score, n, _, _ in cells)
    shared = math.fsum((score - mean) * part for score, _, part, _ in cells)
    whole = math.fsum(score * score * n for score, n, _, _ in cells)
    constant = own <= 1e-20 * whole  # only rounding errors
    return 0.0 if constant else min(1.0, shared * shared / own * rows / spread)


def together(train: Path, test: Path, numeric: list[str], task: str) -> Metric:
    """Return a metric: how well a weighted sum of a few numeric features predicts the target.

    The features are chosen by forward selection and weighted by least squares on a sample of the
    train rows. The sum is evaluated on a sample of the test rows, with the measure of
    `target_leaks`. This finds a target that is a sum or difference of columns, or a comparison of
    two. Nulls are replaced by the column's mean. The metric's note names the features.
    """
    (x, y), (x_test, y_test) = (sampled(path, numeric) for path in (train, test))
    if not len(y) or not len(y_test) or y_test.min() == y_test.max():
        return Metric(value=None, note="the target is constant on the test rows")
    chosen, score = weighted_sum(*centred(x, x_test), y)
    names = [numeric[place] for place in sorted(chosen)]
    who = "no numeric feature"
    if names:
        who = f"a weighted sum of {', '.join(names)}" if len(names) > 1 else f"{names[0]} alone"
    judge = folded_auc if task == "classification" else _squared_correlation
    return Metric(value=judge(y_test, score), n=len(y_test), note=f"{who} predicts the target")


def centred(x: Floats, x_test: Floats) -> tuple[Floats, Floats]:
    """Return both tables minus the column means of `x`, with 0 in place of nulls."""
    import numpy as np

    present = np.isfinite(x)
    centre = np.where(present, x, 0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    left, right = (np.where(np.isfinite(side), side, centre) - centre for side in (x, x_test))
    return left, right


def weighted_sum(x: Floats, x_test: Floats, y: Floats) -> tuple[list[int], Floats]:
    """Return columns chosen from `x`, and their sum for each row of `x_test`; both `centred`."""
    import numpy as np

    chosen = _forward(x / np.maximum(np.abs(x).max(axis=0), 1e-300), y - y.mean())
    return chosen, x_test[:, chosen] @ np.linalg.lstsq(x[:, chosen], y - y.mean())[0]


def folded_auc(y: Floats, score: Floats) -> float:
    """Return max(AUC, 1 − AUC); `y` is 0 or 1, and both have the shape (rows,)."""
    from sklearn.metrics import roc_auc_score

    area = float(roc_auc_score(y, score))
    return max(area, 1 - area)


def _squared_correlation(y: Floats, score: Floats) -> float:
    """Return R² after a linear recalibration; 0 for a constant score."""
    y, score = y - y.mean(), score - score.mean()
    own = float(score @ score)
    return min(1.0, float(y @ score) ** 2 / own / float(y @ y)) if own > 0 else 0.0


def sampled(path: Path, numeric: list[str]) -> tuple[Floats, Floats]:
    """Return a reproducible sample of about `SAMPLE` rows: features (rows, columns) and target."""
    relation, row = tables.table(path), tables.quoted(tables.ROW)
    n = int(tables.rows(f"SELECT count(*) FROM {relation}")[0][0])
    columns = ", ".join(map(number, [*numeric, tables.TARGET]))
    frame = tables.query(
        f"SELECT {columns} FROM {relation} "
        f"WHERE hash({row}) % {max(1, n // SAMPLE)} = 0 ORDER BY {row}"
    )
    found = frame.to_numpy(dtype="float64", na_value=math.nan)
    return found[:, :-1], found[:, -1]


def _forward(x: Floats, y: Floats) -> list[int]:
    """Return the columns of `x` chosen by forward selection, for a least-squares fit of `y`.

    `x` and `y` are centred. Each step adds the column that explains most of the remaining variance.
    Finally, columns that later ones made redundant are removed.
    """
    import numpy as np

    def left_over(columns: list[int]) -> float:
        rest = y - x[:, columns] @ np.linalg.lstsq(x[:, columns], y)[0]
        return float(rest @ rest)

    left, rest, chosen = x, y, list[int]()
    least = GAIN * float(y @ y)
    while len(chosen) < min(TOGETHER, x.shape[1]):
        length = np.maximum(np.sqrt((left * left).sum(axis=0)), 1e-6)
        gain = (left.T @ rest / length) ** 2
        best = int(gain.argmax())
        if not gain[best] > least:
            break
        chosen.append(best)
        axis = left[:, best] / length[best]
        rest, left = rest - axis * (axis @ rest), left - np.outer(axis, axis @ left)
    for place in list(chosen):
        others = [other for other in chosen if other != place]
        if others and left_over(others) - left_over(chosen) < least:
            chosen = others
    return chosen


def overlapping_rows(train: Path, test: Path, columns: list[str]) -> int:
    """Return how many test rows equal some train row in all `columns`.

    Rows are compared by 64-bit hashes. With 10 million rows, about one table in a million has a
    false match.
    """
    row = f"hash({', '.join(map(tables.quoted, columns))})"
    known = f"SELECT {row} FROM {tables.table(train)}"
    return int(
        tables.rows(f"SELECT count(*) FROM {tables.table(test)} WHERE {row} IN ({known})")[0][0]
    )


def _target(train: Path, task: str) -> str | None:
    """Return SQL for the target as an integer; None if it is constant on the train rows."""
    name = tables.quoted(tables.TARGET)
    if task == "classification":
        return f"CAST({name} AS HUGEINT)"
    low, high = tables.rows(
        f"SELECT min({name}), max({name}) FROM {tables.table(train)} WHERE isfinite({name})"
    )[0]
    if low is None or low == high:
        return None
    value = f"({name} - {double(low)}) / {double(high - low)}"
    return f"CASE WHEN isfinite({name}) THEN CAST(round({value} * {SCALE}) AS HUGEINT) END"


def _cells(train: Path, test: Path, x: str, key: str, target: str, overall: float) -> list[Cell]:
    """Group both tables by `key`, an SQL expression over x, and return the scored cells.

    Keys that no train row has get the score `overall`.
    """
    train_side, test_side = (
        f"SELECT {key} AS key, count(*) AS n, sum(q) AS s, sum(q * q) AS ss "
        f"FROM (SELECT {x} AS x, {target} AS q FROM {tables.table(path)}) "
        "WHERE q IS NOT NULL GROUP BY ALL"
        for path in (train, test)
    )
    found: list[tuple[Any, ...]] = tables.rows(
        "SELECT a.n, a.s, sum(b.n), sum(b.s), sum(b.ss) "
        f"FROM ({test_side}) b LEFT JOIN ({train_side}) a "
        "ON a.key IS NOT DISTINCT FROM b.key GROUP BY a.n, a.s ORDER BY a.n, a.s"
    )
    return [
        (overall if n is None else s / n, int(rows), int(part), int(squares))
        for n, s, rows, part, squares in found
    ]


def bin_of_x(bins: Frozen) -> str:
    """Return SQL that finds the bin number of x by binary search; null stays null."""
    bounds = bins.bounds() if bins.edges else []

    def halved(low: int, high: int) -> str:
        if low == high:
            return str(low)
        middle = (low + high) // 2
        return (
            f"CASE WHEN x <= {double(bounds[middle])} THEN {halved(low, middle)} "
            f"ELSE {halved(middle + 1, high)} END"
        )

    return f"CASE WHEN x IS NOT NULL THEN {halved(0, len(bounds))} END"
