"""The features with the largest effect are found in blocks if there are very many."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governed_ml.measures.strongest import EACH, how_found, strongest

NAMES = [f"f{number}" for number in range(10 * EACH)]


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.floats(0.1, 9), min_size=3, max_size=9))
def test_effects_that_add_up_are_found_with_few_tries(effects: dict[str, float]) -> None:
    # Given thousands of features, of which a few have an effect
    tried: list[int] = []

    def effect(names: list[str]) -> float:
        tried.append(len(names))
        return sum(effects.get(name, 0.0) for name in names)

    # When the three strongest are searched
    found = strongest(NAMES, effect, 3)
    # Then they are the three strongest, with their own effects, after a fraction of the tries
    assert [value for _, value in found] == sorted(effects.values(), reverse=True)[:3]
    assert all(effects[name] == value for name, value in found)
    assert len(tried) < len(NAMES) / 3


def test_few_features_are_each_tried_alone_and_ties_keep_their_order() -> None:
    tried: list[list[str]] = []

    def effect(names: list[str]) -> float:
        tried.append(names)
        return float(names[0] == "f2")

    found = strongest(NAMES[:EACH], effect, 1)
    assert found[:3] == [("f2", 1.0), ("f0", 0.0), ("f1", 0.0)]
    assert tried == [[name] for name in NAMES[:EACH]]


@pytest.mark.parametrize(("features", "said"), [(EACH, ""), (EACH + 1, "in blocks of the 201")])
def test_a_note_says_when_blocks_were_searched(features: int, said: str) -> None:
    assert said in how_found(features)
    assert bool(how_found(features)) == bool(said)
