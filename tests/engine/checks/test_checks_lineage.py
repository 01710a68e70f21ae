"""`governance check lineage`: what changed since the last run is named before the commit."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import baked
import other_engine
import pytest
import registry
import yaml
from baked import BakedProject
from editing import Edit, appended, hold, read, replaced

pytestmark = pytest.mark.slow

GATES = ("ingest", "validate", "split", "train", "evaluate", "drift", "fairness", "explain")


def another(version: str) -> str:
    """The version after one."""
    head, _, last = version.rpartition(".")
    return f"{head}.{int(last) + 1}"


def bumped(project: BakedProject, name: str) -> tuple[Edit, str]:
    """An edit of a package's version in `uv.lock`, and how it is told."""
    text = read(project, "uv.lock")
    found = re.search(rf'name = "{name}"\nversion = "([^"]+)"', text)
    assert found
    new = found[0].replace(found[1], another(found[1]))
    return {"uv.lock": text.replace(found[0], new)}, f"{name} {found[1]} → {another(found[1])}"


def exchanged(project: BakedProject, name: str) -> Edit:
    """An edit of `uv.lock` in which a package's files have other digests."""
    text = read(project, "uv.lock")
    head, mark, tail = text.partition(f'name = "{name}"\nversion = ')
    own, end, rest = tail.partition("\n[[package]]\n")
    other = own.replace('hash = "sha256:', 'hash = "sha256:0')
    assert other != own
    return {"uv.lock": head + mark + other + end + rest}


def pipeline(project: BakedProject, stage: str, **change: Any) -> Edit:
    """An edit of one stage in `dvc.yaml`."""
    values = yaml.safe_load(project.read("dvc.yaml"))
    values["stages"][stage] |= change
    return {"dvc.yaml": yaml.safe_dump(values)}


def md5(text: str) -> str:
    """DVC's digest of a file."""
    content = text.encode("utf-8", "surrogateescape")
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def forged(project: BakedProject) -> Edit:
    """Fairer evidence, and a lock into which it was committed by hand, as `dvc commit -f` does."""
    name = "reports/evidence/fairness.json"
    evidence = json.loads(project.read(name))
    metric = evidence["metrics"]["sex.demographic_parity_difference"]
    metric |= {"value": 0.0001, "lower": 0.0, "upper": 0.001}
    text = json.dumps(evidence, indent=2)
    lock = project.read("dvc.lock").replace(md5(read(project, name)), md5(text))
    return {name: text, "dvc.lock": lock}


def other_dependency(project: BakedProject) -> Edit:
    """A lock in which one stage read another table than was written."""
    lock = yaml.safe_load(project.read("dvc.lock"))
    split = next(d["md5"] for d in lock["stages"]["drift"]["deps"] if d["path"] == "data/split")
    head, stage, tail = project.read("dvc.lock").partition("\n  drift:\n")
    return {"dvc.lock": head + stage + tail.replace(split, "0" * 32 + ".dir", 1)}


@pytest.fixture(scope="module")
def ran(project_after_run: BakedProject, tmp_path_factory: pytest.TempPathFactory) -> BakedProject:
    """The default project after its pipeline ran, with the lock of the environment it ran in."""
    project = baked.copy_project(
        project_after_run, tmp_path_factory.mktemp("lineage"), ".dvc/cache"
    )
    assert project_after_run.environment
    shutil.copy(project_after_run.environment / "uv.lock", project.path / "uv.lock")
    baked.git(project.path, "add", "uv.lock")
    baked.git(project.path, "commit", "--quiet", "--amend", "--no-edit")
    return project


def cases(project: BakedProject) -> dict[str, tuple[Edit, list[str]]]:
    """Name → edits, and what is to be said: of one file, by its name, with a reason."""
    source = f"src/{project.package}"
    policy, train = "conf/policy/base.yaml", f"{source}/training.py"
    tool, told = bumped(project, "scikit-learn")
    deep, told_deep = bumped(project, "scipy")
    mine = "the team's tools are no part of the line"
    limit = "policy.rules[drift.data].block 0.25 → 0.3 since decide ran"
    return {
        "nothing": ({}, []),
        "a line of code": (
            appended(project, train, "\n# another line\n"),
            [f"{train}: it changed since train ran"],
        ),
        "a line of code that several stages import": (
            appended(project, f"{source}/__init__.py", "\n# another line\n"),
            [f"{source}/__init__.py: it changed since ingest, train ran"],
        ),
        "a line of code that no stage imports": ({f"{source}/ours.py": "A = 1\n"}, []),
        "a byte of the ingested table": (
            appended(project, "data/raw.parquet", "x"),
            ["data/raw.parquet: it is not what ingest wrote"],
        ),
        "a limit": (
            replaced(project, policy, "block: 0.25", "block: 0.3"),
            [f"{policy}: {limit}"],
        ),
        "words in conf/": (appended(project, policy, "# a comment\n"), []),
        "a parameter of the model": (
            replaced(project, "conf/model/hist_gradient_boosting_classifier.yaml", "0.", "0.0"),
            ["conf/model/hist_gradient_boosting_classifier.yaml: model.estimator."],
        ),
        "a value of the data": (
            replaced(project, "conf/data/synthetic.yaml", "rows: 110000", "rows: 110001"),
            ["conf/data/synthetic.yaml: data.source.rows 110000 → 110001 since ingest"],
        ),
        "the composition": (
            replaced(project, "params.yaml", "seed: 2026", "seed: 2027"),
            ["params.yaml: it is not what compose wrote"],
        ),
        "a version": (tool, [f"uv.lock: {told} since train, evaluate, fairness, explain ran"]),
        "a version of what a dependency needs": (deep, [f"uv.lock: {told_deep} since ingest"]),
        mine: (bumped(project, "ruff")[0], []),
        "a bound": (
            replaced(project, "pyproject.toml", "scikit-learn>=1.9", "scikit-learn>=1.9.1"),
            ["pyproject.toml: it asks for scikit-learn <1.10,>=1.9.1, and uv.lock was made before"],
        ),
        "a bound that is only written otherwise": (
            replaced(
                project, "pyproject.toml", "scikit-learn>=1.9,<1.10", "scikit-learn >= 1.9, <1.10"
            ),
            [],
        ),
        "other files of the same version": (
            exchanged(project, "scikit-learn"),
            ["uv.lock: the files of scikit-learn changed under the same version since ingest"],
        ),
        "another Python": (
            {".python-version": "3.9\n"},
            [f".python-version: {project.read('.python-version').strip()} → 3.9 since ingest"],
        ),
        "a module that is imported by the package's name": (
            appended(project, train, f"\nimport {project.package}.sources\n")
            | appended(project, f"{source}/sources.py", "\n# another line\n"),
            [
                f"{train}: it changed since train",
                f"{source}/sources.py: it changed since ingest, train",
            ],
        ),
        "code outside of the package": (
            appended(project, train, "\nimport helper\n") | {"helper.py": "A = 1\n"},
            [f"Problem: {train} imports helper, whose code is not part of any digest"],
        ),
        "no environment": ({"uv.lock": None}, ["uv.lock: it is missing"]),
        "a contract": (
            replaced(project, "governance/expectations/synthetic.json", "{", "{ "),
            ["governance/expectations/synthetic.json: it changed since validate, evaluate ran"],
        ),
        "a stage that is frozen": (
            pipeline(project, "fairness", frozen=True),
            ["dvc.yaml: stage fairness is frozen"],
        ),
        "a stage that runs something else": (
            pipeline(project, "fairness", cmd="cp a b"),
            ["dvc.yaml: stage fairness runs", "dvc.lock: stage fairness"],
        ),
        "a stage that was cut loose": (
            pipeline(project, "fairness", deps=["LICENSE"]),
            ["dvc.yaml: stage fairness ran with other dependencies"],
        ),
        "evidence written by hand": (
            replaced(project, "reports/evidence/fairness.json", '"value"', '"value" '),
            ["reports/evidence/fairness.json: it is not what fairness wrote"],
        ),
        "evidence that is not there": (
            {"reports/evidence/fairness.json": None},
            ["reports/evidence/fairness.json: it is missing, but fairness wrote it"],
        ),
        "a lock that does not follow from itself": (
            other_dependency(project),
            ["dvc.lock: drift read data/split with other content than split wrote"],
        ),
        "a lock that is torn": ({"dvc.lock": "stages: ["}, ["Problem: dvc.lock is not readable"]),
        "no lock": (
            {"dvc.lock": None},
            [
                f"{name}: exists, but dvc.lock does not"
                for name in (
                    *(f"reports/evidence/{gate}.json" for gate in GATES),
                    *("reports/decision.json", "reports/metrics.json"),
                    *("reports/model_card.md", "reports/model_card.json", "reports/data_card.md"),
                    *("reports/data_card.json", "params.yaml", "policy.json", "code.json"),
                )
            ],
        ),
        "a decision written by hand": (
            replaced(project, "reports/decision.json", '"verdict": "pass"', '"verdict": "warn"'),
            ["reports/decision.json: it is not what the policy makes of the evidence: rules["],
        ),
        "forged evidence and a forged lock": (
            forged(project),
            ["reports/decision.json: it is not what the policy makes of the evidence"],
        ),
    }


@pytest.mark.nightly
def test_trap_13_trap_15_each_change_alone_is_named(ran: BakedProject) -> None:
    # Given a project whose line ran, when one thing changes in it, then that is said, by its name
    hold(ran, "lineage", cases(ran))


def test_another_engine_than_the_one_that_measured_is_named(
    ran: BakedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a project whose line ran, when its engine has another helper of one measurement
    other_engine.edit("measures/fairness.py", tmp_path, monkeypatch)
    # Then the engine is named with the stage that it measured
    hold(ran, "lineage", {"nothing of ours": ({}, ["the engine: it changed since fairness ran"])})


def test_without_the_data_the_digests_have_to_make_one_chain(
    ran: BakedProject, tmp_path: Path
) -> None:
    # Given a clone without the data
    clone = tmp_path / "clone"
    baked.git(tmp_path, "clone", "--quiet", str(ran.path), str(clone))
    project = BakedProject(clone, ran.environment)
    assert not project.has_file("data/raw.parquet")
    evidence = json.loads(project.read("reports/evidence/split.json"))
    digest = evidence["subject"]["inputs"]["data/raw.parquet"]
    name = "reports/evidence/split.json"
    edits = replaced(project, name, digest, "sha256:" + "0" * 64)
    lock = project.read("dvc.lock").replace(md5(read(project, name)), md5(str(edits[name])))
    code = f"src/{project.package}/training.py"
    # When it is looked at, then what is in git is enough to see what does not fit
    hold(
        project,
        "lineage",
        {
            "nothing": ({}, []),
            "code": (
                appended(project, code, "# another\n"),
                [f"{code}: it changed since train ran"],
            ),
            "another table": (
                edits | {"dvc.lock": lock},
                [f"evidence of {gate} is stale" for gate in ("split", "train", "drift", "explain")],
            ),
            "a source that nobody ran": (
                {"data/source/.gitkeep": "x"},
                ["data/source/.gitkeep: it changed since ingest ran"],
            ),
        },
    )


def test_a_repository_that_has_not_run_yet_claims_nothing(
    project: BakedProject, environment: Path
) -> None:
    # Given a fresh project, when it is looked at, then there is nothing to find
    fresh = BakedProject(project.path, environment)
    done = fresh.governance("check", "lineage,config,pushed")
    assert done.stderr == ""


def test_a_denied_model_may_be_committed(ran: BakedProject, tmp_path: Path) -> None:
    # Given a policy that the model cannot keep
    project = baked.copy_project(ran, tmp_path)
    name = "conf/policy/base.yaml"
    project.write(name, project.read(name).replace(registry.LIMIT, "block: 0.99"))
    done = project.call("check", "lineage", code=1)
    assert "policy.rules[evaluate.roc_auc].block 0.65 → 0.99 since decide ran" in done.stderr
    # When the pipeline ran with it
    project.run(["dvc", "repro", "--quiet"])
    assert json.loads(project.read("reports/decision.json"))["verdict"] == "deny"
    # Then there is nothing to find, and that it denies is a result
    project.call("check", "lineage")
