"""Every way to spoil evidence, policy or model is seen by `governance gate`, and its cause told."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from itertools import permutations
from pathlib import Path

import numpy as np
import other_engine
import pytest
from baked import BakedProject
from judging import (
    POLICY,
    Json,
    add_rule,
    add_waiver,
    denied,
    edit,
    reasons,
    refused,
    replace,
)

from governed_ml.core.problem import Problem
from governed_ml.measures import drift, fairness

GATES = "ingest validate split train evaluate drift fairness explain"


def test_the_finished_default_is_allowed(judged: BakedProject) -> None:
    # Given a finished pipeline, when the gate judges it, then it allows, without colours
    before = judged.read("reports/decision.json")
    done = judged.governance("gate", code=0)
    assert "allow" in done.stdout
    assert "\x1b" not in done.stdout
    # And the decision on disk stays as it was, since it says the same
    assert judged.read("reports/decision.json") == before
    # And the same as JSON
    assert json.loads(judged.call("gate", "--json").stdout)["verdict"] == "allow"


def test_a_denial_is_told_without_colours(judged: BakedProject) -> None:
    # Given a rule that is broken, when the gate's output goes to a pipe, or NO_COLOR is set
    replace(judged, POLICY, "block: 0.65", "block: 0.99")
    for variables in ({}, {"NO_COLOR": "1"}):
        done = judged.governance("gate", code=1, **variables)
        # Then the verdict and the rule can be read without escape codes
        assert "\x1b" not in done.stdout
        assert "deny" in done.stdout
        assert "evaluate.roc_auc" in done.stdout


# Trap 4: missing, empty, truncated, stale, of another model


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
    assert f"evidence of {gate} is stale: {table} is not the file that was measured" in reasons(
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


# Trap 5 and 6: what is no number


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", '"0.9"', "true"])
def test_trap_05_what_is_no_finite_number_denies(judged: BakedProject, value: str) -> None:
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


def test_trap_06_no_largest_of_what_is_not_finite() -> None:
    # Given values of which one is not finite, in any order, then no largest is named
    for values in permutations([0.05, math.nan, 0.2]):
        named = dict(zip("abc", values, strict=True))
        with pytest.raises(Problem, match="not a finite number"):
            drift.largest(named)


# Trap 7: an empty table, suite or column


HEADER = "amount,colour,sex,paid\n"


def from_csv(project: BakedProject, rows: str, suite: str) -> str:
    """Use a small table and contract, run the pipeline up to the contract; return its errors."""
    project.write("data/source/rows.csv", HEADER + rows)
    project.write("governance/expectations/rows.json", suite)
    data = [
        "name: rows",
        "task: classification",
        "source: {kind: file, path: data/source/rows.csv}",
        "target: paid",
        'positive: "yes"',
        "sensitive: {sex: {}}",
        "contract: governance/expectations/rows.json",
    ]
    project.write("conf/data/rows.yaml", "\n".join(data) + "\n")
    replace(project, "conf/config.yaml", "data: synthetic", "data: rows")
    done = project.run(["dvc", "repro", "validate"], code=None)
    assert done.returncode != 0, done.stdout
    decision = json.loads(project.read("reports/decision.json"))
    assert decision["verdict"] == "deny"
    assert "Traceback" not in done.stderr
    project.call("gate", code=1)
    return decision["rules"][0]["reason"]


ONE = json.dumps(
    {"expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "sex"}}]}
)
ROWS = "1,red,f,yes\n2,blue,m,no\n"
EMPTY_COLUMN = ROWS.replace("red", "").replace("blue", "")


@pytest.mark.parametrize(
    ("rows", "suite", "cause"),
    [
        ("", ONE, "no row"),
        (ROWS, '{"expectations": []}', "empty contract"),
        (EMPTY_COLUMN, ONE, "colour"),
    ],
    ids=["empty table", "empty suite", "empty column"],
)
def test_trap_07_emptiness_is_no_contract(
    judged: BakedProject, rows: str, suite: str, cause: str
) -> None:
    # Given an empty table, suite or column, when the pipeline runs, then it stops and names it
    assert cause in from_csv(judged, rows, suite)


# Trap 9: rules judged and rules expected


def test_trap_09_a_policy_without_rules_is_no_policy(judged: BakedProject) -> None:
    text = judged.read(POLICY)
    start, end = text.index("rules:\n"), text.index("# A waiver is")
    judged.write(POLICY, text[:start] + "rules: {}\n" + text[end:])
    assert "policy.rules" in refused(judged)


def test_trap_09_a_policy_of_which_no_rule_applies_denies(judged: BakedProject) -> None:
    text = judged.read(POLICY)
    start, end = text.index("rules:\n"), text.index("# A waiver is")
    rule = "{task: regression, metric: evaluate.r2, block: 1, owner: model-owner}"
    judged.write(POLICY, f"{text[:start]}rules:\n  evaluate.r2: {rule}\n{text[end:]}")
    assert "policy.complete" in denied(judged)


def test_trap_09_rules_over_unknown_features_stand(judged: BakedProject) -> None:
    # Given no evidence of the features, then rules over each feature are not just left out
    (judged.path / "reports/evidence/split.json").unlink()
    weak = denied(judged)
    assert {"drift.data[*]", "evaluate.leak[*]"} <= set(weak)


# Trap 10: one group, a tiny group, nobody selected


TABLES = {
    "one group": ([[[30, 10], [10, 50]]], "one group"),
    "an empty group": ([[[30, 10], [10, 50]], [[0, 0], [0, 0]]], "no test rows in group b"),
    "nobody selected": ([[[30, 0], [10, 0]], [[20, 0], [15, 0]]], "nobody is selected"),
    "no positives": ([[[30, 10], [0, 0]], [[20, 5], [15, 10]]], "no positives in group a"),
}


@pytest.mark.parametrize("case", TABLES)
def test_trap_10_what_cannot_be_compared_has_no_value_and_a_reason(case: str) -> None:
    # Given counts (group, label, prediction) that Fairlearn gives a number for
    counts, cause = TABLES[case]
    names = list("ab"[: len(counts)])
    metrics = fairness.measured(names, np.array(counts, dtype=np.int64), 0.95)
    # Then equalized odds has no value here, but the reason
    odds = metrics["equalized_odds_difference"]
    assert odds.value is None
    assert cause in odds.note


def test_trap_10_no_value_or_a_tiny_group_is_insufficient(judged: BakedProject) -> None:
    # Given fairness evidence of which one metric has no value, and another rests on five rows
    def spoil(evidence: Json) -> None:
        sex = "sex.demographic_parity_difference"
        evidence["metrics"][sex] = {"value": None, "n": 0, "note": "there is one group only: f"}
        evidence["metrics"]["age_group.demographic_parity_difference"]["n"] = 5

    edit(judged, "fairness", spoil)
    # Then both rules are insufficient, which denies
    weak = denied(judged)
    assert set(weak) == {
        "fairness.demographic_parity[sex]",
        "fairness.demographic_parity[age_group]",
    }
    assert {rule["verdict"] for rule in weak.values()} == {"insufficient"}
    assert "one group only" in weak["fairness.demographic_parity[sex]"]["reason"]
    assert "rests on 5 rows" in weak["fairness.demographic_parity[age_group]"]["reason"]


def test_trap_10_an_interval_rule_without_an_interval_is_insufficient(judged: BakedProject) -> None:
    def spoil(evidence: Json) -> None:
        metric = evidence["metrics"]["sex.demographic_parity_difference"]
        metric.update(lower=None, upper=None)

    edit(judged, "fairness", spoil)
    rule = denied(judged)["fairness.demographic_parity[sex]"]
    assert rule["verdict"] == "insufficient"
    # And bounds astride the limit are, too
    edit(
        judged,
        "fairness",
        lambda e: e["metrics"]["sex.demographic_parity_difference"].update(lower=0.0, upper=0.5),
    )
    rule = denied(judged)["fairness.demographic_parity[sex]"]
    assert rule["verdict"] == "insufficient"
    assert "more rows needed" in rule["reason"]


# Trap 11: expressions that cannot be evaluated


@pytest.mark.parametrize(
    "expression",
    [
        "evidence.fairness.nothing >= 1.0",
        "nothing == 1",
        "evidence.evaluate.champion_difference >= 0.0",
        "evidence.fairness.attributes >= 'one'",
        "params.deployment.region",
        "evidence.nogate.x < 1.0",
        "1 / 0 == 0",
    ],
)
@pytest.mark.parametrize("place", ["require", "when"])
def test_trap_11_an_expression_that_cannot_be_evaluated_is_a_failed_rule(
    judged: BakedProject, expression: str, place: str
) -> None:
    rest = "" if place == "require" else ", metric: evaluate.roc_auc, block: 1"
    add_rule(judged, "evaluate.asks", f'{{{place}: "{expression}"{rest}, owner: risk-owner}}')
    weak = denied(judged)
    assert weak.keys() == {"evaluate.asks"}
    assert weak["evaluate.asks"]["verdict"] == "fail"
    assert expression in weak["evaluate.asks"]["reason"]


def test_an_expression_that_is_false_fails_and_one_that_is_true_passes(
    judged: BakedProject,
) -> None:
    add_rule(
        judged,
        "evaluate.eu",
        "{require: \"params.deployment.region == 'EU'\", owner: risk-owner}",
    )
    judged.call("gate", code=0)
    replace(judged, "conf/config.yaml", "region: EU", "region: US")
    assert denied(judged).keys() == {"evaluate.eu"}


# Trap 12 and 14: what changed after the judge


def test_trap_12_the_gate_judges_by_the_policy_of_now(judged: BakedProject) -> None:
    # Given an allow on disk, when a limit changes and nothing is run
    replace(judged, POLICY, "block: 0.65", "block: 0.99")
    # Then the gate judges by it
    assert denied(judged).keys() == {"evaluate.roc_auc"}


def test_trap_12_a_changed_confidence_makes_bounds_stale(judged: BakedProject) -> None:
    replace(judged, POLICY, "confidence: 0.95", "confidence: 0.99")
    assert "evidence of fairness is stale: conf/ has changed" in reasons(denied(judged))


def test_trap_14_the_gate_is_red_where_dvc_status_exits_0(finished: BakedProject) -> None:
    # Given a changed table, for which plain `dvc status` exits 0
    with (finished.path / "data/split/test.parquet").open("ab") as file:
        file.write(b"\n")
    assert "modified" in finished.run(["dvc", "status"], code=0).stdout
    # Then the gate denies
    assert "data/split/test.parquet" in reasons(denied(finished))


# Waivers


def test_a_live_waiver_waives_and_an_expired_one_is_void(judged: BakedProject) -> None:
    # Given a broken rule and a live waiver, then it is waived, by whom is said, and allowed
    replace(judged, POLICY, "block: 0.65", "block: 0.99")
    add_waiver(judged, "evaluate.roc_auc", "2999-12-31")
    done = json.loads(judged.call("gate", "--json", code=0).stdout)
    [rule] = [r for r in done["rules"] if r["verdict"] == "waived"]
    assert rule["id"] == "evaluate.roc_auc"
    assert "2999-12-31 by @acme/risk" in rule["reason"]
    # When it has expired, then it is void
    replace(judged, POLICY, "2999-12-31", "2020-12-31")
    assert (
        "the waiver is void: it expired on 2020-12-31"
        in denied(judged)["evaluate.roc_auc"]["reason"]
    )


def test_a_waiver_covers_one_member_of_a_rule(judged: BakedProject) -> None:
    replace(
        judged,
        POLICY,
        "psi_quantile10\n    warn: 0.10\n    block: 0.25",
        "psi_quantile10\n    warn: -1\n    block: -1",
    )
    add_waiver(judged, "drift.data[income]", "2999-12-31")
    weak = denied(judged)
    assert "drift.data[savings]" in weak
    assert "drift.data[income]" not in weak


def test_a_waiver_does_not_cover_the_absence_of_evidence(judged: BakedProject) -> None:
    (judged.path / "reports/evidence/explain.json").unlink()
    add_waiver(judged, "explain.coverage", "2999-12-31")
    assert "a waiver covers a number" in denied(judged)["explain.coverage"]["reason"]


def test_a_waiver_for_an_unknown_rule_is_refused(judged: BakedProject) -> None:
    add_waiver(judged, "evaluate.roc_acu", "2999-12-31")
    assert "evaluate.roc_acu: no such rule" in refused(judged)


# The organisation's floor


FLOOR = """name: floor
confidence: 0.9
rules:
  - id: evaluate.roc_auc
    task: classification
    metric: evaluate.roc_auc
    bound: at_least
    block: 0.6
    owner: board
"""


def pin_floor(project: BakedProject, text: str) -> None:
    """Put the organisation's floor into the project and pin it."""
    project.write("governance/floor.yaml", text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    pin = f"floor: {{file: governance/floor.yaml, sha256: {digest}}}"
    project.write(POLICY, project.read(POLICY) + f"\n{pin}\n")


def test_the_floor_may_not_be_undercut(judged: BakedProject) -> None:
    # Given a floor that the policy is above, then it is allowed
    pin_floor(judged, FLOOR)
    judged.call("gate", code=0)
    # When the project's limit goes below it, then the gate denies and names the rule
    replace(judged, POLICY, "block: 0.65", "block: 0.5")
    weak = denied(judged)
    assert weak.keys() == {"floor.evaluate.roc_auc"}
    assert "block is 0.5, the floor has 0.6" in weak["floor.evaluate.roc_auc"]["reason"]


def test_a_waiver_does_not_reach_below_the_floor(judged: BakedProject) -> None:
    pin_floor(judged, FLOOR)
    replace(judged, POLICY, "block: 0.65", "block: 0.99")
    add_waiver(judged, "evaluate.roc_auc", "2999-12-31")
    assert "on the organisation's floor" in denied(judged)["evaluate.roc_auc"]["reason"]


def test_a_changed_floor_file_is_refused(judged: BakedProject) -> None:
    pin_floor(judged, FLOOR)
    replace(judged, "governance/floor.yaml", "block: 0.6", "block: 0.1")
    assert "not the pinned" in refused(judged)


# How the command is used


def test_one_gate_is_judged_alone_and_nothing_is_written(judged: BakedProject) -> None:
    # Given evidence of drift that is gone
    (judged.path / "reports/evidence/drift.json").unlink()
    before = judged.read("reports/decision.json")
    # Then fairness alone is allowed, drift alone is denied, and no decision is written
    found = json.loads(judged.call("gate", "fairness", "--json", code=0).stdout)
    assert {rule["id"].split(".")[0] for rule in found["rules"]} == {"fairness"}
    assert all(rule.split(".")[0] == "drift" for rule in denied(judged, "drift"))
    assert judged.read("reports/decision.json") == before


def test_an_unknown_gate_is_refused(judged: BakedProject) -> None:
    line = refused(judged, "fairnes")
    assert "fairnes" in line
    assert "fairness" in line.replace("'fairnes'", "")


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("block: 0.65", 'block: "0.65"', "policy.rules"),
        ("block: 0.65", "block: ten", "policy.rules"),
        ("block: 0.65", "block: true", "policy.rules"),
        ("block: 0.65", "block: .nan", "policy.rules"),
        ("block: 0.65", "blok: 0.65", "blok"),
        ("  evaluate.r2:", "  evaluate.roc_auc:", "found duplicate key evaluate.roc_auc"),
        ("rules:\n", "rules: [\n", "conf/"),
        ("confidence: 0.95", "confidence: 95", "policy.confidence"),
        ("  bound: at_least", "  bound: ${nothing}", "conf/"),
    ],
)
def test_a_policy_that_cannot_be_read_is_refused(
    judged: BakedProject, old: str, new: str, cause: str
) -> None:
    # Given an allow on disk, when the policy is no longer one
    replace(judged, POLICY, old, new)
    # Then the gate cannot judge, says what is wrong in one line, and leaves a deny
    assert cause in refused(judged)


def test_whatever_stops_the_gate_no_allow_is_left_standing(judged: BakedProject) -> None:
    # Given evidence on which a JSON reader gives up
    judged.write("reports/evidence/drift.json", "[" * 100_000)
    # Then the gate does not allow, in one line, and the decision on disk is a deny
    done = judged.call("gate", code=None)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert json.loads(judged.read("reports/decision.json"))["verdict"] == "deny"
    # And the same without the line's own file
    shutil.rmtree(judged.path / "conf")
    refused(judged)
