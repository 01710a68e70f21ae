"""A champion that is watched: batches of production, what `governance monitor` says of them."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from unittest import mock

import pandas as pd
import registry
import yaml
from baked import BakedProject

from governed_ml.doctor import safeguards
from governed_ml.ledger import rules_in_force, storage, void_events
from governed_ml.monitoring import monitor as monitor_module
from governed_ml.registry.approval import current_rules

ROWS = 900
CLOCKS = (storage, void_events, rules_in_force, current_rules, safeguards, monitor_module)
"""Modules that ask what time it is."""


def limit(
    project: BakedProject, levels: tuple[float, float, float] = (0.1, 0.15, 0.2), **limits: int
) -> None:
    """Have the policy on `main` roll back where groups part, whatever the tier."""
    tier = re.findall(r"policy: (\w+)", project.read("conf/config.yaml"))[0]
    policy = yaml.safe_load(project.read(f"conf/policy/{tier}.yaml"))
    monitoring = policy.setdefault("monitoring", {})
    monitoring |= limits
    rule = monitoring.setdefault("rules", {}).setdefault("fairness.demographic_parity", {})
    rule |= dict(zip(("warn", "retrain", "rollback"), levels, strict=True))
    project.write(f"conf/policy/{tier}.yaml", yaml.safe_dump(policy, sort_keys=False))
    registry.save(project, "How it is monitored")


def drawn(project: BakedProject, part: int, days: int = 0) -> pd.DataFrame:
    """Rows of the table, by their number, as production might give them today."""
    raw = pd.read_parquet(project.path / "data" / "raw.parquet")
    rows = raw.sample(6 * ROWS, random_state=2).iloc[part * ROWS : (part + 1) * ROWS]
    now = pd.Timestamp.now("UTC").tz_localize(None).floor("D") + pd.Timedelta(days=days)
    return rows.assign(applied_on=now)


def batch(project: BakedProject, part: int = 0, name: str = "batch.csv", days: int = 0) -> Path:
    """The same in a file beside the project."""
    return written(project, drawn(project, part, days), name)


def written(project: BakedProject, rows: pd.DataFrame, name: str = "batch.csv") -> Path:
    path = registry.home(project) / name
    rows.to_csv(path, index=False)
    return path


def shifted(project: BakedProject, part: int) -> Path:
    """A batch without labels in which the model is good to women only."""
    rows = drawn(project, part)
    line = pd.read_parquet(project.path / "data" / "predictions.parquet")
    good = line.set_index("__row")["prediction"].reindex(rows.index)
    ends = [rows[good == value].sample(ROWS // 2, replace=True, random_state=1) for value in (1, 0)]
    women, men = ends[0].assign(sex="female"), ends[1].assign(sex="male")
    return written(project, pd.concat([women, men]).drop(columns="repaid"), f"shift-{part}.csv")


def monitor(project: BakedProject, *words: str | Path, code: int | None = 0, **env: str) -> Any:
    """What `governance monitor` found."""
    done = project.call("monitor", *map(str, words), "--json", code=code, **env)
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def windows(project: BakedProject) -> list[dict[str, Any]]:
    """The windows in the ledger."""
    return [one for one in registry.ledger(project) if one["action"] == "monitored"]


def later(
    project: BakedProject, days: int, *words: str, code: int | None = 0
) -> CompletedProcess[str]:
    """Run a command as if so many days had passed."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(days=days)

    with ExitStack() as stack:
        for module in CLOCKS:
            stack.enter_context(mock.patch.object(module, "datetime", Later))
        return project.call(*words, code=code)
