"""The service divides its subjects between champion and canary, and logs who answered whom."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from baked import BakedProject
from http_service import Ledger, model_of, post, rows_of, running, service_of, version_of

from governed_ml.core.problem import Problem
from governed_ml.ledger.production.canary import Canary, CanaryRecord
from governed_ml.serving.app.upkeep import Upkeep
from governed_ml.serving.canary.log_rows import read_arms
from governed_ml.serving.canary.outcome import CanaryOutcome
from governed_ml.serving.canary.split import arm_of, pseudonym
from governed_ml.serving.canary.split_rows import comparable
from governed_ml.serving.canary.watch import REST, CanaryWatch

pytestmark = pytest.mark.slow

MODELS = {"champion": "sha256:1", "canary": "sha256:2"}
SINCE = "2026-01-01T00:00:00Z"
Ask = Callable[..., Any]


@pytest.fixture(name="ledger")
def with_a_canary(project_after_run: BakedProject) -> Ledger:
    """A champion, and an approved version that answers half of the subjects."""
    tried = version_of(2, "approved", "sha256:2")
    ledger = Ledger({1: model_of(project_after_run), 2: model_of(project_after_run, tried)})
    ledger.life.versions |= {1: version_of(), 2: tried}
    ledger.life.canary = Canary(2, 50, 1, SINCE)
    return ledger


@pytest.fixture(name="ask")
def asked(project_after_run: BakedProject, ledger: Ledger, tmp_path: Path) -> Generator[Ask]:
    """Ask the service about a row of a subject; return its answer."""
    rows = rows_of(project_after_run, 1)
    with running(service_of(tmp_path, ledger)) as port:

        def ask(subject: str | None = None) -> Any:
            named = {} if subject is None else {"x_subject": subject}
            return post(port, "/predict", rows, **named).json

        yield ask


def logged(folder: Path) -> list[dict[str, Any]]:
    """Read the records of the open segments."""
    paths = sorted((folder / "data" / "prediction_log").glob("*/*.jsonl"))
    lines = [line for one in paths for line in one.read_text(encoding="utf-8").splitlines()]
    return [json.loads(line) for line in lines]


def test_a_subject_is_always_answered_by_the_same_version(ask: Ask, tmp_path: Path) -> None:
    # Given twenty subjects who ask twice, and a request without a subject
    subjects = [f"person-{number}" for number in range(20)] * 2
    # When they are answered
    versions = {one: ask(one)["version"] for one in subjects}
    assert ask()["version"] == ask("  ")["version"] == 1
    # Then each is answered by whom the split says, and both versions answer some
    wanted = {"champion": 1, "canary": 2}
    assert versions == {one: wanted[arm_of(one, "sha256:2", 50)] for one in subjects}
    assert set(versions.values()) == {1, 2}
    # And the log has the arm, and a pseudonym of the subject
    found = logged(tmp_path)
    assert [one["subject"] for one in found] == [*map(pseudonym, subjects), None, None]
    assert [wanted[one["arm"]] for one in found[:40]] == [versions[one] for one in subjects]
    assert "person-" not in json.dumps(found)


def test_where_the_canary_fails_the_champion_answers_and_both_are_told_apart(
    ask: Ask, ledger: Ledger, tmp_path: Path
) -> None:
    # Given a canary that fails every request
    broken = mock.patch.object(ledger.models[2], "predict", side_effect=ValueError("no"))
    subjects = [f"person-{number}" for number in range(40)]
    with broken:
        # When forty subjects ask, then each gets the champion's answer
        assert {ask(one)["version"] for one in subjects} == {1}
    mine = {pseudonym(one) for one in subjects if arm_of(one, "sha256:2", 50) == "canary"}
    # And the rows that are compared are those of the canary's subjects, which failed, and of the
    # others; what the champion answered in place of the canary is in neither
    rows = comparable(read_arms([tmp_path / "data"], MODELS, None))
    assert rows.counts() == {"champion": 40 - len(mine), "canary": len(mine)}
    assert set(rows.of("canary")["subject"]) == mine
    assert rows.of("canary")["failed"].all()
    assert not rows.of("champion")["failed"].any()
    assert rows.notes == [
        f"rows that the champion answered because the canary failed, left out: {len(mine)}"
    ]


def reverted(failure: Problem | None = None) -> CanaryOutcome:
    """A judgement that ends the canary of the fixture."""
    record = CanaryRecord(
        champion=1,
        share=50,
        protected="c",
        since=SINCE,
        rows={},
        rules={},
        reasons=["canary.x: no"],
    )
    return CanaryOutcome(2, "reverted", record, None if failure else 9, failure)


def test_a_canary_that_broke_a_rule_answers_nobody_even_if_the_ledger_cannot_be_told(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a service with a canary, which a judgement ends, and a ledger that takes no event
    service = service_of(tmp_path, ledger)
    service.keeper.refresh()
    assert service.keeper.lineup.canary is not None
    lost = reverted(Problem("nothing is recorded: origin cannot be reached"))
    # When the service is looked after, then its canary is gone, although the ledger has it
    for _ in range(2):
        Upkeep(service, lambda: lost).once()
        assert ledger.life.canary is not None
        assert (service.keeper.lineup.canary, service.keeper.lineup.share) == (None, 0.0)
    said = capsys.readouterr().err
    assert "canary 2 is reverted: canary.x: no" in said
    assert "origin cannot be reached" in said
    # And a later step, which somebody judged to be good, is followed
    ledger.life.canary = Canary(2, 60, 2, "2026-01-02T00:00:00Z")
    Upkeep(service).once()
    assert service.keeper.lineup.share == 60


def test_a_judgement_that_took_long_is_not_repeated_at_once() -> None:
    # Given a judgement that takes three seconds by a clock of the test
    now = [100.0]
    judged: list[float] = []

    def judge() -> CanaryOutcome:
        judged.append(now[0])
        now[0] += 3
        if len(judged) == 2:
            raise Problem("the prediction log cannot be read")
        return reverted()

    watch = CanaryWatch(judge, lambda: now[0])
    # When it is asked for at every second
    for _ in range(130):
        with suppress(Problem):
            watch.look()
        now[0] += 1
    # Then it takes a twentieth of the time, also after it failed
    assert judged == [100.0, 103.0 + 3 * REST, 106.0 + 6 * REST]


@pytest.mark.parametrize(("arm", "version"), [("champion", 1), ("canary", 2)])
def test_behind_a_proxy_that_divides_the_subjects_a_service_is_one_arm(
    project_after_run: BakedProject, ledger: Ledger, tmp_path: Path, arm: Any, version: int
) -> None:
    # Given a service that answers as one arm, whatever share the ledger has
    service = service_of(tmp_path, ledger)
    service.arm = arm
    rows = rows_of(project_after_run, 1)
    with running(service) as port:
        # When many subjects ask, then that arm answers, and is logged
        subjects = [f"person-{number}" for number in range(10)]
        answers = [post(port, "/predict", rows, x_subject=one).json for one in subjects]
        assert {one["version"] for one in answers} == {version}
        assert {one["arm"] for one in logged(tmp_path)} == {arm}
        # And without a subject it is the champion, and so it is when there is no canary any more
        assert post(port, "/predict", rows).json["version"] == 1
        ledger.life.canary = None
        service.keeper.refresh()
        assert post(port, "/predict", rows, x_subject="person-1").json["version"] == 1
