"""States that the ledger tells, and the comparison of recomputed evidence, against plain words."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governed_ml.core import config
from governed_ml.ledger import lifecycle
from governed_ml.policy import weaker_policy
from governed_ml.registry.remeasure import recompute

ACTIONS = ["registered", "quarantined", "approved", "rejected", "promoted", "rolled_back"]


def entry(number: int, action: str, version: int | None, **details: Any) -> Any:
    """An entry of the ledger, as far as states go by it."""
    event = SimpleNamespace(
        sequence=number, action=action, version=version, details=details, subject={}, approvals=[]
    )
    return SimpleNamespace(event=event, commit=str(number), signed=False)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([*ACTIONS, "reconciled"]), st.integers(1, 3), st.booleans()),
        max_size=25,
    )
)
def test_illegal_events_are_void_and_there_is_at_most_one_champion(
    moves: list[tuple[str, int, bool]],
) -> None:
    # Given any events, legal or not
    entries: list[Any] = []
    legal: list[Any] = []
    states: dict[int, str] = {}  # by hand
    for action, version, missing in moves:
        now = states.get(version)
        new = {
            ("registered", None): "pending_review",
            ("quarantined", None): "quarantined",
            ("approved", "pending_review"): "pending_review" if missing else "approved",
            ("approved", "approved"): "pending_review" if missing else "approved",
            ("rejected", "pending_review"): "rejected",
            ("rejected", "approved"): "rejected",
            ("promoted", "approved"): "champion",
            ("rolled_back", "retired"): "champion",
        }.get((action, now))
        details = {"missing": ["risk-owner"] if missing else []}
        one = entry(len(entries) + 1, action, version, **details)
        entries.append(one)
        if action == "reconciled":
            legal.append(one)
            continue
        if new is None:
            continue
        if new == "champion":
            left = "retired" if action == "promoted" else "quarantined"
            states = {n: left if state == "champion" else state for n, state in states.items()}
        states[version] = new
        legal.append(one)
    # When they are followed, then just the illegal ones are void, each for its reason
    found = lifecycle.trace(entries)
    assert found.counted == legal
    assert [one.entry for one in found.void] == [one for one in entries if one not in legal]
    assert all("it is illegal: version" in one.why for one in found.void)
    # And each version has the state that it has by hand, and one is champion or none
    assert {n: one.state for n, one in found.versions.items()} == states
    champions = [n for n, state in states.items() if state == "champion"]
    assert len(champions) <= 1
    assert (found.champion.number if found.champion else None) == next(iter(champions), None)
    # And what follows makes no event void or valid that came before
    for length in range(len(entries)):
        assert lifecycle.trace(entries[:length]).counted == [
            one for one in entries[:length] if one in legal
        ]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-1e6, 1e6) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


def same(one: Any, two: Any) -> bool:
    """Whether two JSON values are equal but for rounding, in the plainest words."""
    if type(one) in (int, float) and type(two) in (int, float):
        return math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-9)
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        return set(one) == set(two) and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)


@settings(max_examples=500, deadline=None)
@given(VALUES, VALUES)
def test_recomputed_evidence_differs_where_it_differs(one: Any, two: Any) -> None:
    # Given two values of evidence, when they are compared, then a difference is found if there is
    # one; a value that is null and one that is not there are alike
    found = recompute.difference(one, two)
    if same(one, two):
        assert found is None
    elif found is None:
        assert same(without_nulls(one), without_nulls(two))
    else:
        _, first, second = found
        assert not same(first, second)


def without_nulls(value: Any) -> Any:
    """A value without the keys whose value is null."""
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("own", "cause"),
    [
        (None, "approvals are missing"),
        ({"roles": ["risk"], "valid_days": 30}, "no approval by owner"),
        ({"roles": ["owner"], "valid_days": 30}, "no approval by owner"),
        ({"roles": ["owner", "owner"], "valid_days": 31}, "approvals last 31 days"),
        ({"roles": ["owner", "owner", "risk"], "valid_days": 7}, ""),
    ],
)
def test_an_organisations_floor_asks_for_approvals(own: dict[str, Any] | None, cause: str) -> None:
    # Given a floor that wants two owners within thirty days, when a policy is held against it
    rule = {"id": "a.b", "metric": "a.b", "block": 1.0, "owner": "x"}
    least = config.Approvals(roles=["owner", "owner"], valid_days=30)
    floor = config.Floor(file="floor.yaml", sha256="0" * 64, approvals=least)
    policy = config.Policy(name="p", confidence=0.95, rules=[rule], approvals=own, floor=floor)
    # Then fewer people or a longer time undercut it
    found = weaker_policy.below_floor(policy).get("approvals", "")
    assert cause in found
    assert bool(found) == bool(cause)
