"""`governance check NAME [FILE…]` without Typer, so that hooks start fast.

With `--`, only the files after it are checked, even if there are none.
"""

from __future__ import annotations

import sys
from pathlib import Path

from governed_ml.checks.run import CHECKS, look
from governed_ml.core import crash_report
from governed_ml.core.problem import NO_ANSWER, Problem
from governed_ml.core.process_settings import quiet


def main(words: list[str]) -> int:
    """Run checks on files; return the exit code. Every error is printed as one line."""
    if not words:
        print("governance check: name one or more of " + ", ".join(CHECKS), file=sys.stderr)
        return NO_ANSWER
    quiet()
    try:
        name, *rest = words
        exactly = rest[:1] == ["--"]
        return look(name, [Path(one) for one in rest[exactly:]], as_json=False, exactly=exactly)
    except Problem as problem:
        crash_report.show(problem)
        print(f"governance check {words[0]}: {problem}", file=sys.stderr)
        return problem.exit_code
    except Exception as error:  # noqa: BLE001 - a person gets one line, never a traceback
        crash_report.show(error)
        said = crash_report.one_line(error) + crash_report.logged(error, f"check {words[0]}")
        print(f"governance check {words[0]}: {said}", file=sys.stderr)
        return NO_ANSWER
