"""`governance drill`: every known fault is caught, and a check that is broken lets its own through.

The table of broken checks is the proof that the drill can fail: each is an edit of the project's
code, committed there, after which the fault bound to it has to come through.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import baked
import pytest
import tables
from baked import BakedProject
from conftest import Bake, once
from template_package import module
from test_gate import judged  # noqa: F401 - a fixture

fault, run = module("drill.fault"), module("drill.run")
Said, Sign = fault.Said, fault.Sign
EVIDENCE = ("missing-evidence", "stale-evidence", "nan-evidence", "expired-waiver")
ISSUE = {  # the words of the issue
    *("schema", "nulls", "drift", "bias", "subgroup", "proxy", "leak", "pii", "missing-evidence"),
    *("stale-evidence", "nan-evidence", "forged-lock", "edited-ledger", "cut-ledger"),
    *("reordered-ledger", "rewritten-ledger", "emptied-ledger", "moved-alias", "forged-tag"),
    *("expired-waiver", "replayed-approval", "tampered-model", "governed-file"),
    *("empty-batch", "stale-batch", "lost-column", "drifted-batch", "group-shift", "unwatched"),
}
BROKEN = {  # fault → file, code, code that lets it through
    "schema": ("pipeline/validate.py", "if not one.success]", "if one.success is None]"),
    "nulls": ("pipeline/outcomes.py", 'float(one["kwargs"].get("mostly", 1.0))', "0.0"),
    "drift": ("pipeline/drift.py", "Metric(value=index, n", "Metric(value=index and 0.0, n"),
    "bias": ("governance/rules.py", "sizes = range(1,", "sizes = range(2,"),
    "subgroup": (
        "governance/rules.py",
        "range(1, len(self.attributes) + 1)",
        "range(1, 2)",
    ),
    "proxy": ("measures/proxies.py", "Metric(value=score,", "Metric(value=0.5,"),
    "leak": (
        "measures/leaks.py",
        "return max(area, 1 - area)\n\n\ndef exp",
        "return 0.5\n\n\ndef exp",
    ),
    "missing-evidence": (
        "governance/policy.py",
        'return Answer("insufficient", found, absent=True)\n    metric',
        'return Answer("pass", found, absent=True)\n    metric',
    ),
    "stale-evidence": ("governance/gate.py", "if cache[path] != digest:", "if not digest:"),
    "nan-evidence": (
        "evidence.py",
        "value: FiniteFloat | None\n    lower",
        "value: float | None\n    lower",
    ),
    "expired-waiver": ("governance/policy.py", "if today > waiver.expires:", "if today is None:"),
    "forged-lock": (
        "governance/measured.py",
        "            require_same(gate, claimed, found)\n",
        "            require_same(gate, found, found)\n",
    ),
    "governed-file": (
        "checks/governed_files.py",
        "found = _differences(base, commit)",
        "found = []",
    ),
    "data-in-git": (
        "checks/data_in_git.py",
        "for name, why in found if why]",
        "for name, why in found if not name]",
    ),
    "notebook": ("checks/notebooks.py", 'if name.lower().endswith(".ipynb"):', "if not name:"),
    "silent-workflow": ("checks/workflows.py", "        if silent:\n", "        if not part:\n"),
    "pii": ("checks/pii.py", "if not allowed(", "if not name and not allowed("),
    "pii-column": ("checks/pii_columns.py", "if len(hits) >= SHARE", "if not hits and SHARE"),
    "edited-params": (
        "checks/config.py",
        "    if not (base / PARAMS).is_file():\n        return\n",
        "    if base:\n        return\n",
    ),
    "frozen-stage": ("checks/lineage.py", "        if stage.frozen:\n", "        if not name:\n"),
    "stale-lock": ("checks/lineage.py", "elif md5 not in (None, out.md5):", "elif not path:"),
    "edited-evidence": ("checks/lineage.py", "elif md5 not in (None, out.md5):", "elif not path:"),
    "edited-ledger": (
        "governance/chain.py",
        "event.previous == (GENESIS if before is None else before.event.digest())",
        "bool(event.previous)",
    ),
    "cut-ledger": ("governance/ledger_check.py", 'return f"cut off', 'return "" and f"cut off'),
    "reordered-ledger": (
        "governance/chain.py",
        "(event.sequence == number,",
        "(event.sequence > 0,",
    ),
    "rewritten-ledger": ("governance/ledger_check.py", "if here != anchor.commit:", "if not here:"),
    "emptied-ledger": ("governance/ledger_check.py", 'return f"emptied', 'return "" and f"emptied'),
    "moved-alias": ("governance/reconcile.py", "if ledgers != registrys:", "if alias is None:"),
    "forged-tag": (
        "governance/reconcile.py",
        "            if tags.get(tag) != value\n        ]",
        "            if tag is None\n        ]",
    ),
    "replayed-approval": (
        "governance/approvals.py",
        "if getattr(approval, name) != bound[name]:",
        "if name not in bound:",
    ),
    "empty-batch": (
        "monitoring/window.py",
        "if rows < limits.minimum_rows:",
        "if rows < 0:",
    ),
    "stale-batch": (
        "monitoring/window.py",
        "if age > limits.maximum_age_days:",
        "if age < 0:",
    ),
    "lost-column": (
        "monitoring/window.py",
        "for name in features if name in given.new.lost]",
        "for name in features if not name]",
    ),
    "drifted-batch": (
        "monitoring/reference.py",
        "Metric(value=left, n=n,",
        "Metric(value=0.0, n=n,",
    ),
    "group-shift": ("monitoring/levels.py", "            count += 1\n", "            count += 0\n"),
    "unwatched": (
        "governance/liveness.py",
        "if days <= limits.liveness_days:",
        "if days >= 0:",
    ),
    "tampered-model": (
        "governance/signing.py",
        "    if not signature.is_file():\n",
        "    if signature:\n        return\n    if not signature.is_file():\n",
    ),
}


def drill(project: BakedProject, *faults: str, code: int | None = 0) -> dict[str, dict[str, str]]:
    """Spring faults; return fault → what became of it."""
    done = project.governance("drill", "--json", *faults, code=code)
    assert "Traceback" not in done.stderr
    return {one["fault"]: one for one in json.loads(done.stdout)["faults"]}


def not_caught(outcomes: Iterable[dict[str, str]]) -> list[tuple[str, str, str]]:
    """The faults that nothing caught, and what was said."""
    lost = [one for one in outcomes if one["state"] != "caught"]
    return [(one["fault"], one["state"], one["reason"]) for one in lost]


def test_the_drill_has_every_fault_of_the_issue_and_a_broken_check_for_each() -> None:
    # Given the drill's table, then what was asked for is in it, each with its own command and words
    assert set(run.FAULTS) >= ISSUE
    assert set(BROKEN) == set(run.FAULTS)
    assert len({one.about for one in run.FAULTS.values()}) == len(run.FAULTS)


def test_each_broken_check_is_one_edit_of_the_template(project: BakedProject) -> None:
    for name, old, _ in BROKEN.values():
        assert project.read(f"src/{project.package}/{name}").count(old) == 1, (name, old)


def said(code: int, *rules: tuple[str, float | None, str]) -> object:
    """The answer of a gate that denies by these rules."""
    values = [
        {"id": name, "verdict": "fail", "value": value, "reason": why} for name, value, why in rules
    ]
    return Said(code, json.dumps({"rules": values}), "")


def test_only_red_for_the_right_reason_counts() -> None:
    sign, clean = Sign("moved", "drift.data[x]"), said(0)
    red = ("drift.data[x]", 0.5, "moved by 0.5")
    # Given a gate that denies by the fault's rule and words, then the fault was caught
    assert fault.judged(sign, clean, said(1, red))[0]
    # And not: green, by another rule, by another reason, or when it said so before
    assert not fault.judged(sign, clean, said(0))[0]
    assert not fault.judged(sign, clean, said(1, ("drift.data[y]", 0.5, "moved")))[0]
    assert not fault.judged(sign, clean, said(1, ("drift.data[x]", None, "is missing")))[0]
    assert not fault.judged(sign, said(1, red), said(1, red))[0]
    # But if the number is worse than it was, it was
    worse = ("drift.data[x]", 0.9, "moved by 0.9")
    assert fault.judged(sign, said(1, red), said(1, worse))[0]


def test_what_a_command_says_in_lines_counts_once_and_only_if_it_is_new() -> None:
    sign = Sign("broken at event 3")
    line = Said(1, "wrong: broken at event 3 (abc)\n", "")
    assert fault.judged(sign, Said(0, "whole\n", ""), line)[0]
    assert not fault.judged(sign, line, line)[0]
    assert not fault.judged(sign, Said(0, "", ""), Said(1, "wrong: broken at event 2\n", ""))[0]


def test_an_unknown_fault_is_said_in_a_line(project: BakedProject, environment: Path) -> None:
    # Given a project, when a misspelt fault is asked for, then there is a line with the right one
    runnable = BakedProject(project.path, environment)
    done = runnable.governance("drill", "cut-leger", code=2)
    assert done.stderr == "governance: no fault 'cut-leger': did you mean cut-ledger?\n"
    # And the list names every fault and the command that has to see it
    listed = runnable.governance("drill", "--list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == list(run.FAULTS)
    assert all("`governance " in line or "`dvc repro " in line for line in listed)


def everything(project: BakedProject) -> dict[str, bytes]:
    """Every file of a project but for compiled Python."""
    files = (path for path in project.path.rglob("*") if path.is_file())
    return {str(one): one.read_bytes() for one in files if "__pycache__" not in one.parts}


def broken(project: BakedProject, name: str) -> None:
    """Break the check that is bound to a fault, and commit that."""
    file, old, new = BROKEN[name]
    path = f"src/{project.package}/{file}"
    text = project.read(path)
    assert text.count(old) == 1
    project.write(path, text.replace(old, new))
    baked.commit_all(project.path, "A little change")


@pytest.mark.slow
def test_faults_in_the_evidence_are_caught_and_the_repository_is_left_alone(
    finished: BakedProject,
) -> None:
    # Given a finished project, with something that is in no commit yet
    finished.write("notes.txt", "mine\n")
    before = everything(finished)
    # When faults are planted in its evidence, then each is caught
    assert not_caught(drill(finished, *EVIDENCE).values()) == []
    # And nothing of the project has changed
    assert everything(finished) == before
    # And where the gate does not hash again what was measured, the drill fails
    broken(finished, "stale-evidence")
    assert drill(finished, "stale-evidence", code=1)["stale-evidence"]["state"] == "got through"


@pytest.fixture(scope="session")
def small(
    template: Path, environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> BakedProject:
    """The default project with fewer rows, after its line ran; not to be changed."""

    def make(folder: Path) -> None:
        made = baked.bake(template, folder, environment)
        conf = "conf/data/synthetic.yaml"
        made.write(conf, made.read(conf).replace("170000", "20000"))
        made.run(["dvc", "repro"], DVC_SITE_CACHE_DIR=str(folder / "site"))
        baked.commit_all(made.path, "The line ran")

    folder = once(tmp_path_factory, "drill-small", make)
    return BakedProject(folder / "governed-model", environment)


@pytest.mark.nightly
def test_every_fault_is_caught_on_the_default_project(finished: BakedProject) -> None:
    assert not_caught(drill(finished).values()) == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["small", "adult", "regression"])
def test_every_fault_is_caught(
    name: str, small: BakedProject, bake_runnable: Bake, tmp_path: Path
) -> None:
    # Given a project that has not run yet, on the synthetic book, on Adult (denied), a regression
    if name == "small":
        project = baked.copy_project(small, tmp_path)
    elif name == "regression":
        project = bake_runnable(task="regression")
    else:
        table = next(one for one in tables.REAL if one.name == name)
        if not table.path.is_file():
            pytest.skip(f"no {table.path}: name the folder of the real tables in GOVERNED_ML_DATA")
        project = bake_runnable()
        table.configure(project)
        project.run(["dvc", "repro", "ingest"])
        project.governance("contract", "draft")
    # When everything is planted, then everything is caught
    assert not_caught(drill(project).values()) == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_check_lets_its_fault_through(
    name: str, small: BakedProject, tmp_path: Path
) -> None:
    # Given a project in which somebody has broken one check
    project = baked.copy_project(small, tmp_path)
    shutil.rmtree(project.path / ".dvc" / "tmp", ignore_errors=True)
    broken(project, name)
    # When the fault is planted that it is there for, then the drill says that it got through
    assert drill(project, name, code=1)[name]["state"] == "got through"
