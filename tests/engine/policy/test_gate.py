"""Every way to spoil evidence, policy or model is seen by `governance gate`, and its cause told."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from baked import BakedProject, git
from judging import (
    POLICY,
    Json,
    add_rule,
    denied,
    edit,
    reasons,
    refused,
    replace,
)

from governed_ml.measures import fairness


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


def test_a_denial_is_printed_without_colours_in_a_pipe(judged: BakedProject) -> None:
    # Given a rule that is broken, when the gate's output goes to a pipe, or NO_COLOR is set
    replace(judged, POLICY, "block: 0.65", "block: 0.99")
    for variables in ({}, {"NO_COLOR": "1"}):
        done = judged.governance("gate", code=1, **variables)
        # Then the verdict and the rule can be read without escape codes
        assert "\x1b" not in done.stdout
        assert "deny" in done.stdout
        assert "evaluate.roc_auc" in done.stdout


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
        (ROWS, '{"expectations": []}', "has no expectation"),
        (EMPTY_COLUMN, ONE, "colour"),
    ],
    ids=["empty table", "empty suite", "empty column"],
)
def test_trap_07_an_empty_table_suite_or_column_fails_the_contract(
    judged: BakedProject, rows: str, suite: str, cause: str
) -> None:
    # Given an empty table, suite or column, when the pipeline runs, then it stops and names it
    assert cause in from_csv(judged, rows, suite)


def test_trap_09_a_policy_without_rules_is_refused(judged: BakedProject) -> None:
    text = judged.read(POLICY)
    start, end = text.index("rules:\n"), text.index("# A waiver is")
    judged.write(POLICY, text[:start] + "rules: {}\n" + text[end:])
    assert "policy.rules" in refused(judged)


def test_trap_09_a_policy_with_no_applicable_rule_denies(judged: BakedProject) -> None:
    text = judged.read(POLICY)
    start, end = text.index("rules:\n"), text.index("# A waiver is")
    rule = "{task: regression, metric: evaluate.r2, block: 1, owner: model-owner}"
    judged.write(POLICY, f"{text[:start]}rules:\n  evaluate.r2: {rule}\n{text[end:]}")
    assert "policy.complete" in denied(judged)


def test_trap_09_rules_over_unknown_features_are_not_dropped(judged: BakedProject) -> None:
    # Given no evidence of the features, then rules over each feature are not just left out
    (judged.path / "reports/evidence/split.json").unlink()
    weak = denied(judged)
    assert {"drift.data[*]", "evaluate.leak[*]"} <= set(weak)


TABLES = {
    "one group": ([[[30, 10], [10, 50]]], "one group"),
    "an empty group": ([[[30, 10], [10, 50]], [[0, 0], [0, 0]]], "no test rows in group b"),
    "nobody selected": ([[[30, 0], [10, 0]], [[20, 0], [15, 0]]], "nobody is selected"),
    "everybody selected": ([[[0, 30], [0, 10]], [[0, 20], [0, 15]]], "the model selects every row"),
    "a perfect answer": (
        [[[30, 0], [0, 10]], [[20, 0], [0, 15]]],
        "every positive is selected and no negative is selected: equalized odds cannot be compared",
    ),
    "no positives": ([[[30, 10], [0, 0]], [[20, 5], [15, 10]]], "no positives in group a"),
}


@pytest.mark.parametrize("case", TABLES)
def test_trap_10_a_metric_that_cannot_be_compared_is_null_with_a_reason(case: str) -> None:
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


def test_trap_12_the_gate_judges_by_the_policy_of_now(judged: BakedProject) -> None:
    # Given an allow on disk, when a limit changes and nothing is run
    replace(judged, POLICY, "block: 0.65", "block: 0.99")
    # Then the gate judges by it
    assert denied(judged).keys() == {"evaluate.roc_auc"}


def test_trap_12_a_changed_confidence_makes_bounds_stale(judged: BakedProject) -> None:
    replace(judged, POLICY, "confidence: 0.95", "confidence: 0.99")
    assert "evidence of fairness is stale: conf/ has changed" in reasons(denied(judged))


def test_trap_14_the_gate_denies_a_change_that_dvc_status_misses(finished: BakedProject) -> None:
    # Given a changed table, for which plain `dvc status` exits 0
    with (finished.path / "data/split/test.parquet").open("ab") as file:
        file.write(b"\n")
    assert "modified" in finished.run(["dvc", "status"], code=0).stdout
    # Then the gate denies
    assert "data/split/test.parquet" in reasons(denied(finished))


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


def test_a_clone_without_data_keeps_the_committed_decision(judged: BakedProject) -> None:
    # Given a clone of an allow, without its data
    assert git(judged.path, "status", "--porcelain") == ""
    clone = BakedProject(judged.path.parent / "clone", judged.environment, judged.variables)
    git(judged.path, "clone", "--quiet", str(judged.path), str(clone.path))
    before = clone.read("reports/decision.json")
    # When the gate judges there, then it says no, and that the committed decision stays
    done = clone.governance("gate", code=1)
    assert "deny" in done.stdout
    assert "this clone has no data, so reports/decision.json stays as committed" in done.stdout
    assert clone.read("reports/decision.json") == before
    assert git(clone.path, "status", "--porcelain") == ""
    # And where anything was changed, or a table is here, the deny is written
    clone.write("README.md", clone.read("README.md") + "more\n")
    assert "stays as committed" not in clone.governance("gate", code=1).stdout
    assert json.loads(clone.read("reports/decision.json"))["verdict"] == "deny"
    git(clone.path, "checkout", "--quiet", ".")
    shutil.copytree(judged.path / "data", clone.path / "data", dirs_exist_ok=True)
    clone.governance("gate", code=1)
    assert json.loads(clone.read("reports/decision.json"))["verdict"] == "deny"


def test_no_error_in_the_gate_leaves_an_earlier_allow(judged: BakedProject) -> None:
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
