"""Whatever reads the output, and whatever it can show: the answer is the same."""

from __future__ import annotations

import encodings.aliases
import io
import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import in_process
import pytest
from at_length import at_length
from baked import BakedProject
from hypothesis import example, given, settings
from hypothesis import strategies as st

from governed_ml import __main__
from governed_ml.core import terminal
from governed_ml.pipeline.stages import decide
from governed_ml.policy import gate
from governed_ml.policy.decision import Decision, DecisionSubject, RuleResult

Answer = Literal["allow", "deny"]


def is_text(encoding: str) -> bool:
    """Whether a stream may have this encoding."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding).write("a\\b")
    except (LookupError, UnicodeError):
        return False
    return True


ENCODINGS = sorted(name for name in set(encodings.aliases.aliases.values()) if is_text(name))


class Written(io.BytesIO):
    """What was printed; it is there also after the stream was closed."""

    def close(self) -> None:
        """Stay open."""


def decision(verdict: Answer, reason: str) -> Decision:
    """A decision with one rule, whose reason is given."""
    rule = RuleResult(
        id="evaluate.roc_auc",
        verdict="pass" if verdict == "allow" else "fail",
        value=0.8,
        interval=None,
        limit=0.7,
        reason=reason,
    )
    return Decision(verdict=verdict, rules=[rule], subject=DecisionSubject(), policy_digest=None)


@contextmanager
def printing(encoding: str, *words: str) -> Generator[io.BytesIO]:
    """Have this process be `governance …`, whose output has an encoding that Python chose."""
    written = Written()
    out = io.TextIOWrapper(written, encoding=encoding, errors="strict", write_through=True)
    with (
        in_process.as_installed(),
        mock.patch.object(sys, "argv", ["governance", *words]),
        mock.patch.object(sys, "stdout", out),
        mock.patch.object(sys, "stderr", io.StringIO()),
        mock.patch.object(os, "_exit", sys.exit),
    ):
        yield written
        out.flush()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """The root of a project, as far as output goes."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "dvc.yaml").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def test_every_encoding_of_python_is_tried() -> None:
    # Given Python's encodings, when those of a stream are counted, then these are among them
    assert {"ascii", "cp1252", "cp437", "utf_8", "utf_16", "shift_jis", "big5"} <= set(ENCODINGS)
    assert len(ENCODINGS) > 80


ANSWERS = {
    "encoding": st.sampled_from(ENCODINGS),
    "reason": st.text(max_size=30),
    "verdict": st.sampled_from(["allow", "deny"]),
    "as_json": st.booleans(),
}


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(**ANSWERS)
@example(encoding="ascii", reason="name \udce9", verdict="allow", as_json=False)
@example(encoding="cp1252", reason="≥ 0.7 – 信用 👍", verdict="allow", as_json=True)
@example(encoding="cp932", reason="¢", verdict="allow", as_json=True)  # ￠ has the same bytes
def test_the_exit_code_of_the_gate_is_that_of_the_verdict(
    base: Path, encoding: str, reason: str, verdict: Answer, as_json: bool
) -> None:
    # Given a decision with any text, and an output of any encoding, when the gate tells it
    words = ["gate", "--json"] if as_json else ["gate", "--all"]
    made = decision(verdict, reason)
    with (
        printing(encoding, *words) as written,
        mock.patch.object(gate, "gate", return_value=made),
        mock.patch.object(gate, "refuse", mock.Mock(side_effect=AssertionError("refused"))),
        pytest.raises(SystemExit) as end,
    ):
        __main__.main()
    # Then it exits as the verdict says
    assert end.value.code == (0 if verdict == "allow" else 1)
    # And what a program reads is the decision, in full
    if as_json:
        text = written.getvalue().decode(encoding)
        assert json.loads(text)["rules"][0]["reason"] == reason


test_the_exit_code_is_that_of_the_verdict_for_many_texts = at_length(
    test_the_exit_code_of_the_gate_is_that_of_the_verdict, 100, **ANSWERS
)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf_8"])
def test_decide_keeps_its_verdict_where_the_output_cannot_show_it(
    base: Path, encoding: str
) -> None:
    # Given evidence that is allowed, for a reason that the output cannot show
    made = decision("allow", "信用 ≥ 0.7 – \udce9 👍")
    found: dict[str, Any] = {
        "judge": lambda *_: made.model_copy(update={"volatile": {"at": str(datetime.now(UTC))}}),
        "read_raw": dict,
        "parse": lambda *_: None,
        "collect": lambda *_: {},
        "side_by_side": lambda *_: {},
        "draw": lambda *_: "",
    }
    # When the stage runs
    with (
        printing(encoding, "stage", "decide") as written,
        mock.patch.multiple(decide, **found, save=lambda _: save(base, "allow")),
        pytest.raises(SystemExit) as end,
    ):
        __main__.main()
    # Then it ends well, and the decision stands
    assert end.value.code == 0
    assert json.loads((base / "reports/decision.json").read_text("utf-8"))["verdict"] == "allow"
    assert b"decide: allow: 1 pass" in written.getvalue()


def save(base: Path, verdict: str) -> None:
    """Write a decision, as the stage does before it shows it."""
    (base / "reports").mkdir(exist_ok=True)
    (base / "reports/decision.json").write_text(json.dumps({"verdict": verdict}), "utf-8")


def test_a_failing_output_of_decide_does_not_withdraw_an_allow(base: Path) -> None:
    # Given an output that cannot be written, when a stage tells what it has done
    def full() -> None:
        raise OSError(28, "No space left on device")

    with printing("utf_8", "stage", "decide"):
        from governed_ml.pipeline import stage_runner

        stage_runner.tell("decide", full)
        # Then it says so, and goes on
        said = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert said == "decide: cannot write to standard output: No space left on device\n"


SCRIPT = """import os, sys
from governed_ml.core import terminal
terminal.prepare_streams()
for number in range(int(sys.argv[1])):
    print("a line – and more", number)
    print("a note", file=sys.stderr)
sys.exit(7 if os.open(os.devnull, os.O_RDONLY) > 2 else 8)
"""


@pytest.mark.parametrize("lines", ["1", "300"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_does_not_change_the_exit_code(lines: str, unbuffered: str) -> None:
    # Given a program that reads no more (`| head`)
    reader, writer = os.pipe()
    os.close(reader)
    # When a command goes on writing to it
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, lines],
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        stdout=writer,
        stderr=writer,
        check=False,
    )
    os.close(writer)
    # Then it ends as it would have
    assert done.returncode == 7


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell closes streams")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_output_does_not_change_the_exit_code(closed: str, tmp_path: Path) -> None:
    # Given standard streams that the caller has closed, when a command writes to them
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = f'"{sys.executable}" "{script}" 1 {closed}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    # Then it ends as it would have, and no other file takes their place
    assert done.returncode == 7


def test_a_character_that_cannot_be_shown_is_escaped_as_in_json() -> None:
    # Given an output in ASCII, when text is written to it
    with printing("ascii") as written:
        terminal.prepare_streams()
        print(json.dumps({"é": "👍\udce9"}, ensure_ascii=False), end="")
        sys.stdout.flush()
    # Then JSON stays JSON
    assert written.getvalue() == b'{"\\u00e9": "\\ud83d\\udc4d\\udce9"}'


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["cp1252", "ascii", "locale-c"],
)
def test_the_gate_of_a_project_allows_whatever_the_output_can_show(
    judged: BakedProject, variables: dict[str, str]
) -> None:
    # Given a finished project, when the gate and `decide` are run in a place without Unicode
    gated = judged.governance("gate", "--all", **variables)
    decided = judged.governance("stage", "decide", **variables)
    # Then both allow, and the decision stands
    assert "allow" in gated.stdout
    assert "decide: allow" in decided.stdout
    assert json.loads(judged.read("reports/decision.json"))["verdict"] == "allow"
