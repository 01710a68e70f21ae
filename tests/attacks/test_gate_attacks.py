"""Ways to a wrong allow that a reviewer found, each tried on a finished project and closed."""

from __future__ import annotations

import json
import math

import pytest
from baked import BakedProject
from judging import denied, edit, reasons, refused


def test_a_policy_beside_its_file_is_refused(judged: BakedProject) -> None:
    # Given a `policy:` in conf/config.yaml, which is composed over that of conf/policy/
    text = judged.read("conf/config.yaml")
    judged.write("conf/config.yaml", text + "\npolicy: {rules: {explain.coverage: {block: 0.1}}}\n")
    # When the gate composes anew, then it refuses to judge by it
    assert "limits may be set in conf/policy/ only" in refused(judged)


def test_the_risk_tier_is_the_policy_that_judges(judged: BakedProject) -> None:
    # Given another policy chosen, when the gate judges, then the tier on record is that policy's
    text = judged.read("conf/config.yaml")
    judged.write("conf/config.yaml", text.replace("- policy: limited", "- policy: minimal"))
    judged.call("stage", "compose")
    judged.call("stage", "document")
    card = json.loads(judged.read("reports/model_card.json"))
    assert card["project"]["risk_tier"] == "minimal"


def test_evidence_that_leaves_out_its_table_denies(judged: BakedProject) -> None:
    # Given drift evidence that names a harmless file in place of the tables it is about
    digest = {"reports/evidence/split.json": "sha256:0"}
    edit(judged, "drift", lambda found: found["subject"].update(inputs=digest))
    # When the gate judges, then it is no evidence of drift
    assert "does not cover data/split/train.parquet" in reasons(denied(judged))


def test_a_value_outside_its_bounds_is_no_evidence(judged: BakedProject) -> None:
    # Given a large gap with bounds around zero, when the gate judges, then the schema refuses it
    forged = {"value": 0.9, "lower": 0.0, "upper": 0.01}
    name = "sex.demographic_parity_difference"
    edit(judged, "fairness", lambda found: found["metrics"][name].update(forged))
    assert "outside its own bounds" in reasons(denied(judged))


def test_a_champion_that_came_later_has_to_be_compared(judged: BakedProject) -> None:
    # Given a champion that lies there since the evaluation, when the gate judges
    (judged.path / "models" / "champion" / "model.skops").write_bytes(b"not a model")
    # Then the evaluation is stale
    assert "does not cover models/champion/model.skops" in reasons(denied(judged))


def test_a_rule_in_cel_names_the_missing_evidence(judged: BakedProject) -> None:
    # Given no evidence of evaluate, when the gate judges, then the CEL rule says so in words
    (judged.path / "reports" / "evidence" / "evaluate.json").unlink()
    rule = denied(judged)["evaluate.champion"]
    assert rule["verdict"] == "insufficient"
    assert "evaluate.json is missing" in rule["reason"]


def test_without_dvc_yaml_no_allow_is_left(judged: BakedProject) -> None:
    # Given a project without its pipeline, when the gate is asked, then it cannot judge and denies
    (judged.path / "dvc.yaml").unlink()
    assert "no dvc.yaml" in refused(judged)


def test_judging_one_gate_says_that_it_is_no_decision(judged: BakedProject) -> None:
    # Given one gate by name, when it passes, then the screen says that nothing was decided
    done = judged.call("gate", "explain", code=0)
    assert "only explain judged, so no decision was written" in done.stdout


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_trap_06_one_value_that_is_not_finite_denies_in_any_order(
    judged: BakedProject,
    place: str,
) -> None:
    # Given one PSI that is no number, among many that are small, in any order
    names = list(json.loads(judged.read("reports/evidence/drift.json"))["metrics"])
    name = names[{"first": 0, "middle": len(names) // 2, "last": -1}[place]]
    edit(judged, "drift", lambda found: found["metrics"][name].update(value=math.nan))
    # When the gate judges, then no rule about drift passes on what is left, the largest included
    weak = denied(judged)
    assert f"breaks its schema at metrics.{name}.value" in weak["drift.target"]["reason"]
    assert {"drift.target", "drift.prediction"} <= set(weak)


def test_rules_with_the_same_cause_share_one_row(judged: BakedProject) -> None:
    # Given evidence that is gone, on which many rules rest
    (judged.path / "reports" / "evidence" / "fairness.json").unlink()
    # When the gate is read on a screen, then the cause stands there once, with a path to follow
    done = judged.call("gate", code=1, COLUMNS="160")
    cause = "reports/evidence/fairness.json is missing: run `uv run dvc repro`"
    assert done.stdout.count(cause) == 1
    assert "fairness.declared and 17 more" in done.stdout
    assert str(judged.path) not in done.stdout
    # And `--all` has every rule in a row of its own
    every = judged.call("gate", "--all", code=1, COLUMNS="160")
    assert every.stdout.count(cause) == 18
