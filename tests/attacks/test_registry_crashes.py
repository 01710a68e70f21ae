"""Killed at any step, or twenty at once: the old state or the new one, and the ledger is true."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import baked
import pytest
import registry
from baked import BakedProject

pytestmark = pytest.mark.slow

needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="steps are killed in forks of one process, for time"
)


def killed_at_every_step(project: BakedProject, command: str) -> list[dict[str, Any]]:
    """Run a command again and again, killed one step later each time."""
    driver = baked.ROOT / "tests" / "helpers" / "crash_driver.py"
    home = registry.home(project)
    arguments = [str(home), str(home.parent / "scratch"), command]
    done = project.run(["python", str(driver), *arguments])
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.nightly
@needs_fork
@pytest.mark.parametrize("registered_once", ["sqlite"], indirect=True)  # each try has its own copy
@pytest.mark.parametrize(("command", "old", "new"), [("promote", 1, 2), ("rollback", 2, 1)])
def test_a_kill_at_any_step_leaves_the_old_state_or_the_new_one(
    contested: BakedProject, command: str, old: int, new: int
) -> None:
    # Given an approved challenger (or a champion to roll back from), when the command is killed
    # before and after every change to git or to the registry
    if command == "rollback":
        contested.governance("promote")
    seen = killed_at_every_step(contested, command)
    action = "promoted" if command == "promote" else "rolled_back"
    before = 1 if command == "promote" else 0
    assert seen[-1]["exit"] == 0
    kills = seen[:-1]
    assert len(kills) >= 20
    assert {"before git push", "after anchor", "before point"} <= {one["step"] for one in kills}
    for one in kills:
        after, fixed, again = one["after"], one["fixed"], one["again"]
        # Then ledger and registry each show the old champion or the new one
        assert after["ledger"] in (old, new), one
        assert after["registry"] in (old, new), one
        # And what is recorded decides: until the event is there, nothing has moved
        recorded = after["events"].count(action) == before + 1
        assert after["ledger"] == (new if recorded else old), one
        if after["registry"] == new:
            assert after["ledger"] == new, one
        # And status tells when they differ, and reconcile brings both to what the ledger says
        assert (after["registry"] == after["ledger"]) or after["differences"], one
        assert fixed["differences"] == [], one
        assert fixed["registry"] == fixed["ledger"] == after["ledger"], one
        # And a second try ends in the new state, recorded once
        assert again["registry"] == again["ledger"] == new, one
        assert again["differences"] == [], one
        assert again["events"].count(action) == before + 1, one
    # And both happened: kills that left the old state and kills that left the new one
    assert {one["after"]["ledger"] for one in kills} == {old, new}


@pytest.mark.nightly
@pytest.mark.parametrize("number", [4, 20])
def test_of_many_promotions_at_once_exactly_one_wins(contested: BakedProject, number: int) -> None:
    # Given an approved challenger, when many promote it at once
    scripts = contested.environment / ("Scripts" if os.name == "nt" else "bin")
    env = baked.clean_environment(**contested.variables)
    env["PATH"] = os.pathsep.join([str(scripts), env["PATH"]])
    command = [str(scripts / "governance"), "promote", "2"]
    running = [
        subprocess.Popen(
            command, cwd=contested.path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(number)
    ]  # fmt: skip
    said = [(*one.communicate(), one.returncode) for one in running]
    # Then one has moved it, once, and every other says in a line that another came first, or that
    # it is champion already
    winners = [out for out, _, code in said if code == 0 and "version 2 is champion (event" in out]
    assert len(winners) == 1, said
    for out, errors, code in said:
        line = out if code == 0 else errors
        assert code in (0, 1), said
        assert len(line.splitlines()) == 1, said
        expected = ("version 2 is champion", "somebody else wrote an event first")
        assert any(words in line for words in expected), line
    assert registry.actions(contested).count("promoted 2") == 1
    assert registry.states(contested) == {1: "retired", 2: "champion"}


@pytest.mark.nightly
def test_two_machines_promote_and_the_remote_decides(
    contested: BakedProject, tmp_path: Path
) -> None:
    # Given a second clone with its own copy of the registry's database, and a remote of both
    second = registry.copy(contested, tmp_path / "second")
    url = str(registry.home(contested) / "origin.git")
    baked.git(second.path, "remote", "set-url", "origin", url)
    # When the first promotes while the second has looked at the ledger before
    script = (
        "from governed_ml.ledger import storage as ledger\n"
        "from governed_ml.registry import append_event\n"
        "after, seen = ledger.head(Path()), append_event.situation(Path(), registry)\n"
        "import subprocess; subprocess.run(sys.argv[1:], check=True, cwd=sys.argv[-1])\n"
        "fields = dict(after=after, version=2)\n"
        "try: append_event.record(Path(), registry, 'promoted', seen, **fields)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
        "print(ledger.head(Path()) == after)\n"
    )
    helper = tmp_path / "first.py"
    helper.write_text(
        f"import os, sys\nos.chdir({str(contested.path)!r})\n"
        "from governed_ml.__main__ import main\nsys.argv[1:] = ['promote']\nmain()\n",
        encoding="utf-8",
    )
    out = registry.python(second, script, "python", "-P", str(helper), str(tmp_path))
    # Then the second's event is refused by the remote, and taken back
    assert "somebody else wrote an event to origin first: run the command again" in out
    assert out.splitlines()[-1] == "True"
    assert registry.actions(contested)[-1] == "promoted 2"
