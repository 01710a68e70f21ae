"""Report an unexpected exception: one line for people, the traceback in a log file.

The line names the error, the file and line of the team's code if it was raised there, and the log
file. `--traceback` (or GOVERNANCE_TRACEBACK=1) prints the traceback as well.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from governed_ml.core.files import root, write_text
from governed_ml.core.installation import extras
from governed_ml.core.problem import Problem, first_line

OPTION, VARIABLE = "--traceback", "GOVERNANCE_TRACEBACK"
FOLDER = Path(".governance/logs")
KEPT = 20  # log files; older ones are deleted
IGNORED = "# Written by `governance`. Nothing in this folder belongs into git.\n*\n"

GROUPS = {"pipeline": "pipeline", "hooks": "dev", "github": "github", "tools": "tools",
          "serve": "serve"}  # fmt: skip
"""Extra of the engine → the dependency group of a generated project that installs it."""
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "openlineage": "openlineage-python",
    "OpenSSL": "pyopenssl",
    "stdnum": "python-stdnum",
    "jwt": "pyjwt",
}
"""Module → distribution, where the two names differ."""


def is_interrupt(error: BaseException) -> bool:
    """Return whether somebody pressed Ctrl-C; during a query, DuckDB raises an error of its own."""
    query = type(error) is RuntimeError and str(error) == "Query interrupted"
    return query or isinstance(error, KeyboardInterrupt)


def take_option(words: list[str]) -> list[str]:
    """Remove `--traceback` from a command line and remember it, also for child processes."""
    end = words.index("--") if "--" in words else len(words)
    if OPTION not in words[:end]:
        return words
    os.environ[VARIABLE] = "1"
    return [word for word in words[:end] if word != OPTION] + words[end:]


def show(error: BaseException) -> None:
    """Print the traceback if `--traceback` was given."""
    if os.environ.get(VARIABLE, "") not in ("", "0"):
        print(_text(error), end="", file=sys.stderr)


def one_line(error: BaseException) -> str:
    """Return the error in one line: `KeyError: 'incom' in src/credit/features.py, line 12`."""
    where = place(error)
    module = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    if module.partition(".")[0] in extras.BOOSTERS and not where:
        return extras.missing(module.partition(".")[0])
    extra = extra_of(module) if module else None
    if extra and not where:
        return (
            f"{first_line(error)}. The engine's extra {extra!r} installs it: run `uv sync "
            f"--group {GROUPS[extra]}`, or install `governed-ml[{extra}]`"
        )
    return f"{type(error).__name__}: {first_line(error)}" + (f" in {where}" if where else "")


def extra_of(module: str) -> str | None:
    """Return the engine's extra that installs a module, or None.

    The answer comes from the engine's installed metadata. If several extras install the module, the
    first is returned.
    """
    from importlib.metadata import requires

    top = module.partition(".")[0]
    name = DISTRIBUTIONS.get(top, top.replace("_", "-"))
    for line in requires("governed-ml") or []:
        asked = re.match(r"([\w.-]+).*extra == ['\"]([\w-]+)['\"]", line)
        if asked and asked[1].lower() == name.lower() and asked[2] in GROUPS:
            return asked[2]
    return None


def place(error: BaseException) -> str:
    """Return the last line of the team's code in the exception's traceback, or ""."""
    try:
        base = root().resolve()
    except Problem:
        return ""
    one: BaseException | None = error
    while one is not None:
        found = [_shown(frame.filename, frame.lineno, base)
                 for frame in traceback.extract_tb(one.__traceback__)]  # fmt: skip
        if isinstance(one, SyntaxError):
            found.append(_shown(one.filename or "", one.lineno, base))
        last = next((where for where in reversed(found) if where), "")
        if last:
            return last
        one = one.__cause__ or one.__context__
    return ""


def _shown(filename: str, line: int | None, base: Path) -> str:
    path = Path(filename)
    if path.is_relative_to(base):
        path = path.relative_to(base)
    inside = path.parts[:1] == ("src",)  # show the team's code by its path in the project
    return f"{path.as_posix()}, line {line}" if inside else ""


def logged(error: BaseException, command: str) -> str:
    """Write the traceback to a log file; return ` (traceback in FILE)`, or why that failed."""
    now = datetime.now(UTC)
    name = "".join(one if one.isalnum() else "-" for one in command)
    file = FOLDER / f"{now:%Y-%m-%dT%H-%M-%S}-{now.microsecond:06d}-{name}.log"
    try:
        base = root()
        write_text(base / FOLDER.parent / ".gitignore", IGNORED)
        write_text(base / file, f"{now.isoformat()} governance {command}\n\n{_text(error)}")
        for old in sorted((base / FOLDER).glob("*.log"))[:-KEPT]:
            old.unlink(missing_ok=True)
    except (Problem, OSError) as problem:
        return f" (the traceback was not logged: {first_line(problem)}; use {OPTION})"
    return f" (traceback in {file.as_posix()})"


def _text(error: BaseException) -> str:
    other = error.trace if isinstance(error, Problem) else ""
    return "".join(traceback.format_exception(error)) + (f"\n{other}" if other else "")
