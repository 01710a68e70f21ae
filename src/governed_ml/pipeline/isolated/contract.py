"""Check what the team's functions return, where they run; messages name the team's file.

These checks run inside the team's process and only help its author. The parent checks again.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from governed_ml.core.code import team
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.tables import ROW, TARGET

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from sklearn.pipeline import Pipeline

COMPARED = 500  # rows for which `columns` must give the same result alone and among all rows
COLUMNS = "columns"


def called(package: str, module: str, name: str) -> Callable[..., Any]:
    """Return one of the team's functions; raise `Problem` if it is not defined."""
    found = offered(package, module, name)
    if found is None:
        raise Problem(f"src/{package}/{module}.py has no function {name}: define it there")
    return found


def offered(package: str, module: str, name: str) -> Callable[..., Any] | None:
    """Return one of the team's functions, or None if the module does not define it."""
    from importlib import import_module

    found = getattr(import_module(f"{package}.{module}"), name, None)
    return found if callable(found) else None


def encoding(
    package: str, features: pd.DataFrame, numeric: list[str], categorical: list[str]
) -> list[tuple[str, Any]]:
    """Return the pipeline's first steps, unfitted: the team's `columns` (if any) and `features`."""
    from sklearn.preprocessing import FunctionTransformer

    where = f"src/{package}/{team.FEATURES}.py"
    steps: list[tuple[str, Any]] = []
    columns = offered(package, team.FEATURES, COLUMNS)
    if columns is not None:
        numeric, categorical = numeric_and_categorical(columns, features, where)
        steps.append((COLUMNS, FunctionTransformer(columns)))
    made = called(package, team.FEATURES, "preprocessing")(list(numeric), list(categorical))
    if not (hasattr(made, "fit") and hasattr(made, "transform")):
        raise Problem(
            f"{where}: preprocessing returned {_kind(made)}: return an unfitted scikit-learn "
            "transformer"
        )
    return [*steps, ("features", made)]


def numeric_and_categorical(
    columns: Callable[..., Any], features: pd.DataFrame, where: str
) -> tuple[list[str], list[str]]:
    """Call the team's `columns`; return the names of its numeric and its categorical columns.

    Raise `Problem` if the result is not a table of the same rows, lacks a column, has a type other
    than number or text, or has values that depend on other rows.
    """
    import numpy as np
    import pandas as pd
    from pandas.api import types

    def made(rows: pd.DataFrame) -> pd.DataFrame:
        found = columns(rows.copy())
        if not isinstance(found, pd.DataFrame):
            raise Problem(f"{where}: columns returned {_kind(found)}: return a pandas table")
        if len(found) != len(rows) or not found.index.equals(rows.index):
            raise Problem(
                f"{where}: columns returned {len(found):,} rows for {len(rows):,}: return the same "
                "rows in the same order"
            )
        return found

    whole = made(features)
    _check_names(list(whole.columns), list(features.columns), where)
    step = max(1, len(features) // COMPARED)
    some = features.iloc[::-step]
    for rows in (some, some.head(1)):
        alone, among = made(rows), whole.loc[rows.index]
        for name in whole:
            if name not in alone or not _same(alone[name], among[name]):
                raise Problem(
                    f"{where}: column {name!r} of a row depends on the other rows: compute it "
                    "from that row only, and put anything learned from several rows into "
                    "preprocessing"
                )
    numeric, categorical = list[str](), list[str]()
    for name in whole:
        column = whole[name]
        if types.is_numeric_dtype(column) and not types.is_bool_dtype(column):
            numeric.append(str(name))
            if np.isinf(column.to_numpy("float64", na_value=np.nan)).any():
                raise Problem(
                    f"{where}: column {name!r} holds infinite values: return null for them"
                )
        elif types.is_string_dtype(column):
            categorical.append(str(name))
        else:
            raise Problem(
                f"{where}: column {name!r} is of type {column.dtype}: make it numbers or texts"
            )
    return numeric, categorical


def _same(one: pd.Series, other: pd.Series) -> bool:
    import numpy as np
    from pandas.api import types

    if types.is_float_dtype(one) and types.is_float_dtype(other):
        return np.allclose(one.to_numpy(), other.to_numpy(), rtol=1e-9, atol=0, equal_nan=True)
    return one.equals(other)


def _check_names(made: list[Any], given: list[str], where: str) -> None:
    for name in made:
        if not isinstance(name, str) or made.count(name) > 1:
            raise Problem(
                f"{where}: column {name!r} is not a text or is repeated: give each column its own "
                "name"
            )
        if name in (ROW, TARGET):
            raise Problem(
                f"{where}: column {name!r} has a name that the pipeline reserves: choose another"
            )
    lost = [name for name in given if name not in made]
    if lost:
        raise Problem(
            f"{where}: columns did not return {lost[0]!r}: only add or replace columns here; "
            "to leave one out, list it under drop in conf/data"
        )


def _is_theirs(error: Exception, package: str) -> bool:
    """Return whether the team's code raised the error, and not an estimator that it fits."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [n for n, one in enumerate(frames) if one.filename.startswith(f"src/{package}/")]
    return bool(own) and not any(one.name.startswith("fit") for one in frames[own[-1] + 1 :])


def trained(
    package: str,
    model: str,
    pipeline: Pipeline,
    rows: pd.DataFrame,
    target: pd.Series,
    classes: int,
) -> Any:
    """Call the team's `fit`; return the fitted estimator or, for a search, its best estimator.

    A search stores how long its fits took, so its digest would differ in every training. `classes`
    is the number of classes, 0 for a regression.
    """
    where = f"src/{package}/{team.TRAINING}.py"
    fit = called(package, team.TRAINING, "fit")
    try:
        found = fit(pipeline, rows.copy(), target.copy())
    except Exception as error:
        if isinstance(error, Problem) or _is_theirs(error, package):
            raise
        raise Problem(
            f"conf/model: {model} cannot be fitted: {first_line(error)}; correct its settings, or "
            "choose another model in conf/config.yaml"
        ) from error
    if not (hasattr(found, "predict") and hasattr(found, "get_params")):
        raise Problem(
            f"{where}: fit returned {_kind(found)}: return a fitted scikit-learn estimator"
        )
    found = getattr(found, "best_estimator_", found)
    try:
        sample = rows.head(3)
        count = len(found.predict(sample))
    except Exception as error:
        if type(error).__name__ == "NotFittedError":
            raise Problem(
                f"{where}: fit returned an estimator that is not fitted: fit it before you return "
                "it"
            ) from error
        raise
    if count != len(sample):
        raise Problem(
            f"{where}: the model gives {count} answers for {len(sample)} rows: let it give one "
            "for each row"
        )
    if classes and sorted(getattr(found, "classes_", [])) != list(range(classes)):
        raise Problem(
            f"{where}: the model has no classes_ {list(range(classes))}: set it in its own fit, as "
            "scikit-learn's classifiers do"
        )
    return found


def _kind(found: object) -> str:
    return "nothing" if found is None else f"a {type(found).__name__}"
