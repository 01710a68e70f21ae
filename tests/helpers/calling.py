"""Find the calls of `governance` in a text, and say whether the command line knows them."""

from __future__ import annotations

import re
from typing import Any

import typer

from governed_ml.checks.run import CHECKS
from governed_ml.cli.app import app

COMMAND = re.compile(r"\bgovernance ((?:[^\s`#|;()]+[ \t]*)+)")


def calls(text: str) -> list[list[str]]:
    """Every call of `governance` in code: indented lines, fences and code spans."""
    code = re.findall(
        r"^    +\S.*$|`[^`\n]+`", re.sub(r"(`[^`\n]*)\n([^`\n]*`)", r"\1 \2", text), re.M
    )
    code += re.findall(r"^```.*?^```", text, re.M | re.S)
    found = [match for part in code for match in COMMAND.findall(part)]
    return [
        words
        for words in (one.split() for one in found)
        if words[0][0].islower() or words[0][0] == "-"
    ]


def problem(words: list[str]) -> str:
    """Why a call would not be understood, or nothing."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        if name not in command.commands:
            return f"no command {name}"
        command = command.commands[name]
    known = {one for option in command.params for one in option.opts} | {"--help", "--traceback"}
    lost = [one for one in rest if one.startswith("--") and one.partition("=")[0] not in known]
    if words[:1] == ["check"] and rest and rest[0].islower():
        lost += [one for one in rest[0].split(",") if one not in CHECKS]
    return f"{' '.join(words)} has no {', '.join(lost)}" if lost else ""
