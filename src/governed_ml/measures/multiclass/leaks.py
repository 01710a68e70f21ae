"""Features that reveal one of three or more classes: the mean over the classes of `leaks`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.evidence import Metric
from governed_ml.measures.binning import freeze, number
from governed_ml.measures.leaks import (
    BINS,
    ROWS_PER_BIN,
    bin_of_x,
    centred,
    folded_auc,
    sampled,
    weighted_sum,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

SHOWN = 5  # most features named in a note


def target_leaks(
    train: Path, test: Path, numeric: list[str], categorical: list[str], classes: int
) -> dict[str, float | None]:
    """Return feature → how well it alone predicts the class, 0.5 to 1.

    This is `leaks.target_leaks` of each class against the rest, and the mean of these: a feature
    that separates one class of five does not reveal the others. None if the test rows are of one
    class.
    """
    rows = int(tables.rows(f"SELECT count(*) FROM {tables.table(train)}")[0][0])
    bins = max(2, min(BINS, rows // ROWS_PER_BIN))
    found: dict[str, float | None] = {}
    for name in numeric:
        key = bin_of_x(freeze(tables.table(train), name, bins))
        found[name] = _mean_auc(*_cells(train, test, number(name), key, classes))
    for name in categorical:
        text = f"CAST({tables.quoted(name)} AS VARCHAR)"
        found[name] = _mean_auc(*_cells(train, test, text, "x", classes))
    return found


def _cells(train: Path, test: Path, x: str, key: str, classes: int) -> tuple[Floats, Floats]:
    """Count the rows of each class by `key`, an SQL expression over x.

    Return, for each key of the test rows, the shares of the classes among the train rows and their
    numbers of test rows, both of shape (keys, classes). A key that no train row has gets the shares
    among all train rows. Keys with the same train counts are one.
    """
    import numpy as np

    target = tables.quoted(tables.TARGET)
    places = range(classes)
    counted = ", ".join(f"count(*) FILTER (t = {place}) AS c{place}" for place in places)
    train_side, test_side = (
        f"SELECT {key} AS key, {counted} FROM (SELECT {x} AS x, {target} AS t "
        f"FROM {tables.table(path)}) GROUP BY ALL"
        for path in (train, test)
    )
    before = ", ".join(f"a.c{place}" for place in places)
    now = ", ".join(f"sum(b.c{place})" for place in places)
    found = tables.rows(
        f"SELECT {before}, {now} FROM ({test_side}) b LEFT JOIN ({train_side}) a "
        "ON a.key IS NOT DISTINCT FROM b.key GROUP BY ALL"
    )
    overall = tables.rows(
        f"SELECT {counted} FROM (SELECT {target} AS t FROM {tables.table(train)})"
    )[0]
    table = np.array(
        [[*(overall if row[0] is None else row[:classes]), *row[classes:]] for row in found],
        dtype=np.float64,
    ).reshape(-1, 2 * classes)
    trained = table[:, :classes]
    return trained / trained.sum(axis=1, keepdims=True), table[:, classes:]


def _mean_auc(shares: Floats, counts: Floats) -> float | None:
    """Return the mean over the classes of max(AUC, 1 − AUC) of scored cells, ties counting half.

    `shares` are the scores and `counts` the rows, both of shape (cells, classes).
    """
    import numpy as np

    total, areas = counts.sum(axis=1), list[float]()
    for place in range(counts.shape[1]):
        positives, negatives = counts[:, place], total - counts[:, place]
        if not positives.sum() or not negatives.sum():
            continue
        _, score = np.unique(shares[:, place], return_inverse=True)
        up, down = (np.bincount(score.reshape(-1), one) for one in (positives, negatives))
        below = np.cumsum(down) - down
        area = float((up * (below + down / 2)).sum() / (up.sum() * down.sum()))
        areas.append(max(area, 1 - area))
    return sum(areas) / len(areas) if areas else None


def together(train: Path, test: Path, numeric: list[str], names: list[str]) -> Metric:
    """Return how well weighted sums of a few numeric features tell the classes apart.

    This is `leaks.together` of each class against the rest, and the mean of these. `names` are the
    classes by position.
    """
    import numpy as np

    (x, y), (x_test, y_test) = (sampled(path, numeric) for path in (train, test))
    places = [place for place in range(len(names)) if 0 < (y_test == place).sum() < len(y_test)]
    if not len(y) or not places:
        return Metric(value=None, note="the target is constant on the test rows")
    x, x_test = centred(x, x_test)
    areas: list[float] = []
    used: set[int] = set()
    for place in places:
        chosen, score = weighted_sum(x, x_test, (y == place).astype("float64"))
        areas.append(folded_auc((y_test == place).astype("float64"), score))
        used |= set(chosen)
    best = int(np.argmax(areas))
    features = [numeric[place] for place in sorted(used)]
    more = f" and {len(features) - SHOWN} more" if len(features) > SHOWN else ""
    listed = ", ".join(features[:SHOWN]) + more
    who = f"weighted sums of {listed} predict" if features else "no numeric feature predicts"
    note = f"{who} the class; {names[places[best]]!r} best, with {areas[best]:.4f}"
    return Metric(value=sum(areas) / len(areas), n=len(y_test), note=note)
