"""A canary from its start to its promotion or its end, with the ledger's events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import canary_logs
import pytest
import registry
from baked import BakedProject
from canary_logs import FAULTS, Arm

from governed_ml.core.problem import Problem
from governed_ml.serving.canary import step

pytestmark = pytest.mark.slow

ROWS = 6000  # of the canary: enough for bounds on each pair of groups


@pytest.fixture(autouse=True)
def groups() -> Iterator[None]:
    """The sensitive attributes of the default project."""
    both = {"sex": ("female", "male"), "age_group": ("young", "old")}
    with mock.patch.dict(canary_logs.GROUPS, both):
        yield


def started(project: BakedProject, *words: str) -> None:
    """Let version 2 be the canary."""
    project.call("canary", "start", "2", *words)


def answered(project: BakedProject, arm: Arm = canary_logs.CANARY, rows: int = ROWS) -> None:
    """Write what both arms answered since the last event of the ledger."""
    events = registry.ledger(project)
    since = datetime.fromisoformat(events[-1]["time"])
    digests = {one["version"]: one["subject"]["model"] for one in events if one["version"]}
    arms = (canary_logs.CHAMPION, arm)
    made = [
        canary_logs.replace(one, digest=digests[number], rows=rows)
        for number, one in enumerate(arms, start=1)
    ]
    canary_logs.write(project.path / "data", *made, seed=len(events), start=since)


def judged(project: BakedProject, code: int, *words: str) -> dict[str, Any]:
    """Judge the canary; return what was said."""
    found = json.loads(project.call("canary", *words, "--json", code=code).stdout)
    latest = json.loads(project.read("reports/canary/latest.json"))
    assert (latest["verdict"], latest["event"]) == (found["verdict"], found["event"])
    return found


def test_a_good_canary_goes_on_step_by_step_and_is_promoted(contested: BakedProject) -> None:
    # Given an approved version that became a canary, and that nobody has asked yet
    started(contested)
    # When it is judged, then it is held for that, and this is recorded once
    found = judged(contested, 1)
    assert (found["verdict"], found["share"]) == ("held", 10)
    assert found["reasons"][0].startswith("no subject was answered by the champion since")
    assert judged(contested, 1)["event"] is None
    # When people are answered well, then each judgement brings the next step
    for share in (25, 50):
        answered(contested)
        found = judged(contested, 0)
        assert (found["verdict"], found["share"], found["reasons"]) == ("advanced", share, [])
        # And the rows of a step do not count in the next one
        assert judged(contested, 1)["verdict"] == "held"
    answered(contested)
    found = judged(contested, 0)
    # And after the last step, it is champion
    assert found["verdict"] == "promoted"
    assert registry.states(contested) == {1: "retired", 2: "champion"}
    assert registry.actions(contested)[5:] == [
        *("canary_started 2", "canary_held 2", "canary_advanced 2", "canary_held 2"),
        *("canary_advanced 2", "canary_held 2", "promoted 2"),
    ]
    start, advance, end = (registry.ledger(contested)[n] for n in (5, 7, 11))
    assert start["details"] == {"champion": 1, "share": 10, "protected": found["protected"]}
    assert [one["approver"] for one in start["approvals"]] == ["owner"]
    assert {one["verdict"] for one in advance["details"]["rules"].values()} == {"pass"}
    assert advance["details"]["rows"] == {"champion": ROWS, "canary": ROWS}
    assert end["details"]["canary"]["rules"].keys() == advance["details"]["rules"].keys()
    assert "canary advanced" in contested.call("ledger", "show", COLUMNS="200").stdout
    # And there is no canary any more
    done = contested.call("canary", code=2)
    assert "no version is a canary: start one with" in done.stderr


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_canary_is_reverted_for_its_fault(contested: BakedProject, fault: str) -> None:
    # Given a canary with one fault
    arm, rule = FAULTS[fault]
    started(contested)
    answered(contested, arm)
    # When it is judged by a service, which gives it no more subjects, then it is reverted
    with contested.inside():
        from governed_ml.registry.versions import Registry, model_name

        door = Registry(model_name(contested.path))
        found = step.judge_once(contested.path, door, go_on=False)
    assert (found.verdict, found.exit_code, found.failure) == ("reverted", 1, None)
    # And the ledger names the rule, and no other
    assert registry.actions(contested)[5:] == ["canary_started 2", "canary_reverted 2"]
    event = registry.ledger(contested)[-1]
    broken = [name for name, one in event["details"]["rules"].items() if one["verdict"] == "fail"]
    assert {one.partition("[")[0] for one in broken} == {rule.partition("[")[0]}
    assert event["reason"].startswith(tuple(broken))
    assert event["details"]["ending"] == "rules"
    # And the version does not come back by itself
    assert registry.states(contested) == {1: "champion", 2: "quarantined"}
    assert "version 2 is quarantined" in contested.call("promote", "2", code=1).stderr


def test_a_service_gives_its_canary_no_more_subjects(contested: BakedProject) -> None:
    # Given a canary that passes every rule
    started(contested)
    answered(contested)
    # When a service judges it by itself, then nothing is recorded
    with contested.inside():
        from governed_ml.registry.versions import Registry, model_name

        door = Registry(model_name(contested.path))
        found = step.judge_once(contested.path, door, go_on=False)
    assert (found.verdict, found.event) == ("passed", None)
    assert registry.actions(contested)[-1] == "canary_started 2"


def test_a_revoked_key_holds_a_canary_that_passes_every_rule(contested: BakedProject) -> None:
    # Given a canary whose approver's key was revoked after it had started
    started(contested)
    people = registry.approvers(contested)["people"]
    owner = next(one for one in people if one["name"] == "owner")
    owner["keys"] = [{"key": registry.ssh_key(registry.home(contested) / "keys" / "new")}]
    registry.approvers(contested, people=people)
    registry.save(contested, "A key was lost", author="Risk <risk@example.org>")
    answered(contested)
    # When it is judged, then it gets no more subjects, and is held for that
    found = judged(contested, 1)
    assert found["verdict"] == "held"
    assert (
        "every rule holds, but version 2 still needs approval by model-owner"
        in (found["reasons"][0])
    )
    assert registry.actions(contested)[-1] == "canary_held 2"
    assert judged(contested, 1)["event"] is None


def test_a_canary_that_is_not_judged_in_time_ends(contested: BakedProject) -> None:
    # Given a canary that nobody asked, and whose log is damaged, for longer than the policy allows
    started(contested)
    canary_logs.write(contested.path / "data")
    path = contested.path / "data" / "prediction_log" / "day" / "x.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1")
    # When it is judged in time, then there is no answer, and nothing is recorded
    assert "the prediction log cannot be read" in contested.call("canary", code=2).stderr
    assert registry.actions(contested)[-1] == "canary_started 2"
    # When it is judged too late, then it ends, and the version stays approved
    with mock.patch.object(step, "clock", return_value=datetime.now(UTC) + timedelta(days=15)):
        found = judged(contested, 1)
    assert found["verdict"] == "reverted"
    assert "more than 14 days ago" in found["reasons"][0]
    assert registry.ledger(contested)[-1]["details"]["ending"] == "overdue"
    assert registry.states(contested) == {1: "champion", 2: "approved"}


def test_a_person_stops_a_canary_and_starts_it_again(contested: BakedProject) -> None:
    # Given a canary with less than the first share
    started(contested, "--share", "5")
    for words, cause in (
        (("start", "2"), "version 2 is a canary already"),
        (("stop", "--reason", "No"), "a reason of two words"),
    ):
        done = contested.call("canary", *words, code=None)
        assert done.returncode > 0
        assert cause in done.stderr
    # When a person ends it, then it is no canary, and still approved
    contested.call("canary", "stop", "--reason", "The campaign is over")
    assert registry.ledger(contested)[-1]["reason"] == "The campaign is over"
    assert registry.states(contested) == {1: "champion", 2: "approved"}
    # And it may be tried again
    started(contested)
    assert registry.actions(contested)[-2:] == ["canary_reverted 2", "canary_started 2"]
    # And its first share is not more than the policy's
    contested.call("canary", "stop", "--reason", "Too many subjects")
    done = contested.call("canary", "start", "2", "--share", "50", code=2)
    assert "a canary starts with a share of 1 to 10 percent, not 50" in done.stderr
    # And the champion, or a version that is unknown, is no canary
    assert "only a version that is approved can be" in (
        contested.call("canary", "start", "1", code=1).stderr
    )
    assert "the ledger has no version 7" in contested.call("canary", "start", "7", code=1).stderr


def test_a_revert_that_cannot_be_recorded_is_known_to_the_service(contested: BakedProject) -> None:
    # Given a failing canary, and a ledger that takes no event
    started(contested)
    answered(contested, FAULTS["erroring"][0])
    with contested.inside():
        from governed_ml.registry.versions import Registry, model_name

        door = Registry(model_name(contested.path))
        refused = Problem("nothing is recorded: origin cannot be reached")
        with mock.patch.object(step.registered, "revert", side_effect=refused):
            # When the service judges it, then it knows that its canary must end, and why not yet
            found = step.judge_once(contested.path, door, go_on=False)
    assert (found.verdict, found.event, found.exit_code) == ("reverted", None, 2)
    assert "origin cannot be reached" in str(found.failure)


def test_the_logs_of_two_processes_are_named_by_the_command(
    contested: BakedProject, tmp_path: Path
) -> None:
    # Given two services with logs of their own, of which the project's folder has none
    started(contested)
    answered(contested)
    log = contested.path / "data" / "prediction_log"
    champion, canary = tmp_path / "champion", tmp_path / "canary"
    for folder in (champion, canary):
        for path in log.parent.glob(f"*_log/*/{folder.name}-*.parquet"):
            target = folder / path.relative_to(log.parent)
            target.parent.mkdir(parents=True)
            path.rename(target)
    assert judged(contested, 1)["verdict"] == "held"
    # When the canary is judged by both, then it goes on
    found = judged(contested, 0, "--log", str(champion), "--log", str(canary))
    assert (found["verdict"], found["rows"]) == ("advanced", {"champion": ROWS, "canary": ROWS})
