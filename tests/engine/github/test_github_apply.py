"""GitHub's settings are made so, once, by commands that say what they set and no token."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import baked
import pytest
from baked import Bake
from github_projects import (
    CHECKS,
    ENVIRONMENTS,
    MODEL,
    RISK,
    TOKEN,
    applied,
    clone,
    compared,
    hub_unset,  # noqa: F401 - a fixture
    lines,
    meet,
    named,
    rule,
    ruleset,
    settle,
    variables,
)
from github_stand_in import Failure, GitHubStandIn

pytestmark = pytest.mark.slow  # all together


# Making it so


def test_a_plan_tells_all_and_changes_nothing(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given a repository with GitHub's defaults, when it is compared
    report = compared(loans)
    # Then all settings differ, and nothing was set
    assert report.exit_code == 1
    assert named(report, "as wanted") == [".github/CODEOWNERS"]
    assert {asked.method for asked in hub.asked} == {"GET"}
    for words in (f"reviewers {MODEL}", f"reviewers {RISK}", "decision", "sha_pinning_required"):
        assert words in lines(report)


def test_after_apply_everything_is_as_wanted(hub: GitHubStandIn, loans: baked.BakedProject) -> None:
    # Given a repository with GitHub's defaults, when the settings are applied
    report = applied(loans)
    # Then they are as they must be, by what GitHub says and by what it has
    assert report.exit_code == 0
    assert len(report.changed) == 12
    assert compared(loans).exit_code == 0
    assert tuple(hub.settings.environments) == ENVIRONMENTS
    for name in ("approve-model", "approve-risk"):
        made = hub.settings.environments[name]
        assert made["prevent_self_review"] is True
        assert len(made["reviewers"]) == 1
    for name, made in hub.settings.environments.items():
        assert made["can_admins_bypass"] is False
        assert [one["name"] for one in hub.settings.patterns[name]] == ["main"]
    checks = rule(hub, "required_status_checks")
    assert [one["context"] for one in checks["required_status_checks"]] == CHECKS
    assert {one["integration_id"] for one in checks["required_status_checks"]} == {15368}
    kept = {one["type"] for one in ruleset(hub, "governance-ledger")["rules"]}
    assert kept == {"deletion", "non_fast_forward"}


def test_apply_twice_changes_nothing(hub: GitHubStandIn, loans: baked.BakedProject) -> None:
    # Given settings that were applied, when they are applied again
    applied(loans)
    before = hub.settings.changes, copy.deepcopy(hub.settings.rulesets)
    report = applied(loans)
    # Then nothing is sent
    assert (report.changed, report.exit_code) == ([], 0)
    assert (hub.settings.changes, hub.settings.rulesets) == before


def test_settings_made_by_hand_are_as_required(
    hub: GitHubStandIn, loans: baked.BakedProject
) -> None:
    # Given settings that were made by hand, when they are compared, then they are as wanted
    settle(hub)
    assert lines(compared(loans)) == ""


# As people run it


@pytest.fixture
def shop(
    bake_runnable: Bake, hub: GitHubStandIn, tmp_path: Path
) -> tuple[baked.BakedProject, dict[str, str]]:
    """A project whose commands can be run, and the variables that they need."""
    made = clone(bake_runnable(), tmp_path)
    meet(made, hub)
    return made, variables(hub)


def test_the_commands_plan_apply_and_verify(
    hub: GitHubStandIn, shop: tuple[baked.BakedProject, dict[str, str]]
) -> None:
    # Given a repository with GitHub's defaults
    made, env = shop
    # When nothing is said but `github`, then it is a plan, and nothing is changed
    said = made.governance("github", code=1, **env).stdout
    assert "environment approve-risk: is missing, must be reviewers @acme/model-risk" in said
    assert "1 as wanted · 12 differs: run `uv run governance github apply`" in said
    assert made.governance("github", "verify", code=1, **env).stdout.count("as wanted") == 2
    assert hub.settings.changes == 0
    # When it is applied, then it is said what was set
    done = made.governance("github", "apply", **env)
    assert done.stdout.splitlines()[-1] == "12 settings changed"
    assert "ruleset governance: main: set" in done.stderr
    # And then there is nothing more to do
    again = json.loads(made.governance("github", "apply", "--json", **env).stdout)
    assert again["changed"] == []
    assert "nothing changed" in made.governance("github", "apply", **env).stdout
    assert made.governance("github", "plan", **env).stdout == "13 as wanted\n"
    report = json.loads(made.governance("github", "verify", "--json", **env).stdout)
    assert {one["state"] for one in report["settings"]} == {"as wanted"}


def test_no_command_shows_the_token(
    hub: GitHubStandIn, shop: tuple[baked.BakedProject, dict[str, str]]
) -> None:
    # Given a GitHub that refuses, and says the token in its reason
    made, env = shop
    hub.failures.append(Failure(422, {"message": f"bad {TOKEN}"}, path="environments/production"))
    for words in (("plan",), ("apply",), ("verify", "--json")):
        # When the commands are run, then none shows it
        done = made.governance("github", *words, code=2, **env)
        assert TOKEN not in done.stdout + done.stderr
        assert "GitHub says: bad …" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    # And without one, they say what to set
    done = made.governance("github", "plan", code=2, **env | {"GITHUB_TOKEN": ""})
    assert "set GITHUB_TOKEN" in done.stderr
