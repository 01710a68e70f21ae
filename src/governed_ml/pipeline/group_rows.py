"""Count and sum the test rows of each group of people, also by person, with SQL."""

from __future__ import annotations

import numpy as np

from governed_ml.core import tables
from governed_ml.core.problem import Problem
from governed_ml.measures.clusters import Persons
from governed_ml.measures.fairness_regression import Moments
from governed_ml.measures.groups import Key

ANSWER = (f"p.{tables.quoted(tables.TARGET)}", "p.prediction")
ERRORS = (*ANSWER, f"abs({ANSWER[1]} - {ANSWER[0]})", f"{ANSWER[1]} - {ANSWER[0]}")


def require_joined() -> None:
    """Raise `Problem` unless each test prediction has exactly one row of sensitive attributes."""
    row = tables.quoted(tables.ROW)
    predictions = f"FROM {tables.table(tables.PREDICTIONS)} WHERE part = 'test'"
    predicted, known, distinct, both = tables.rows(
        f"SELECT (SELECT count(*) {predictions}), count(*), count(DISTINCT {row}), "
        f"count(*) FILTER ({row} IN (SELECT {row} {predictions})) "
        f"FROM {tables.table(tables.SENSITIVE_TEST)}"
    )[0]
    if not predicted == known == distinct == both:
        raise Problem(
            f"{tables.SENSITIVE_TEST.as_posix()} ({known:,} rows) and the test part of "
            f"{tables.PREDICTIONS.as_posix()} ({predicted:,}) have only {both:,} rows in "
            "common: run `uv run dvc repro`"
        )


def contingency(names: Key, classes: int = 2) -> tuple[list[Key], np.ndarray]:
    """Return the cells and their counts, shape (cells, label, prediction).

    Label and prediction are 0 or 1, or positions of `classes` classes.
    """
    keys = ", ".join(f"k{place}" for place in range(len(names)))
    found = tables.rows(
        f"SELECT {keys}, x0, x1, count(*) FROM ({rows_of(names, ANSWER)}) GROUP BY ALL"
    )
    cells = known_cells(names)
    place = {cell: index for index, cell in enumerate(cells)}
    counts = np.zeros((len(cells), classes, classes), dtype=np.int64)
    for *cell, target, prediction, n in found:
        require_answer(target, prediction, classes)
        counts[place[tuple(cell)], int(target), int(prediction)] += n
    return cells, counts


def require_answer(target: float, prediction: float, classes: int = 2) -> None:
    """Raise `Problem` unless label and prediction are 0 or 1, or positions of classes."""
    if target not in range(classes) or prediction not in range(classes):
        known = "0 or 1" if classes == 2 else f"0 to {classes - 1}"
        raise Problem(
            f"{tables.PREDICTIONS.as_posix()} has a row with target {target!r} and prediction "
            f"{prediction!r}, but both must be {known}: run `uv run dvc repro`"
        )


def moments(names: Key) -> tuple[list[Key], Moments]:
    """Return the cells and their `Moments`: means, then deviations from them.

    A sum of floats depends on the order, so one thread is used, for reproducible results.
    """
    keys = ", ".join(f"k{place}" for place in range(len(names)))
    four = range(len(ERRORS))
    means = ", ".join(f"favg(x{k}) AS m{k}" for k in four)
    deviations = [f"fsum(power(x{k} - m{k}, {exponent}))" for exponent in (2, 3) for k in four]
    numbers = ", ".join(["any_value(n)", *(f"any_value(m{k})" for k in four), *deviations])
    found = tables.rows(
        f"SET threads = 1; WITH v AS ({rows_of(names, ERRORS)}), "
        f"m AS (SELECT {keys}, count(*) AS n, {means} FROM v GROUP BY {keys}) "
        f"SELECT {keys}, {numbers} FROM v JOIN m USING ({keys}) GROUP BY {keys} ORDER BY {keys}"
    )
    cells = known_cells(names)
    place = {cell: index for index, cell in enumerate(cells)}
    n, values = np.zeros(len(cells), dtype=np.int64), np.zeros((len(cells), 3, len(ERRORS)))
    for row in found:
        index = place[tuple(row[: len(names)])]
        n[index] = row[len(names)]
        values[index] = np.reshape(row[len(names) + 1 :], (3, len(ERRORS)))
    require_finite(values)
    return cells, Moments(n, values[:, 0], values[:, 1], values[:, 2])


def require_finite(values: np.ndarray) -> None:
    """Raise `Problem` if a sum is not finite."""
    if not np.isfinite(values).all():
        raise Problem(
            f"{tables.PREDICTIONS.as_posix()} holds a prediction or target that is no "
            "finite number: change the model or the table"
        )


def targets() -> np.ndarray:
    """Return the targets of all test rows, shape (rows,)."""
    target = tables.quoted(tables.TARGET)
    found = tables.query(
        f"SELECT {target} FROM {tables.table(tables.PREDICTIONS)} WHERE part = 'test'"
    )
    return found[tables.TARGET].to_numpy("float64")


def rows_of(names: Key, numbers: Key, *, person: bool = False) -> str:
    """Return SQL for the test rows: a cell's names as k0, k1, …, numbers as x0, x1, …"""
    row, joined = tables.quoted(tables.ROW), ""
    chosen = [f"{sql} AS k{place}" for place, sql in enumerate(cell_columns(names, "s."))]
    chosen += [f"{sql} AS x{place}" for place, sql in enumerate(numbers)]
    if person:
        chosen.append(f"w.{tables.quoted(tables.PERSON)} AS person")
        joined = f"JOIN {tables.table(tables.PERSONS)} w ON p.{row} = w.{row} "
    return (
        f"SELECT {', '.join(chosen)} FROM {tables.table(tables.PREDICTIONS)} p "
        f"JOIN {tables.table(tables.SENSITIVE_TEST)} s ON p.{row} = s.{row} {joined}"
        "WHERE p.part = 'test'"
    )


def by_person(names: Key, cells: list[Key], task: str, classes: int = 2) -> Persons | None:
    """Return each person's contribution to each cell, or None if rows do not belong to persons.

    Classification: counts, shape (entries, label, prediction). Regression: row counts and sums of
    the four quantities of `Moments`, shape (entries, 5).
    """
    if not tables.PERSONS.is_file():
        return None
    keys = ", ".join([*(f"k{place}" for place in range(len(names))), "person"])
    rows = rows_of(names, ANSWER if task == "classification" else ERRORS, person=True)
    place = {cell: index for index, cell in enumerate(cells)}
    entries: dict[tuple[int, int], np.ndarray] = {}
    if task == "classification":
        for *cell, person, target, prediction, n in tables.rows(
            f"SELECT {keys}, x0, x1, count(*) FROM ({rows}) GROUP BY ALL ORDER BY ALL"
        ):
            entry = (place[tuple(cell)], int(person))
            counts = entries.setdefault(entry, np.zeros((classes, classes), dtype=np.int64))
            counts[int(target), int(prediction)] += n
    else:
        sums = ", ".join(f"fsum(x{k})" for k in range(len(ERRORS)))
        for row in tables.rows(
            f"SET threads = 1; SELECT {keys}, count(*), {sums} FROM ({rows}) GROUP BY {keys} "
            f"ORDER BY {keys}"
        ):
            cell, values = tuple(row[: len(names)]), row[len(names) + 1 :]
            entries[place[cell], int(row[len(names)])] = np.array(values, dtype=np.float64)
    codes = np.array(list(entries), dtype=np.int64).reshape(-1, 2)
    return Persons(codes[:, 0], codes[:, 1], np.array(list(entries.values())))


def known_cells(names: Key) -> list[Key]:
    """Return the cells of both parts, sorted; one without test rows cannot be judged."""
    keys = ", ".join(cell_columns(names))
    found = tables.rows(
        " UNION ".join(
            f"SELECT {keys} FROM {tables.table(path)}"
            for path in (tables.SENSITIVE_TEST, tables.SENSITIVE_TRAIN)
        )
    )
    return sorted(tuple(row) for row in found)


def cell_columns(names: Key, prefix: str = "") -> list[str]:
    """Return SQL for each sensitive column as text, with null as the group `missing`."""
    texts = (f"CAST({prefix}{tables.quoted(name)} AS VARCHAR)" for name in names)
    return [f"coalesce({text}, 'missing')" for text in texts]
