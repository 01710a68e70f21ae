"""Edit a project in many ways, one at a time, and look at it with one check."""

from __future__ import annotations

import io
import os
import shutil
from contextlib import redirect_stderr
from typing import NamedTuple

import in_process
from baked import BakedProject

from governed_ml.checks import finding
from governed_ml.checks import run as checks
from governed_ml.core.problem import Problem

Edit = dict[str, str | None]
"""File → its new text; None takes it away."""


class Said(NamedTuple):
    """What a check said: `file: reason` with what to do, and what it printed besides."""

    lines: dict[str, str]
    notes: str


def look(project: BakedProject, name: str, cases: list[Edit]) -> list[Said]:
    """Return what a check finds after each case's edits alone; it is told which files these are."""
    with project.inside():
        return [_looked(project, name, case) for case in cases]


def _looked(project: BakedProject, name: str, case: Edit) -> Said:
    base, notes = project.path, io.StringIO()
    kept = {path: (base / path).read_bytes() for path in case if (base / path).is_file()}
    for path, text in case.items():
        if text is None:
            (base / path).unlink()
        else:
            (base / path).write_bytes(text.encode("utf-8", "surrogateescape"))
    in_process.forget(project.package)
    try:
        with redirect_stderr(notes):
            found = checks.run(base, name, list(case) or finding.tracked(base))
        lines = {f"{one.file}: {one.reason}": one.fix for one in found}
    except Problem as problem:
        lines = {f"Problem: {problem}": ""}
    for path in case:
        (base / path).unlink(missing_ok=True)
    for path, content in kept.items():
        (base / path).write_bytes(content)
    return Said(lines, notes.getvalue())


def hold(project: BakedProject, name: str, corpus: dict[str, tuple[Edit, list[str]]]) -> None:
    """After each case's edits alone, exactly the given lines are said, and what to do with each."""
    answers = look(project, name, [edit for edit, _ in corpus.values()])
    for (case, (_, wanted)), said in zip(corpus.items(), answers, strict=True):
        for words in wanted:
            assert any(words in line for line in said.lines), (case, words, said)
        others = [line for line in said.lines if not any(words in line for words in wanted)]
        assert not others, (case, others)
        assert all(fix or line.startswith("Problem: ") for line, fix in said.lines.items()), case


def read(project: BakedProject, name: str) -> str:
    """A file's bytes as text that keeps them."""
    return (project.path / name).read_bytes().decode("utf-8", "surrogateescape")


def replaced(project: BakedProject, name: str, old: str, new: str) -> Edit:
    """An edit of one file, once."""
    text = read(project, name)
    assert old in text, f"{name} has no {old}"
    return {name: text.replace(old, new, 1)}


def appended(project: BakedProject, name: str, text: str) -> Edit:
    """An edit at the end of one file."""
    return {name: read(project, name) + text}


def with_uv(project: BakedProject) -> BakedProject:
    """The same project, in which `uv run --no-sync` finds the prepared environment and its lock."""
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv, "uv is not on PATH: run the tests with `python tasks.py test`"
    assert project.environment
    shutil.copy(project.environment / "uv.lock", project.path / "uv.lock")
    path = os.pathsep.join([os.path.dirname(uv), os.environ["PATH"]])  # noqa: PTH120 - not resolved
    variables = {"UV_PROJECT_ENVIRONMENT": str(project.environment), "PATH": path}
    return BakedProject(project.path, project.environment, project.variables | variables)
