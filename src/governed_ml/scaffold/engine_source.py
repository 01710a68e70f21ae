"""`governance engine source`: install the engine from a repository, index, wheel or folder."""

from __future__ import annotations

import os
from pathlib import Path

from governed_ml.core.files import write_bytes, write_text
from governed_ml.core.installation.lockfile import LOCK, METADATA
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import attempt
from governed_ml.scaffold import pin
from governed_ml.scaffold.update import lock


def move(base: Path, wanted: pin.Source, index: str = "", comment: str = "") -> None:
    """Write the engine's source to pyproject.toml and lock it; restore both files if that fails."""
    paths = [base / METADATA, base / LOCK]
    before = {path: path.read_bytes() if path.is_file() else None for path in paths}
    text = (before[paths[0]] or b"").decode("utf-8")
    made = pin.rewritten(text, wanted, index, comment)
    if pin.source(made) != wanted:
        raise Problem(
            f"{METADATA}: the form of [tool.uv.sources] is unknown, so it was not changed: set "
            "the source of governed-ml there by hand"
        )
    try:
        write_text(paths[0], made)
        lock(base)
    except BaseException:
        for path, content in before.items():
            path.unlink(missing_ok=True) if content is None else write_bytes(path, content)
        raise


def by_commit(base: Path, given: str) -> tuple[pin.Source, str]:
    """Return the pin for `URL[@REF]`, always a full commit, and its tag or branch as a comment."""
    address, ref = given, "HEAD"
    head, _, tail = given.rpartition("@")
    if head and "/" not in tail and ":" not in tail:
        address, ref = head, tail
    if pin.COMMIT.fullmatch(ref):
        return {"git": address, "rev": ref}, ""
    done = attempt(base, "ls-remote", "--", address, ref, f"{ref}^{{}}")
    lines = [line.split("\t") for line in done.stdout.decode().splitlines()]
    if done.returncode or not lines:
        said = first_line(ValueError(done.stderr.decode(errors="replace").strip() or "no such ref"))
        raise Problem(f"{address} has no readable {ref} ({said}): name a tag or a commit")
    peeled = [commit for commit, name in lines if name.endswith("^{}")]  # an annotated tag's commit
    return {"git": address, "rev": (peeled or [lines[0][0]])[0]}, "" if ref == "HEAD" else ref


def by_file(base: Path, given: Path, *, wheel: bool) -> pin.Source:
    """Return the pin for a folder or for a wheel, which must be in the repository."""
    path = given.absolute()
    inside = path.resolve().is_relative_to(base.resolve())
    if wheel and not (path.is_file() and path.suffix == ".whl" and inside):
        raise Problem(
            f"{given} is not a wheel in this repository: put it there, for example in vendor/"
        )
    if not wheel and not (path / "pyproject.toml").is_file():
        raise Problem(f"{given} is not a folder with the engine: it has no pyproject.toml")
    if inside:
        return {"path": path.resolve().relative_to(base.resolve()).as_posix()}
    return {"path": Path(os.path.normpath(path)).as_posix()}
