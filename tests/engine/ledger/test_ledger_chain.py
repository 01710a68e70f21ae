"""The chain of events: whatever is changed in it, moved or cut out of it is seen."""

from __future__ import annotations

import json
from typing import Any

from chains import body, chain, hung_together, message
from hypothesis import given, settings
from hypothesis import strategies as st


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
def test_an_intact_chain_has_no_errors(messages: list[str]) -> None:
    # Given events that hang together, when their commits are checked
    entries, broken = chain.breaks(raws(messages))
    # Then nothing is wrong
    assert broken is None
    assert [entry.event.canonical() + "\n" for entry in entries] == messages


@given(valid, st.data())
def test_any_other_order_is_seen(messages: list[str], data: st.DataObject) -> None:
    # Given another order of the same events, on commits that follow each other
    order = data.draw(st.permutations(range(len(messages))).filter(lambda one: one != sorted(one)))
    # When the chain is checked, then it breaks at the first event out of place
    entries, broken = chain.breaks(raws([messages[n] for n in order]))
    expected = f"it has number {order[len(entries)] + 1} where {len(entries) + 1} was expected"
    assert expected in str(broken)
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
    assert f"it has number {end + 1} where {start + 1} was expected" in str(broken)
    # And if the numbers are made to fit, then by the digest of the event before
    renumbered = [json.loads(one) | {"sequence": n} for n, one in enumerate(left, 1)]
    fitted = [chain.Event(**one).canonical() + "\n" for one in renumbered]
    entries, broken = chain.breaks(raws(fitted))
    assert "does not name the digest of the event before" in str(broken)


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
    assert "does not name the digest of the event before" in str(broken)


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
    assert "somebody edited git's store" in str(broken)


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
