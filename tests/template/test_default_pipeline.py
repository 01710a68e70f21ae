"""The pipeline as a team runs it: what is allowed, what re-runs after an edit, what is compared."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from pathlib import Path

import baked
import pytest
import yaml
from baked import Bake, BakedProject
from people import every_push

from governed_ml.core.files import COMPOSED

pytestmark = pytest.mark.slow

STAGES = "compose ingest validate split train evaluate drift fairness explain document decide"
TRAIN_AND_LATER = set(STAGES.split()[4:])
CLASSIFIER = "conf/model/hist_gradient_boosting_classifier.yaml"
GATES = "ingest validate split train evaluate drift fairness explain"
TIERS = ("minimal", "limited", "high")


def repro(project: BakedProject) -> set[str]:
    """Run `dvc repro` and return the stages that ran."""
    done = project.run(["dvc", "repro"])
    return set(re.findall(r"Running stage '(\w+)'", done.stdout))


def replace(project: BakedProject, name: str, old: str, new: str) -> None:
    """Edit a file of a project; the old text must be there."""
    text = project.read(name)
    assert old in text, f"{name} has no {old!r}"
    project.write(name, text.replace(old, new))


def decision(project: BakedProject) -> dict:
    """The decision on disk."""
    return json.loads(project.read("reports/decision.json"))


def choose_tier(project: BakedProject, tier: str) -> None:
    """Choose another risk tier and its policy in `conf/config.yaml`."""
    text = project.read("conf/config.yaml")
    text = re.sub(r"(?m)^  - policy: \w+$", f"  - policy: {tier}", text)
    project.write(
        "conf/config.yaml", re.sub(r"(?m)^  risk_tier: \w+$", f"  risk_tier: {tier}", text)
    )


def assert_allowed(project: BakedProject, tier: str) -> None:
    """The decision is allow, no rule even warned, and the gate agrees outside DVC."""
    found = decision(project)
    weak = [rule for rule in found["rules"] if rule["verdict"] != "pass"]
    assert found["verdict"] == "allow", weak
    assert not weak
    done = project.governance("gate", "--json", code=0)
    judged = json.loads(done.stdout)
    assert judged["verdict"] == "allow"
    assert len(judged["rules"]) > 15
    composed = yaml.safe_load(project.read("params.yaml"))
    policy = json.loads(project.read("policy.json"))["policy"]
    assert policy["name"] == composed["project"]["risk_tier"] == tier


def test_the_default_is_allowed_under_every_tier_for_classification(finished: BakedProject) -> None:
    # Given the finished default pipeline (limited), it is allowed
    assert_allowed(finished, "limited")
    for tier in ("minimal", "high"):
        # When only tier and policy change
        choose_tier(finished, tier)
        ran = repro(finished)
        # Then no model is trained anew, and it is allowed with every rule passed
        assert "train" not in ran
        assert "decide" in ran
        assert_allowed(finished, tier)


@pytest.mark.nightly
@pytest.mark.parametrize("tier", ["minimal", "limited", "high"])
def test_the_default_is_allowed_under_every_tier_for_regression(
    tier: str, bake_runnable: Bake
) -> None:
    # Given a regression project, when its pipeline runs, then it is allowed
    project = bake_runnable(task="regression", risk_tier=tier)
    project.stages()
    assert_allowed(project, tier)


def test_a_second_repro_runs_nothing(finished: BakedProject) -> None:
    # Given a pipeline that ran and was committed, when `dvc repro` runs again
    # Then no stage runs, DVC says so, and git sees no change
    assert repro(finished) == set()
    assert baked.git(finished.path, "status", "--porcelain") == ""


def test_after_a_run_git_sees_results_and_no_data(project_after_run: BakedProject) -> None:
    # Given a pipeline that ran, and a commit of all that git then saw
    changed = baked.git(
        project_after_run.path, "show", "--format=", "--name-only", "HEAD"
    ).splitlines()
    # Then that commit holds the lock, the composed parameters and reports: no row of data, no model
    assert {"dvc.lock", *COMPOSED, "reports/decision.json"} <= set(changed)
    others = [n for n in changed if not n.startswith("reports/")]
    assert set(others) <= {"dvc.lock", *COMPOSED, "code.json", "uv.lock"}
    suffixes = {Path(name).suffix for name in changed}
    assert suffixes <= {".json", ".md", ".csv", ".lock", ".yaml"}
    assert not [
        name for name in project_after_run.files if name.endswith((".parquet", ".skops", ".db"))
    ]


def test_a_comment_in_conf_reruns_only_compose(finished: BakedProject) -> None:
    # Given a finished pipeline, when a comment is added to the policy in force
    policy = "conf/policy/limited.yaml"
    finished.write(policy, finished.read(policy) + "# read by the board on Monday\n")
    # Then only `compose` runs, whose result is the same; and the gate still allows
    assert repro(finished) == {"compose"}
    finished.governance("gate", code=0)


def test_trap_12_a_changed_limit_reruns_the_judge_only(finished: BakedProject) -> None:
    # Given a finished pipeline, when a limit changes
    replace(finished, "conf/policy/base.yaml", "block: 0.65", "block: 0.99")
    # Then compose and decide run, the model is denied, and the difference can be seen
    assert repro(finished) == {"compose", "decide"}
    found = decision(finished)
    assert found["verdict"] == "deny"
    assert [r["id"] for r in found["rules"] if r["verdict"] == "fail"] == ["evaluate.roc_auc"]
    shown = json.loads(finished.run(["dvc", "params", "diff", "--json"]).stdout)
    assert "0.65" in str(shown)
    assert "0.99" in str(shown)
    assert [key for key in shown["policy.json"] if key.startswith("policy.rules")]


@pytest.mark.nightly
def test_an_edit_of_the_model_reruns_training_and_later(
    finished: BakedProject, project_after_run: BakedProject
) -> None:
    # Given a finished pipeline that was moved to another folder with its MLflow store
    shutil.copy(project_after_run.path / "mlflow.db", finished.path)
    # When the model's configuration changes
    replace(finished, CLASSIFIER, "max_iter: 100", "max_iter: 5")
    # Then what comes before training does not run
    assert repro(finished) == {"compose", *TRAIN_AND_LATER}
    # And metrics are compared side by side with the last commit, and the changed parameter named
    compared = json.loads(finished.run(["dvc", "metrics", "diff", "--json"]).stdout)
    moved = compared.get("reports/metrics.json", compared)
    assert {"evaluate.roc_auc", "drift.prediction.psi_quantile10"} <= set(moved)
    assert "fairness.sex*age_group.demographic_parity_difference" in moved
    assert moved["evaluate.roc_auc"]["diff"] < 0
    table = finished.run(["dvc", "metrics", "diff"]).stdout
    assert "evaluate.roc_auc" in table
    assert "model.estimator.max_iter" in finished.run(["dvc", "params", "diff"]).stdout
    # And the new run's files are in this folder, not in the one that the store came from
    assert list((finished.path / "mlruns").rglob("model.skops"))
    assert len(list((project_after_run.path / "mlruns").rglob("model.skops"))) == 1


ANOTHER_ENGINE = """
import sys
from governed_ml.core.code import engine, stage_code
changed, digest = (stage_code.ENGINE / sys.argv[1]).resolve(), stage_code.file_digest
assert changed.is_file()
engine.digest = lambda: "sha256:0"
stage_code.file_digest = lambda path: "sha256:0" if path.resolve() == changed else digest(path)
sys.argv = ["governance", "stage", "compose"]
from governed_ml.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("changed", "reruns"),
    [("policy/expected_rules.py", {"decide"}), ("measures/drift.py", {"drift", "decide"})],
)
def test_trap_12_another_engine_reruns_just_what_its_code_concerns(
    finished: BakedProject, changed: str, reruns: set[str]
) -> None:
    # Given a finished pipeline, and an engine in which one module is another
    finished.run(["python", "-c", ANOTHER_ENGINE, changed])
    # Then what imports it would run again, and the judge: nothing is trained
    said = finished.run(["dvc", "repro", "--dry"]).stdout
    assert set(re.findall(r"Running stage '(\w+)'", said)) - {"compose"} == reruns


def test_plots_show_a_roc_curve_and_calibration(finished: BakedProject) -> None:
    # Given a finished pipeline, when its plots are drawn
    finished.run(["dvc", "plots", "show", "--out", "plots"])
    # Then the page holds a ROC curve and the calibration, with their axes
    page = finished.read("plots/index.html")
    for word in ("ROC curve", "false_positive_rate", "Calibration", "predicted"):
        assert word in page, word


@pytest.mark.nightly  # on every push: test_a_training_run_is_logged_whole
def test_a_sweep_logs_all_runs_in_the_one_store(finished: BakedProject) -> None:
    # Given a finished pipeline and a queue of two learning rates of a small model
    replace(finished, CLASSIFIER, "max_iter: 100", "max_iter: 5")
    sweep = f"{CLASSIFIER}:estimator.learning_rate=0.05,0.2"
    for name, value in (("user.name", "Test"), ("user.email", "test@example.org")):
        baked.git(finished.path, "config", name, value)  # DVC commits experiments
    finished.run(["dvc", "exp", "run", "--queue", "-S", sweep])
    # When the queue runs, in DVC's scratch copies
    finished.run(["dvc", "exp", "run", "--run-all"])
    # Then both are in the project's one store, with their parameter and metrics
    with sqlite3.connect(finished.path / "mlflow.db") as store:
        rates = store.execute(
            "SELECT value FROM params WHERE key = 'model.estimator.learning_rate'"
        ).fetchall()
        scored = store.execute(
            "SELECT count(DISTINCT run_uuid) FROM metrics WHERE key LIKE '%roc_auc'"
        ).fetchall()
    assert sorted(rates) == [("0.05",), ("0.2",)]
    assert scored == [(2,)]
    assert not list((finished.path / ".dvc" / "tmp" / "exps").rglob("mlflow.db"))
    # And DVC compares the two by their metrics
    shown = finished.run(["dvc", "exp", "show", "--csv"]).stdout
    assert "0.05" in shown
    assert "evaluate.roc_auc" in shown


def test_a_training_run_is_logged_whole(project_after_run: BakedProject) -> None:
    # Given the run that the default pipeline logged
    code = """
import json
from mlflow.tracking import MlflowClient
client = MlflowClient("sqlite:///mlflow.db")
experiment = [e for e in client.search_experiments() if e.name != "Default"][0]
[run] = client.search_runs([experiment.experiment_id])
[model] = client.search_logged_models([experiment.experiment_id])
print(json.dumps({
    "status": run.info.status,
    "params": run.data.params,
    "metrics": run.data.metrics,
    "tags": run.data.tags,
    "inputs": [[i.dataset.name, i.dataset.digest] for i in run.inputs.dataset_inputs],
    "model": model.artifact_location,
}))
"""
    logged = json.loads(project_after_run.run(["python", "-c", code]).stdout.splitlines()[-1])
    # Then it has parameters, data by digest, metrics, and the model as skops with a signature
    assert logged["status"] == "FINISHED"
    assert logged["params"]["model.estimator.max_iter"] == "100"
    assert logged["metrics"]["roc_auc"] > 0.7
    evidence = json.loads(project_after_run.read("reports/evidence/train.json"))
    assert logged["tags"]["model_digest"] == evidence["subject"]["model"]
    digest = evidence["subject"]["inputs"]["data/split/train.parquet"].removeprefix("sha256:")
    assert ["train", digest[:36]] in logged["inputs"]
    assert len(logged["inputs"]) == 2
    folder = Path(logged["model"].removeprefix("file://"))
    assert (folder / "model.skops").is_file()
    assert "signature:" in (folder / "MLmodel").read_text(encoding="utf-8")
    assert not list(folder.rglob("*.pkl"))


@pytest.mark.nightly  # on every push: test_two_trainings_give_one_digest
def test_two_runs_of_one_commit_measure_the_same(
    project_after_run: BakedProject, environment: Path, tmp_path: Path
) -> None:
    # Given the commit that the finished line started from, cloned into another folder
    first = baked.git(project_after_run.path, "rev-list", "--max-parents=0", "HEAD")
    clone = tmp_path / "elsewhere" / "again"
    baked.git(project_after_run.path, "clone", "--quiet", ".", str(clone))
    baked.git(clone, "checkout", "--quiet", first)
    again = BakedProject(clone, environment, {"DVC_SITE_CACHE_DIR": str(tmp_path / "site")})
    again.write("uv.lock", project_after_run.read("uv.lock"))  # as `uv run` would leave it
    # When its pipeline runs there, in other processes and with another hash seed
    again.run(["dvc", "repro"], PYTHONHASHSEED="4711")
    # Then all evidence is the same but for what is declared volatile, the model's digest included
    for gate in GATES.split():
        name = f"reports/evidence/{gate}.json"
        assert without_volatile(again, name) == without_volatile(project_after_run, name), gate
    # And the cards, the metrics, the plots and the decision's subject are the same, byte for byte
    for name in project_after_run.files:
        if name.startswith("reports/") and "evidence" not in name and "decision" not in name:
            assert again.read(name) == project_after_run.read(name), name
    assert decision(again) | {"volatile": 0} == decision(project_after_run) | {"volatile": 0}


def without_volatile(project: BakedProject, name: str) -> str:
    """An evidence file's text without the lines of its last object, `volatile`."""
    text = project.read(name)
    content = json.loads(text)
    volatile = content.pop("volatile")
    assert (
        text
        == json.dumps(
            content | {"volatile": volatile}, indent=2, sort_keys=True, ensure_ascii=False
        )
        + "\n"
    )
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)


FAULTS = {"income_nulls": "income", "schema_break": "income", "pii": "purpose"}


@pytest.mark.parametrize("fault", every_push(FAULTS, "income_nulls"))
def test_trap_37_a_broken_contract_stops_the_line_and_leaves_a_deny(
    finished: BakedProject, fault: str
) -> None:
    # Given a finished pipeline that was allowed, and a fault in its data
    assert decision(finished)["verdict"] == "allow"
    replace(finished, "conf/data/synthetic.yaml", "rows: 110000", "rows: 20000")
    replace(finished, "conf/data/synthetic.yaml", "faults: []", f"faults: [{fault}]")
    # When the pipeline runs
    done = finished.run(["dvc", "repro"], code=None)
    # Then it stops at the contract, names the column, and the allow on disk has become a deny
    assert done.returncode != 0
    ran = set(re.findall(r"Running stage '(\w+)'", done.stdout))
    assert "train" not in ran
    assert "Traceback" not in done.stderr
    found = decision(finished)
    assert found["verdict"] == "deny"
    assert found["rules"][0]["id"] in ("validate.stopped", "ingest.stopped")
    assert FAULTS[fault] in found["rules"][0]["reason"]
    assert FAULTS[fault] in done.stderr
    # And no data is there for `git add --all` to take
    seen = baked.git(finished.path, "status", "--porcelain", "--untracked-files=all")
    assert not [n for n in seen.splitlines() if n.endswith((".parquet", ".skops", ".html"))]
    # And the gate denies, too
    finished.governance("gate", code=1)


@pytest.mark.nightly
def test_trap_37_after_the_repair_the_line_allows_again(finished: BakedProject) -> None:
    # Given a line that stopped at its contract
    suite = "governance/expectations/synthetic.json"
    right = finished.read(suite)
    replace(finished, suite, '"max_value": 1000000, "min_value": 1000', '"min_value": 900000')
    assert finished.run(["dvc", "repro"], code=None).returncode != 0
    assert decision(finished)["verdict"] == "deny"
    # When the contract is corrected and the pipeline runs again
    finished.write(suite, right)
    ran = repro(finished)
    # Then it is judged again and allowed, and no model was trained for it
    assert {"validate", "decide"} <= ran
    assert "train" not in ran
    assert decision(finished)["verdict"] == "allow"
    finished.governance("gate", code=0)


@pytest.mark.parametrize(
    ("line", "stage", "message"),
    [
        ("def broken(:", "compose", "training.py, line LAST: invalid syntax"),
        ("import nothing_there", "train", "ModuleNotFoundError: No module named 'nothing_there'"),
    ],
)
def test_trap_37_a_stage_that_cannot_even_be_imported_leaves_a_deny(
    finished: BakedProject, line: str, stage: str, message: str
) -> None:
    # Given a finished pipeline, and code of the team's that cannot be parsed or imported
    helper = f"src/{finished.package}/training.py"
    finished.write(helper, finished.read(helper) + line + "\n")
    message = message.replace("LAST", str(finished.read(helper).count("\n")))
    # When the pipeline runs
    done = finished.run(["dvc", "repro"], code=None)
    # Then it stops there in one line, and no earlier allow is left
    assert done.returncode != 0
    assert f"{stage}: " in done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    found = decision(finished)
    assert found["verdict"] == "deny"
    assert [rule["id"] for rule in found["rules"]] == [f"{stage}.stopped"]
