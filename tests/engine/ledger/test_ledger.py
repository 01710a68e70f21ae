"""The ledger: no event is lost, none is mixed up, and people can read it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import baked
import chains
import pytest
from chains import Repository, body, ledger

from governed_ml.core.problem import Problem

posix = pytest.mark.skipif(os.name == "nt", reason="signals and forks of POSIX systems")


# Writing and reading


def test_events_come_back_as_they_were_written(empty: Repository) -> None:
    # Given awkward text, when events are appended
    fields = {"reason": "Ünïcode\n\x00\u2028 \"'", "subject": {"model": "sha256:1"}}
    decision = {"verdict": "allow", "tiny": 5e-324, "big": 2**70, "zero": -0.0}
    made = empty.append(2, decision=decision, approvals=[{"name": "ann"}], **fields)
    # Then they are read back so, number after number, and the chain holds
    found = empty.entries()
    assert found == made
    assert [one.event.sequence for one in found] == [1, 2]
    assert found[1].event.previous == found[0].event.digest()
    assert found[0].event.decision == decision
    assert empty.verify().ok
    # And the code's tree and branches are as before
    assert empty.git("status", "--porcelain") == ""
    assert empty.git("for-each-ref", "--format=%(refname)") == ledger.REF


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_trap_2_what_cannot_be_kept_is_refused_before_it_is_written(
    repo: Repository, value: object
) -> None:
    # Given an event with a NaN or half a character in it, when it is appended
    before = ledger.head(repo.path)
    with pytest.raises(Problem, match="cannot be written") as refused:
        ledger.append(repo.path, "promoted", decision={"value": value})
    # Then it is refused, the ledger is as before, and the next event can be written
    assert refused.value.exit_code == 2
    assert ledger.head(repo.path) == before
    repo.append()
    assert repo.verify().ok


def test_who_comes_second_is_told(repo: Repository) -> None:
    # Given a head that was read before somebody else's event
    read = ledger.head(repo.path)
    repo.append()
    # When an event is appended that may only follow the old head
    with pytest.raises(ledger.Moved, match="another event came first"):
        ledger.append(repo.path, "promoted", after=read)
    # Then it was not written; and a ledger that must not be there yet is refused alike
    assert len(repo.entries()) == 5
    with pytest.raises(ledger.Moved):
        ledger.append(repo.path, "promoted", after=None)


WRITER = """
import sys
from pathlib import Path
from governed_ml.ledger import storage as ledger
for number in range(int(sys.argv[2])):
    entry = ledger.append(Path.cwd(), "registered", details={"who": sys.argv[1], "n": number})
    print(entry.commit, flush=True)
"""


def command(code: str, *words: str) -> list[str]:
    """A Python process that can import the engine."""
    return [sys.executable, "-c", code, *words]


@pytest.mark.slow
def test_eight_processes_lose_and_interleave_nothing(empty: Repository) -> None:
    # Given no ledger yet, when eight processes append fifty events each
    writers = [
        subprocess.Popen(command(WRITER, str(n), "50"), cwd=empty.path, stdout=subprocess.PIPE)
        for n in range(8)
    ]
    said = [writer.communicate()[0].decode().split() for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 8
    # Then the chain has all four hundred, each as it was acknowledged
    found = empty.entries()
    assert len(found) == 400
    assert {one.commit for one in found} == {commit for commits in said for commit in commits}
    # And each writer's are in its order
    for n, commits in enumerate(said):
        own = [one for one in found if one.event.details["who"] == str(n)]
        assert [one.commit for one in own] == commits
        assert [one.event.details["n"] for one in own] == list(range(50))


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
from governed_ml.ledger import storage as ledger
ledger.STALE = 0.2  # whoever left a lock here is dead
base, rounds, locks = Path.cwd(), int(sys.argv[1]), 0
chance = random.Random(int(sys.argv[2]))
known, lengths = [], []
for number in range(rounds):
    ears, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ears)
        os.setpgid(0, 0)
        while True:
            entry = ledger.append(base, "registered", details={"round": number})
            os.write(mouth, (entry.commit + "\\n").encode())
    os.setpgid(child, child)  # both do, for whoever comes first
    os.close(mouth)
    time.sleep(chance.uniform(0.005, 0.15))
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(ears) as acknowledged:
        known += acknowledged.read().split()
    locks += (base / ".git" / (ledger.REF + ".lock")).exists()
    found = [entry.commit for entry in ledger.read(base)]
    lost = [commit for commit in known if commit not in found]
    assert not lost, lost
    known.append(ledger.append(base, "reconciled").commit)
    lengths.append(len(found))
print(len(known), ledger.read(base)[-1].event.sequence, locks)
"""


@posix
@pytest.mark.parametrize("rounds", [12, pytest.param(100, marks=pytest.mark.nightly)])
def test_kill_9_loses_no_acknowledged_event(empty: Repository, rounds: int) -> None:
    # Given a writer that says each event which it was told is kept, in a process group of its own
    # When the group is killed at a random moment, again and again
    done = subprocess.run(
        command(KILLED, str(rounds), "1"), cwd=empty.path, capture_output=True, text=True
    )
    # Then after each kill all these events are there, and the next append works
    assert done.returncode == 0, done.stderr
    known, length, _ = map(int, done.stdout.split())
    assert known >= rounds
    # And at most the one event under way is there without having been acknowledged
    assert known <= length <= known + rounds
    assert empty.verify().ok


def test_a_lock_that_a_killed_git_left_is_removed_and_a_live_one_waited_for(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given the lock that git leaves when it is killed while it moves the branch
    lock = repo.path / ".git" / f"{ledger.REF}.lock"
    lock.touch()
    os.utime(lock, (time.time() + 10_000,) * 2)  # and by a clock that was set back since
    monkeypatch.setattr(ledger, "STALE", 0.3)
    # When an event is appended, then it waits a moment and goes on
    repo.append()
    assert not lock.exists()
    assert repo.verify().events == 5


def test_what_git_says_is_passed_on_if_it_does_not_move_the_branch(repo: Repository) -> None:
    # Given the ledger's branch checked out, and git's lock on HEAD left by somebody
    repo.git("checkout", "--quiet", "governance-ledger")
    (repo.path / ".git" / "HEAD.lock").touch()
    # When an event is appended, then it is said why not, and not that another came first
    with pytest.raises(Problem, match=r"no event was written: .*HEAD\.lock") as refused:
        repo.append()
    assert not isinstance(refused.value, ledger.Moved)
    assert len(repo.entries()) == 4


HOLDER = """
import filelock, sys
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_command_that_holds_the_ledger_is_waited_for_and_named(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given another process in the middle of an append
    lock = str(repo.path / ".git" / "governance-ledger.lock")
    words = command(HOLDER, lock)
    holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout
    holder.stdout.readline()
    monkeypatch.setattr(ledger, "PATIENCE", 0.2)
    # When an event is appended, then a line says so; when the other is done, it works
    with pytest.raises(Problem, match="another command holds the ledger"):
        repo.append()
    holder.communicate()
    repo.append()


# What git, its configuration and its other commands do around the ledger


def replaced(repo: Repository, _: Path) -> None:
    """A replacement for the second event's commit."""
    second, third = repo.entries()[1:3]
    text = second.event.canonical().replace("because", "just so") + "\n"
    new = repo.forge(body(text, [repo.entries()[0].commit]))
    repo.git("replace", second.commit, new)
    repo.git("replace", "--graft", third.commit)


def grafted(repo: Repository, _: Path) -> None:
    """A graft that lets the third event begin the history."""
    grafts = repo.path / ".git" / "info" / "grafts"
    grafts.parent.mkdir(exist_ok=True)
    grafts.write_text(repo.entries()[2].commit + "\n")


def packed(repo: Repository, _: Path) -> None:
    """All objects in a pack, all references in one file, a commit graph."""
    repo.git("gc", "--quiet", "--prune=now")
    repo.git("pack-refs", "--all", "--prune")
    repo.git("commit-graph", "write", "--reachable")


def configured_otherwise(repo: Repository, _: Path) -> None:
    """Settings that people have."""
    settings = {
        "commit.gpgsign": "true",
        "gpg.program": "/nowhere",
        "log.showSignature": "true",
        "i18n.commitEncoding": "latin1",
        "core.commentChar": "{",
        "core.hooksPath": str(repo.path / "hooks"),
        "core.logAllRefUpdates": "always",
        "receive.denyNonFastForwards": "true",
    }
    for name, value in settings.items():
        repo.git("config", name, value)
    hook = repo.path / "hooks" / "reference-transaction"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)


def checked_out(repo: Repository, _: Path) -> None:
    """The ledger's branch under a person's feet."""
    repo.git("checkout", "--quiet", "governance-ledger")


def worktree(repo: Repository, folder: Path) -> None:
    """A linked worktree that has the branch."""
    repo.git("worktree", "add", "--quiet", str(folder / "linked"), "governance-ledger")


def branches_alike(repo: Repository, _: Path) -> None:
    """Other references of that name."""
    first = repo.entries()[0].commit
    repo.git("tag", "governance-ledger", first)
    repo.git("update-ref", "refs/tags/refs/heads/governance-ledger", first)


@pytest.mark.parametrize(
    "done",
    [
        replaced,
        grafted,
        packed,
        configured_otherwise,
        checked_out,
        worktree,
        branches_alike,
    ],
)
def test_what_is_done_around_the_ledger_changes_nothing(
    repo: Repository, tmp_path: Path, done: Callable[[Repository, Path], None]
) -> None:
    # Given a ledger, and something done to its repository
    before = repo.entries()
    done(repo, tmp_path)
    # When it is read, then it is as before; and an event can be added
    assert repo.entries() == before
    repo.append(reason="Ünïcode")
    assert repo.verify().events == 5
    assert repo.verify().ok
    assert repo.git("status", "--porcelain", "--untracked-files=no") == ""


def test_variables_of_git_lead_nowhere_else(
    repo: Repository, empty: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given the variables that git sets in a hook of another repository, and others
    elsewhere = str(empty.path / ".git")
    for name in ("GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_NAMESPACE"):
        monkeypatch.setenv(name, elsewhere)
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", f"{elsewhere}/objects")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2001-01-01T00:00:00Z")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    # When an event is added, then here, as who one is, at the time that it is
    repo.append()
    assert repo.verify().events == 5
    assert ledger.head(empty.path) is None
    commit = repo.git("cat-file", "commit", ledger.REF)
    assert commit.count(f"{chains.ME} <{chains.ME}> ") == 2


def test_an_actor_beyond_ascii_in_any_locale(repo: Repository) -> None:
    # Given an actor with an umlaut, and a locale that has none
    repo.git("config", "user.email", "jörg@exämple.org")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    done = subprocess.run(
        command(WRITER, "me", "1"),
        cwd=repo.path,
        env=clean | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=False,
    )
    # When it adds an event, then it is read back
    assert done.returncode == 0, done.stderr
    assert repo.entries()[-1].event.actor == "jörg@exämple.org"
    assert "jörg@exämple.org" in repo.git("cat-file", "commit", ledger.REF)


def test_a_shallow_clone_says_what_it_lacks(repo: Repository, tmp_path: Path) -> None:
    # Given a clone with the ledger's last two commits
    clone = repo.clone(tmp_path / "clone", "--depth=2", "--branch=governance-ledger")
    # When it is read, then a line says how to get the rest
    with pytest.raises(Problem, match="git fetch --unshallow origin governance-ledger") as refused:
        clone.entries()
    assert refused.value.exit_code == 2
    with pytest.raises(Problem, match="this clone is shallow"):
        clone.verify()
    clone.git("fetch", "--quiet", "--unshallow", "origin", "governance-ledger")
    assert clone.verify().ok


def test_a_damaged_store_is_said_in_a_line(repo: Repository) -> None:
    # Given a ledger whose second commit is lost, when it is read, then a line says so
    commit = repo.entries()[1].commit
    (repo.path / ".git" / "objects" / commit[:2] / commit[2:]).unlink()
    with pytest.raises(Problem, match="git rev-list: "):
        repo.entries()
    # And the same if the last is no commit
    blob = repo.git("hash-object", "-w", "-t", "blob", str(Path(__file__)))
    (repo.path / ".git" / ledger.REF).write_text(blob + "\n")
    with pytest.raises(Problem, match="is no commit"):
        repo.entries()
    with pytest.raises(Problem, match="cannot be read: look at `git fsck`"):
        ledger.append(repo.path, "reconciled")
    # And the same if the file that names the last one is empty, as after a power cut
    (repo.path / ".git" / ledger.REF).write_text("")
    for look in (repo.entries, repo.verify, lambda: ledger.append(repo.path, "reconciled")):
        with pytest.raises(Problem, match="git cannot read refs/heads/governance-ledger"):
            look()


def test_a_reference_to_another_branch_is_not_followed(repo: Repository) -> None:
    # Given somebody who made the ledger another name of a branch
    tip = repo.entries()[-1].commit
    repo.git("update-ref", "refs/heads/other", tip)
    repo.git("symbolic-ref", ledger.REF, "refs/heads/other")
    # When an event is added, then the other branch stays where it was
    repo.append()
    assert repo.git("rev-parse", "refs/heads/other") == tip
    assert repo.verify().events == 5


def test_a_repository_of_sha256(tmp_path: Path) -> None:
    # Given a repository whose names are of SHA-256, when events are added, then all is the same
    made = chains.new(tmp_path / "sha256", "--object-format=sha256")
    made.append(2)
    assert made.verify().ok
    assert len(made.entries()[1].commit) == 64


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


def test_verify_has_an_exit_code_for_each_answer(whole: baked.BakedProject) -> None:
    # Given a whole ledger, when it is verified, then it exits 0
    assert say(whole, "verify").startswith("whole · 3 events · ")
    assert json.loads(say(whole, "verify", "--json"))["ok"] is True
    # When its remote does not answer, then 2
    baked.git(whole.path, "remote", "add", "origin", str(whole.path / "nowhere"))
    assert "not checked: origin cannot be asked" in say(whole, "verify", code=2)
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
