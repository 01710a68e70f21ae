"""What changed in the template is taken over: all of it, or it is said what was not."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from governed_ml.core.files import write_bytes
from governed_ml.core.repository import LOCK, git, require_clean
from governed_ml.core.repository import content as stored
from governed_ml.scaffold.governed import WORKFLOWS
from governed_ml.scaffold.template import content, cruft, differences, fetched, origin

MARKERS = re.compile(rb"^(?:<{7}|>{7})(?: |$)", re.MULTILINE)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Update:
    """What an update did."""

    before: str
    commit: str
    files: list[str]

    @property
    def workflows(self) -> list[str]:
        """Return the workflow files that changed."""
        return [name for name in self.files if name.startswith(WORKFLOWS)]


def update(base: Path, say: Say) -> tuple[Update, list[str], list[str]]:
    """Take over what changed in the template; return that, and what `differences` returns.

    The working tree then holds the update, in no commit. Cruft itself exits 0 with conflicts.
    """
    with _lock_aside(base):
        require_clean(base)
        known, before = origin(base), _leftovers(base)
        with fetched(base, known) as copy:
            say(f"updating from {known.template}")
            words = ["update", "--skip-apply-ask", "--template-path", str(copy)]
            cruft(base, *words, *(["--checkout", known.checkout] if known.checkout else []))
            files = _changed(base)
            found = [*_conflicts(base, files), *_rejected(base, before)]
            if found:
                return Update(known.commit, known.commit, files), found, []
            now = origin(base)
            say("comparing with the template")
            return Update(known.commit, now.commit, files), *differences(base, now, copy)


@contextmanager
def _lock_aside(base: Path) -> Generator[None]:
    """Have uv's lock as HEAD has it, or not at all, for as long as the `with` lasts."""
    path = base / LOCK
    kept, committed = content(path), stored(base, "HEAD", LOCK)
    path.unlink(missing_ok=True)
    if committed is not None:
        write_bytes(path, committed)
    try:
        yield
    finally:
        if kept is not None:
            write_bytes(path, kept)


def _changed(base: Path) -> list[str]:
    """Return the files that differ from HEAD, or that it has not, sorted."""
    names = git(base, "diff", "--name-only", "--no-renames", "-z", "HEAD").split("\0")
    names += git(base, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    return sorted({name for name in names if name})


def _conflicts(base: Path, files: list[str]) -> list[str]:
    unmerged = git(base, "ls-files", "--unmerged", "-z").split("\0")
    names = {line.partition("\t")[2] for line in unmerged if line}
    names |= {name for name in files if _marked(base / name)}
    said = "in conflict with the template's change; edit it, `git add` it"
    return [f"{name}: {said}" for name in sorted(names)]


def _rejected(base: Path, before: set[str]) -> list[str]:
    said = "what could not be applied; put it in by hand, delete this file"
    return [f"{name}: {said}" for name in sorted(_leftovers(base) - before)]


def _leftovers(base: Path) -> set[str]:
    """Return the files that git leaves beside what it could not apply, ignored or not."""
    return {
        name
        for name in git(base, "ls-files", "--others", "-z", "--", "*.rej", "*.orig").split("\0")
        if name
    }


def _marked(path: Path) -> bool:
    """Return whether a file holds the marks of a conflict."""
    found = content(path)
    return found is not None and len(set(MARKERS.findall(found))) > 1
