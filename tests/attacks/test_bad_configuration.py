"""What is wrong in `conf/` is refused in one line that names the key and what was meant."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta

import pytest
from baked import BakedProject
from people import (  # `before` and `project` are fixtures
    before,  # noqa: F401
    every_push,
    project,  # noqa: F401
    refused,
    replace,
)

from governed_ml.core.files import COMPOSED

pytestmark = pytest.mark.slow

DATA, POLICY = "conf/data/people.yaml", "conf/policy/base.yaml"
MODEL, CONFIG = "conf/model/logistic_regression.yaml", "conf/config.yaml"
SPLIT = "conf/split/random.yaml"
LIMIT = "metric: split.rows_test\n    bound: at_least\n    block: 1000"
ONE_LINE = "metric: split.rows_test, bound: at_least, block: 1000"
TARGET = "sklearn.linear_model.LogisticRegression"


def waiver(**changes: str) -> str:
    """The policy's waivers: one for a rule that is there, with some parts changed."""
    parts = {
        "rule": "split.test_rows",
        "reason": "a small table is what there is",
        "approved_by": "'@acme/risk'",
        "expires": "2030-01-31",
    } | changes
    return f"waivers: [{{{', '.join(f'{key}: {value}' for key, value in parts.items())}}}]"


def rule(name: str, text: str) -> tuple[str, str, str]:
    """An edit that adds a rule to the policy."""
    return POLICY, "rules:\n", f"rules:\n  {name}: {{{text}, owner: me}}\n"


NO_RULES = "policy.rules[split.test_rows].block: Input should be a "
Edit = tuple[str, str, str]
WRONG: dict[str, tuple[Edit, str]] = {  # case → file, old and new text; what is said
    "a key in data": ((DATA, "target:", "trget:"), "data.trget: no such key; did you mean target?"),
    "a key in source": (
        (DATA, "path:", "pth:"),
        "data.source.pth: no such key; did you mean path?",
    ),
    "a key in policy": (
        (POLICY, "confidence:", "confidense:"),
        "policy.confidense: no such key; did",
    ),
    "a key in a rule": (
        (POLICY, "block: 1000", "blok: 1000"),
        "policy.rules[split.test_rows].blok: no such key; did you mean block?",
    ),
    "a key in model": ((MODEL, "name:", "nmae:"), "model.nmae: no such key; did you mean name?"),
    "a key in split": (
        (SPLIT, "test_share", "share"),
        "split.share: no such key; did you mean test",
    ),
    "a key at the top": (
        (CONFIG, "seed:", "sead:"),
        "conf/: sead: no such key; did you mean seed?",
    ),
    "a member of a group": (
        (CONFIG, "model: logistic_regression", "model: logistic_regresion"),
        "no conf/model/logistic_regresion.yaml (did you mean logistic_regression?); correct",
    ),
    "a group": (
        (CONFIG, "- model:", "- modle:"),
        "the groups are data, model, split, policy",
    ),
    "no defaults": (
        (CONFIG, "defaults:", "default:"),
        "conf/config.yaml chooses no data: add `- data: NAME`",
    ),
    "a text as a limit": (
        (POLICY, LIMIT, LIMIT[:-4] + "'1000'"),
        NO_RULES + "valid number; it is '1",
    ),
    "a truth as a limit": (
        (POLICY, LIMIT, LIMIT[:-4] + "true"),
        NO_RULES + "valid number; it is True",
    ),
    "an infinite limit": (
        (POLICY, LIMIT, LIMIT[:-4] + ".inf"),
        NO_RULES + "finite number; it is inf",
    ),
    "no number as a limit": ((POLICY, LIMIT, LIMIT[:-4] + ".nan"), NO_RULES + "finite number"),
    "a rule twice": (rule("split.test_rows", ONE_LINE), "found duplicate key split.test_rows"),
    "CEL with a slip": (
        rule("a.b", "require: evidence..split"),
        "rule a.b: `evidence..split` is not valid CEL: 1:10: Syntax error",
    ),
    "CEL that is empty": (
        rule("a.b", "require: ''"),
        "rule a.b: `` is not valid CEL: 1:1: Syntax error",
    ),
    "a number for CEL": (
        rule("a.b", "require: 5"),
        "policy.rules[a.b].require: Input should be a",
    ),
    "a policy without noise": (
        (POLICY, "perturbation:\n  size: 0.05\n  tolerance: 0.25\n", ""),
        "policy limited has no section perturbation: ask the risk owner to add it",
    ),
    "noise of no size": (
        (POLICY, "size: 0.05", "size: 0"),
        "policy.perturbation.size: Input should",
    ),
    "weights that lack one": (
        (POLICY, "explain: 15}", "spare: 15}"),
        "risk.weights has no weight for explain, the gate of rule explain.coverage",
    ),
    "weights beyond 100": (
        (POLICY, "explain: 15}", "explain: 16}"),
        "risk.weights add up to 101, but must add up to 100",
    ),
    "a weight of nothing": ((POLICY, "explain: 15}", "explain: 0}"), "policy.risk.weights.explain"),
    "a waiver for no rule": (
        (POLICY, "waivers: []", waiver(rule="split.test_row")),
        "policy: a waiver names split.test_row, which is no rule of the policy",
    ),
    "a waiver until no day": (
        (POLICY, "waivers: []", waiver(expires="2030-02-30")),
        "policy.waivers[split.test_rows].expires: Input should be a valid date",
    ),
    "a waiver without a reason": (
        (POLICY, "waivers: []", waiver(reason="'          '")),
        "policy.waivers[split.test_rows].reason: String should have at least 10 characters",
    ),
    "no list of rules": ((POLICY, "rules:", "rules: null\nx:"), "policy.x: no such key"),
    "an empty section": ((DATA, "sex: {}", "sex:"), "data.sensitive.sex: Input should be a valid"),
    "a tab": (
        (DATA, "  kind:", "\tkind:"),
        "conf/data/people.yaml, line 4, column 1: found character",
    ),
    "YAML that is none": ((DATA, "target: paid", "target: [paid"), "conf/data/people.yaml, line 7"),
    "a key twice": (
        (DATA, "target:", "name: b\ntarget:"),
        "line 6, column 1: found duplicate key name",
    ),
    "an unknown estimator's home": (
        (MODEL, TARGET, "torch.nn.Module"),
        "is not from any of sklearn, ",
    ),
    "a call in an estimator": (
        (MODEL, "C: 1.0", "class_weight: {_target_: shutil.rmtree, path: data}"),
        "conf/model: estimator._target_ 'shutil.rmtree' is not from any of sklearn, ",
    ),
    "a negative seed": ((CONFIG, "seed: 2026", "seed: -1"), "conf/: seed: Input should be greater"),
    "a label for a bin that is not there": (
        (DATA, "sex: {}", "sex: {bins: [1], labels: {1: f}}"),
        "data.sensitive.sex: labels names '1', but with bins the groups are <1, >=1, missing: name",
    ),
}


@pytest.mark.parametrize(
    "case",
    every_push(
        WRONG,
        "a key in data",
        "a key in a rule",
        "a key in model",
        "a key at the top",
        "a member of a group",
        "a text as a limit",
        "an infinite limit",
        "a rule twice",
        "CEL with a slip",
        "a policy without noise",
        "weights that lack one",
        "a waiver for no rule",
        "a tab",
        "an unknown estimator's home",
        "a call in an estimator",
    ),
)
def test_a_slip_in_conf_is_refused_and_named(
    case: str,
    project: BakedProject,  # noqa: F811
) -> None:
    # Given a configuration with one thing wrong, when it is composed
    (name, old, new), said = WRONG[case]
    replace(project, name, old, new)
    composed = [project.read(name) for name in COMPOSED]
    # Then the line names the key, and what is composed stays as it was
    assert said in refused(project, "compose")
    assert [project.read(name) for name in COMPOSED] == composed


FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": (DATA, b"", "conf/config.yaml chooses no data: add `- data: NAME` under `defaults`"),
    "nothing but a comment": (
        "conf/policy/limited.yaml",
        b"# later\n",
        "conf/config.yaml chooses no policy: add `- policy: NAME`",
    ),
    "a list": (DATA, b"- a\n", "conf/: data: Input should be a valid dictionary"),
    "Latin-1": (DATA, "name: Zürich".encode("latin-1"), "conf/data/people.yaml is not UTF-8"),
    "binary": (
        DATA,
        b"\0\1",
        "unacceptable character #x0000: special characters are not allowed in",
    ),
}


@pytest.mark.parametrize("case", every_push(FILES, "empty"))
def test_an_unreadable_file_in_conf_is_refused(
    case: str,
    project: BakedProject,  # noqa: F811
) -> None:
    # Given a file under conf/ that cannot be read, when it is composed, then the line names it
    name, content, said = FILES[case]
    (project.path / name).write_bytes(content)
    assert said in refused(project, "compose")


def test_a_missing_conf_is_refused(project: BakedProject) -> None:  # noqa: F811
    # Given no conf/ at all, when it is composed, then the line says what to do
    shutil.rmtree(project.path / "conf")
    assert "conf/config.yaml is missing: restore it with git" in refused(project, "compose")


def test_an_invalid_policy_stops_dvc_and_leaves_a_deny(finished: BakedProject) -> None:
    # Given a finished pipeline that is allowed, and a slip in its policy
    assert json.loads(finished.read("reports/decision.json"))["verdict"] == "allow"
    replace(finished, POLICY, "block: 1000", "blok: 1000")
    # When the pipeline runs
    done = finished.run(["dvc", "repro"], code=255)
    # Then it stops at once, names the key of the rule, and leaves a deny; so does the gate
    assert "compose: conf/: policy.rules[split.test_rows].blok: no such key" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    [rule] = json.loads(finished.read("reports/decision.json"))["rules"]
    assert rule["id"] == "compose.stopped"
    assert "policy.rules[split.test_rows].blok" in finished.call("gate", code=2).stderr


def test_a_rule_about_an_unmeasured_metric_denies(finished: BakedProject) -> None:
    # Given a rule about a metric that no evidence has, and a waiver that ran out yesterday
    for edit in (
        rule("evaluate.b", "metric: evaluate.roc_acu, block: 0.1"),
        rule("split.d", ONE_LINE),
    ):
        replace(finished, *edit)
    replace(finished, POLICY, "block: 1000", "block: 1000000000")
    yesterday = str(date.today() - timedelta(days=1))  # noqa: DTZ011 - a day is enough
    replace(finished, POLICY, "waivers: []", waiver(rule="split.d", expires=yesterday))
    # When the pipeline runs, then both are named in the decision, and the gate denies
    finished.call("stage", "compose")
    finished.call("stage", "decide")
    rules = {r["id"]: r for r in json.loads(finished.read("reports/decision.json"))["rules"]}
    assert rules["evaluate.b"]["verdict"] == "insufficient"
    assert "evaluate has no metric roc_acu" in rules["evaluate.b"]["reason"]
    assert rules["split.d"]["verdict"] == "fail"
    assert yesterday in rules["split.d"]["reason"]
    finished.call("gate", code=1)
