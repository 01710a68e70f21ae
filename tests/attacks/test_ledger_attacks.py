"""Attacks on the ledger: on its branch, on its end and beginning, on the remote."""

from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import chains
import pytest
from chains import Repository, body, hung_together, ledger, message, only

from governed_ml.ledger import remote

Problem = import_module("governed_ml.core.problem").Problem
Anchor = import_module("governed_ml.ledger.events").Anchor


def colleague(origin: Repository, folder: Path) -> Repository:
    """A second clone that has the ledger."""
    made = chains.new(folder)
    made.git("remote", "add", "origin", origin.path.as_uri())
    take(made)
    return made


def take(made: Repository, force: str = "") -> None:
    """Do what the messages say: take the remote's ledger."""
    made.git("fetch", "--quiet", "origin", f"{force}governance-ledger:governance-ledger")


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
    "edited": (
        edited,
        r"event 3 .*does not name the digest of the event before it, so an event was",
    ),
    "edited-in-store": (edited_in_store, r"event 4 .*somebody edited git's store"),
    "spelt-otherwise": (spelt_otherwise, r"event 4 .*not in canonical form"),
    "reordered": (reordered, r"event 2 .*it has number 3 where 2 was expected"),
    "cut": (cut_from_the_middle, r"event 3 .*it has number 4 where 3 was expected"),
    "headless": (without_beginning, r"event 1 .*it has number 2 where 1 was expected"),
    "files": (with_files, r"event 5 .*its commit holds files"),
    "merge": (merged, r"event 5 .*its commit does not follow the commit before"),
    "by-hand": (by_hand, r"event 5 .*its message is not an event"),
    "encoding": (
        on_top(lambda text, above: body(text, [above], extra="encoding latin-1\n")),
        r"event 5 .*does not have the form that the ledger writes",
    ),
    "another-time": (
        on_top(lambda text, above: body(text, [above]).replace(b" +0000", b"0 +0000")),
        r"event 5 .*its commit and its event have different times",
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


# What others remember


def test_trap_25_a_cut_end_is_seen_by_the_anchor(repo: Repository) -> None:
    # Given a ledger whose fourth event somebody remembers
    anchor = repo.anchor()
    assert repo.verify(anchor).anchored_to == 4
    # When its last two events are cut off
    repo.point(repo.entries()[1].commit)
    # Then the chain holds, and the anchor does not
    assert repo.verify().ok
    found = only(repo.verify(anchor))
    assert found.startswith(
        "the ledger was truncated or made elsewhere: the registry's tag has event 4 ("
    )
    assert "this ledger ends at event 2" in found


def test_trap_25_events_after_the_last_anchor_are_reported_as_unanchored(repo: Repository) -> None:
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
    none = "nothing outside this clone names an event, so a truncated ledger would not be noticed"
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
    assert found.startswith("the ledger was rewritten: the registry's tag has event 2 (")


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
    cause = {
        "deleted": "this clone has no event of the ledger, but ",
        "emptied": "the ledger was truncated or made elsewhere: ",
    }[how]
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
        "the ledger was truncated or made elsewhere: origin, as last seen from here,",
        "the ledger was truncated or made elsewhere: origin",
    ]
    # And the command that the message names fixes it
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
        assert "origin no longer has event 4 (" in only(repo.verify())
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
    with pytest.raises(Problem, match="somebody else wrote an event to origin first") as refused:
        remote.push(repo.path)
    assert refused.value.exit_code == 1
    assert ledger.head(origin.path) == ledger.head(other.path)
    # And verification says where the two part, and how to go on
    found = only(repo.verify())
    said = "the ledgers of origin (5 events) and of this clone (5) differ after event 4."
    assert found.startswith(said)
    take(repo, "+")
    repo.append(reason="again")
    assert remote.push(repo.path)
    assert repo.verify().anchored_to == 6
    # And the colleague is told to take what is new
    assert "truncated or made elsewhere: origin has event 6" in only(other.verify())
    take(other)
    assert other.verify().ok


def test_a_fresh_clone_takes_the_ledger_before_it_writes(
    repo: Repository, origin: Repository, tmp_path: Path
) -> None:
    # Given a fresh clone, which has the ledger as git's clones have other branches: not as its own
    fresh = origin.clone(tmp_path / "fresh")
    assert ledger.head(fresh.path) is None
    # When it is read or written to, then it is not taken for empty, but said how to get it
    for look in (fresh.entries, lambda: ledger.append(fresh.path, "registered")):
        with pytest.raises(Problem, match="git fetch origin governance-ledger:governance-ledger"):
            look()
    assert "no event of the ledger, but origin has event 4 (" in fresh.verify().problems[0]
    # And with the remote's events it goes on from there, as with newer ones later
    assert remote.pull(fresh.path)
    assert fresh.entries() == repo.entries()
    repo.append()
    assert remote.push(repo.path)
    assert remote.pull(fresh.path)
    assert len(remote.pull(fresh.path)) == 1
    fresh.append()
    assert fresh.verify().events == 6
    # But what parted is not fixed
    repo.append(reason="elsewhere")
    assert remote.push(repo.path)
    with pytest.raises(Problem, match="differ after event 5"):
        remote.pull(fresh.path)
    assert len(fresh.entries()) == 6


def test_a_remote_that_does_not_answer_fails_the_verification(
    repo: Repository, origin: Repository
) -> None:
    # Given a remote that is gone
    shutil.rmtree(origin.path)
    # When the ledger is verified, then it could not be judged, and why is said
    found = repo.verify()
    assert (found.ok, found.exit_code, found.problems) == (False, 2, [])
    assert found.unchecked[0].startswith("cannot fetch the ledger from origin: ")
    # And a push says so
    with pytest.raises(Problem, match="cannot fetch the ledger from origin") as refused:
        remote.push(repo.path)
    assert refused.value.exit_code == 2
    # And without any remote there is nothing to push to, which a note says
    repo.git("remote", "remove", "origin")
    assert not remote.push(repo.path)
    assert (
        "there is no remote origin to push the ledger to: "
        "add one with `git remote add origin URL`" in repo.verify().notes
    )


def test_a_remote_that_refuses_is_quoted(repo: Repository, origin: Repository) -> None:
    # Given a remote whose hook takes nothing, and a hook here that would fail any push
    for folder, name in ((origin.path, "pre-receive"), (repo.path / ".git", "pre-push")):
        hook = folder / "hooks" / name
        hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
        hook.chmod(0o755)
    repo.append()
    # When an event is pushed, then the remote's words are passed on
    with pytest.raises(Problem, match=r"refused the ledger: .*not today") as refused:
        remote.push(repo.path)
    assert refused.value.exit_code == 2
    # And the hook here has no say
    (origin.path / "hooks" / "pre-receive").unlink()
    assert remote.push(repo.path)
