"""No event is lost and none is mixed up, whoever else writes, waits or is killed."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
from chains import WRITER, Repository, command, ledger

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
def test_trap_2_an_event_that_cannot_be_stored_is_refused_before_it_is_written(
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


def test_a_second_writer_is_refused(repo: Repository) -> None:
    # Given a head that was read before somebody else's event
    read = ledger.head(repo.path)
    repo.append()
    # When an event is appended that may only follow the old head
    with pytest.raises(ledger.Moved, match="somebody else wrote an event first"):
        ledger.append(repo.path, "promoted", after=read)
    # Then it was not written; and a ledger that must not be there yet is refused alike
    assert len(repo.entries()) == 5
    with pytest.raises(ledger.Moved):
        ledger.append(repo.path, "promoted", after=None)


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


def test_gits_message_is_shown_if_the_branch_cannot_be_moved(repo: Repository) -> None:
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
    with pytest.raises(Problem, match="another command is writing to the ledger"):
        repo.append()
    holder.communicate()
    repo.append()
