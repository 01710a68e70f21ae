"""The canary that the ledger tells of: one at most, and what ends it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governed_ml.ledger import lifecycle
from governed_ml.ledger.production.canary import Canary

ACTIONS = ["registered", "approved", "rejected", "promoted", "rolled_back", *lifecycle.OF_CANARY]
RULES = {"ending": "rules"}


def entry(number: int, action: str, version: int | None, **details: Any) -> Any:
    """An entry of the ledger, as far as states go by it."""
    event = SimpleNamespace(
        sequence=number,
        action=action,
        version=version,
        details=details,
        subject={},
        approvals=[],
        time=f"2026-01-01T00:00:{number:02}Z",
    )
    return SimpleNamespace(event=event, commit=str(number), signed=False)


def story(*moves: tuple[str, int] | tuple[str, int, dict[str, Any]]) -> lifecycle.Lifecycle:
    """Follow a champion 1 and an approved version 2, and what happened after."""
    first = [("registered", 1), ("approved", 1), ("promoted", 1), ("registered", 2)]
    every = [*first, ("approved", 2), *moves]
    return lifecycle.trace(
        entry(number, move[0], move[1], **(move[2] if len(move) > 2 else {}))
        for number, move in enumerate(every, start=1)
    )


STARTED = ("canary_started", 2, {"share": 10})


def test_a_canary_has_the_share_and_the_time_of_its_step() -> None:
    # Given a canary that started, was held and advanced, when the ledger is followed
    held = ("canary_held", 2, {"share": 10})
    started = story(STARTED, held).canary
    advanced = story(STARTED, held, ("canary_advanced", 2, {"share": 25})).canary
    # Then it is known which share it has, and since when
    assert started == Canary(2, 10, 1, "2026-01-01T00:00:06Z")
    assert advanced == Canary(2, 25, 2, "2026-01-01T00:00:08Z")


@pytest.mark.parametrize(
    ("moves", "states"),
    [
        ([("promoted", 2)], {1: "retired", 2: "champion"}),
        ([("rejected", 2)], {1: "champion", 2: "rejected"}),
        ([("canary_reverted", 2, RULES)], {1: "champion", 2: "quarantined"}),
        ([("canary_reverted", 2, {"ending": "stopped"})], {1: "champion", 2: "approved"}),
        ([("canary_reverted", 2, {"ending": "overdue"})], {1: "champion", 2: "approved"}),
        ([("approved", 2, {"missing": ["risk-owner"]})], {1: "champion", 2: "pending_review"}),
        (
            [("registered", 3), ("approved", 3), ("promoted", 3)],
            {1: "retired", 2: "approved", 3: "champion"},
        ),
    ],
    ids=["promoted", "rejected", "broke-rules", "stopped", "overdue", "unapproved", "other"],
)
def test_what_ends_a_canary(moves: list[Any], states: dict[int, str]) -> None:
    # Given a running canary, when something happens to it or to the champion
    found = story(STARTED, *moves)
    # Then there is no canary, and each version is in the state that it should be in
    assert not found.void
    assert found.canary is None
    assert {n: one.state for n, one in found.versions.items()} == states


@pytest.mark.parametrize(
    ("moves", "cause"),
    [
        ([STARTED, STARTED], "version 2 is a canary already"),
        (
            [STARTED, ("registered", 3), ("approved", 3), ("canary_started", 3, {"share": 10})],
            "version 2 is a canary already",
        ),
        ([("canary_advanced", 2, {"share": 10})], "version 2 is no canary"),
        ([("canary_held", 2)], "version 2 is no canary"),
        ([("canary_reverted", 2, RULES)], "version 2 is no canary"),
        (
            [("registered", 3), ("canary_started", 3, {"share": 10})],
            "version 3 is pending review: only a version that is approved can be a canary",
        ),
        (
            [("canary_started", 1, {"share": 10})],
            "version 1 is champion: only a version that is approved can be a canary",
        ),
        ([STARTED, ("canary_reverted", 2), ("canary_held", 2)], "version 2 is no canary"),
    ],
)
def test_an_illegal_event_about_a_canary_is_void(moves: list[Any], cause: str) -> None:
    # Given an event that is not allowed, when the ledger is followed, then it is void for that
    found = story(*moves)
    assert [cause in one.why for one in found.void] == [True]
    assert found.void[0].why.startswith("it is illegal: ")


def test_a_canary_needs_a_champion() -> None:
    # Given an approved version and no champion, when a canary is started, then that is void
    moves = [("registered", 1), ("approved", 1), ("canary_started", 1)]
    found = lifecycle.trace(entry(n, *move) for n, move in enumerate(moves, start=1))
    assert [one.why for one in found.void] == [
        "it is illegal: there is no champion to compare a canary with"
    ]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(ACTIONS),
            st.integers(1, 3),
            st.fixed_dictionaries(
                {"share": st.sampled_from([5, 10, 25]), "ending": st.sampled_from(["rules", None])}
            ),
        ),
        max_size=30,
    )
)
def test_only_an_approved_version_beside_a_champion_is_ever_a_canary(moves: list[Any]) -> None:
    # Given any events, legal or not, when they are followed one after the other
    entries = [entry(n, a, v, **details) for n, (a, v, details) in enumerate(moves, start=1)]
    for length in range(len(entries) + 1):
        found = lifecycle.trace(entries[:length])
        # Then a canary is approved, there is a champion beside it, and its event counts
        if found.canary is None:
            continue
        assert found.versions[found.canary.version].state == "approved"
        assert found.champion is not None
        last = next(
            one.event
            for one in reversed(found.counted)
            if one.event.action in ("canary_started", "canary_advanced")
        )
        assert (last.version, last.details["share"]) == (found.canary.version, found.canary.share)
        assert last.time == found.canary.since
