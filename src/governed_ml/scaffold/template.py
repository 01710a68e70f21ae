"""The template's own files: rendered anew, and compared with those that are here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from governed_ml.core.problem import Problem, cause, explain_invalid, first_line
from governed_ml.core.repository import attempt, git
from governed_ml.scaffold.declared import sift
from governed_ml.scaffold.governed import METADATA, STATE, Difference, governed, keys

MEND = "restore it with git (`uvx cruft diff` shows what), or change the template and update"


class Origin(BaseModel):
    """Where the project comes from, as `.cruft.json` has it."""

    model_config = ConfigDict(frozen=True)
    template: str = Field(min_length=1)
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    checkout: str | None = None
    directory: str | None = None
    context: dict[str, dict[str, Any]]

    def answers(self) -> dict[str, Any]:
        """Return the answers; what begins with `_` follows from them."""
        given = self.context.get("cookiecutter", {})
        return {name: value for name, value in given.items() if not name.startswith("_")}


def origin(base: Path) -> Origin:
    """Read `.cruft.json`."""
    mend = "restore it with `git checkout main -- .cruft.json`"
    try:
        values = json.loads((base / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(f"{STATE} cannot be read ({cause(error)}): {mend}") from error
    try:
        return Origin.model_validate(values)
    except ValidationError as error:
        raise Problem(f"{explain_invalid(error, STATE, values, Origin)}; {mend}") from error


def verify(base: Path) -> tuple[Origin, list[str], list[str]]:
    """Return the template's address and commit, and what `differences` returns."""
    known = origin(base)
    with fetched(base, known) as copy:
        return known, *differences(base, known, copy)


@contextmanager
def fetched(base: Path, known: Origin) -> Generator[Path]:
    """Fetch the template's branches and tags, for as long as the `with` lasts.

    A commit counts only on one of these: on GitHub, anybody's pull request is in the repository.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "template"
        done = attempt(base, "clone", "--quiet", "--bare", "--", known.template, str(copy))
        if done.returncode:
            said = first_line(ValueError(done.stderr.decode(errors="replace")), 160)
            raise Problem(
                f"cannot fetch the template ({said}): `template` in {STATE} has to be an address "
                "that this machine reaches without a password"
            )
        if not attempt(copy, "for-each-ref", "--contains", known.commit).stdout:
            raise Problem(
                f"{known.template} has commit {known.commit[:12]}, which {STATE} names, on no "
                "branch and no tag: if the template was rewritten, it has to be brought back"
            )
        yield copy


def differences(base: Path, known: Origin, copy: Path) -> tuple[list[str], list[str]]:
    """Return a line for each governed file that is not as the template has it, and how to mend.

    And a line for each of which that is declared (`declared.py`).
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        rendered = _render(base, known, copy, Path(folder))
        wanted = {path: rendered / path for path in sorted(_files(rendered)) if governed(path)}
        if not wanted:
            raise Problem(f"{known.template} renders no governed file: is it the right template?")
        there = {name for name in _files(base) if governed(name)}
        found = [Difference(name, "", "is missing", MEND) for name in sorted(wanted.keys() - there)]
        found += [
            Difference(name, "", "was changed", MEND)
            for name, path in wanted.items()
            if name in there and content(base / name) != path.read_bytes()
        ]
        foreign = "is not the template's", "take it out (the stages are yours, in pipeline/)"
        found += [Difference(name, "", *foreign) for name in sorted(there - wanted.keys())]
        theirs = keys(rendered)
        found += [
            Difference(METADATA, key, "is not as the template has it", MEND)
            for key, ours in keys(base).items()
            if ours != theirs[key]
        ]
    bare, told = sift(base, found, datetime.now(UTC).date())
    return [one.line for one in bare], told


def _render(base: Path, known: Origin, copy: Path, folder: Path) -> Path:
    """Render the template at the known commit with the known answers; nothing is left out of it."""
    answers = folder / "answers.json"
    answers.write_text(json.dumps(known.answers()), encoding="utf-8")
    words = ["create", str(copy), "--no-input", "--default-config", "--checkout", known.commit]
    words += ["--extra-context-file", str(answers), "--output-dir", str(folder / "out")]
    cruft(base, *words, *(["--directory", known.directory] if known.directory else []))
    return next((folder / "out").iterdir())


def cruft(base: Path, *words: str) -> None:
    """Run cruft; its exit code is not all there is to know about it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"GIT_TERMINAL_PROMPT": "0", "PYTHONUTF8": "1", "TERM": "dumb", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cruft", *words],
        cwd=base,
        env=env,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").split("\n")
        said = [line.strip(" │╭╰─╯") for line in lines]
        if any("No module named cruft" in line for line in said):
            raise Problem("cruft is missing: run this with `uv run --group tools`")
        last = next((line for line in reversed(said) if line), "it said nothing")
        raise Problem(f"cruft {words[0]}: {first_line(ValueError(last), 200)}")


def _files(base: Path) -> set[str]:
    """Return the files that are in git or would be added; a link to a folder is one of them."""
    words = ("--cached", "--others", "--exclude-standard", "--deduplicate", "-z")
    names = git(base, "ls-files", *words).split("\0")
    return {name for name in names if name and os.path.lexists(base / name)}


def content(path: Path) -> bytes | None:
    """Return the bytes of a file; None of a link, or of what is no file."""
    return path.read_bytes() if path.is_file() and not path.is_symlink() else None
