"""Trap 42: a process of the team's code gives an answer as agreed, or one line says it does not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import team_projects
from team_projects import ask_source, in_own_folder  # noqa: F401 - a fixture, too

from governed_ml.core.code import team
from governed_ml.core.problem import Problem
from governed_ml.pipeline import models
from governed_ml.pipeline.isolated import process, source_process

pytestmark = pytest.mark.slow


SCORES = """
def scores(X, honest):
    import os
    choice = int(X["debt"].iloc[0]) if len(X) > 9 else 0
    if choice == 6:
        os._exit(0)
    if choice == 7:
        return X["none"]
    p = honest(X)
    return [p, honest(X.head(5)), p[:, :1], p * 3, p * float("nan"), [["a", "b"]] * len(X), 0, 0,
            [[object(), object()]] * len(X), by_rank(p)][choice]

def by_rank(p):
    import numpy as np
    rank = p[:, 1].argsort().argsort() / len(p)
    return np.column_stack([1 - rank, rank])
"""


def test_trap_42_invalid_answers_of_a_model_are_refused(here: Path) -> None:
    # Given a model whose own code misbehaves when it is asked, as a value of the rows tells it to
    training = team_projects.OWN_TRAINING.replace(
        "return self.inner_.predict_proba(X)", "return scores(X, self.inner_.predict_proba)"
    )
    team_projects.make(here, features=team_projects.OWN_FEATURES, training=SCORES + training)
    team_projects.train()
    rows = team_projects.asked_about()

    def said(choice: int) -> str:
        with pytest.raises(Problem) as caught:
            model.predict_proba(rows.assign(debt=float(choice)))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    # When it is asked, then one line says what is wrong with each answer
    with models.opened() as model:
        assert model.predict_proba(rows.assign(debt=0.0)).shape == (600, 2)
        assert "predict_proba gives 5 x 2 answers for 600 rows" in said(1)
        assert "does not return probabilities of two classes" in said(2)
        assert "does not return probabilities of two classes" in said(3)
        assert "returns NaN or infinite values" in said(4)
        assert "predict_proba does not return numbers" in said(5)
        # And answers that depend on the rows that are asked together are refused
        ranked = rows.assign(debt=9.0)
        scores = model.predict_proba(ranked)[:, 1]
        with pytest.raises(Problem, match="changes with the other rows of the request"):
            models.require_rowwise(
                model, ranked, scores, lambda some: model.predict_proba(some)[:, 1]
            )
        # And an end without an answer
        assert "the process ended before the function returned (exit code 0)" in said(6)
    with models.opened() as model:
        assert "KeyError: 'none' in src/credit/training.py, line 8" in said(7)
    with models.opened() as model:
        assert "Object arrays cannot be saved" in said(8)


ENDS: dict[str, tuple[str, str]] = {
    "ends the process": ("os._exit(0)", "ended before the function returned (exit code 0)"),
    "kills itself": (
        "os.kill(os.getpid(), 9)",
        "ended before the function returned (exit code -9)",
    ),
    "prints without end": ("while True: print('x' * 10_000)", "printed more than 64 MiB"),
    "writes into the answer": (
        "[forge(one) for one in range(3, 60)]; os._exit(0)",
        "src/credit/sources.py: src/ wrote to the channel",
    ),
    "leaves by an exception": (
        "raise SystemExit(0)",
        "SystemExit: 0 in src/credit/sources.py, line 12",
    ),
    "closes the pipes": ("os.closerange(0, 60); os._exit(0)", "ended before the function returned"),
}


@pytest.mark.skipif(os.name == "nt", reason="signals and descriptors are those of POSIX")
@pytest.mark.parametrize(("body", "said"), ENDS.values(), ids=ENDS)
def test_trap_42_code_that_never_answers_is_refused(body: str, said: str, here: Path) -> None:
    # Given a source that does something else than return a table
    team_projects.make(
        here,
        sources="import os\n\n"
        "def forge(one):\n"
        "    try:\n"
        "        os.write(one, b'forged' * 9)\n"
        "    except OSError:\n"
        "        return\n\n\n\n"
        f"def own():\n    {body}\n",
    )
    # When it is asked, then one line says so
    with pytest.raises(Problem) as caught:
        ask_source()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


LEFT_BEHIND = """
import subprocess
from governed_ml.pipeline.isolated import child_process

send = child_process.send
child_process.send = lambda stream, head, *parts: send(
    stream, head | {"isolation": "a vault"}, *parts
)

def own():
    sleeping = ["sleep", "100"]
    usual = subprocess.Popen(sleeping)
    away = subprocess.Popen(sleeping, start_new_session=True)
    raise RuntimeError(f"started {usual.pid} {away.pid}")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes are there")
def test_trap_42_processes_left_running_by_team_code_do_not_block_the_engine(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a source that starts processes which hold its output, one of them in another group
    team_projects.make(here, sources=LEFT_BEHIND)
    monkeypatch.setattr(process, "LAST_LINES", 0.5)
    job = {"whose": "sources.py", "package": process.sent(team.package()), "function": "own"}
    asked = process.Process(source_process, "src/credit/sources.py", job | {"options": {}})
    # When it is asked
    with pytest.raises(Problem, match="started") as caught:
        asked.answer()
    # Then the engine has not waited for them, and what was in its group has ended
    usual, away = map(int, str(caught.value).partition("started ")[2].split()[:2])
    still = running(usual), running(away)
    if still[1]:
        os.kill(away, 9)
    assert still == (False, True)
    # And what kept it apart is what it said before the team's code ran
    assert asked.isolation
    assert "vault" not in asked.isolation


def running(process: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    except OSError:
        return False
    return state.split()[0] != "Z"


def test_trap_42_an_answer_that_is_too_large_is_refused() -> None:
    # Given a message that announces more than its reader asked for, or than there is
    import io

    from governed_ml.pipeline.isolated.channel import receive, send

    sent = io.BytesIO()
    send(sent, {}, bytes(100))
    announced = sent.getvalue().replace((100).to_bytes(8, "big"), (1 << 33).to_bytes(8, "big"))
    # When it is read, then the first is refused at once, and the other takes no memory for it
    with pytest.raises(Problem, match="an answer of 100 bytes"):
        receive(io.BytesIO(sent.getvalue()), largest=99)
    with pytest.raises(Problem, match="ended while it sent its answer"):
        receive(io.BytesIO(announced))
    assert receive(io.BytesIO(sent.getvalue()), largest=100) == ({}, [bytes(100)])


def test_trap_42_a_training_that_ends_its_process_leaves_no_model(here: Path) -> None:
    # Given a `fit` that ends its process, when it trains, then one line says so
    team_projects.make(
        here, training="import os\ndef fit(pipeline, features, target):\n    os._exit(3)\n"
    )
    with pytest.raises(Problem, match=r"src/credit/training\.py: .* \(exit code 3\)"):
        team_projects.train()
    assert not Path("models/model.skops").exists()
