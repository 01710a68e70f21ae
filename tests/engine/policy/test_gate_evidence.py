"""Evidence that is missing, stale, torn, of another model or no number denies (traps 4, 5, 28)."""

from __future__ import annotations

import hashlib
import json
import math
from itertools import permutations
from pathlib import Path

import other_engine
import pytest
from baked import BakedProject
from judging import (
    Json,
    denied,
    edit,
    reasons,
    replace,
)

from governed_ml.core.problem import Problem
from governed_ml.measures import drift

GATES = "ingest validate split train evaluate drift fairness explain"


@pytest.mark.parametrize("gate", GATES.split())
def test_trap_04_missing_evidence_denies(judged: BakedProject, gate: str) -> None:
    # Given a finished pipeline, when any one gate's evidence is gone
    (judged.path / "reports" / "evidence" / f"{gate}.json").unlink()
    # Then the gate denies and says which file
    weak = denied(judged)
    assert f"{gate}.json is missing" in reasons(weak)
    assert any(name.startswith((f"{gate}.", f"evidence.{gate}")) for name in weak)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("", "not readable JSON"),
        ('{"schema_version": 1, "gate": "fairn', "not readable JSON"),
        ("[]", "breaks its schema"),
        ("null", "breaks its schema"),
        ("\x00\x01", "not readable JSON"),
    ],
)
def test_trap_04_empty_or_truncated_evidence_denies(
    judged: BakedProject, content: str, cause: str
) -> None:
    judged.write("reports/evidence/fairness.json", content)
    weak = denied(judged)
    assert cause in weak["fairness.demographic_parity[sex]"]["reason"]


def test_trap_04_evidence_of_another_gate_denies(judged: BakedProject) -> None:
    # Given evidence with the right form, when it is another gate's
    edit(judged, "explain", lambda evidence: evidence.update(gate="fairness"))
    assert "evidence of 'fairness', not of 'explain'" in reasons(denied(judged))


@pytest.mark.parametrize(
    ("table", "gate"),
    [
        ("data/raw.parquet", "validate"),
        ("data/split/test.parquet", "drift"),
        ("data/sensitive/test.parquet", "fairness"),
        ("data/predictions.parquet", "evaluate"),
    ],
)
def test_trap_04_a_changed_table_makes_evidence_stale(
    judged: BakedProject, table: str, gate: str
) -> None:
    # Given a finished pipeline, when one byte is added to a table that was measured
    with (judged.path / table).open("ab") as file:
        file.write(b"\n")
    # Then the evidence about it no longer counts
    weak = denied(judged)
    assert f"evidence of {gate} is stale: {table} has changed since it was measured" in reasons(
        weak
    )


def test_trap_04_a_missing_table_makes_evidence_stale(judged: BakedProject) -> None:
    (judged.path / "data/predictions.parquet").unlink()
    assert "predictions.parquet is missing" in reasons(denied(judged))


def test_trap_04_another_engine_makes_evidence_stale(
    judged: BakedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a finished pipeline, when the engine that judges has another helper of one measurement
    other_engine.edit("measures/fairness.py", tmp_path, monkeypatch)
    # Then the evidence that it made is stale, and no other
    weak = denied(judged)
    assert "evidence of fairness is stale: its code has changed" in reasons(weak)
    assert all(rule.startswith("fairness.") for rule in weak)


def test_trap_04_changed_code_of_the_team_makes_evidence_stale(judged: BakedProject) -> None:
    # Given a finished pipeline, when the team's features change and nothing is run
    name = f"src/{judged.package}/features.py"
    judged.write(name, judged.read(name) + "# changed\n")
    # Then the evidence of the training is stale, and so is what was measured on its model
    weak = denied(judged)
    assert "evidence of train is stale: its code has changed" in weak["evidence.train"]["reason"]


def test_trap_04_changed_configuration_makes_evidence_stale(judged: BakedProject) -> None:
    # Given a finished pipeline, when the model's configuration changes and nothing is run
    model = "conf/model/hist_gradient_boosting_classifier.yaml"
    replace(judged, model, "max_iter: 100", "max_iter: 101")
    # Then training's evidence is stale, and so is what was measured on its model
    weak = denied(judged)
    assert "evidence of train is stale: conf/ has changed" in weak["evidence.train"]["reason"]


def test_trap_04_a_changed_source_file_makes_evidence_stale(judged: BakedProject) -> None:
    # Given evidence whose table came from a file, when that file is another by now
    judged.write("data/source/rows.csv", "a\n1\n")
    digest = hashlib.sha256(b"a\n1\n").hexdigest()

    def from_file(evidence: Json) -> None:
        evidence["body"] |= {"source": "file", "uri": "data/source/rows.csv", "sha256": digest}

    edit(judged, "ingest", from_file)
    assert "evidence.ingest" not in ran(judged)
    judged.write("data/source/rows.csv", "a\n2\n")
    assert "data/source/rows.csv has changed" in ran(judged)["evidence.ingest"]["reason"]


def ran(project: BakedProject) -> dict[str, Json]:
    """Run the gate and return all rules by id, whatever the verdict."""
    done = project.call("gate", "--json", code=None)
    return {rule["id"]: rule for rule in json.loads(done.stdout)["rules"]}


def test_trap_04_evidence_that_names_no_input_denies(judged: BakedProject) -> None:
    edit(judged, "fairness", lambda evidence: evidence["subject"].update(inputs={}))
    assert "subject.inputs" in reasons(denied(judged))


OTHER_MODEL = """
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
skops.io.dump(Pipeline([("estimator", LogisticRegression())]), "models/model.skops")
"""


def test_trap_28_evidence_of_another_model_denies(judged: BakedProject) -> None:
    # Given a finished pipeline, when the model on disk is replaced
    judged.run(["python", "-c", OTHER_MODEL])
    # Then evidence about the model is refused, and what was measured on its predictions
    weak = denied(judged)
    assert "evidence of evaluate is about another model" in weak["evaluate.roc_auc"]["reason"]
    for gate, rule in (("fairness", "fairness.demographic_parity[sex]"), ("drift", "drift.target")):
        assert f"evidence of {gate} rests on" in weak[rule]["reason"]
    # And also where only one gate is asked
    assert "about another model" in reasons(denied(judged, "fairness"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", None])
def test_trap_28_a_torn_or_missing_model_denies(
    judged: BakedProject, content: bytes | None
) -> None:
    model = judged.path / "models" / "model.skops"
    model.unlink()
    if content is not None:
        model.write_bytes(content)
    assert "model.skops is" in reasons(denied(judged))


def test_trap_28_evidence_without_a_model_denies(judged: BakedProject) -> None:
    edit(judged, "evaluate", lambda evidence: evidence["subject"].update(model=None))
    assert "evidence of evaluate is about another model" in reasons(denied(judged))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", '"0.9"', "true"])
def test_trap_05_a_value_that_is_not_finite_denies(judged: BakedProject, value: str) -> None:
    # Given evidence, when its value is no finite number, also one that beats the limit
    edit(judged, "evaluate", lambda evidence: evidence["metrics"]["roc_auc"].update(value="HERE"))
    replace(judged, "reports/evidence/evaluate.json", '"HERE"', value)
    assert (
        "breaks its schema at metrics.roc_auc.value" in denied(judged)["evaluate.roc_auc"]["reason"]
    )


def test_trap_05_null_needs_a_reason(judged: BakedProject) -> None:
    # Given a null without a reason, then the schema is broken
    edit(judged, "evaluate", lambda e: e["metrics"]["roc_auc"].update(value=None, note=""))
    assert "a null needs a reason" in denied(judged)["evaluate.roc_auc"]["reason"]
    # Given a null with a reason, then the rule has not enough to judge, and says the reason
    edit(judged, "evaluate", lambda e: e["metrics"]["roc_auc"].update(note="only one class"))
    rule = denied(judged)["evaluate.roc_auc"]
    assert (rule["verdict"], rule["reason"]) == ("insufficient", "only one class")


def test_trap_05_a_missing_metric_or_an_unknown_key_denies(judged: BakedProject) -> None:
    edit(judged, "evaluate", lambda evidence: evidence["metrics"].pop("roc_auc"))
    assert "has no metric roc_auc" in denied(judged)["evaluate.roc_auc"]["reason"]
    edit(judged, "drift", lambda evidence: evidence.update(verdict="allow"))
    assert "breaks its schema at verdict" in denied(judged)["drift.target"]["reason"]


def test_trap_06_no_largest_value_is_taken_from_non_finite_values() -> None:
    # Given values of which one is not finite, in any order, then no largest is named
    for values in permutations([0.05, math.nan, 0.2]):
        named = dict(zip("abc", values, strict=True))
        with pytest.raises(Problem, match="not a finite number"):
            drift.largest(named)
