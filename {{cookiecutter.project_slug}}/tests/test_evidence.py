"""Evidence is closed and finite: what cannot be trusted is refused before a rule sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

METRIC = {"value": 0.8, "n": 1000}
GOOD: dict[str, Any] = {
    "schema_version": 1,
    "gate": "explain",
    "subject": {"inputs": {"a": "sha256:0"}, "code": "sha256:0", "config": "sha256:0"},
    "tools": {},
    "metrics": {"coverage": METRIC},
    "findings": [],
    "body": {"method": "shap", "output": "predict_proba", "rows": 1000, "importance": {}},
    "volatile": {},
}
BAD = {
    "a NaN": {"metrics": {"coverage": {"value": float("nan"), "n": 1}}},
    "an infinity": {"metrics": {"coverage": {"value": float("inf"), "n": 1}}},
    "a number as text": {"metrics": {"coverage": {"value": "0.8", "n": 1}}},
    "a truth value as a number": {"metrics": {"coverage": {"value": True, "n": 1}}},
    "a null without a reason": {"metrics": {"coverage": {"value": None}}},
    "half an interval": {"metrics": {"coverage": METRIC | {"lower": 0.7}}},
    "an interval upside down": {"metrics": {"coverage": METRIC | {"lower": 0.9, "upper": 0.7}}},
    "a verdict": {"verdict": "pass"},
    "another gate's name": {"gate": "drift"},
    "no digests": {"subject": {}},
    "no inputs": {"subject": GOOD["subject"] | {"inputs": {}}},
    "an unknown key in the body": {"body": GOOD["body"] | {"rows_of_data": []}},
}


def write(folder: Path, content: str) -> None:
    """Put evidence of `explain` into a project's folder."""
    path = folder / "reports" / "evidence" / "explain.json"
    path.parent.mkdir(parents=True)
    path.write_text(content, encoding="utf-8")


def test_good_evidence_is_read(tmp_path: Path, module: Callable[[str], Any]) -> None:
    # Given complete evidence on disk, when it is loaded
    write(tmp_path, json.dumps(GOOD))
    # Then its metrics are there
    assert module("evidence").load("explain", tmp_path).metrics["coverage"].value == 0.8


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_bad_evidence_is_refused(
    change: dict[str, Any], tmp_path: Path, module: Callable[[str], Any]
) -> None:
    # Given evidence with one thing wrong, when it is collected
    write(tmp_path, json.dumps(GOOD | change))
    found = module("evidence").collect(tmp_path)["explain"]
    # Then there is a reason in its place, in one line that names the file
    assert isinstance(found, str)
    assert "reports/evidence/explain.json" in found
    assert "\n" not in found


def test_a_torn_or_missing_file_is_no_evidence(
    tmp_path: Path, module: Callable[[str], Any]
) -> None:
    # Given a file that was cut short, and none of the others, when evidence is collected
    write(tmp_path, json.dumps(GOOD)[:-10])
    found = module("evidence").collect(tmp_path)
    # Then each has its reason
    assert "not readable JSON" in found["explain"]
    assert "is missing" in found["drift"]


def test_the_schemas_are_those_of_the_code(root: Path, module: Callable[[str], Any]) -> None:
    # Given the JSON Schemas in git, when they are compared with the models
    folder = root / "governance" / "schemas"
    written = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")
    }
    # Then they are the same
    expected = {
        "evidence": module("evidence").json_schema(),
        "decision": module("governance.decision").Decision.model_json_schema(),
    }
    stale = sorted(
        name for name in written.keys() | expected.keys() if written.get(name) != expected.get(name)
    )
    assert not stale, (
        f"governance/schemas/ differs from the code for {', '.join(stale)}: "
        "run `uv run governance schemas` and commit the result"
    )
