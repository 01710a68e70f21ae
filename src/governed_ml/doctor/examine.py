"""`governance doctor`: check each part of the setup, and say how to fix what is wrong.

It changes nothing. Parts that a new repository does not have yet are reported as notes.
"""

from __future__ import annotations

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from governed_ml.core.problem import FOUND, NO_ANSWER, Problem, first_line
from governed_ml.core.repository import attempt
from governed_ml.core.terminal import print_json
from governed_ml.doctor.diagnosis import NOTE, OK, UNKNOWN, WARNING, WRONG, Diagnosis, Look

COLOURS = {OK: "green", NOTE: "dim", WARNING: "yellow", WRONG: "bold red", UNKNOWN: "red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Check the setup of this repository.

    Each row says what is wrong and how to fix it; nothing is changed.

    Exit codes: 0 nothing is wrong, 1 something is wrong, 2 something could not be checked.

    \b
    Examples:
      uv run governance doctor
      uv run governance doctor --json
    """
    from governed_ml.core.files import root

    rows = examine(root())
    states = {row.state for row in rows}
    if as_json:
        print_json(json.dumps([row._asdict() for row in rows], indent=2, ensure_ascii=False))
    else:
        _show(rows)
    raise typer.Exit(FOUND if WRONG in states else NO_ANSWER if UNKNOWN in states else 0)


def examine(base: Path) -> list[Diagnosis]:
    """Return all rows. Checks that wait for a server run in parallel."""
    from governed_ml.doctor import safeguards, stores

    if attempt(base, "rev-parse", "--git-dir").returncode:
        raise Problem(f"{base} is not in a git repository: run this in one, or run `git init`")
    os.chdir(base)
    waiting: dict[str, Look] = {
        "remote": stores.git_remote,
        "DVC": stores.dvc,
        "MLflow": stores.mlflow,
        "template": stores.template,
    }
    here: dict[str, Look] = {  # in one thread, because Hydra can compose only once at a time
        "git": stores.git_itself,
        "policy": safeguards.policy,
        "hooks": safeguards.hooks,
        "keys": safeguards.keys,
        "approvers": safeguards.people,
        "ledger": safeguards.ledger,
        "monitoring": safeguards.monitoring,
        "GitHub": safeguards.github,
    }
    with ThreadPoolExecutor(len(waiting)) as pool:
        later = [pool.submit(_looked, base, *look) for look in waiting.items()]
        found = [row for look in here.items() for row in _looked(base, *look)]
        return found + [row for one in later for row in one.result()]


def _looked(base: Path, name: str, look: Look) -> list[Diagnosis]:
    """Return an area's rows. If a check fails, return its error, without secrets."""
    try:
        found = list(look(base))
    except Problem as problem:
        found = [Diagnosis(name, WRONG if problem.exit_code == FOUND else UNKNOWN, str(problem))]
    except Exception as error:  # noqa: BLE001 - one thing that is broken hides no other
        said = f"{type(error).__name__}: {first_line(error, 120)}"
        found = [
            Diagnosis(name, UNKNOWN, f"cannot be checked ({said}): restore its files with git")
        ]
    return [row._replace(line=re.sub(r"//[^/@\s]*@", "//", row.line)) for row in found]


def _show(rows: list[Diagnosis]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from governed_ml.core.terminal import screen

    table = Table(box=None, pad_edge=False, show_header=False)
    for row in rows:
        table.add_row(f"[{COLOURS[row.state]}]{row.state}[/]", row.what, escape(row.line))
    console = screen()
    console.print(table)
    states = [row.state for row in rows]
    sums = [f"{states.count(one)} {one}" for one in COLOURS if one in states]
    console.print(" · ".join(sums))
