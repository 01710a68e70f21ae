"""Edit a project in many ways, one at a time, and look at it with one check."""

from __future__ import annotations

import json
import os
import shutil
from typing import NamedTuple

from baked import BakedProject

# Applies each case's edits, looks, and puts everything back: one start of Python for all of them.
DRIVER = """
import io, json, sys
from contextlib import redirect_stderr
from importlib import import_module
from pathlib import Path

base, package, name = Path.cwd(), sys.argv[1], sys.argv[2]
run = import_module(f"{package}.checks.run")
finding = import_module(f"{package}.checks.finding")
closure = import_module(f"{package}.closure")
for case in json.load(sys.stdin):
    kept = {name: (base / name).read_bytes() for name in case if (base / name).is_file()}
    for path, text in case.items():
        if text is None:
            (base / path).unlink()
        else:
            (base / path).write_bytes(text.encode("utf-8", "surrogateescape"))
    closure.imports.cache_clear()
    notes = io.StringIO()
    try:
        with redirect_stderr(notes):
            found = [list(one) for one in run.run(base, name, list(case) or finding.tracked(base))]
    except Exception as error:
        found = [["", f"{type(error).__name__}: {error}", ""]]
    print(json.dumps([found, notes.getvalue()]))
    for path in case:
        (base / path).unlink(missing_ok=True)
    for path, content in kept.items():
        (base / path).write_bytes(content)
"""

Edit = dict[str, str | None]
"""File → its new text; None takes it away."""


class Said(NamedTuple):
    """What a check said: `file: reason` with what to do, and what it printed besides."""

    lines: dict[str, str]
    notes: str


def look(project: BakedProject, name: str, cases: list[Edit]) -> list[Said]:
    """Return what a check finds after each case's edits alone; it is told which files these are."""
    given = project.path.parent / "cases.json"
    given.write_text(json.dumps(cases))
    code = f"import sys; sys.stdin = open({str(given)!r})\n{DRIVER}"
    done = project.run(["python", "-c", code, project.package, name])
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases)
    return [
        Said({f"{file}: {reason}".removeprefix(": "): mend for file, reason, mend in found}, notes)
        for found, notes in answers
    ]


def hold(project: BakedProject, name: str, corpus: dict[str, tuple[Edit, list[str]]]) -> None:
    """After each case's edits alone, exactly the given lines are said, and what to do with each."""
    answers = look(project, name, [edit for edit, _ in corpus.values()])
    for (case, (_, wanted)), said in zip(corpus.items(), answers, strict=True):
        for words in wanted:
            assert any(words in line for line in said.lines), (case, words, said)
        others = [line for line in said.lines if not any(words in line for words in wanted)]
        assert not others, (case, others)
        broken = ("Problem: ", "Error: ")
        assert all(mend or line.startswith(broken) for line, mend in said.lines.items()), case


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
