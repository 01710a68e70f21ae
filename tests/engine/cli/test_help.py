"""`governance --help`: commands by topic, sorted, each with a whole short sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from calling import calls, problem
from typer.testing import CliRunner

from governed_ml.cli.app import app
from governed_ml.cli.help import OTHERS, TOPICS, sentence

WIDTH = 80


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with its words, groups before their members."""
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


ALL = dict(commands(typer.main.get_command(app)))
LEAVES = [words for words, command in ALL.items() if not hasattr(command, "commands")]
GROUPS = [(), *(words for words, command in ALL.items() if hasattr(command, "commands"))]


def shown(*words: str) -> str:
    """What `--help` prints in a terminal of 80 columns."""
    done = CliRunner().invoke(app, [*words, "--help"], terminal_width=WIDTH)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_each_command_has_one_whole_short_sentence(words: tuple[str, ...]) -> None:
    # Given a command, when its help is read
    said = sentence(ALL[words].help or "")
    # Then it begins with one sentence, which fits beside the longest name
    assert re.fullmatch(r"[A-Z][^.]*(\.[a-z][^.]*)*\.", said), said
    assert len(said) <= WIDTH - 16, said


@pytest.mark.parametrize("group", GROUPS, ids=lambda words: " ".join(words) or "governance")
def test_no_sentence_in_the_help_is_cut(group: tuple[str, ...]) -> None:
    # Given a group, when its help is shown
    text = shown(*group)
    # Then each of its commands is there in a line, with all of its sentence
    for words in ALL:
        if words[:-1] == group:
            line = rf"^  {words[-1]} +{re.escape(sentence(ALL[words].help or ''))}$"
            assert re.search(line, text, re.MULTILINE), (words, text)


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_each_command_shows_whole_examples_that_exist(words: tuple[str, ...]) -> None:
    # Given a command, when its help is shown in 80 columns
    text = shown(*words)
    examples = text.partition("  Examples:\n")[2].partition("\n\n")[0]
    written = (ALL[words].help or "").partition("Examples:\n")[2]
    # Then it has examples, each in a line of its own, as it was written
    assert examples.splitlines() == [f"  {line}" for line in written.splitlines()]
    assert all(len(line) <= WIDTH for line in examples.splitlines()), examples
    # And each calls this command, with options that it has
    found = calls(examples)
    assert len(found) == len(examples.splitlines()) > 0
    assert all(tuple(one[: len(words)]) == words for one in found), found
    assert [wrong for one in found if (wrong := problem(one))] == []


def test_the_commands_are_sorted_under_their_topics() -> None:
    # Given the help of `governance`, when its sections are read
    text = shown().partition("--help")[2]
    sections = {
        title: re.findall(r"^  (\S+)", body, re.MULTILINE)
        for title, body in re.findall(
            r"^(\S[^\n]*):\n(.*?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL
        )
    }
    # Then each topic has its commands, sorted, and every command has a topic
    assert list(sections) == list(TOPICS)
    assert all(names == sorted(names) for names in sections.values())
    assert OTHERS not in sections
    assert {name for names in sections.values() for name in names} == {w[0] for w in ALL}
