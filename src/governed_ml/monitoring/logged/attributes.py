"""Sensitive attributes are logged apart from the rows; here they are joined to them again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from governed_ml.core.config.production.monitor import Feed
from governed_ml.monitoring.feeds import KEYS, FeedRows, read
from governed_ml.pipeline.data.column_readers import FrozenColumn, plain
from governed_ml.pipeline.prediction_log.places import SENSITIVE

if TYPE_CHECKING:
    import pandas as pd


def with_attributes(
    found: FeedRows, columns: dict[str, FrozenColumn]
) -> tuple[FeedRows, list[str]]:
    """Add the logged attributes to rows of the log, by request id and row; also return remarks.

    `columns` are the attributes by their names in the log. Rows with contradicting values get none.
    Logs of earlier engines have the attributes in the rows; these stay.
    """
    if set(KEYS) & set(found.lost) or not columns:
        return found, []
    logged = read(Feed(kind="log"), plain(KEYS) | columns, store=SENSITIVE)
    names, keys = [name for name in columns if name not in logged.lost], list(KEYS)
    given = logged.frame[[*keys, *names]].dropna(subset=keys).drop_duplicates()
    if given.empty or not names:
        return found, []
    torn = given.duplicated(subset=keys, keep=False)
    joined = _aligned(found.frame, given[~torn], keys)
    frame, attributed = found.frame.copy(), joined["_merge"].eq("both")
    for name in names:
        if name in found.lost:
            frame[name] = joined[name]
        else:
            attributed |= frame[name].notna()
            frame[name] = frame[name].where(frame[name].notna(), joined[name])
    conflicts = len(given[torn][keys].drop_duplicates())
    what = "sensitive attributes: rows with contradicting values, not counted"
    return replace(
        found,
        frame=frame,
        lost=tuple(name for name in found.lost if name not in names),
        unfit=found.unfit | {name: n for name, n in logged.unfit.items() if name in names},
        attributed=attributed,
    ), ([f"{what}: {conflicts}"] if conflicts else [])


def _aligned(rows: pd.DataFrame, given: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    found = rows[keys].merge(given, on=keys, how="left", indicator=True)
    return found.set_axis(rows.index)
