"""rollback.yml and the rollback of a failed promotion, executed by `act`: the champion before."""

from __future__ import annotations

import sys

import hosting
import pytest
import registry
from hosting import NEEDS, Hosted, breaking

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="act runs these jobs for ubuntu on Linux"),
]


@pytest.mark.nightly  # on every push: test_promotion.py, without act
def test_trap_33_a_first_version_that_fails_its_smoke_test_is_red_and_recorded(
    hosted: Hosted,
) -> None:
    # Given a service that does not answer after the first deployment, in a private repository
    hosted.say_yes(model="owner", risk="risk")
    breaking(hosted, "smoke")
    hosted.payload["repository"]["visibility"] = "private"
    # When the workflow runs
    run = hosted.run()
    # Then the run is red after the rollback was tried, and there is nothing to roll back to
    green, red = {*NEEDS, "promote"}, {"deploy", "rollback"}
    assert (run.code, run.green, run.red) == (1, green, red), run.tail()
    assert run.steps["deploy", "Smoke test"] == "failure"
    assert run.steps["rollback", "Roll back"] == "failure"
    assert "nothing to roll back to" in run.said["rollback"]
    # And the ledger has the failure, with the reason
    assert registry.actions(hosted.pulled())[-2:] == ["promoted 1", "rollback_failed 1"]
    event = registry.ledger(hosted.project)[-1]
    assert "smoke test failure (run 7)" in event["reason"]
    assert "no version was champion before" in event["details"]["why"]
    # And nothing was attested, which is said
    assert hosted.runner.noted("actions/attest") == []
    assert "Not attested" in run.summaries["promote"]


@pytest.mark.nightly
def test_rollback_makes_the_champion_before_champion_again_and_once_only(hosted: Hosted) -> None:
    # Given two versions that were champion one after the other
    hosting.another(hosted, champion=True)
    given = {"reason": "Complaints from customers"}
    # When the workflow runs, then the first is champion, deployed and tested
    run = hosted.run("rollback.yml", given)
    jobs = {"preflight", "rollback", "deploy"}
    assert (run.code, run.green, run.red) == (0, jobs, set()), run.tail()
    assert registry.states(hosted.project) == {1: "champion", 2: "quarantined"}
    event = registry.ledger(hosted.pulled())[-1]
    assert (event["action"], event["version"], event["reason"]) == (
        "rolled_back",
        1,
        *given.values(),
    )
    assert run.steps["deploy", "Smoke test"] == "success"
    assert "Nothing is deployed yet" in run.summaries["deploy"]
    # And when the same run's job runs again, then no second version goes
    run = hosted.run("rollback.yml", given)
    assert (run.code, run.green) == (0, jobs), run.tail()
    assert registry.ledger(hosted.pulled())[-1] == event
    assert registry.states(hosted.project) == {1: "champion", 2: "quarantined"}


@pytest.mark.nightly  # on every push: test_promotion.py and test_promote_files.py, without act
def test_trap_33_a_rollback_that_does_not_get_into_production_is_red_and_recorded(
    hosted: Hosted,
) -> None:
    # Given two champions one after the other, and a deployment that fails
    hosting.another(hosted, champion=True)
    breaking(hosted, "deploy")
    # When the workflow runs, then it is red, and the ledger has both: who is champion, and that it
    # is not in production
    run = hosted.run("rollback.yml", {"reason": "Complaints from customers"})
    green = {"preflight", "rollback"}
    assert (run.green, run.red) == (green, {"deploy", "record"}), run.tail()
    assert registry.states(hosted.project) == {1: "champion", 2: "quarantined"}
    assert registry.actions(hosted.pulled())[-2:] == ["rolled_back 1", "rollback_failed 1"]
    event = registry.ledger(hosted.project)[-1]
    assert event["reason"] == "Complaints from customers"
    assert "deploy failure, smoke test skipped (run 7)" in event["details"]["why"]


@pytest.mark.nightly
def test_a_version_that_fails_is_rolled_back_and_the_champion_before_is_deployed_again(
    hosted: Hosted,
) -> None:
    # Given a champion, a newer version that waits, and a service that fails with that alone
    hosting.another(hosted, champion=False)
    hosted.say_yes(model="owner", risk="risk")
    hosted.edit(
        ".github/actions/smoke/action.yml",
        "run: uv run --no-sync dvc pull",
        'run: test "${{ inputs.version }}" = 1 && uv run --no-sync dvc pull',
    )
    # When the workflow runs, then it is red, and the champion before is champion, deployed, tested
    run = hosted.run()
    green = {*NEEDS, "promote", "rollback", "redeploy"}
    assert (run.green, run.red) == (green, {"deploy"}), run.tail()
    assert registry.states(hosted.project) == {1: "champion", 2: "quarantined"}
    assert registry.actions(hosted.pulled())[-2:] == ["promoted 2", "rolled_back 1"]
    assert run.steps["redeploy", "Deploy"] == "success"
    assert run.steps["redeploy", "Smoke test"] == "success"
    # And another run has nothing left to go back to, which is red and recorded
    hosted.runner.variables["GITHUB_RUN_ID"] = "8"
    run = hosted.run("rollback.yml", {"reason": "Complaints from customers"})
    assert (run.green, run.red) == ({"preflight"}, {"rollback"}), run.tail()
    assert registry.actions(hosted.pulled())[-1] == "rollback_failed 1"
