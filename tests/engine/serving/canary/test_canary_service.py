"""The service divides its subjects between champion and canary, and logs who answered whom."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from baked import BakedProject
from http_service import Ledger, model_of, post, rows_of, running, service_of, version_of

from governed_ml.ledger.production.canary import Canary
from governed_ml.serving.canary.log_rows import read_arms
from governed_ml.serving.canary.split import arm_of, pseudonym
from governed_ml.serving.canary.split_rows import comparable

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
