"""docs/commands.md: every command of `governance`, as Typer knows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from reference_pages import WRITTEN, document, sentence, table, wrapped

from governed_ml.cli.app import app

CODES = re.compile(r"Exit codes: .*?\.(?= |$)")
AS_IT_IS = "\b"
"""The sign after which `--help` does not join lines; examples follow it."""
INTRO = (
    "In a project, run a command with `uv run`: `uv run governance gate`. "
    "`governance COMMAND --help` shows the same text as this page."
)
USUAL = (
    "Where a command has no exit codes of its own: 0 means that it did its work, 1 that the answer "
    "is no, 2 that there is no answer."
)
EVERY = (
    "Every command takes `--help`. `governance --traceback COMMAND` prints the traceback of an "
    "error, too. A command with `--json` prints its result as JSON."
)


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command that does something, with the words that call it."""
    for name in group.list_commands(None):
        command = group.commands[name]
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


def called(words: tuple[str, ...], command: Any) -> str:
    """Return how a command is called: its arguments in order, then its required options."""
    parts = ["governance", *words]
    for one in command.params:
        if one.param_type_name == "argument":
            name = one.name.upper()
            many = f"{name}..." if one.nargs == -1 else name
            parts.append(many if one.required else f"[{many}]")
    for one in command.params:
        if one.param_type_name == "option" and one.required:
            parts.append(f"{one.opts[0]} {kind(one)}")
    if any(one.param_type_name == "option" and not one.required for one in command.params):
        parts.append("[OPTIONS]")
    return " ".join(parts)


def kind(option: Any) -> str:
    """Return what an option is given, in capitals; nothing for a switch."""
    if getattr(option, "is_flag", False):
        return ""
    annotation = str(option.type_descriptor.annotation)
    names = {"int": "NUMBER", "float": "NUMBER", "Path": "PATH"}
    return next((name for part, name in names.items() if part in annotation), "TEXT")


def parameters(command: Any) -> str:
    """Return the table of arguments and options, or nothing."""
    rows = [
        [f"`{shown(one)}`", sentence(one.help or "") + remark(one)]
        for one in command.params
        if not getattr(one, "hidden", False)
    ]
    return table(["argument or option", "meaning"], rows) if rows else ""


def shown(one: Any) -> str:
    """Return an argument or option as people write it."""
    if one.param_type_name == "argument":
        return one.name.upper()
    return " ".join(filter(None, [", ".join([*one.opts, *one.secondary_opts]), kind(one)]))


def remark(one: Any) -> str:
    """Say whether it is required, or what its default is."""
    if one.required:
        return " Required."
    if one.default in (None, False, "") or callable(one.default):
        return ""
    return f" Default: `{one.default}`."


def section(words: tuple[str, ...], command: Any) -> str:
    """Return a command's section: what it does, how it is called, its exit codes, examples."""
    text, _, rest = (command.help or "").partition(AS_IT_IS)
    codes = CODES.search(" ".join(text.split()))
    said = [" ".join(part.split()) for part in text.split("\n\n")]
    if codes:
        said = [part.replace(codes[0], "").strip() for part in said]
    parts = [f"### `governance {' '.join(words)}`", *map(wrapped, said)]
    parts += [f"    {called(words, command)}", parameters(command)]
    parts += [wrapped(codes[0])] if codes else []
    parts += [wrapped(command.epilog)] if command.epilog else []
    head, *examples = rest.strip().splitlines()
    parts += [head, "\n".join(f"    {one.strip()}" for one in examples)]
    return "\n\n".join(part for part in parts if part)


def page() -> str:
    """Return the page."""
    group: Any = typer.main.get_command(app)
    found = dict(commands(group))
    parts: list[str] = []
    for topic, names in group.sections(group.list_commands(None)):
        parts.append(f"## {topic}")
        parts += [section(words, one) for words, one in found.items() if words[0] in names]
    return document("Commands", WRITTEN, wrapped(INTRO), wrapped(EVERY), wrapped(USUAL), *parts)
