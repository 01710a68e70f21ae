"""The origin of a project: `.cruft.json`, and the template's repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from governed_ml.core.problem import Problem, cause, explain_invalid, first_line
from governed_ml.core.repository import attempt
from governed_ml.scaffold.manifest import STATE


class Origin(BaseModel):
    """The project's template and its commit, as recorded in `.cruft.json`."""

    model_config = ConfigDict(frozen=True)
    template: str = Field(min_length=1)
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    checkout: str | None = None
    directory: str | None = None
    context: dict[str, dict[str, Any]]


def origin(base: Path) -> Origin:
    """Read `.cruft.json`."""
    fix = "restore it with `git checkout main -- .cruft.json`"
    try:
        values = json.loads((base / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(f"{STATE} cannot be read ({cause(error)}): {fix}") from error
    try:
        return Origin.model_validate(values)
    except ValidationError as error:
        raise Problem(f"{explain_invalid(error, STATE, values, Origin)}; {fix}") from error


@contextmanager
def fetched(base: Path, address: str) -> Generator[Path]:
    """Provide a temporary clone of a template's branches and tags."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "template"
        done = attempt(base, "clone", "--quiet", "--bare", "--", address, str(copy))
        if done.returncode:
            said = first_line(ValueError(done.stderr.decode(errors="replace")), 160)
            raise Problem(
                f"cannot fetch {address} ({said}): give an address that this machine can reach "
                "without a password"
            )
        yield copy


def require_published(copy: Path, address: str, commit: str) -> None:
    """Raise `Problem` if a commit is on no branch and no tag.

    On GitHub, a repository also serves the commits of every pull request and every fork.
    """
    if not attempt(copy, "for-each-ref", "--contains", commit).stdout:
        raise Problem(
            f"at {address}, commit {commit[:12]} is on no branch and no tag: if its history "
            "was rewritten, restore that commit",
            1,
        )


def cruft(base: Path, *words: str, **variables: str) -> None:
    """Run cruft. It also exits with 0 after an update that left conflicts."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"GIT_TERMINAL_PROMPT": "0", "PYTHONUTF8": "1", "TERM": "dumb", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cruft", *words],
        cwd=base,
        env=env | variables,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").split("\n")
        said = [line.strip(" │╭╰─╯") for line in lines]
        if any("No module named cruft" in line for line in said):
            raise Problem("cruft is missing: run this with `uv run --group tools`")
        last = next((line for line in reversed(said) if line), "it gave no reason")
        raise Problem(f"cruft {words[0]}: {first_line(ValueError(last), 200)}")
