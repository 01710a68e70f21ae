"""What people read: commands and options exist, links resolve, and it stays short and plain."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import glossary_style
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
CODE = re.compile(r"^```.*?^```|^    +\S[^\n]*$|`[^`\n]*`|https?://\S+", re.M | re.S)
CHANGELOG = ROOT / "CHANGELOG.md"
PARTS = ["What you must do", "New", "Changed", "Fixed", "Security"]
"""The headings under a release, in their order."""
RETIRED = re.compile("|".join(glossary_style.patterns().values()), re.IGNORECASE)


def misused(text: str) -> list[str]:
    """The retired words in a text, outside code and addresses."""
    return [match[0] for match in RETIRED.finditer(CODE.sub(" ", text))]


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """What a module says to people: its texts with a blank, but for docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    notes = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    for node in ast.walk(tree):
        said = isinstance(node, ast.Constant) and node not in notes and str(node.value)
        if said and " " in said.strip():
            yield node.lineno, said


def named(path: Path) -> str:
    """A page's name as a person says it."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_each_command_in_a_page_exists(page: Path) -> None:
    # Given a page, when its calls of `governance` are read, then commands, options, checks exist
    wrong = [problem(words) for words in calls(page.read_text(encoding="utf-8"))]
    assert [one for one in wrong if one] == []


def test_a_call_of_a_missing_command_is_found() -> None:
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


def releases() -> dict[str, str]:
    """Version → what the changelog says of it, newest first; `Unreleased` is none."""
    parts = re.split(r"^## (.+)$", CHANGELOG.read_text(encoding="utf-8"), flags=re.M)[1:]
    said = dict(zip(parts[::2], parts[1::2], strict=True))
    assert len(said) == len(parts) / 2  # no heading stands twice
    assert next(iter(said)) == "Unreleased"
    return {name: text for name, text in said.items() if name != "Unreleased"}


def test_the_newest_release_in_the_changelog_is_the_version_of_the_engine() -> None:
    # Given the changelog, when its releases are read, then each has a version and a day
    heads = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) – (\d{4}-\d\d-\d\d)", one) for one in releases()]
    found = [tuple(map(int, head.groups()[:3])) for head in heads if head]
    assert len(found) == len(heads)
    # And the newest is first, and is the version of pyproject.toml
    assert found == sorted(found, reverse=True)
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert ".".join(map(str, found[0])) == metadata["project"]["version"]


def test_each_release_says_first_what_people_must_do() -> None:
    # Given the releases of the changelog, when their headings are read
    for name, text in releases().items():
        heads = re.findall(r"^### (.+)$", text, re.M)
        # Then they are known, in their order, and what people must do is a numbered list
        assert heads == [one for one in PARTS if one in heads], name
        assert heads[0] == PARTS[0], name
        steps = re.split(r"^### .+$", text, flags=re.M)[1]
        numbers = [int(one) for one in re.findall(r"^(\d+)\. ", steps, re.M)]
        assert numbers == list(range(1, len(numbers) + 1)), name
        assert numbers, name


def test_the_changelog_uses_words_links_and_commands_that_exist() -> None:
    # Given the changelog, when words and links are read, then none is retired or leads nowhere
    text = CHANGELOG.read_text(encoding="utf-8")
    assert misused(re.sub(r"^ +", "", text, flags=re.M)) == []  # what is indented is no code here
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    assert [one for one in links if not (ROOT / one).exists()] == []
    # And the commands of the newest release exist; those of earlier ones may be gone
    newest = next(iter(releases().values()))
    assert calls(newest)
    assert [one for one in map(problem, calls(newest)) if one] == []


def length(text: str) -> int:
    """How many words a reader has before the eyes; 240 take a minute."""
    return len(re.sub(r"[|`#*-]", " ", text).split())


def test_the_readme_is_read_in_three_minutes() -> None:
    # Given the README of this repository, when it is counted, then it is short
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert length(text) <= 3 * 240
    # And it shows a denial and a picture
    assert re.search(r"^    fail  +\w+\.", text, re.M)
    assert "](docs/pictures/" in text


def test_each_picture_is_small_described_and_shown() -> None:
    # Given the pictures, when the pages that show them are read
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    for path in sorted((ROOT / "docs" / "pictures").iterdir()):
        # Then each is small, and is shown with a text for who cannot see it
        assert path.stat().st_size < 200_000, path.name
        shown = rf"!\[[^\]]{{20,}}\]\((?:docs/)?pictures/{re.escape(path.name)}\)"
        assert re.search(shown, text), path.name


def test_the_generated_readme_is_read_in_five_minutes() -> None:
    # Given the README of a project, when it is counted, then it is short
    text = GENERATED.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert length(text) <= 5 * 240
    # And every file that it names is generated, but for what people write or run
    paths = re.findall(r"`((?:conf|governance|\.github|src|data)/[^`\s]*)`", text)
    made = {"conf/data/adult.yaml", "governance/expectations/adult.json"}
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
    # Given a page, when it is searched for words that the glossary retires, then there is none
    if page.name != "glossary.md":
        assert misused(page.read_text(encoding="utf-8")) == []


def test_the_messages_use_the_words_of_the_glossary() -> None:
    # Given the engine's modules, when their texts are searched for retired words
    engine = ROOT / "src" / "governed_ml"
    found = [
        f"{path.relative_to(engine).as_posix()}:{line}: {word}"
        for path in sorted(engine.rglob("*.py"))
        for line, text in messages(path)
        for word in misused(text)
    ]
    # Then there is none
    assert found == []


def test_no_message_has_two_blanks_between_words() -> None:
    # Given the messages of the engine and the hooks, when their blanks are looked at
    modules = [*(ROOT / "src").rglob("*.py"), *(ROOT / "hooks").glob("*.py")]
    found = [
        f"{named(path)}:{line}: {text}"
        for path in modules
        for line, text in messages(path)
        if "\n" not in text and re.search(r"[a-z,.:;)}`'\"]  +[a-z·(]|^  +·", text)
    ]
    # Then none has two in a row, as where a sentence was put together from parts
    assert found == []


def test_a_retired_word_is_found_and_another_sense_of_it_is_not() -> None:
    # Given texts with a word that the glossary retires, when they are searched, then it is named
    assert misused("protected classes are named here") == ["protected classes"]
    assert misused("a candidate waits for its sign-off") == ["candidate", "sign-off"]
    assert misused("the model has another hash") == ["another hash"]
    # And the verb, a term of the glossary, and code are not
    assert misused("hash every link again; a check is no rule; see `reports/journal.md`") == []
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert set(glossary_style.OTHER_SENSES) <= set(re.findall(r"[a-z]+", glossary))


@pytest.mark.parametrize("row", ["edit", "tests"])
def test_contributing_names_existing_files(row: str) -> None:
    # Given CONTRIBUTING.md, when the files and folders that it names are looked for
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`([a-z_]+/(?:[\w./-]*)?)`", text))
    homes = (ROOT, ROOT / "src" / "governed_ml", TEMPLATE)
    wanted = {one for one in names if one.startswith("tests/") == (row == "tests")}
    # Then each is in the engine, in the template, or here
    assert wanted
    assert [one for one in sorted(wanted) if not any((home / one).exists() for home in homes)] == []
