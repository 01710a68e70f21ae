"""Divide rows into train and test, and separate sensitive attributes from the features."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.config import read
from governed_ml.core.config.data import Data
from governed_ml.core.config.params import Params
from governed_ml.core.config.split import CROSS_VALIDATED
from governed_ml.core.evidence import Finding, Metric
from governed_ml.core.evidence_bodies import SplitBody
from governed_ml.core.problem import Problem, counted
from governed_ml.pipeline.data import persons
from governed_ml.pipeline.data.columns import features_of, groups_of, merged_groups, target_of
from governed_ml.pipeline.folds import across
from governed_ml.pipeline.folds.assignment import assigned
from governed_ml.pipeline.stage_runner import record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

SECTIONS = ("seed", "data", "split")


def main() -> str:
    """Write the features and the sensitive attributes of both parts, aligned by row number."""
    import pandas as pd

    params = read(*SECTIONS)
    raw = tables.read(tables.RAW)
    features, numeric, categorical = features_of(raw, params.data)
    target = target_of(raw, params.data)
    number = pd.Series(range(len(raw)), name=tables.ROW)
    whole = pd.concat([number, features, target], axis=1)
    sensitive = pd.concat([number, groups_of(raw, params.data)], axis=1)
    person = persons.column_of(raw, params.data)
    fold, cut = None, None
    if params.split.kind == CROSS_VALIDATED:
        fold = assigned(raw, target, params)
        in_train = in_test = fold > 0
    else:
        in_test, cut = divide(raw, target, params)
        in_train = ~in_test
    for part, mine in (("train", in_train), ("test", in_test)):
        if not mine.any():
            raise Problem(f"the {params.split.kind} split leaves no {part} rows: change conf/split")
        if params.data.multiclass:
            require_every_class(target, mine, part, params.data)
        elif params.data.task == "classification" and target[mine].nunique() < 2:
            raise Problem(
                f"the {part} rows have only one class of {params.data.target}: change "
                "conf/split or the table"
            )
    tables.write(whole[in_train], tables.TRAIN)
    tables.write(whole[in_test], tables.TEST)
    tables.write(sensitive[in_train], tables.SENSITIVE_TRAIN)
    tables.write(sensitive[in_test], tables.SENSITIVE_TEST)
    for path in (tables.FOLDS, tables.PERSONS, tables.TIMES):
        path.unlink(missing_ok=True)
    if params.split.kind == "time":
        times = raw[_needed(params.data, params.data.time, "time")][in_train]
        ranks = times.rank(method="dense").astype("int64")
        order = pd.DataFrame({tables.ROW: number[in_train], tables.TIME: ranks})
        tables.write(order, tables.TIMES)
    if fold is not None:
        tables.write(pd.DataFrame({tables.ROW: number, tables.FOLD: fold}), tables.FOLDS)
    metrics = dict[str, Metric]()
    if person is not None:
        codes = persons.coded(raw[person])
        tables.write(codes, tables.PERSONS)
        metrics["persons"] = _persons(codes[tables.PERSON][in_test], person, params.data)
    body = SplitBody(
        kind=params.split.kind,
        rows={"train": int(in_train.sum()), "test": int(in_test.sum())},
        numeric=numeric,
        categorical=categorical,
        sensitive={
            name: {
                str(group): int(n)
                for group, n in sensitive[name].value_counts().sort_index().items()
            }
            for name in params.data.sensitive
        },
        cut=cut,
        person=person,
        merged=merged_groups(raw, params.data) or None,
        classes=params.data.class_names or None,
        folds=None if fold is None else [int((fold == one).sum()) for one in sorted({*fold})],
    )
    _record(params, body, metrics)
    train, test = (body.rows[part] for part in ("train", "test"))
    parts = f"{train:,} train and {test:,} test rows"
    if body.folds:
        parts = f"{test:,} rows, each a test row of one of {len(body.folds)} folds"
    return f"{parts}, {len(numeric) + len(categorical)} features"


def require_every_class(
    target: pd.Series, mine: npt.NDArray[np.bool_], part: str, data: Data
) -> None:
    """Raise `Problem` if a part has no row of one of several classes; `target` has positions."""
    there = set(target[mine])
    for place, name in enumerate(data.class_names):
        if place not in there:
            rows = counted(int((target == place).sum()), "row")
            raise Problem(
                f"the {part} rows have none of the class {name!r} of {data.target!r}, of which the "
                f"table has {rows}: take more rows, merge the class with another in `spellings`, "
                "or change conf/split"
            )


def divide(
    raw: pd.DataFrame, target: pd.Series, params: Params
) -> tuple[npt.NDArray[np.bool_], str | None]:
    """Return which rows are test rows and, for a split by time, the test part's first time."""
    import numpy as np

    split, data = params.split, params.data
    if split.kind == "random" and data.group is not None:
        raise Problem(
            f"data.group says that rows with the same {data.group!r} belong together, but "
            "conf/split divides them at random: choose `split: group` (or time) in "
            "conf/config.yaml"
        )
    is_test = np.zeros(len(raw), dtype=bool)
    if split.kind == "time":
        times = _times(raw[_needed(data, data.time, "time")])
        cut = times.sort_values(ignore_index=True).iloc[int(len(raw) * (1 - split.tested))]
        return (times >= cut).to_numpy(), str(cut)
    if split.kind == "group":
        from sklearn.model_selection import GroupShuffleSplit

        groups = _groups(raw[_needed(data, data.group, "group")])
        chooser = GroupShuffleSplit(1, test_size=split.test_share, random_state=params.seed)
        divided = partial(next, chooser.split(raw, groups=groups))
    else:
        from sklearn.model_selection import train_test_split

        strata = (
            target if data.task == "classification" and target.value_counts().min() >= 2 else None
        )
        divided = partial(
            train_test_split,
            np.arange(len(raw)),
            test_size=split.test_share,
            random_state=params.seed,
            stratify=strata,
        )
    try:
        _, test = divided()
    except ValueError as error:  # scikit-learn refuses parts that are empty or lack a class
        raise Problem(
            f"{len(raw):,} rows cannot be split with test_share {split.test_share:g}: each part "
            "needs rows of every class; change conf/split or take more rows"
        ) from error
    is_test[test] = True
    return is_test, None


def _times(column: pd.Series) -> pd.Series:
    from pandas.api import types

    if not types.is_datetime64_any_dtype(column) and not types.is_numeric_dtype(column):
        raise Problem(
            f"data.time: column {column.name!r} has values that are not dates. Write them "
            "like 2026-12-31, or set their format in data.dates; if such a value means "
            "a missing value, list it in data.source.missing"
        )
    return _complete(column, "time")


def _groups(column: pd.Series) -> pd.Series:
    if column.nunique() < 2:
        raise Problem(
            f"data.group: column {column.name!r} has one group only, which cannot be split: "
            "change conf/split"
        )
    return _complete(column, "group")


def _complete(column: pd.Series, role: str) -> pd.Series:
    nulls = int(column.isna().sum())
    if nulls:
        raise Problem(
            f"data.{role}: column {column.name!r} is null in {nulls:,} of {len(column):,} "
            f"rows, so these rows cannot be split by {role}: fix or remove them"
        )
    return column


def _needed(data: Data, column: str | None, role: str) -> str:
    if column is None:
        raise Problem(
            f"conf/split divides rows by {role}, but conf/data names no {role} column for "
            f"{data.name}: set data.{role}"
        )
    return column


def _persons(test: pd.Series, name: str, data: Data) -> Metric:
    """Return the number of persons among the test rows, with a note on how they are identified."""
    note = f"number of values of {name!r} in the test rows: bounds treat each as one person"
    if data.group is None:
        note += "; it is named like an id: if it names persons, set data.group and `split: group`"
    return Metric(value=float(test.nunique()), n=len(test), note=note)


def _record(params: Params, body: SplitBody, more: dict[str, Metric]) -> None:
    rows = body.rows
    overlap = across.overlapping_rows([*body.numeric, *body.categorical, tables.TARGET])
    note = f"{overlap} test rows stand in train too"
    if body.folds:
        note = f"{overlap} test rows equal a row on which their fold's model is trained"
    record(
        "split",
        SECTIONS,
        [tables.RAW],
        body,
        {
            "rows_train": Metric(value=float(rows["train"])),
            "rows_test": Metric(value=float(rows["test"])),
            "overlapping_rows": Metric(
                value=float(overlap),
                note="test rows that stand in train too" if not body.folds else note,
            ),
            "overlap_share": Metric(
                value=overlap / rows["test"],
                n=rows["test"],
                note=note,
            ),
        }
        | more,
        findings=[
            Finding(what="an id column repeats values, but data.group is not set", where=one.note)
            for one in more.values()
            if params.data.group is None
        ],
    )
