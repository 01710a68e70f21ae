"""For how long a version that another engine measured can be approved and promoted."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from governed_ml.core.code.engine import Identity
from governed_ml.core.config import Floor, Policy, Rule
from governed_ml.core.config.policy_schema import EngineTerms
from governed_ml.core.files import digest_of
from governed_ml.core.problem import Problem
from governed_ml.ledger.events import Entry, Event
from governed_ml.ledger.lifecycle import Version
from governed_ml.ledger.rules_in_force import Today
from governed_ml.policy.weaker_policy import below_floor
from governed_ml.registry import earlier_engine

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
DAY = date(2026, 11, 1)
RULE = Rule(id="evaluate.x", metric="evaluate.x", block=0.1, owner="o")


def policy(**more: Any) -> Policy:
    """A policy with one rule."""
    return Policy(name="limited", confidence=0.95, rules=[RULE], **more)


@pytest.mark.parametrize(
    ("measured_by", "age", "days", "cause"),
    [
        (ONE, 900, 0, ""),  # by the engine of today: however old
        (TWO, 0, 30, ""),
        (TWO, 30, 30, ""),
        (TWO, 31, 30, "for 30 days (engine.accept_days), and it was registered 31 days ago"),
        (TWO, 0, 0, "accepts no measurements of another engine"),
        (None, 30, 30, ""),  # measured by the project's own code
        (None, 31, 30, "registered 31 days ago"),
    ],
)
def test_measurements_of_another_engine_count_for_as_long_as_the_policy_says(
    measured_by: str | None, age: int, days: int, cause: str
) -> None:
    why = earlier_engine.refused(measured_by, ONE, DAY, DAY + timedelta(age), days)
    assert bool(why) is bool(cause)
    assert cause in (why or "")


def version(**subject: str) -> Version:
    """A version that was registered on `DAY`."""
    event = Event(
        sequence=1,
        time=f"{DAY}T12:00:00Z",
        actor="a",
        action="registered",
        version=3,
        subject=subject,
        previous="",
    )
    return Version(3, "approved", [Entry("0" * 40, event, signed=False)])


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ({"engine": TWO, "engine_version": "0.2.0"}, f"engine 0.2.0 ({TWO[:19]})"),
        ({}, "engine before 0.2"),
    ],
)
def test_a_version_measured_too_long_ago_must_be_registered_again(
    subject: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a version of another engine than the one that runs, and a policy with 7 days for it
    monkeypatch.setattr(earlier_engine, "identity", lambda: Identity("0.2.1", ONE, "git"))
    terms = policy(engine=EngineTerms(accept_days=7))

    def at(days: int, terms: Policy = terms) -> None:
        params = cast("Any", SimpleNamespace(policy=terms))
        now = Today("c", DAY + timedelta(days), cast("Any", None), params, None)
        earlier_engine.require_accepted(version(**subject), now)

    # Then it counts for 7 days, then it is refused, and with no such section at once
    at(7)
    for days, own in ((8, terms), (0, policy())):
        with pytest.raises(Problem) as one:
            at(days, own)
        said = str(one.value)
        assert said.startswith(f"version 3 was registered with {name}, and the policy accepts")
        assert one.value.exit_code == 1


def test_a_policy_without_the_section_keeps_the_digest_that_earlier_engines_gave_it() -> None:
    values = policy().model_dump(mode="json")
    assert "engine" not in values
    assert policy().accept_days == 0
    floor = Floor(file="f", sha256="0" * 64)
    assert "engine" not in floor.model_dump(mode="json")
    longer = policy(engine=EngineTerms(accept_days=1))
    assert digest_of(longer.model_dump(mode="json")) != digest_of(values)


@pytest.mark.parametrize(
    ("own", "least", "below"), [(31, 30, True), (30, 30, False), (0, 30, False)]
)
def test_an_organisation_may_set_the_longest_time(own: int, least: int, below: bool) -> None:
    floor = Floor(file="f", sha256="0" * 64, engine=EngineTerms(accept_days=least))
    found = below_floor(policy(engine=EngineTerms(accept_days=own), floor=floor))
    assert ("engine.accept_days" in found) is below
    # and a floor that says nothing about it sets no limit
    silent = floor.model_copy(update={"engine": None})
    assert below_floor(policy(engine=EngineTerms(accept_days=own), floor=silent)) == {}


@pytest.mark.parametrize("days", [-1, 1.5, "3", True])
def test_days_are_a_whole_number(days: Any) -> None:
    with pytest.raises(ValueError, match="accept_days"):
        EngineTerms(accept_days=days)
