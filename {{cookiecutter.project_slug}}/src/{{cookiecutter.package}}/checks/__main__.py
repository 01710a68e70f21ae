"""`python -m PACKAGE.checks NAME [FILE…]`: `governance check` for hooks, which start in no time.

After `--`: these files and no others, even if there is none.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..problem import Problem, first_line
from ..quiet import quiet
from .run import CHECKS, look


def main(words: list[str]) -> int:
    """Run checks over files; every error is one line and an exit code."""
    if not words:
        print("governance check: name one of " + ", ".join(CHECKS), file=sys.stderr)
        return 2
    quiet()
    try:
        name, *rest = words
        exactly = rest[:1] == ["--"]
        return look(name, [Path(one) for one in rest[exactly:]], as_json=False, exactly=exactly)
    except Problem as problem:
        print(f"governance check {words[0]}: {problem}", file=sys.stderr)
        return problem.exit_code
    except Exception as error:  # noqa: BLE001 - a person gets one line, never a traceback
        said = f"{type(error).__name__}: {first_line(error)}"
        print(f"governance check {words[0]}: {said}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
