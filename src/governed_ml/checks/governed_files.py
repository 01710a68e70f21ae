"""The template's files are as it has them, told offline: as `.cruft.json` was last committed.

Generation and update commit `.cruft.json` together with the files that it speaks for; so what that
commit has is the template's. Who can write history can write that, too: CI renders the template
anew (`governance template verify`), and this check does so where `.cruft.json` is about to change.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from governed_ml.checks.files.texts import quoted
from governed_ml.checks.finding import CheckFinding
from governed_ml.core.problem import Problem
from governed_ml.core.repository import attempt, git
from governed_ml.scaffold.governed import (
    GOVERNED,
    METADATA,
    STATE,
    Difference,
    governed,
    keys,
    keys_of,
)

ANEW = "`uv run --group tools governance template verify`"
WORDS = ("diff", "--no-ext-diff", "--no-textconv", "--no-renames", "--name-status", "-z")


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Find governed files that differ from the template's; `names` do not matter: some are gone."""
    if not (base / STATE).is_file():
        return [CheckFinding(STATE, "is missing: nobody knows which template judges", _back(STATE))]
    if _changed(base, "HEAD", STATE):
        return _anew(base)
    commit = _commit(base)
    found = _differences(base, commit)
    if not found:
        return []
    from governed_ml.scaffold.declared import sift

    bare, told = sift(base, found, datetime.now(UTC).date())
    for line in told:
        print(line, file=sys.stderr)
    return [CheckFinding(one.file, f"{one.key} {one.reason}".strip(), one.mend) for one in bare]


def _commit(base: Path) -> str:
    """Return the commit that brought `.cruft.json` as it is; `Problem` where history is cut off."""
    log = attempt(base, "log", "-1", "--format=%H %P", "HEAD", "--", STATE)
    commit, *parents = log.stdout.decode().split() or [""]
    if log.returncode or not commit:
        raise Problem(f"no commit has {STATE}, which names the template: commit it")
    if not parents and git(base, "rev-parse", "--is-shallow-repository") == "true":
        raise Problem(
            f"this clone is shallow, and does not tell with which files {STATE} came: "
            f"`git fetch --unshallow`, or {ANEW}"
        )
    return commit


def _changed(base: Path, commit: str, *paths: str) -> dict[str, str]:
    """Return path → status (A, M, D, T) of what differs from a commit, staged or not."""
    found: dict[str, str] = {}
    for where in (["--cached"], []):
        done = attempt(base, *WORDS, *where, commit, "--", *paths)
        if done.returncode:
            raise Problem(f"git cannot compare with {commit[:12]}: is there a commit yet?")
        words = done.stdout.decode("utf-8", errors="replace").split("\0")
        found |= dict(zip(words[1::2], words[::2], strict=False))
    return found


def _differences(base: Path, commit: str) -> list[Difference]:
    found: list[Difference] = []
    changed = _changed(base, commit, *GOVERNED, METADATA)
    for name, status in sorted(changed.items()):
        if governed(name):
            found.append(_difference(name, status, commit))
    if METADATA in changed:
        before = keys_of(git(base, "show", f"{commit}:{METADATA}"))
        mend = f"see `git diff {commit[:12]} -- {METADATA}` and take it back"
        found += [
            Difference(METADATA, key, "is not as the template has it", mend)
            for key, value in keys(base).items()
            if value != before[key]
        ]
    return found


def _difference(name: str, status: str, commit: str) -> Difference:
    if status == "A":
        mend = f"`git rm --cached {quoted(name)}` (the stages are yours, in pipeline/)"
        return Difference(name, "", "is not the template's", mend)
    reason = "is missing" if status == "D" else "was changed"
    return Difference(name, "", f"{reason}, and it is the template's", _back(name, commit))


def _back(name: str, commit: str = "HEAD") -> str:
    return f"`git checkout {commit[:12]} -- {quoted(name)}`, or propose the change to the template"


def _anew(base: Path) -> list[CheckFinding]:
    """Compare with the template itself: another commit of it, or another one, is to come."""
    from governed_ml.scaffold.template import verify

    try:
        _, lines, told = verify(base)
    except Problem as problem:
        raise Problem(f"{STATE} changes, and the template is not at hand: {problem}") from problem
    for line in told:
        print(line, file=sys.stderr)
    parts = [(line.partition(": "), line.partition("; ")) for line in lines]
    return [
        CheckFinding(left[0], left[2].removesuffix(f"; {right[2]}"), right[2])
        for left, right in parts
    ]
