"""The ledger: nothing is lost, nothing is believed that git only reports, every attack is seen."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import baked
import chains
import pytest
from chains import Repository, body, chain, hung_together, ledger, message
from hypothesis import given, settings
from hypothesis import strategies as st
from template_package import module

remote, signatures = module("governance.ledger_remote"), module("governance.signatures")
Problem, Signer, Anchor = module("problem").Problem, signatures.Signer, chain.Anchor

needs_ssh = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not here")
posix = pytest.mark.skipif(os.name == "nt", reason="signals and forks of POSIX systems")


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No configuration of the person who runs the tests; returns the file that stands for it."""
    config = tmp_path / "gitconfig"
    config.touch()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return config


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """A repository with a ledger of four events."""
    made = chains.new(tmp_path / "repo")
    made.append(4, reason="because")
    return made


@pytest.fixture
def empty(tmp_path: Path) -> Repository:
    """A repository without a ledger."""
    return chains.new(tmp_path / "empty")


@pytest.fixture
def origin(repo: Repository, tmp_path: Path) -> Repository:
    """The remote that `repo` has pushed its four events to."""
    made = chains.new(tmp_path / "origin.git", "--bare")
    repo.git("remote", "add", "origin", made.path.as_uri())
    assert remote.push(repo.path)
    return made


def colleague(origin: Repository, folder: Path) -> Repository:
    """A second clone that has the ledger."""
    made = chains.new(folder)
    made.git("remote", "add", "origin", origin.path.as_uri())
    take(made)
    return made


def take(made: Repository, force: str = "") -> None:
    """Do what the messages say: take the remote's ledger."""
    made.git("fetch", "--quiet", "origin", f"{force}governance-ledger:governance-ledger")


def only(found: Any) -> str:
    """The one problem that was found."""
    assert len(found.problems) == 1, found
    assert not found.ok
    assert found.exit_code == 1
    return found.problems[0]


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
from template_package import module
ledger = module("governance.ledger")
for number in range(int(sys.argv[2])):
    entry = ledger.append(Path.cwd(), "registered", details={"who": sys.argv[1], "n": number})
    print(entry.commit, flush=True)
"""


def command(code: str, *words: str) -> list[str]:
    """A Python process that knows the template's package."""
    here = str(Path(__file__).parent)
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {here!r})\n{code}", *words]


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
from template_package import module
ledger = module("governance.ledger")
ledger.STALE = 0.2  # whoever left a lock here is dead
base, rounds, locks = Path.cwd(), int(sys.argv[1]), 0
chance = random.Random(int(sys.argv[2]))
known, lengths = [], []
for number in range(rounds):
    ears, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        while True:
            entry = ledger.append(base, "registered", details={"round": number})
            os.write(mouth, (entry.commit + "\\n").encode())
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
@pytest.mark.parametrize(
    "rounds", [12, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.nightly])]
)
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


# The chain


def raws(messages: list[str]) -> list[Any]:
    """Commits of a chain, in memory."""
    done: list[Any] = []
    for text in messages:
        content = body(text, [done[-1].commit] if done else [])
        done.append(raw(content))
    return done


def raw(content: bytes) -> Any:
    """A commit in memory, with the name that git would give it."""
    import hashlib

    name = hashlib.sha1(b"commit %d\0%s" % (len(content), content), usedforsecurity=False)
    return chain.Raw(name.hexdigest(), content)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
valid = st.lists(texts, min_size=2, max_size=7).map(
    lambda reasons: hung_together(
        [message(n, chain.GENESIS, reason=one) for n, one in enumerate(reasons, 1)]
    )
)


@given(valid)
def test_a_chain_as_it_is_written_holds(messages: list[str]) -> None:
    # Given events that hang together, when their commits are checked
    entries, broken = chain.breaks(raws(messages))
    # Then nothing is wrong
    assert broken == ""
    assert [entry.event.canonical() + "\n" for entry in entries] == messages


@given(valid, st.data())
def test_any_other_order_is_seen(messages: list[str], data: st.DataObject) -> None:
    # Given another order of the same events, on commits that follow each other
    order = data.draw(st.permutations(range(len(messages))).filter(lambda one: one != sorted(one)))
    # When the chain is checked, then it breaks at the first event out of place
    entries, broken = chain.breaks(raws([messages[n] for n in order]))
    assert f"it is number {order[len(entries)] + 1}, and {len(entries) + 1} comes here" in broken
    # And the same with the commits as they were
    commits = raws(messages)
    assert chain.breaks([commits[n] for n in order])[1]


@given(valid, st.data())
def test_any_cut_but_at_the_end_is_seen(messages: list[str], data: st.DataObject) -> None:
    # Given a chain without some events, the last of which comes before one that is there
    start = data.draw(st.integers(0, len(messages) - 2))
    end = data.draw(st.integers(start + 1, len(messages) - 1))
    left = messages[:start] + messages[end:]
    # When it is checked, then it breaks there
    entries, broken = chain.breaks(raws(left))
    assert len(entries) == start
    assert f"it is number {end + 1}, and {start + 1} comes here" in broken
    # And if the numbers are made to fit, then by the digest of the event before
    renumbered = [json.loads(one) | {"sequence": n} for n, one in enumerate(left, 1)]
    fitted = [chain.Event(**one).canonical() + "\n" for one in renumbered]
    entries, broken = chain.breaks(raws(fitted))
    assert "does not carry the digest of the event before" in broken


@settings(max_examples=200)
@given(valid, st.data())
def test_any_edit_is_seen_at_the_next_event(messages: list[str], data: st.DataObject) -> None:
    # Given a chain in which a field of an event that is not the last has another value
    at = data.draw(st.integers(0, len(messages) - 2))
    values = json.loads(messages[at])
    field, value = data.draw(
        st.sampled_from(
            [
                ("actor", "you@example.org"),
                ("action", "promoted"),
                ("version", 7),
                ("subject", {"model": "sha256:2"}),
                ("decision", {"verdict": "allow"}),
                ("approvals", [{"name": "ann"}]),
                ("reason", values["reason"] + "!"),
                ("details", {"": 0}),
            ]
        )
    )
    edited = chain.Event(**values | {field: value}).canonical() + "\n"
    # When all its commits are made anew, then it breaks at the next
    entries, broken = chain.breaks(raws([*messages[:at], edited, *messages[at + 1 :]]))
    assert len(entries) == at + 1
    assert "does not carry the digest of the event before" in broken


@settings(max_examples=300)
@given(valid, st.data())
def test_any_byte_that_changes_under_its_name_is_seen(
    messages: list[str], data: st.DataObject
) -> None:
    # Given a chain with one bit changed in what git stores for a commit, be it the last
    commits = raws(messages)
    at = data.draw(st.integers(0, len(commits) - 1))
    content = bytearray(commits[at].body)
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    commits[at] = chain.Raw(commits[at].commit, bytes(content))
    # When it is checked, then it breaks there
    entries, broken = chain.breaks(commits)
    assert len(entries) == at
    assert "edited in git's store" in broken


@settings(max_examples=300)
@given(valid, st.data())
def test_any_byte_that_changes_with_its_name_is_seen_or_is_another_event(
    messages: list[str], data: st.DataObject
) -> None:
    # Given a last commit made anew with one byte changed
    commits = raws(messages)
    content = bytearray(commits[-1].body)
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    commits[-1] = raw(bytes(content))
    # When the chain is checked, then it breaks there, or reads as the event that it now holds
    entries, broken = chain.breaks(commits)
    assert len(entries) == len(messages) - bool(broken)
    if not broken:
        assert entries[-1].event.canonical() + "\n" == bytes(content).partition(b"\n\n")[2].decode()


# Attacks on the branch


def edited(repo: Repository) -> None:
    """Another reason in the second of four events."""
    messages = repo.messages()
    messages[1] = messages[1].replace("because", "just so")
    repo.rewrite(messages)


def edited_in_store(repo: Repository) -> None:
    """The same in git's store, where the last event's commit keeps its name."""
    commit = repo.entries()[-1].commit
    path = repo.path / ".git" / "objects" / commit[:2] / commit[2:]
    path.chmod(0o644)
    content = zlib.decompress(path.read_bytes())
    path.write_bytes(zlib.compress(content.replace(b"because", b"just so")))


def spelt_otherwise(repo: Repository) -> None:
    """The last event with a space in its JSON."""
    messages = repo.messages()
    repo.rewrite([*messages[:-1], messages[-1].replace(":", ": ", 1)])


def reordered(repo: Repository) -> None:
    """The second and third event in each other's place."""
    one, two, three, four = repo.messages()
    repo.rewrite([one, three, two, four])


def cut_from_the_middle(repo: Repository) -> None:
    """No third event."""
    one, two, _, four = repo.messages()
    repo.rewrite([one, two, four])


def without_beginning(repo: Repository) -> None:
    """No first event."""
    repo.rewrite(repo.messages()[1:])


def on_top(content: Callable[[str, str], bytes]) -> Callable[[Repository], None]:
    """A fifth commit: of its message, which continues the chain, and the commit before."""

    def attack(repo: Repository) -> None:
        last = repo.entries()[-1]
        text = message(5, last.event.digest(), time="2027-01-01T00:00:00Z")
        repo.point(repo.forge(content(text, last.commit)))

    return attack


def with_files(repo: Repository) -> None:
    """A fifth event whose commit holds a file."""
    (repo.path / "file").write_text("rows\n")
    repo.git("add", "file")
    tree = repo.git("write-tree")
    on_top(lambda text, above: body(text, [above], tree))(repo)


def merged(repo: Repository) -> None:
    """A fifth event whose commit is a merge."""
    side = repo.forge(body("side\n", []))
    on_top(lambda text, above: body(text, [above, side]))(repo)


def by_hand(repo: Repository) -> None:
    """What happens when somebody commits on the branch."""
    repo.git("checkout", "--quiet", "governance-ledger")
    repo.git("commit", "--quiet", "--allow-empty", "--message", "oops")


ATTACKS = {
    "edited": (edited, r"event 3 .*does not carry the digest of the event before: edited"),
    "edited-in-store": (edited_in_store, r"event 4 .*edited in git's store"),
    "spelt-otherwise": (spelt_otherwise, r"event 4 .*not in canonical form"),
    "reordered": (reordered, r"event 2 .*it is number 3, and 2 comes here"),
    "cut": (cut_from_the_middle, r"event 3 .*it is number 4, and 3 comes here"),
    "headless": (without_beginning, r"event 1 .*it is number 2, and 1 comes here"),
    "files": (with_files, r"event 5 .*its commit holds files"),
    "merge": (merged, r"event 5 .*its commit does not follow the commit before"),
    "by-hand": (by_hand, r"event 5 .*its message is no event"),
    "encoding": (
        on_top(lambda text, above: body(text, [above], extra="encoding latin-1\n")),
        r"event 5 .*not as the ledger writes commits",
    ),
    "another-time": (
        on_top(lambda text, above: body(text, [above]).replace(b" +0000", b"0 +0000")),
        r"event 5 .*another time than its event",
    ),
    "back-in-time": (
        on_top(lambda text, above: body(text.replace("2027-", "2020-"), [above])),
        r"event 5 .*it is older than the one before",
    ),
}


@pytest.mark.parametrize(("attack", "cause"), ATTACKS.values(), ids=ATTACKS)
def test_trap_25_a_forged_chain_is_seen(
    repo: Repository, attack: Callable[[Repository], None], cause: str
) -> None:
    # Given a ledger of four events that is whole
    assert repo.verify().ok
    # When somebody who knows git well forges it
    attack(repo)
    # Then the chain says which event and why; and nobody builds on it
    found = only(repo.verify())
    assert found.startswith("the chain is broken at ")
    assert re.search(cause, found), found
    with pytest.raises(Problem, match=cause):
        repo.entries()


# Anchors


def test_trap_25_a_cut_end_is_seen_by_the_anchor(repo: Repository) -> None:
    # Given a ledger whose fourth event somebody remembers
    anchor = repo.anchor()
    assert repo.verify(anchor).anchored_to == 4
    # When its last two events are cut off
    repo.point(repo.entries()[1].commit)
    # Then the chain holds, and the anchor does not
    assert repo.verify().ok
    found = only(repo.verify(anchor))
    assert found.startswith("cut off or made elsewhere: the registry's tag has event 4 (")
    assert "this ledger ends at 2" in found


def test_trap_25_a_cut_after_the_last_anchor_is_reported_as_what_it_is(repo: Repository) -> None:
    # Given a ledger of four events, the second of which somebody remembers
    second = repo.entries()[1].commit
    anchor = Anchor("the registry's tag", 2, second)
    # When it is verified, then two events at its end are said not to be anchored
    found = repo.verify(anchor)
    assert (found.ok, found.events, found.anchored_to, found.unanchored) == (True, 4, 2, 2)
    assert "the last 2 of 4 events are not anchored yet" in found.notes
    # When those are cut off, then that cannot be seen, and just this is said
    repo.point(second)
    found = repo.verify(anchor)
    assert (found.ok, found.events, found.unanchored) == (True, 2, 0)
    said = "complete up to event 2, the last anchor (the registry's tag); events after it, if "
    assert f"{said}there were any, cannot be known" in found.notes
    # And without any anchor it is said that nothing is known of the end
    none = "nothing outside this clone names an event: whether some were cut off is unknown"
    assert none in repo.verify().notes


def test_trap_25_a_whole_rewrite_is_seen_by_the_anchor(repo: Repository) -> None:
    # Given a ledger whose second event somebody remembers
    anchor = Anchor("the registry's tag", 2, repo.entries()[1].commit)
    # When all is written anew, with an edit and digests to match
    texts = [one.replace("because", "just so") for one in repo.messages()]
    repo.rewrite(hung_together([*texts, texts[-1]]))
    # Then the chain holds, and the anchor does not
    assert repo.verify().ok
    found = only(repo.verify(anchor))
    assert found.startswith("rewritten: the registry's tag has event 2 (")


@pytest.mark.parametrize("how", ["deleted", "emptied"])
def test_trap_25_an_emptied_ledger_is_seen_by_the_anchor(repo: Repository, how: str) -> None:
    # Given a ledger that somebody remembers, when it is deleted, or starts again
    anchor = repo.anchor()
    repo.git("update-ref", "-d", ledger.REF)
    if how == "emptied":
        repo.append()
    # Then the rest looks whole, and the anchor says what was there
    assert repo.verify().ok
    found = only(repo.verify(anchor))
    cause = {"deleted": "emptied: ", "emptied": "cut off or made elsewhere: "}[how]
    assert found.startswith(f"{cause}the registry's tag has event 4 (")


def test_trap_25_the_remote_is_an_anchor(repo: Repository, origin: Repository) -> None:
    # Given a ledger that was pushed, and an event after that
    repo.append()
    found = repo.verify()
    assert (found.ok, found.anchored_to, found.unanchored) == (True, 4, 1)
    # When it is pushed, then all is anchored
    assert remote.push(repo.path)
    assert repo.verify().unanchored == 0
    # When its end is cut off, then the remote says so, also what it said when it was last seen
    repo.point(repo.entries()[2].commit)
    cut = repo.verify().problems
    assert [one.partition(" has ")[0] for one in cut] == [
        "cut off or made elsewhere: origin, as last seen from here,",
        "cut off or made elsewhere: origin",
    ]
    # And the command that the message names mends it
    assert "`git fetch origin governance-ledger:governance-ledger`" in cut[1]
    take(repo)
    assert repo.verify().ok


@pytest.mark.parametrize("how", ["deleted", "cut off", "rewritten"])
def test_trap_25_a_remote_that_lost_events_is_seen(
    repo: Repository, origin: Repository, how: str
) -> None:
    # Given a pushed ledger, when the remote's is deleted, cut off or rewritten
    if how == "deleted":
        origin.git("update-ref", "-d", ledger.REF)
    elif how == "cut off":
        origin.point(repo.entries()[1].commit)
    else:
        origin.rewrite(hung_together([*repo.messages(), *repo.messages()]))
    # Then it is seen, each time one looks
    for _ in range(2):
        assert "origin has lost event 4 (" in only(repo.verify())
    # And if this clone is made to follow, then by what was last seen from here
    if how != "deleted":
        take(repo, "+")
        assert "origin, as last seen from here, has event 4 (" in " ".join(repo.verify().problems)


def test_a_broken_ledger_on_the_remote_is_its_fault(repo: Repository, origin: Repository) -> None:
    # Given a remote on which somebody pushed a commit that is no event
    origin.point(origin.forge(body("oops\n", [repo.entries()[-1].commit])))
    # When the ledger is verified, then the remote is named, and it is not followed
    found = only(repo.verify())
    assert found.startswith("origin's ledger is broken at event 5 (")
    assert len(repo.entries()) == 4


def test_two_clones_push_forward_only(repo: Repository, origin: Repository, tmp_path: Path) -> None:
    # Given a colleague with the same ledger, who pushes an event first
    other = colleague(origin, tmp_path / "other")
    take(other)
    other.append()
    assert remote.push(other.path)
    # When an event is pushed from here, then it is refused and nothing is overwritten
    repo.append(reason="too late")
    with pytest.raises(Problem, match="somebody else's event came first") as refused:
        remote.push(repo.path)
    assert refused.value.exit_code == 1
    assert ledger.head(origin.path) == ledger.head(other.path)
    # And verification says where the two part, and how to go on
    found = only(repo.verify())
    assert found.startswith(
        "parted after event 4: origin goes on to event 5, this ledger with others"
    )
    take(repo, "+")
    repo.append(reason="again")
    assert remote.push(repo.path)
    assert repo.verify().anchored_to == 6
    # And the colleague is told to take what is new
    assert "cut off or made elsewhere: origin has event 6" in only(other.verify())
    take(other)
    assert other.verify().ok


def test_a_remote_that_does_not_answer_is_not_passed_over(
    repo: Repository, origin: Repository
) -> None:
    # Given a remote that is gone
    shutil.rmtree(origin.path)
    # When the ledger is verified, then it could not be judged, and why is said
    found = repo.verify()
    assert (found.ok, found.exit_code, found.problems) == (False, 2, [])
    assert found.unchecked[0].startswith("origin cannot be asked for its ledger: ")
    # And a push says so
    with pytest.raises(Problem, match="origin cannot be asked") as refused:
        remote.push(repo.path)
    assert refused.value.exit_code == 2
    # And without any remote there is nothing to push to, which a note says
    repo.git("remote", "remove", "origin")
    assert not remote.push(repo.path)
    assert "there is no origin to push the ledger to" in repo.verify().notes


def test_a_remote_that_refuses_is_quoted(repo: Repository, origin: Repository) -> None:
    # Given a remote whose hook takes nothing, and a hook here that would fail any push
    for folder, name in ((origin.path, "pre-receive"), (repo.path / ".git", "pre-push")):
        hook = folder / "hooks" / name
        hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
        hook.chmod(0o755)
    repo.append()
    # When an event is pushed, then the remote's words are passed on
    with pytest.raises(Problem, match=r"which is written here only: .*not today") as refused:
        remote.push(repo.path)
    assert refused.value.exit_code == 2
    # And the hook here has no say
    (origin.path / "hooks" / "pre-receive").unlink()
    assert remote.push(repo.path)


# Signatures


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Any]:
    """Public halves of two SSH keys, with where they lie."""
    return {name: chains.key(tmp_path, name) for name in ("ci", "mallory")}


def signed_by(repo: Repository, public: Path) -> None:
    """Have git sign with a key from now on."""
    repo.git("config", "gpg.format", "ssh")
    repo.git("config", "user.signingkey", str(public))


def unsigned(repo: Repository) -> None:
    """Have git sign no more."""
    repo.git("config", "--unset", "gpg.format")


def signer(public: Path, **days: date) -> Any:
    """A key as the list of approvers has it."""
    return Signer("the pipeline, *", public.read_text(), **days)


@needs_ssh
def test_signed_events_are_whole_and_their_signers_known(
    empty: Repository, keys: dict[str, Path]
) -> None:
    # Given events signed by a listed key, when they are verified
    signed_by(empty, keys["ci"])
    made = empty.append(3)
    listed = signer(keys["ci"], since=date(2020, 1, 1), until=date(2999, 1, 1))
    found = empty.verify(signers=[signer(keys["mallory"]), listed])
    # Then nothing is wrong, and each has its signer's name
    assert found.problems == []
    assert found.ok
    assert all(entry.signed for entry in made)
    assert "who wrote is not proven" not in " ".join(found.notes)
    states = signatures.signatures(empty.path, [one.commit for one in made], [listed])
    assert {str(one) for one in states.values()} == {"good the pipeline, *"}
    # And with no key listed a note says that this proves nothing
    found = empty.verify()
    assert found.ok
    assert "no key is listed under `ledger` in governance/approvers.yaml" in found.notes[-1]


@needs_ssh
def test_an_unsigned_event_after_signed_ones_is_seen(
    empty: Repository, keys: dict[str, Path]
) -> None:
    # Given a signed ledger, when git has no key any more
    signed_by(empty, keys["ci"])
    empty.append(2)
    unsigned(empty)
    # Then an event is refused before it breaks the chain
    with pytest.raises(Problem, match="events are signed and git has no SSH key here"):
        empty.append()
    assert empty.verify(signers=[signer(keys["ci"])]).ok
    # And one that is put there in spite of that is seen, with and without a listed key
    last = empty.entries()[-1]
    text = message(3, last.event.digest(), time="2999-01-01T00:00:00Z")
    empty.point(empty.forge(body(text, [last.commit])))
    for signers in ([], [signer(keys["ci"])]):
        assert "event 3 (" in only(empty.verify(signers=signers))
        assert "it is unsigned, and the one before is signed" in only(empty.verify(signers=signers))


@needs_ssh
def test_an_unsigned_event_is_seen_where_a_key_was_listed(
    repo: Repository, keys: dict[str, Path]
) -> None:
    # Given unsigned events, when a key is listed that was valid on their day
    found = repo.verify(signers=[signer(keys["ci"])])
    # Then each is wrong
    assert len(found.problems) == 4
    assert all("is unsigned, and signatures are due" in one for one in found.problems)
    # But not those from before the key
    assert repo.verify(signers=[signer(keys["ci"], since=date(2999, 1, 1))]).ok


@needs_ssh
def test_an_event_signed_by_a_key_that_is_not_listed_is_seen(
    empty: Repository, keys: dict[str, Path]
) -> None:
    # Given a ledger whose second event was signed by another's key
    signed_by(empty, keys["ci"])
    empty.append()
    signed_by(empty, keys["mallory"])
    empty.append()
    # When it is verified, then that event is named, and the key
    found = only(empty.verify(signers=[signer(keys["ci"])]))
    assert "event 2 (" in found
    assert "is signed by a key that is not listed (SHA256:" in found
    assert signer(keys["mallory"]).fingerprint in found


def at(days: int) -> date:
    """A day from now."""
    return datetime.now(UTC).date() + timedelta(days)


@needs_ssh
@pytest.mark.parametrize(
    ("days", "valid"),
    [
        ({"since": 0, "until": 1}, True),
        ({"since": 1}, False),
        ({"until": 0}, False),
        ({"since": -9, "until": -1}, False),
    ],
    ids=["today", "not-yet", "no-longer", "long-ago"],
)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_an_event_signed_out_of_the_keys_days_is_seen(
    empty: Repository,
    keys: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    days: dict[str, int],
    valid: bool,
    zone: str,
) -> None:
    # Given an event signed today by a key with its days (UTC), anywhere in the world
    monkeypatch.setenv("TZ", zone)
    signed_by(empty, keys["ci"])
    empty.append()
    # When it is verified, then it counts on these days and on no others
    chosen = signer(keys["ci"], **{name: at(n) for name, n in days.items()})
    found = empty.verify(signers=[chosen])
    assert found.ok == valid, found
    if not valid:
        why = "is signed by the pipeline, * with a key that was not valid on that day"
        assert why in only(found)


@needs_ssh
@pytest.mark.parametrize("how", ["borrowed", "garbled", "pgp"])
def test_a_signature_that_is_not_of_this_event_is_seen(
    empty: Repository, keys: dict[str, Path], how: str
) -> None:
    # Given a signed event, and a forged one with the signature taken from it, or nonsense
    signed_by(empty, keys["ci"])
    last = empty.append()[0]
    content = empty.git("cat-file", "commit", last.commit)
    extra = content[content.index("gpgsig ") : content.index("\n\n")] + "\n"
    if how == "garbled":
        extra = "gpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----\n"
    elif how == "pgp":
        extra = extra.replace("SSH SIGNATURE", "PGP SIGNATURE")
    text = message(2, last.event.digest(), time=last.event.time)
    empty.point(empty.forge(body(text, [last.commit], extra=extra)))
    # When the ledger is verified, then that is seen, also with no key listed
    cause = "has a bad signature" if how != "pgp" else "not as the ledger writes commits"
    for signers in ([], [signer(keys["ci"])]):
        found = only(empty.verify(signers=signers))
        assert "event 2 (" in found
        assert cause in found


@needs_ssh
def test_a_persons_configuration_has_no_say_in_the_verdict(
    empty: Repository, nobody: Path, keys: dict[str, Path], tmp_path: Path
) -> None:
    # Given an event signed by a key that is not listed, and one of a listed key
    signed_by(empty, keys["ci"])
    empty.append()
    signed_by(empty, keys["mallory"])
    empty.append()
    before = empty.verify(signers=[signer(keys["ci"])])
    # When git is told to believe the one and not the other, by programs and lists
    yes = tmp_path / "yes"
    yes.write_text("#!/bin/sh\necho 'Good \"git\" signature for ci with ED25519 key SHA256:x'\n")
    yes.chmod(0o755)
    mine = tmp_path / "mine"
    mine.write_text(f"signer-0 {keys['mallory'].read_text()}")
    settings = {
        "gpg.ssh.program": str(yes),
        "gpg.program": str(yes),
        "gpg.ssh.allowedSignersFile": str(mine),
        "gpg.ssh.revocationFile": str(keys["ci"]),
        "gpg.minTrustLevel": "ultimate",
        "log.showSignature": "true",
        "format.pretty": "fuller",
        "color.ui": "always",
    }
    for name, value in settings.items():
        empty.git("config", name, value)
        baked.git(tmp_path, "config", "--file", str(nobody), name, value)
    # Then the verdict is the same
    assert empty.verify(signers=[signer(keys["ci"])]) == before
    assert "event 2 (" in only(before)


@needs_ssh
def test_without_ssh_keygen_signatures_are_not_passed_over(
    empty: Repository, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Given a signed ledger, on a machine with git and without ssh-keygen
    signed_by(empty, keys["ci"])
    empty.append()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    # When it is verified, then it could not be judged
    found = empty.verify(signers=[signer(keys["ci"])])
    assert found.exit_code == 2
    assert found.unchecked == ["signatures cannot be checked without ssh-keygen: install OpenSSH"]


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
    approvals = [{"name": "Bo", "role": "risk-owner"}, {"name": "Cy", "role": "model-owner"}]
    ledger.append(target, "approved", version=1, subject=digests, approvals=approvals)
    ledger.append(target, "registered", version=2, decision={"verdict": "allow"})
    return baked.BakedProject(target)


def say(project: baked.BakedProject, *words: str, code: int = 0) -> str:
    """Run `governance ledger` and return all that it printed."""
    words = (sys.executable, "-m", f"{project.package}.cli", "ledger", *words)
    variables = {"PYTHONPATH": "src", "PYTHONIOENCODING": "utf-8"}
    done = baked.run_plain(list(words), project.path, code, **variables)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_show_answers_who_approved_what_on_which_data(seen: baked.BakedProject) -> None:
    # Given a ledger, when it is shown
    lines = say(seen, "show").splitlines()
    # Then each event is a line, without what a terminal would obey
    assert len(lines) == 4
    assert re.search(
        r"1 +\d{4}.* ann@example.org +registered +1 +a{12} +b{12} +see \[red\]x", lines[1]
    )
    assert "\x1b" not in lines[1]
    assert "approved         1  Bo, Cy       " in lines[2]
    # And of one version everything, in full
    text = say(seen, "show", "--version", "1")
    assert "approval 1       name Bo · role risk-owner" in text
    assert "data digest      sha256:" + "a" * 64 in text
    assert "policy digest    sha256:" + "b" * 64 in text
    assert "version          2" not in text
    assert json.loads(say(seen, "show", "--version", "2", "--json"))[0]["event"]["version"] == 2
    assert "the ledger has no event of version 9" in say(seen, "show", "--version", "9", code=1)


def test_verify_has_an_exit_code_for_each_answer(seen: baked.BakedProject) -> None:
    # Given a whole ledger, when it is verified, then it exits 0
    assert say(seen, "verify").startswith("whole · 3 events · ")
    assert json.loads(say(seen, "verify", "--json"))["ok"] is True
    # When its remote does not answer, then 2
    baked.git(seen.path, "remote", "add", "origin", str(seen.path / "nowhere"))
    assert "not checked: origin cannot be asked" in say(seen, "verify", code=2)
    # When it is forged, then 1
    repo = Repository(seen.path)
    reordered_tip = repo.rewrite(repo.messages()[::-1])
    assert "wrong: the chain is broken at event 1" in say(seen, "verify", code=1)
    assert json.loads(say(seen, "verify", "--json", code=1))["head"] == reordered_tip
    assert "governance: the ledger is broken at event 1" in say(seen, "show", code=1)


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
