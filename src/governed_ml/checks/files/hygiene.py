"""File hygiene: run the tools of pre-commit-hooks, all in one process.

Files that a stage writes are skipped, because they must match `dvc.lock` byte for byte.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from governed_ml.checks.files.texts import read, text
from governed_ml.checks.finding import CheckFinding, is_text, written

FIXED = "the check fixed it, so review it and run `git add`"
FIX = "fix it"


class Tool(NamedTuple):
    """A module of pre-commit-hooks. If `reason` is empty, the tool's output is the reason."""

    module: str
    reason: str = ""
    fix: str = FIXED
    arguments: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ("",)


TOOLS = (
    Tool("trailing_whitespace_fixer", "it had blanks at the end of a line"),
    Tool("end_of_file_fixer", "it did not end with one newline"),
    Tool("mixed_line_ending", "it had several kinds of line endings"),
    Tool("check_merge_conflict", "", FIX, ("--assume-in-merge",)),
    Tool("detect_private_key", "it has a private key", "remove the key, and make a new one"),
    Tool("check_case_conflict", "it differs from another file only in letter case", "rename it"),
    Tool("check_yaml", "", FIX, ("--allow-multiple-documents",), (".yaml", ".yml")),
    Tool("check_json", "", FIX, (), (".json", ".ipynb")),
    Tool("check_toml", "", FIX, (), (".toml",)),
)


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Run every tool on the text files; white space and line ends are fixed immediately."""
    texts, found = [], list[CheckFinding]()
    for name in names:
        data = read(base / name)
        if written(name) or text(data) is None:
            continue  # `data-in-git` reports binary files
        try:
            data.decode()
            texts += [name] if is_text(base / name) else []
        except UnicodeDecodeError:
            found.append(CheckFinding(name, "it is not UTF-8", "save it as UTF-8"))
    with chdir(base):
        return found + [one for tool in TOOLS for one in _run(tool, texts)]


def _run(tool: Tool, names: list[str]) -> Iterator[CheckFinding]:
    chosen = [name for name in names if name.endswith(tool.suffixes)]
    if not chosen:
        return
    said = io.StringIO()
    with redirect_stdout(said):
        failed = import_module(f"pre_commit_hooks.{tool.module}").main([*tool.arguments, *chosen])
    if not failed:
        return
    for line in said.getvalue().splitlines():
        about = [name for name in chosen if name in line]
        if about:
            name = max(about, key=len)
            yield CheckFinding(name, tool.reason or line.replace(f"{name}:", "").strip(), tool.fix)
