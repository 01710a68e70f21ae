"""Real tables from `governance init-data` and one `dvc repro` to a decision, unedited."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from baked import Bake
from tables import FOLDER

TABLES: dict[str, tuple[list[str], dict[str, Any]]] = {  # file → options, what must be drafted
    "german_credit": (
        ["--target", "credit_risk", "--positive", "1"],
        {"sensitive": {"age", "foreign_worker", "personal_status_sex"}},
    ),
    "adult": (
        ["--target", "income", "--positive", ">50K"],
        {"sensitive": {"age", "marital-status", "race", "sex"}, "drop": {"fnlwgt"}},
    ),
    "credit_default_taiwan": (
        ["--target", "default.payment.next.month", "--positive", "0"],
        {"sensitive": {"SEX", "MARRIAGE", "AGE"}, "drop": {"ID"}},
    ),
    "bike_sharing_hour": (
        ["--target", "cnt", "--no-sensitive-reason", "hourly counts, no person is described"],
        {"time": "dteday", "drop": {"instant"}},
    ),
    "parkinsons_telemonitoring": (
        ["--target", "total_UPDRS"],
        {"group": "subject#", "sensitive": {"age", "sex"}},
    ),
}
CASES = [
    pytest.param(name, id=name, marks=() if name == "german_credit" else pytest.mark.nightly)
    for name in TABLES
]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_real_table_comes_to_a_decision_without_editing(name: str, bake_runnable: Bake) -> None:
    path = FOLDER / f"{name}.csv"
    if not path.is_file():
        pytest.skip(f"no {path}: name the folder of the real tables in GOVERNED_ML_DATA")
    # Given a new project, when a table is drafted without a question and the pipeline runs
    options, wanted = TABLES[name]
    project = bake_runnable()
    found = json.loads(project.call("init-data", str(path), *options, "--yes", "--json").stdout)
    project.run(["dvc", "repro"])
    # Then its columns have the right roles
    keys = yaml.safe_load(project.read(f"conf/data/{name}.yaml"))
    for key, value in wanted.items():
        assert (set(keys[key]) if isinstance(value, set) else keys[key]) == value
    # And there is a decision, which denies for what was said before training
    decision = json.loads(project.read("reports/decision.json"))
    assert decision["verdict"] == "deny"
    beyond = {rule["id"].partition("[")[0] for rule in decision["rules"]
              if rule["verdict"] in ("fail", "insufficient")}  # fmt: skip
    if any("test rows, and the policy wants" in line for line in found["warnings"]):
        assert "split.test_rows" in beyond
    if any("leak suspect" in line for line in found["warnings"]):
        assert {"evaluate.leak", "evaluate.leak_regression", "evaluate.leak_together"} & beyond
