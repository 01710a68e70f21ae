"""Who is answered by the canary: a stable, growing, independent share of the subjects."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from governed_ml.serving.canary.split import arm_of, place_of, pseudonym

MODEL, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
SUBJECTS = [f"person-{number}" for number in range(20_000)]
shares = st.floats(0, 100, allow_nan=False)
names = st.text(min_size=1).filter(lambda name: bool(name.strip()))


@pytest.mark.parametrize("share", [0.5, 1, 5, 10, 25, 50, 75])
def test_the_share_of_subjects_is_the_one_that_was_asked_for(share: float) -> None:
    # Given many subjects, when each is sent to an arm
    found = sum(arm_of(one, MODEL, share) == "canary" for one in SUBJECTS)
    # Then the canary has as many as chance may give it
    low, high = binom.interval(1 - 1e-6, len(SUBJECTS), share / 100)
    assert low <= found <= high


@given(names, shares, shares)
def test_a_larger_share_only_adds_subjects(subject: str, one: float, other: float) -> None:
    # Given a subject whom the canary answers, when the share grows
    small, large = sorted([one, other])
    # Then it still does
    if arm_of(subject, MODEL, small) == "canary":
        assert arm_of(subject, MODEL, large) == "canary"


@given(names)
def test_nobody_is_in_a_share_of_0_and_everybody_in_100(subject: str) -> None:
    assert (arm_of(subject, MODEL, 0), arm_of(subject, MODEL, 100)) == ("champion", "canary")


@pytest.mark.parametrize("subject", [None, "", "  ", "\t\n"])
def test_a_request_without_a_subject_goes_to_the_champion(subject: str | None) -> None:
    assert arm_of(subject, MODEL, 100) == "champion"


def test_two_canaries_do_not_try_the_same_people() -> None:
    # Given two canaries with half of the subjects each, when their subjects are compared
    arms = [(arm_of(one, MODEL, 50), arm_of(one, OTHER, 50)) for one in SUBJECTS]
    both = arms.count(("canary", "canary"))
    # Then as many are in both as if one said nothing of the other
    low, high = binom.interval(1 - 1e-6, len(SUBJECTS), 0.25)
    assert low <= both <= high


def test_every_process_sends_a_subject_to_the_same_arm() -> None:
    # Given the places of some subjects here, when another process with another seed is asked
    code = (
        "from governed_ml.serving.canary.split import place_of\n"
        f"print([place_of(one, {MODEL!r}) for one in {SUBJECTS[:50]!r}])"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # Then it says the same
    assert said.strip() == str([place_of(one, MODEL) for one in SUBJECTS[:50]])


def test_a_subject_stays_where_it_was_in_later_releases_of_the_engine() -> None:
    # Given a subject, when its place is computed, then it is the one that was recorded once
    assert place_of("person-1", MODEL) == pytest.approx(0.28021349035036797, abs=1e-15)


def test_the_log_has_a_pseudonym_of_a_subject() -> None:
    # Given subjects, when they are logged, then each is told apart, and none by name
    names = {pseudonym(one) for one in SUBJECTS}
    assert len(names) == len(SUBJECTS)
    assert not any(one in str(name) for one, name in zip(SUBJECTS, names, strict=True))
    # And surrounding space makes nobody another person, and nobody has no pseudonym
    assert pseudonym(" person-1 ") == pseudonym("person-1")
    assert (pseudonym(None), pseudonym("  ")) == (None, None)
