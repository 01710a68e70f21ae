"""Compare a shadow with the champion: both answered the same rows, and people got the champion's.

Nothing is judged and nothing is recorded: the numbers are for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.problem import Problem
from governed_ml.measures.bounds.quantiles import clopper_pearson
from governed_ml.registry.append_event import situation
from governed_ml.registry.versions import Registry
from governed_ml.serving.canary.log_rows import DATA, KEYS, read_arms

if TYPE_CHECKING:
    import pandas as pd

SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
SLOW = 0.95


class ShadowComparison(Closed):
    """What a shadow answered on the champion's rows."""

    version: int = Field(description="the shadow")
    champion: int
    rows: int = Field(description="rows that both answered")
    since: str | None
    until: str | None
    disagreement: float | None = Field(
        description="the share of rows with another class; null for a regression"
    )
    disagreement_bounds: tuple[float, float] | None = Field(
        description="its bounds, if the rows are independent"
    )
    difference: dict[str, float] = Field(description="quantiles of shadow's score − champion's")
    mean_difference: float
    failed: dict[str, int] = Field(description="arm → rows without an answer")
    milliseconds_p95: dict[str, float | None] = Field(description="arm → p95 of the time")


def compare_shadow(
    base: Path, registry: Registry, number: int | None = None, folders: Sequence[Path] = (DATA,)
) -> ShadowComparison:
    """Compare a version that ran as shadow, by default the challenger, with the champion.

    Raise `Problem` if no row was answered by both.
    """
    seen = situation(base, registry)
    life = seen.life
    shadow = life.version(number) if number else life.challenger()
    if life.champion is None or shadow is None:
        raise Problem("there is no champion, or no version that could be its shadow")
    models = {"champion": life.champion.subject["model"], "shadow": shadow.subject["model"]}
    frame = read_arms([base / one for one in folders], models, None).frame
    failed = frame[frame["error"].notna()].groupby("arm").size()
    both = paired(frame)
    if both.empty:
        raise Problem(
            f"no row was answered by champion {life.champion.number} and by version "
            f"{shadow.number} in shadow: run `uv run governance serve --shadow {shadow.number}`"
        )
    apart = int((both["prediction_champion"] != both["prediction_shadow"]).sum())
    bounds = clopper_pearson(apart, len(both), (1 - seen.now.policy.confidence) / 2)
    classes = seen.now.params.data.task == "classification"
    moved = both["score_shadow"] - both["score_champion"]
    times = both["predicted_at_champion"]
    return ShadowComparison(
        version=shadow.number,
        champion=life.champion.number,
        rows=len(both),
        since=None if times.isna().all() else times.min().strftime("%Y-%m-%dT%H:%M:%SZ"),
        until=None if times.isna().all() else times.max().strftime("%Y-%m-%dT%H:%M:%SZ"),
        disagreement=apart / len(both) if classes else None,
        disagreement_bounds=(float(bounds.lower), float(bounds.upper)) if classes else None,
        difference={f"{share:.0%}": float(moved.quantile(share)) for share in SHARES},
        mean_difference=float(moved.mean()),
        failed={arm: int(failed.get(arm, 0)) for arm in models},
        milliseconds_p95={arm: _slow(both[f"milliseconds_{arm}"]) for arm in models},
    )


def paired(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each row that both answered, with a column of each arm."""
    good = frame[frame["error"].isna() & frame["prediction"].notna()]
    arms = [good[good["arm"] == arm] for arm in ("champion", "shadow")]
    return arms[0].merge(arms[1], on=list(KEYS), suffixes=("_champion", "_shadow"))


def _slow(times: pd.Series) -> float | None:
    return None if times.isna().all() else float(times.quantile(SLOW))
