"""Evidence is closed and finite: what cannot be trusted is refused before a rule sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from governed_ml.core import evidence
from governed_ml.core.problem import Unusable

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


def test_good_evidence_is_read(tmp_path: Path) -> None:
    # Given complete evidence on disk, when it is loaded
    write(tmp_path, json.dumps(GOOD))
    # Then its metrics are there
    assert evidence.load("explain", tmp_path).metrics["coverage"].value == 0.8


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_bad_evidence_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    # Given evidence with one thing wrong, when it is collected
    write(tmp_path, json.dumps(GOOD | change))
    found = evidence.collect(tmp_path)["explain"]
    # Then there is a reason in its place, in one line that names the file
    assert isinstance(found, Unusable)
    assert "reports/evidence/explain.json" in found.reason
    assert "\n" not in found.reason


def test_a_torn_or_missing_file_is_no_evidence(tmp_path: Path) -> None:
    # Given a file that was cut short, and none of the others, when evidence is collected
    write(tmp_path, json.dumps(GOOD)[:-10])
    found = evidence.collect(tmp_path)
    # Then each has its reason
    assert "not readable JSON" in str(found["explain"])
    assert "is missing" in str(found["drift"])
