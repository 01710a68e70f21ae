"""What people read: commands and options exist, links resolve, and it stays short and plain."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from baked import ROOT, TEMPLATE
from calling import calls, problem

GENERATED = TEMPLATE / "README.md"
WRITTEN = {"power.md", "drift.md", "bounds.md", "pii.md"}  # by programs, in words of their own
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    GENERATED,
    *sorted((ROOT / "docs").glob("*.md")),
]
PLAIN = [path for path in PAGES if path.name not in WRITTEN]
BANNED = (
    r"\b(mend(s|ed|ing)?|spr(ing|ung)s?|roll-back|whatever|puts? right"
    r"|runs? the line|the line (runs|stops|starts))\b"
)


def named(path: Path) -> str:
    """A page's name as a person says it."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_each_command_in_a_page_exists(page: Path) -> None:
    # Given a page, when its calls of `governance` are read, then commands, options, checks exist
    wrong = [problem(words) for words in calls(page.read_text(encoding="utf-8"))]
    assert [one for one in wrong if one] == []


def test_a_call_that_does_not_exist_is_found() -> None:
    # Given calls with a slip each, when they are looked at, then it is named
    assert calls("Run `uv run governance gaet --all` now") == [["gaet", "--all"]]
    assert problem(["gaet", "--all"]) == "no command gaet"
    assert problem(["ledger", "shwo"]) == "no command shwo"
    assert problem(["gate", "--every"]) == "gate --every has no --every"
    assert problem(["check", "pii,secret"]) == "check pii,secret has no secret"
    assert problem(["ledger", "show", "--version", "1"]) == ""


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_each_link_between_pages_resolves(page: Path) -> None:
    # Given a page, when its links to files are followed, then each is there
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [one for one in links if not (page.parent / one).exists()] == []


def test_each_document_is_in_the_index() -> None:
    # Given the documents, when the index is read, then each is linked from it
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md"]
    assert [name for name in pages if f"({name})" not in index] == []


def test_the_generated_readme_is_read_in_five_minutes() -> None:
    # Given the README of a project, when it is counted, then it is short
    text = GENERATED.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 130
    assert len(re.sub(r"[|`#*-]", " ", text).split()) <= 5 * 240
    # And every file that it names is generated, but for what people write or run
    paths = re.findall(r"`((?:conf|governance|\.github|src|data)/[^`\s]*)`", text)
    made = {"conf/data/NAME.yaml", "governance/expectations/adult.json"}
    answers = {"{{ cookiecutter.risk_tier }}": "limited", "{{ cookiecutter.__data }}": "synthetic",
               "{{ cookiecutter.package }}": "{{cookiecutter.package}}"}  # fmt: skip
    for written, real in answers.items():
        paths = [one.replace(written, real) for one in paths]
    assert [one for one in paths if one not in made and not (TEMPLATE / one).exists()] == []


def test_the_first_command_of_the_readme_is_the_demo() -> None:
    # Given this repository's README, when its first command is read, then it is the demo
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^    (\S.*)$", text, re.M)[0] == "python tasks.py demo"


def test_the_glossary_is_short_and_names_each_term_once() -> None:
    # Given the glossary, when its terms are counted, then there are at most forty, each once
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^\| ([a-z][a-z ]*?) +\|", text, re.M)[1:]
    assert len(terms) <= 40
    assert len(set(terms)) == len(terms)
    assert {"pipeline", "engine", "ledger", "waiver", "champion", "fix"} <= set(terms)


@pytest.mark.parametrize("page", PLAIN, ids=named)
def test_a_page_uses_the_words_of_the_glossary(page: Path) -> None:
    # Given a page, when it is searched for words that the glossary forbids, then there is none
    if page.name == "glossary.md":
        return
    text = re.sub(r"`[^`\n]*`", "", page.read_text(encoding="utf-8"))
    assert [match[0] for match in re.finditer(BANNED, text)] == []


@pytest.mark.parametrize("row", ["edit", "tests"])
def test_contributing_names_what_is_there(row: str) -> None:
    # Given CONTRIBUTING.md, when the files and folders that it names are looked for
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`([a-z_]+/(?:[\w./-]*)?)`", text))
    homes = (ROOT, ROOT / "src" / "governed_ml", TEMPLATE)
    wanted = {one for one in names if one.startswith("tests/") == (row == "tests")}
    # Then each is in the engine, in the template, or here
    assert wanted
    assert [one for one in sorted(wanted) if not any((home / one).exists() for home in homes)] == []
