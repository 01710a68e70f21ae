"""`governance check` in a project, and what it found."""

from __future__ import annotations

from pathlib import Path

import baked


def check(project: baked.BakedProject, name: str, *files: str, **variables: str) -> dict[str, str]:
    """Run a check over files, or over all that git tracks; return file → what was found."""
    done = project.call("check", name, *files, code=None, **variables)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, str] = {}
    for line in done.stderr.splitlines():
        file, mark, said = line.partition(": ")
        assert mark, line
        found[file] = f"{found[file]}\n{said}" if file in found else said
    assert bool(found) == bool(done.returncode), done.stderr
    return found


def unable(project: baked.BakedProject, name: str, *files: str) -> str:
    """Run a check that cannot judge: exit 2, one line, which is returned."""
    done = project.call("check", name, *files, code=2)
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def put(project: baked.BakedProject, name: str, data: bytes | str) -> None:
    """Write a file and have git track it, whatever it ignores."""
    path = project.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    baked.git(project.path, "add", "--force", "--", name)


def copy(project: baked.BakedProject, environment: Path, folder: Path) -> baked.BakedProject:
    """Copy a project for one test, which runs commands in it."""
    return baked.BakedProject(baked.copy_project(project, folder).path, environment)
