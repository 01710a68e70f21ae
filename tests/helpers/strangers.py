"""Tables of strangers, and a project's `conf/` in which they are drafted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from baked import TEMPLATE

from governed_ml.init_data.questions import Prompt
from governed_ml.init_data.run import DataDraft, propose
from governed_ml.init_data.wishes import Wishes

CHOICES = {
    "cookiecutter.__data": "synthetic",
    "cookiecutter.__model": "hist_gradient_boosting_classifier",
    "cookiecutter.risk_tier": "limited",
}


def project(folder: Path) -> Path:
    """Make a folder with the template's `conf/`, whose placeholders are filled."""
    shutil.copytree(TEMPLATE / "conf", folder / "conf")
    path = folder / "conf" / "config.yaml"
    text = path.read_text(encoding="utf-8")
    for name, value in CHOICES.items():
        text = text.replace(f"{{{{ {name} }}}}", value)
    lines = [
        line.partition("{{")[0] + '"x"' if "{{" in line else line for line in text.splitlines()
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    return folder


def customers(rows: int = 600, **columns: Any) -> pd.DataFrame:
    """Return customers who may churn, with one column of each kind that people keep."""
    rng = np.random.default_rng(11)
    days = pd.to_timedelta(rng.integers(0, 700, rows), "D")
    made = {
        "row_number": range(1, rows + 1),
        "customer_id": rng.integers(1, rows // 4, rows),
        "signed_on": (pd.Timestamp("2022-01-01") + days).strftime("%Y-%m-%d"),
        "zip": [f"{number:05d}" for number in rng.integers(0, 99_999, rows)],
        "balance": np.round(rng.lognormal(8, 1, rows), 2),
        "plan_code": rng.integers(1, 9, rows),
        "gender": rng.choice(["f", "m"], rows),
        "age": rng.integers(18, 90, rows),
        "remark": [f"customer {number} called about a bill" for number in range(rows)],
        "mail": [f"customer{number}@b.org" for number in range(rows)],
        "currency": "EUR",
        "churned": rng.choice(["yes", "no"], rows),
    }
    return pd.DataFrame(made | columns)


def drafted(
    base: Path,
    table: pd.DataFrame | Path,
    ask: Prompt | None = None,
    *,
    dry: bool = False,
    **given: Any,
) -> DataDraft:
    """Draft the configuration for a table; a data frame is written as CSV first."""
    if isinstance(table, pd.DataFrame):
        path = base / "data" / "source" / "customers.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(path, index=False)
    else:
        path = table
    wishes = Wishes(**({"target": "churned", "positive": "no"} | given))
    return propose(base, str(path), None, wishes, ask, lambda line: None, dry=dry)
