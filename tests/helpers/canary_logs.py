"""Logs of a service with a canary, as if people had been answered: healthy, or with a fault."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

OLD, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64
START = datetime(2026, 6, 1, 12, tzinfo=UTC)
GROUPS: dict[str, tuple[str, ...]] = {"sex": ("female", "male")}


@dataclass(frozen=True)
class Arm:
    """How one arm answers: how many rows, how fast, how often not, and whom it favours."""

    name: str
    digest: str
    rows: int
    errors: float = 0.0
    milliseconds: float = 8.0
    shift: float = 0.0
    unfair: float = 0.0
    subjects: int | None = None
    named: bool = True


CHAMPION, CANARY = Arm("champion", OLD, 2000), Arm("canary", NEW, 600)


def rows_of(arm: Arm, seed: int, start: datetime = START) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return an arm's records of the prediction log and of the sensitive log, one per request."""
    chance = np.random.default_rng([seed, len(arm.name)])
    n = arm.rows
    groups = {name: chance.choice(list(values), n) for name, values in GROUPS.items()}
    logit = chance.normal(arm.shift, 1, n) - arm.unfair * (groups["sex"] == "female")
    score = 1 / (1 + np.exp(-logit))
    failed = chance.random(n) < arm.errors
    whose = chance.integers(0, arm.subjects or n, n) if arm.subjects else np.arange(n)
    moments = [start + timedelta(microseconds=place) for place in range(n)]
    keys = {
        "request_id": [uuid.UUID(int=int(one)).hex for one in chance.integers(0, 2**62, n)],
        "row": 0,
    }
    answers = pd.DataFrame(
        {
            **keys,
            "prediction": np.where(failed, np.nan, score >= 0.5),
            "score": np.where(failed, np.nan, score),
            "model_version": 1 if arm.digest == OLD else 2,
            "model_state": "champion" if arm.digest == OLD else "approved",
            "model_digest": arm.digest,
            "predicted_at": [f"{one:%Y-%m-%dT%H:%M:%S}.{one.microsecond:06}Z" for one in moments],
            "arm": arm.name,
            "explained": False,
            "subject": [f"{arm.name}-{one}" if arm.named else None for one in whose],
            "milliseconds": arm.milliseconds * np.exp(chance.normal(0, 0.4, n)),
            "error": np.where(failed, "ValueError", None),
        }
    )
    return answers, pd.DataFrame({**keys, **groups})


def write(folder: Path, *arms: Arm, seed: int = 1, start: datetime = START) -> Path:
    """Write the logs of arms to the data folder of a service; return it."""
    for arm in arms:
        name = f"{arm.name}-{seed}.parquet"
        parts = zip(("prediction_log", "sensitive_log"), rows_of(arm, seed, start), strict=True)
        for log, frame in parts:
            path = folder / log / f"{start:%Y-%m-%d}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            frame.to_parquet(path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def faulty(**faults: Any) -> Arm:
    """Return the canary with a fault."""
    return replace(CANARY, **faults)


FAULTS: dict[str, tuple[Arm, str]] = {
    "biased": (faulty(unfair=1.6, shift=0.8), "canary.demographic_parity[sex]"),
    "slow": (faulty(milliseconds=20.0), "canary.latency"),
    "erroring": (faulty(errors=0.15), "canary.errors"),
    "drifting": (faulty(shift=1.4), "canary.score_drift"),
}
"""Fault → the canary that has it, and the one rule that it breaks."""
