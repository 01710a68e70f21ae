"""The champion's answers in a log: no canary, no shadow, no other version, and none twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.monitoring.feeds import KEYS, FeedRows
from governed_ml.pipeline.prediction_log.places import CHAMPION

if TYPE_CHECKING:
    import pandas as pd

ARM, EXPLAINED, ERROR, *UNUSED = tables.IN_LOG_ONLY
OWN = (ARM, EXPLAINED, ERROR)


def of_champion(found: FeedRows, digest: str) -> tuple[FeedRows, list[str]]:
    """Return the rows of the model with this digest, and how many rows of others were left out.

    Rows that do not say which model answered them are all kept.
    """
    if "model_digest" in found.lost:
        own = [name for name in OWN if name not in found.lost]
        found = replace(found, strange=(*found.strange, *own))  # the batch's own columns
        return _once(_aside(replace(found, frame=found.frame.drop(columns=own))), [])
    notes = list[str]()
    strange = tuple(name for name in found.strange if name.casefold() not in UNUSED)
    found = replace(found, strange=strange)
    if ARM not in found.lost:
        arm = found.frame[ARM]
        found = _only(found, arm.isna() | (arm == CHAMPION), "rows of a canary or shadow", notes)
    mine = found.frame["model_digest"] == digest
    found = _only(found, mine, "rows of other versions", notes)
    if ERROR not in found.lost:
        found = _only(found, found.frame[ERROR].isna(), "rows without an answer", notes)
    return _once(_aside(found), notes)


def _only(found: FeedRows, kept: pd.Series, what: str, notes: list[str]) -> FeedRows:
    others = int((~kept).sum())
    notes += [f"{what}, left out: {others:,}"] if others else []
    return replace(found, frame=found.frame[kept])


def _aside(found: FeedRows) -> FeedRows:
    """Move what is no column of the table out of the frame."""
    explained = found.frame.get(EXPLAINED)
    frame = found.frame.drop(columns=list(OWN), errors="ignore")
    lost = tuple(name for name in found.lost if name not in OWN)
    return replace(found, frame=frame, lost=lost, explained=explained)


def _once(found: FeedRows, notes: list[str]) -> tuple[FeedRows, list[str]]:
    if set(KEYS) & set(found.lost):
        return found, notes
    keys = found.frame[list(KEYS)]
    twice = keys.duplicated() & keys.notna().all(axis=1)
    many = int(twice.sum())
    notes += [f"repeated rows (request_id, row), each counted once: {many:,}"] if many else []
    return replace(found, frame=found.frame[~twice]), notes
