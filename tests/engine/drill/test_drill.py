"""`governance drill`: every known fault is caught, and a check that is broken lets its own through.

The table of broken checks (`broken`) is the proof that the drill can fail: each is an edit of a
module of the engine, after which the fault bound to it has to come through.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import baked
import breaking
import edited_engine
import pytest
import tables
from baked import Bake, BakedProject, once
from disabled_checks import DISABLED

from governed_ml.checks import run as checks
from governed_ml.checks.files import data_in_git, hygiene
from governed_ml.checks.identifiers import national_ids as ids
from governed_ml.drill import fault, run
from governed_ml.drill.command_result import CommandResult, Sign
from governed_ml.drill.faults import files, people
from governed_ml.drill.faults import tables as planted

FILES = [one.name for many in run.FILES for one in many.FAULTS]  # by `governance check NAME`
QUICK = (
    *("generated-file", "notebook", "secret", "unclean-file", "data-in-git", "silent-workflow"),
    *("pii", "pii-feature"),
)
EVIDENCE = ("missing-evidence", "stale-evidence", "nan-evidence", "expired-waiver")
ISSUE = {  # the words of the issue
    *("schema", "nulls", "drift", "bias", "subgroup", "proxy", "leak", "pii", "missing-evidence"),
    *("stale-evidence", "nan-evidence", "forged-lock", "edited-ledger", "cut-ledger"),
    *("reordered-ledger", "rewritten-ledger", "emptied-ledger", "moved-alias", "forged-tag"),
    *("expired-waiver", "replayed-approval", "tampered-model", "generated-file"),
    *("empty-batch", "stale-batch", "lost-column", "drifted-batch", "group-shift", "unwatched"),
}


def drill(project: BakedProject, *faults: str, code: int | None = 0) -> dict[str, dict[str, str]]:
    """Plant faults; return fault → what became of it."""
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
    assert set(DISABLED) == set(run.FAULTS)
    assert len({one.about for one in run.FAULTS.values()}) == len(run.FAULTS)


def test_each_disabled_check_is_a_single_edit_of_a_module() -> None:
    for module, old, new in (edit for edits in DISABLED.values() for edit in edits):
        text = edited_engine.source(f"governed_ml.{module}")
        assert text.count(old) == 1, (module, old)
        compile(text.replace(old, new), module, "exec")  # it is broken, and it runs
        assert old != new


def test_every_check_has_a_fault_that_has_every_kind_that_it_knows() -> None:
    # Given the checks, then each is what a fault is there for
    named = {one.command[1] for one in run.FAULTS.values() if one.command[0] == "check"}
    assert named == set(checks.CHECKS)
    # And what they tell by tables is planted, row by row
    texts = [data for data, _ in planted.TEXTS.values()]
    contents = [data.encode() if isinstance(data, str) else data for data in texts]
    contents += [mark + planted.NOISE for mark in planted.MARKS]
    contents += [data for data, _ in planted.archives().values()]
    for place, mark, what in data_in_git.MARKS:
        assert any(one[place : place + len(mark)] == mark for one in contents), what
    for mark, what in data_in_git.WORDS:
        assert any(one.startswith(mark.encode()) for one in contents), what
    written = [(text.replace("~", ""), kind) for text, kind in people.IDENTIFIERS]
    for row in ids.IDS:
        mine = [text for text, kind in written if kind == row.name]
        told = [text for text in mine if not row.words or ids.words(row).search(text)]
        assert any(ids.pattern(row).search(text) for text in told), row
    assert len(files.HYGIENE) > len(hygiene.TOOLS)


def said(code: int, *rules: tuple[str, float | None, str]) -> object:
    """The answer of a gate that denies by these rules."""
    values = [
        {"id": name, "verdict": "fail", "value": value, "reason": why} for name, value, why in rules
    ]
    return CommandResult(code, json.dumps({"rules": values}), "")


def test_a_fault_counts_as_caught_only_for_its_own_reason() -> None:
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


def test_only_new_output_lines_count_as_catching_a_fault() -> None:
    sign = Sign("broken at event 3")
    line = CommandResult(1, "wrong: broken at event 3 (abc)\n", "")
    assert fault.judged(sign, CommandResult(0, "whole\n", ""), line)[0]
    assert not fault.judged(sign, line, line)[0]
    assert not fault.judged(
        sign, CommandResult(0, "", ""), CommandResult(1, "wrong: broken at event 2\n", "")
    )[0]


def test_each_of_several_signs_must_be_reported() -> None:
    # Given a fault that spoils two things, of which the command tells one
    sign, clean = Sign(("one is torn", "two is torn")), CommandResult(0, "", "")
    half = CommandResult(1, "one is torn\n", "")
    # Then it got through, and the reason names the other
    told = "the command reported 1 of 2 signs of the fault, but not: "
    assert fault.judged(sign, clean, half) == (False, f"{told}two is torn")
    # And what was said before does not count
    both = CommandResult(1, "one is torn\ntwo is torn\n", "")
    assert fault.judged(sign, half, both) == (False, f"{told}one is torn")
    assert fault.judged(sign, clean, both) == (True, "one is torn (and 1 more)")
    # And of a gate's rules likewise
    rules = said(1, ("drift.data[x]", 0.5, "one is torn")), said(1, ("a.b", 0.5, "two is torn"))
    assert not fault.judged(sign, said(0), rules[0])[0]
    assert not fault.judged(sign, said(0), rules[1])[0]


def test_an_unknown_fault_is_reported_in_one_line(project: BakedProject, environment: Path) -> None:
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


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["caught", "not applicable"], 0),
        (["caught", "got through", "not planted"], 1),
        (["caught", "not planted"], 2),
    ],
)
def test_the_exit_code_says_whether_every_fault_was_caught(states: list[Any], code: int) -> None:
    told = {"about": "", "traps": (), "reason": ""}
    outcomes = [fault.FaultOutcome(fault=state, state=state, **told) for state in states]
    assert fault.Tally(outcomes).exit_code == code


@pytest.fixture(scope="session")
def small(
    template: Path, environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> BakedProject:
    """The default project with fewer rows, after its pipeline ran; not to be changed."""

    def make(folder: Path) -> None:
        made = baked.bake(template, folder, environment)
        conf = "conf/data/synthetic.yaml"
        made.write(conf, made.read(conf).replace("110000", "20000"))
        made.run(["dvc", "repro"], DVC_SITE_CACHE_DIR=str(folder / "site"))
        baked.commit_all(made.path, "The pipeline ran")

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
        project.call("contract", "draft")
    # When everything is planted, then everything is caught; rows of Adult have no date
    undated = "no column has the date of a row, so nothing can tell that a batch is old"
    missing = [("stale-batch", "not applicable", undated)] if name == "adult" else []
    assert not_caught(drill(project).values()) == missing


def break_each(project: BakedProject, names: Iterable[str]) -> None:
    """Plant faults in one copy: each is caught there, and not where a part of its check is off."""
    done = project.run(["python", breaking.__file__, *names])
    found = [breaking.Tried(*json.loads(line)) for line in done.stdout.splitlines()]
    tried = [(one.fault, one.part) for one in found]
    assert tried == [(name, part) for name in names for part in range(-1, len(DISABLED[name]))]
    wrong = [
        (
            one.fault,
            "whole" if one.part < 0 else DISABLED[one.fault][one.part],
            one.reason,
            one.failed,
        )
        for one in found
        if one.wrong
    ]
    assert wrong == []


@pytest.mark.nightly
@pytest.mark.slow
def test_each_broken_part_of_a_check_of_files_lets_its_fault_through(
    project_after_run: BakedProject,
) -> None:
    # Given a project, when the checks of single files are broken there, one part at a time
    # Then the drill's fault gets through each time, for the reason that it names
    break_each(project_after_run, QUICK)


@pytest.mark.nightly
@pytest.mark.slow
def test_each_broken_part_of_the_gate_lets_its_fault_through(
    project_after_run: BakedProject,
) -> None:
    # Given a project, when what judges its evidence is broken there, one part at a time
    # Then the drill's fault gets through each time
    break_each(project_after_run, EVIDENCE)


@pytest.mark.nightly
def test_each_broken_part_of_a_check_of_the_whole_lets_its_fault_through(
    small: BakedProject,
) -> None:
    # Given a project, when what looks at more than a file is broken there, one part at a time
    # Then the drill's fault gets through each time
    break_each(small, [name for name in FILES if name not in QUICK])


@pytest.mark.nightly
@pytest.mark.parametrize("state", ["measured", "registered", "promoted"])
def test_each_broken_part_of_a_measurement_or_the_registry_lets_its_fault_through(
    small: BakedProject, state: str
) -> None:
    # Given a project, when what measures, registers and watches it is broken, one part at a time
    others = [one for one in run.FAULTS.values() if one.name not in FILES and one.state == state]
    # Then the drill's fault gets through each time
    break_each(small, [one.name for one in others])
