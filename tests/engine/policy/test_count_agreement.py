"""Stages that count the same rows agree, or the evidence is not believed."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from baked import ROOT

from governed_ml.core.evidence import Collected, model_of
from governed_ml.core.problem import Unusable
from governed_ml.policy.count_agreement import contradictions
from governed_ml.policy.judge import judge
from governed_ml.registry.release.bundle import Checked

RELEASES = sorted(path.stem for path in (ROOT / "tests" / "compat").glob("*.zip"))
Json = dict[str, Any]


@cache
def release(name: str, folder: Path) -> Checked:
    with zipfile.ZipFile(ROOT / "tests" / "compat" / f"{name}.zip") as archive:
        archive.extractall(folder / name)
    return Checked(folder / name / "bundle", cast("Any", None))


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """The newest release of an earlier engine."""
    return release(RELEASES[-1], tmp_path_factory.mktemp("release"))


def edited(evidence: Collected, gate: str, change: Callable[[Json], Any]) -> Collected:
    """The evidence with one gate's edited as JSON: it keeps its schema."""
    found = evidence[gate]
    assert not isinstance(found, Unusable)
    values = found.model_dump(mode="json")
    change(values)
    return {**evidence, gate: model_of(gate).model_validate(values)}


@pytest.mark.parametrize("name", RELEASES)
def test_counts_measured_together_agree(name: str, tmp_path: Path) -> None:
    assert contradictions(release(name, tmp_path).evidence()) == {}


EDITS: dict[str, tuple[str, Callable[[Json], Any], str, str]] = {
    "rows trained": (
        *("train", lambda one: one["body"].update(rows=8000), "counts.train_rows"),
        "train counts 8,000 rows, split leaves for training 8,384",
    ),
    "rows ingested": (
        *("ingest", lambda one: one["body"].update(rows=13000), "counts.ingest_rows"),
        "ingest counts 13,000 rows, split divides 12,000",
    ),
    "rows validated": (
        *("validate", lambda one: one["body"].update(rows=11999), "counts.validate_rows"),
        "validate counts 11,999 rows",
    ),
    "the metric that a rule judges": (
        *("split", lambda one: one["metrics"]["rows_test"].update(value=99999.0)),
        *("counts.rows_test", "the metric of split has 99,999 rows, its table 3,616"),
    ),
    "rows evaluated": (
        *("evaluate", lambda one: one["body"].update(rows=3000), "counts.evaluate_rows"),
        "evaluate counts 3,000 rows, split leaves for the test 3,616",
    ),
    "the confusion matrix": (
        *("evaluate", lambda one: one["body"]["confusion"].update(false_positive=0)),
        *("counts.confusion", "the confusion matrix has 3,062 rows, evaluate counts 3,616"),
    ),
    "a group": (
        *("fairness", lambda one: one["body"]["attributes"][0]["groups"][0].update(n=1000)),
        *("counts.groups_sex", "the groups of sex have 2,773 rows, evaluate counts 3,616"),
    ),
    "a group that is gone": (
        *("fairness", lambda one: one["body"]["attributes"][2]["groups"].pop()),
        *("counts.groups_sex*age_group", "the groups of sex*age_group have 3,082 rows"),
    ),
    "outcomes of a group": (
        "fairness",
        lambda one: one["body"]["attributes"][1]["groups"][0]["counts"].update(false_positive=1),
        *("counts.false_positive_age_group", "false positive: the groups of age_group have 409"),
    ),
    "groups that were split": (
        *("split", lambda one: one["body"]["sensitive"]["sex"].pop("male"), "counts.split_sex"),
        "the groups of sex have 6,062 rows, split divides 12,000",
    ),
    "values that were merged": (
        "split",
        lambda one: one["body"].update(merged={"sex": {"male": {"1": 5900, "missing": 37}}}),
        *("counts.merged_sex", "the values merged into male of sex have 5,937 rows, the group has"),
    ),
    "rows of drift": (
        *("drift", lambda one: one["body"].update(current_rows=1), "counts.drift_current_rows"),
        "drift counts 1 row, ",
    ),
    "rows behind a number": (
        *("evaluate", lambda one: one["metrics"]["roc_auc"].update(n=50000)),
        *("counts.evaluate_roc_auc", "evaluate.roc_auc rests on 50,000 rows"),
    ),
    "rows that were explained": (
        *("explain", lambda one: one["metrics"]["coverage"].update(n=4000)),
        *("counts.explain_coverage", "explain.coverage rests on 4,000 rows"),
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_evidence_that_contradicts_its_neighbours_denies(sealed: Checked, edit: str) -> None:
    gate, change, name, words = EDITS[edit]
    # Given evidence of one stage that was edited and keeps its schema
    evidence = edited(sealed.evidence(), gate, change)
    # When everything is judged together
    decision = judge(sealed.params(), evidence, date(2026, 6, 15))
    # Then it is denied by the two counts that differ
    rules = {one.id: one for one in decision.rules}
    assert decision.verdict == "deny"
    assert rules[name].verdict == "insufficient"
    assert words in rules[name].reason
