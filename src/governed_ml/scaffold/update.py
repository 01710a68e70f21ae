"""`governance update`: update the template's files and the engine's pin together, or neither."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from governed_ml.core.files import write_bytes, write_text
from governed_ml.core.installation.lockfile import LOCK, METADATA
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import content, git, require_clean
from governed_ml.scaffold import pin
from governed_ml.scaffold.manifest import WORKFLOWS
from governed_ml.scaffold.origin import cruft, fetched, origin, require_published

MARKERS = re.compile(rb"^(?:<{7}|>{7})(?: |$)", re.MULTILINE)
PIN = "GOVERNED_ML_PIN"  # `keep`: the template's hook does not change the engine's line
Say = Callable[[str], None]


@dataclass(frozen=True)
class Update:
    """The result of an update."""

    before: str
    commit: str
    files: list[str]
    conflicts: list[str]
    """One line for each file that a person must finish."""

    @property
    def workflows(self) -> list[str]:
        """Return the workflow files that changed."""
        return [name for name in self.files if name.startswith(WORKFLOWS)]


def update(base: Path, say: Say) -> Update:
    """Apply the template's changes, move the engine's pin to the same commit, and lock.

    The result is in the working tree, not committed. After conflicts, it contains everything that
    could be applied. After any other failure, it is unchanged.
    """
    path = base / LOCK
    own = path.read_bytes() if path.is_file() and content(base, "HEAD", LOCK) is None else None
    if own is None:
        return _updated(base, say)
    path.unlink()  # `uv run` made it, and cruft refuses untracked files
    try:
        return _updated(base, say)
    finally:
        if not path.exists():
            write_bytes(path, own)


def _updated(base: Path, say: Say) -> Update:
    require_clean(base)
    known, before = origin(base), _leftovers(base)
    with fetched(base, known.template) as copy:
        require_published(copy, known.template, known.commit)
    say(f"updating from {known.template}")
    words = ["update", "--skip-apply-ask"]
    words += ["--checkout", known.checkout] if known.checkout else []
    try:
        cruft(base, *words, **{PIN: "keep"})
        now = origin(base)
        if now.commit != known.commit:
            _move_pin(base, now.commit)
        found = [*_conflicts(base, _changed(base)), *_rejected(base, before)]
        if now.commit != known.commit and not found:
            say("locking")
            lock(base)
    except Problem:
        git(base, "reset", "--quiet", "--hard", "HEAD")
        git(base, "clean", "--quiet", "-fd")
        raise
    return Update(known.commit, now.commit, _changed(base), found)


def lock(base: Path) -> None:
    """Run `uv lock` with this repository's settings, without those of another environment."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        raise Problem("uv was not found: install it (https://docs.astral.sh/uv)")
    done = subprocess.run([uv, "lock"], cwd=base, capture_output=True, check=False)
    if done.returncode:
        stderr = done.stderr.decode(errors="replace")
        lines = [line.strip(" ×╰─▶│├╭╮╯") for line in stderr.splitlines()]
        last = next((line for line in reversed(lines) if line), "it said nothing")
        said = first_line(ValueError(last), 200)
        raise Problem(f"`uv lock` failed ({said}): nothing was changed")


def _move_pin(base: Path, commit: str) -> None:
    """Move a pin to a commit on to the template's commit.

    Pins to an index, a wheel or a folder are left unchanged.
    """
    path = base / METADATA
    text = path.read_text(encoding="utf-8")
    line = pin.LINE.search(text)
    if line and re.search(r"\bgit = ", line[0]):
        moved = re.sub(r'rev = "[^"]*"', f'rev = "{commit}"', line[0].partition(" #")[0])
        write_text(path, text.replace(line[0], moved, 1))


def _changed(base: Path) -> list[str]:
    """Return the files that differ from HEAD or are new, sorted."""
    names = git(base, "diff", "--name-only", "--no-renames", "-z", "HEAD").split("\0")
    names += git(base, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    return sorted({name for name in names if name})


def _conflicts(base: Path, files: list[str]) -> list[str]:
    unmerged = git(base, "ls-files", "--unmerged", "-z").split("\0")
    names = {line.partition("\t")[2] for line in unmerged if line}
    names |= {name for name in files if _marked(base / name)}
    said = "it conflicts with the template's change; edit it, `git add` it, then run `uv lock`"
    return [f"{name}: {said}" for name in sorted(names)]


def _rejected(base: Path, before: set[str]) -> list[str]:
    said = (
        "it holds changes that could not be applied; make them by hand, delete this file, then "
        "run `uv lock`"
    )
    return [f"{name}: {said}" for name in sorted(_leftovers(base) - before)]


def _leftovers(base: Path) -> set[str]:
    """Return the files that git leaves for changes that it could not apply, also ignored ones."""
    words = ("ls-files", "--others", "-z", "--", "*.rej", "*.orig")
    return {name for name in git(base, *words).split("\0") if name}


def _marked(path: Path) -> bool:
    """Return whether a file contains conflict markers."""
    found = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    return len(set(MARKERS.findall(found))) > 1
