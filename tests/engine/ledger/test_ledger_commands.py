"""People and programs can read the ledger: show, verify and export."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import baked
import chains
import pytest
from chains import Repository, ledger

# What people see


@pytest.fixture
def seen(project: baked.BakedProject, tmp_path: Path) -> baked.BakedProject:
    """A project with a ledger, run by the interpreter of the tests."""
    target = shutil.copytree(project.path, tmp_path / "project")
    made = chains.configured(target)
    made.git("config", "user.email", "ann@example.org")
    digests = {"data": "sha256:" + "a" * 64, "policy": "sha256:" + "b" * 64}
    ledger.append(target, "registered", version=1, subject=digests, reason="see [red]x[/] \x1b[31m")
    approvals = [
        {"approver": "Bo", "roles": ["risk-owner"]},
        {"approver": "Cy", "roles": ["model-owner"]},
    ]
    ledger.append(target, "approved", version=1, subject=digests, approvals=approvals)
    ledger.append(target, "registered", version=2, decision={"verdict": "allow"})
    return baked.BakedProject(target)


@pytest.fixture
def whole(project: baked.BakedProject, tmp_path: Path) -> baked.BakedProject:
    """A project whose ledger has three events that count."""
    target = shutil.copytree(project.path, tmp_path / "whole")
    chains.configured(target)
    for _ in range(3):
        ledger.append(target, "reconciled", reason="see for yourself")
    return baked.BakedProject(target)


def say(project: baked.BakedProject, *words: str, code: int = 0) -> str:
    """Run `governance ledger` and return all that it printed."""
    words = (sys.executable, "-m", "governed_ml", "ledger", *words)
    variables = {"PYTHONIOENCODING": "utf-8", "COLUMNS": "180"}
    done = baked.run_plain(list(words), project.path, code, **variables)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_show_answers_who_approved_what_on_which_data(seen: baked.BakedProject) -> None:
    # Given a ledger, when it is shown
    lines = say(seen, "show").splitlines()
    # Then each event is a line, without what a terminal would obey
    assert len(lines) == 5 + 3
    assert lines[0].split()[:6] == ["#", "time", "(UTC)", "actor", "action", "version"]
    assert re.search(
        r"1 +\d{4}.* ann@example.org +registered +1 +a{12} +b{12} +see \[red\]x", lines[1]
    )
    assert "\x1b" not in lines[1]
    assert re.search(r"approved +1 +a{12} +b{12} +Bo, Cy", lines[2])
    # And those that are void are named below, with the reason
    assert re.search(r"event 1 \(\w+\) is void: it registers a version and names no name", lines[4])
    assert "it is illegal: version 1 is not in the ledger" in lines[5]
    # And of one version everything, in full
    text = say(seen, "show", "--version", "1")
    assert re.search(r"approved by +Bo as risk-owner\n", text)
    assert re.search(r"signed +no\n", text)
    assert re.search(r"\n  data +sha256:a{64}\n", text)
    assert re.search(r"\n  policy +sha256:b{64}\n", text)
    assert not re.search(r"version +2", text)
    assert json.loads(say(seen, "show", "--version", "2", "--json"))[0]["event"]["version"] == 2
    assert "the ledger has no event of version 9" in say(seen, "show", "--version", "9", code=1)


@pytest.mark.slow
def test_verify_has_an_exit_code_for_each_answer(whole: baked.BakedProject) -> None:
    # Given a whole ledger, when it is verified, then it exits 0
    assert say(whole, "verify").startswith("whole · 3 events · ")
    assert json.loads(say(whole, "verify", "--json"))["ok"] is True
    # When its remote does not answer, then 2
    baked.git(whole.path, "remote", "add", "origin", str(whole.path / "nowhere"))
    assert "not checked: cannot fetch main from origin" in say(whole, "verify", code=2)
    # When it is forged, then 1
    repo = Repository(whole.path)
    reordered_tip = repo.rewrite(repo.messages()[::-1])
    assert "wrong: the chain is broken at event 1" in say(whole, "verify", code=1)
    assert json.loads(say(whole, "verify", "--json", code=1))["head"] == reordered_tip
    assert "governance: the ledger is broken at event 1" in say(whole, "show", code=1)


def test_export_is_a_line_for_each_event(seen: baked.BakedProject) -> None:
    # Given a ledger, when it is exported
    printed = say(seen, "export")
    assert say(seen, "export", "--output", "out/events.jsonl") == (
        "wrote 3 events to out/events.jsonl\n"
    )
    # Then file and output are the same, a line per event, with commit and signature
    assert seen.read("out/events.jsonl") == printed
    records = [json.loads(line) for line in printed.splitlines()]
    assert [one["event"]["sequence"] for one in records] == [1, 2, 3]
    assert {one["signature"] for one in records} == {"unsigned"}
    assert records[2]["commit"] == ledger.head(seen.path)


def test_an_empty_ledger_is_no_error(project: baked.BakedProject) -> None:
    # Given a project at birth, when its ledger is looked at, then it is said to be empty
    assert "the ledger is empty" in say(project, "show")
    assert say(project, "verify").startswith("whole · 0 events\n")
    assert say(project, "export") == ""
