"""Whatever settings there are, they become what is wanted, no weaker, and then rest."""

from __future__ import annotations

import copy
from typing import Any

import baked
import pytest
from github_projects import (
    ANYBODY,
    CHECKS,
    CUSTOM,
    ENVIRONMENTS,
    MODEL,
    ONLY,
    RISK,
    applied,
    hub_unset,  # noqa: F401 - a fixture
    meet,
)
from github_settings_stand_in import number_of
from github_stand_in import GitHubStandIn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governed_ml.github import settings as wants

pytestmark = pytest.mark.slow  # all together


# Any settings


FLAGS, SOME = st.booleans(), st.sampled_from(["main", "release/*", "dev"])
KINDS = st.sampled_from(["deletion", "non_fast_forward", "creation", "required_signatures"])
CONTEXTS = st.sampled_from([*CHECKS, "a-scan", "deploy"])
HANDLES = st.lists(st.sampled_from(["@ada", "@bob", "@eve", RISK, MODEL]), unique=True)


@st.composite
def rules(draw: Any) -> dict[str, Any]:
    """Rules of a ruleset, as people may have left them."""
    found: dict[str, Any] = {kind: {} for kind in draw(st.lists(KINDS, unique=True))}
    if draw(FLAGS):
        found["pull_request"] = {
            name: draw(st.integers(0, 10) if name.endswith("count") else FLAGS)
            for name in (*wants.REVIEW, "required_review_thread_resolution")
        }
    if draw(FLAGS):
        apps = st.sampled_from([None, 1, wants.ACTIONS])
        checks = [
            {"context": name, "integration_id": draw(apps)}
            for name in sorted(draw(st.lists(CONTEXTS, unique=True)))
        ]
        strict = {"strict_required_status_checks_policy": draw(FLAGS)}
        found["required_status_checks"] = strict | {"required_status_checks": checks}
    return found


@st.composite
def rulesets(draw: Any) -> dict[str, Any]:
    """A ruleset, as people may have left it."""
    return {
        "id": 41,
        "target": "branch",
        "enforcement": draw(st.sampled_from(["active", "disabled", "evaluate"])),
        "bypass_actors": copy.deepcopy(draw(st.sampled_from([[], ANYBODY]))),
        "include": [f"refs/heads/{one}" for one in draw(st.lists(SOME))],
        "exclude": [f"refs/heads/{one}" for one in draw(st.lists(SOME))],
        "rules": draw(rules()),
    }


@st.composite
def environments(draw: Any) -> dict[str, Any]:
    """An environment, as people may have left it."""
    names = st.lists(SOME, unique=True).map(sorted)
    return {
        "reviewers": sorted(draw(HANDLES)),
        "prevent_self_review": draw(FLAGS),
        "can_admins_bypass": draw(st.sampled_from([None, True, False])),
        "wait_timer": draw(st.integers(0, 30)),
        "branches": draw(st.one_of(st.sampled_from([wants.EVERY, wants.PROTECTED_ONLY]), names)),
    }


@given(found=st.one_of(st.none(), rulesets()))
def test_any_ruleset_becomes_a_stable_one_that_is_no_weaker(found: Any) -> None:
    # Given any ruleset, or none
    becomes = wants.ruleset_becomes("main", wants.main_rules(CHECKS))
    before = copy.deepcopy(found)
    # When it becomes what it must be
    after = becomes(found)
    # Then that is all that is needed, and what was there was not touched on the way
    assert becomes(after) == after
    assert wants.differences(after, becomes(after)) == []
    assert found == before
    assert bool(wants.differences(found, after)) == (found != after)
    # And it is active for main, for everybody, with every rule that was there and no less of it
    assert (after["enforcement"], after["bypass_actors"], after["exclude"]) == ("active", [], [])
    old = found["rules"] if found else {}
    assert old.keys() <= after["rules"].keys()
    count, name = "required_approving_review_count", "required_status_checks"
    assert after["rules"]["pull_request"][count] >= max(
        1, old.get("pull_request", {}).get(count, 0)
    )
    names = {one["context"] for one in after["rules"][name][name]}
    assert names >= {*CHECKS, *(one["context"] for one in old.get(name, {}).get(name, []))}
    own = [one for one in after["rules"][name][name] if one["context"] in CHECKS]
    assert {one["integration_id"] for one in own} == {wants.ACTIONS}


@given(found=st.one_of(st.none(), environments()), reviewers=HANDLES)
def test_any_environment_becomes_a_protected_one(found: Any, reviewers: list[str]) -> None:
    # Given any environment, or none, when it becomes what it must be
    becomes = wants.environment_becomes(reviewers)
    after = becomes(found)
    # Then that is all that is needed
    assert becomes(after) == after
    assert bool(wants.differences(found, after)) == (found != after)
    # And those review who must, or else those who did
    assert after["reviewers"] == (sorted(reviewers) or (found["reviewers"] if found else []))
    assert after["prevent_self_review"] or not after["reviewers"]
    assert (after["can_admins_bypass"], after["branches"]) == (False, ["main"])
    assert after["wait_timer"] == (found["wait_timer"] if found else 0)


@st.composite
def states(draw: Any) -> Any:
    """Environments and reviews of a repository, as GitHub may have them."""
    found: dict[str, Any] = {"environments": {}, "patterns": {}}
    for name in draw(st.lists(st.sampled_from(ENVIRONMENTS), unique=True)):
        allowed = draw(st.sampled_from([None, ONLY, CUSTOM]))
        bob = {"type": "User", "id": number_of("bob")}
        found["environments"][name] = {
            "reviewers": draw(st.sampled_from([[], [bob]])),
            "prevent_self_review": draw(FLAGS),
            "can_admins_bypass": draw(FLAGS),
            "wait_timer": draw(st.integers(0, 30)),
            "deployment_branch_policy": allowed,
        }
        names = draw(st.lists(SOME, unique=True)) if allowed == CUSTOM else []
        found["patterns"][name] = [
            {"id": n, "name": one, "type": "branch"} for n, one in enumerate(names, 1)
        ]
    kept = draw(rules())
    for one in kept.get("required_status_checks", {}).get("required_status_checks", []):
        if one["integration_id"] is None:
            del one["integration_id"]
    found["rules"] = [
        {"type": kind, "parameters": values} if values else {"type": kind}
        for kind, values in kept.items()
    ]
    return found


@pytest.mark.nightly
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(state=states())
def test_apply_changes_any_settings_once_and_then_nothing(
    hub: GitHubStandIn, loans: baked.BakedProject, state: Any
) -> None:
    # Given any settings at GitHub, when they are applied
    hub.settings.__post_init__()
    meet(loans, hub)
    hub.settings.environments |= copy.deepcopy(state["environments"])
    hub.settings.patterns |= copy.deepcopy(state["patterns"])
    names = {"ref_name": {"include": ["refs/heads/main"], "exclude": []}}
    body = {"name": "governance: main", "enforcement": "active", "conditions": names}
    hub.settings.post_ruleset(body | {"rules": copy.deepcopy(state["rules"])})
    assert applied(loans).exit_code == 0
    # Then once is enough
    assert applied(loans).changed == []
