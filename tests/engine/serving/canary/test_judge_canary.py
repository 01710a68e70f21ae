"""A canary is judged by what it answered: each fault by its rule, and nothing without rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import canary_logs
import pandas as pd
import policies
import pytest
from canary_logs import CANARY, CHAMPION, FAULTS, NEW, OLD, START

from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem
from governed_ml.serving.canary.judge import CanaryJudgement, judge
from governed_ml.serving.canary.log_rows import read_arms
from governed_ml.serving.canary.split_rows import comparable

TERMS = policies.of_template("limited").canary
LOANS = Data.model_validate(
    {
        "name": "loans",
        "task": "classification",
        "target": "repaid",
        "positive": "yes",
        "contract": "contract.json",
        "source": {"kind": "file", "path": "loans.csv"},
        "sensitive": {"sex": {}},
    }
)
MODELS = {"champion": OLD, "canary": NEW}


def judged(*folders: Path, since: Any = START, data: Data = LOANS) -> CanaryJudgement:
    """Judge what the logs in these folders have."""
    assert TERMS is not None
    rows = comparable(read_arms(folders, MODELS, since, list(data.sensitive)))
    return judge(rows, TERMS, data, 0.95)


def test_a_healthy_canary_passes_every_rule(tmp_path: Path) -> None:
    # Given a canary that answers like the champion, when it is judged, then it passes
    found = judged(canary_logs.write(tmp_path, CHAMPION, CANARY))
    assert found.passed, found.reasons
    assert not found.reasons
    # And it is told by how many rows, of which the first so many count
    assert (found.rows, found.size) == ({"champion": 2000, "canary": 600}, 500)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone_breaks_its_own_rule(tmp_path: Path, fault: str) -> None:
    # Given a canary with one fault, when it is judged, then just the rule about it is broken
    arm, rule = FAULTS[fault]
    found = judged(canary_logs.write(tmp_path, CHAMPION, arm))
    assert found.broken == [rule]
    assert found.reasons[0].startswith(f"{rule}: ")
    assert not found.passed


def test_a_canary_that_fails_every_request_is_reverted_long_before_it_could_pass(
    tmp_path: Path,
) -> None:
    # Given forty requests of which the canary answered none, when it is judged
    found = judged(canary_logs.write(tmp_path, CHAMPION, canary_logs.faulty(rows=40, errors=1.0)))
    # Then that is enough to know
    assert found.broken == ["canary.errors"]
    # And a healthy one with as few rows is neither broken nor passed
    few = judged(canary_logs.write(tmp_path / "few", CHAMPION, replace(CANARY, rows=40)))
    assert (few.broken, few.passed) == ([], False)
    assert "40 rows of the canary, at least 500 wanted" in few.reasons


@pytest.mark.parametrize(
    ("arms", "cause"),
    [
        ([], "no subject was answered by the champion since this step began; no subject was"),
        ([CHAMPION], "no subject was answered by the canary since this step began"),
        ([CANARY], "no subject was answered by the champion since this step began"),
        ([CHAMPION, replace(CANARY, rows=7)], "too few rows to look at: 2,000 rows of the champ"),
        ([CHAMPION, replace(CANARY, named=False)], "no subject was answered by the canary"),
    ],
    ids=["nobody", "no-canary", "no-champion", "seven-rows", "no-subject"],
)
def test_without_enough_rows_of_both_nothing_is_said(
    tmp_path: Path, arms: list[Any], cause: str
) -> None:
    # Given too few rows of an arm, when the canary is judged, then every rule is insufficient
    found = judged(canary_logs.write(tmp_path, *arms))
    assert {one.verdict for one in found.rules.values()} == {"insufficient"}
    assert (found.broken, found.passed) == ([], False)
    assert found.reasons[0].startswith(cause)


def test_only_rows_of_this_step_and_of_these_models_count(tmp_path: Path) -> None:
    # Given a canary that failed before this step, another canary, and a shadow that fails
    before = START - timedelta(hours=3)
    canary_logs.write(tmp_path, canary_logs.faulty(errors=1.0), seed=2, start=before)
    other = canary_logs.faulty(errors=1.0, digest="sha256:" + "3" * 64)
    canary_logs.write(tmp_path, other, canary_logs.faulty(name="shadow", errors=1.0), seed=3)
    # When the canary of this step is judged, then none of that counts
    found = judged(canary_logs.write(tmp_path, CHAMPION, CANARY))
    assert found.passed, found.reasons
    assert found.rows == {"champion": 2000, "canary": 600}


def test_logs_of_several_processes_are_joined_and_a_row_counts_once(tmp_path: Path) -> None:
    # Given two processes, each with its own logs, and a copy of one of them
    one = canary_logs.write(tmp_path / "one", CHAMPION)
    two = canary_logs.write(tmp_path / "two", CANARY)
    again = canary_logs.write(tmp_path / "again", CANARY)
    # When the canary is judged by all, then each row counts once
    found = judged(one, two, again)
    assert found.rows == {"champion": 2000, "canary": 600}
    assert found.passed, found.reasons


def test_an_answer_that_the_champion_gave_for_a_failed_canary_is_not_the_champions(
    tmp_path: Path,
) -> None:
    # Given a canary that fails, and a champion that answers those requests instead
    arm = canary_logs.faulty(errors=0.5)
    folder = canary_logs.write(tmp_path, CHAMPION, arm)
    failed = canary_logs.rows_of(arm, 1)[0].query("error.notna()")
    instead = failed.assign(
        arm="champion", model_digest=OLD, prediction=1.0, score=0.9, error=None, milliseconds=900.0
    )
    instead.to_parquet(folder / "prediction_log" / f"{START:%Y-%m-%d}" / "instead.parquet")
    # When the canary is judged, then those rows are left out, and it is said
    found = judged(folder)
    assert found.rows == {"champion": 2000, "canary": 600}
    assert any("answered because the canary failed, left out: 3" in one for one in found.reasons)
    assert found.broken == ["canary.errors"]


def test_one_subject_cannot_decide_alone(tmp_path: Path) -> None:
    # Given a canary whose rows are all of one subject, or of five
    one = judged(canary_logs.write(tmp_path / "1", CHAMPION, replace(CANARY, subjects=1)))
    five = judged(canary_logs.write(tmp_path / "5", CHAMPION, replace(CANARY, subjects=5)))
    # When it is judged, then it cannot pass
    assert "all rows of one subject" in one.rules["canary.errors"].reason
    assert not one.passed
    assert not five.passed


def test_without_attributes_fairness_is_not_known(tmp_path: Path) -> None:
    # Given logs without the sensitive attributes, when the canary is judged, then it cannot pass
    folder = canary_logs.write(tmp_path, CHAMPION, CANARY)
    for path in (folder / "sensitive_log").rglob("*.parquet"):
        path.unlink()
    found = judged(folder)
    rule = found.rules["canary.demographic_parity[sex]"]
    assert (rule.verdict, rule.reason) == ("insufficient", "no row of the canary has its group")
    assert (found.broken, found.passed) == ([], False)


def test_contradicting_attributes_of_a_row_count_for_no_group(tmp_path: Path) -> None:
    # Given a second sensitive record of each row, with the other value
    folder = canary_logs.write(tmp_path, CHAMPION, CANARY)
    for path in list((folder / "sensitive_log").rglob("canary*.parquet")):
        frame = pd.read_parquet(path)
        frame["sex"] = frame["sex"].map({"female": "male", "male": "female"})
        frame.to_parquet(path.with_name("contradicts.parquet"))
    # When the canary is judged, then no row has a group
    rule = judged(folder).rules["canary.demographic_parity[sex]"]
    assert rule.verdict == "insufficient"


def test_a_log_that_cannot_be_read_is_no_answer(tmp_path: Path) -> None:
    # Given a damaged file in the log, or a folder that is not there, when it is read
    folder = canary_logs.write(tmp_path, CHAMPION, CANARY)
    (folder / "prediction_log" / "2026-06-01" / "x.parquet").write_bytes(b"PAR1 no parquet")
    # Then there is a problem, and no verdict
    with pytest.raises(Problem, match="the prediction log cannot be read"):
        judged(folder)
    with pytest.raises(Problem, match="is no folder: name the data folder of a service"):
        judged(tmp_path / "nowhere")


def test_looking_again_at_the_same_rows_says_the_same_until_they_have_doubled(
    tmp_path: Path,
) -> None:
    # Given a canary with more and more rows, when it is judged each time
    sizes = []
    for rows in (480, 600, 990, 1000, 1400):
        folder = tmp_path / str(rows)
        sizes.append(judged(canary_logs.write(folder, CHAMPION, replace(CANARY, rows=rows))).size)
    # Then the rows that count are the first 250, 500, 1,000
    assert sizes == [250, 500, 500, 1000, 1000]


def test_a_regression_has_no_fairness_without_labels(tmp_path: Path) -> None:
    # Given a regression, when its canary is judged, then the rules about any task apply
    data = LOANS.model_copy(update={"task": "regression", "positive": None})
    found = judged(canary_logs.write(tmp_path, CHAMPION, CANARY), data=data)
    assert found.rules.keys() == {"canary.errors", "canary.latency", "canary.score_drift"}
    assert found.passed, found.reasons
