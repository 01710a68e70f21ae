"""The linter of prose: its style is the glossary's, and it finds what it should."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import glossary_style
import pytest
import yaml
from baked import ROOT

SPOILT = """\
# A page

The threshold is is wrong, and the journal says what occured at last but not least. TODO: fix it.

## Empty

## Next

{}
"""
"""A page with a slip for each rule of the linter."""


def tasks() -> ModuleType:
    """The module `tasks.py`."""
    spec = importlib.util.spec_from_file_location("tasks", ROOT / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def loaded(path: Path) -> Any:
    """A YAML file's content."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def proposed(text: str) -> list[str]:
    """The terms that the style file proposes for a text."""
    terms: list[str] = []
    for rule in loaded(glossary_style.STYLE)["rules"]:
        found = re.fullmatch(r"/(.+)/i", rule["pattern"])
        assert found
        terms += [rule["expected"]] * len(re.findall(found[1], text, re.IGNORECASE))
    return terms


def retired() -> list[tuple[str, str]]:
    """Each retired word of the glossary with its term, by a second reading of the table."""
    lines = glossary_style.GLOSSARY.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in one.split("|")] for one in lines if one.startswith("| ")][2:]
    terms = {row[1] for row in rows}
    pairs = [(word.strip(), row[1]) for row in rows for word in row[3].split(",") if word.strip()]
    return [pair for pair in pairs if pair[0] not in terms | set(glossary_style.OTHER_SENSES)]


def test_the_style_file_says_what_the_glossary_says() -> None:
    # Given the style file, when it is written anew from the glossary, then it stays the same
    committed = glossary_style.STYLE.read_text(encoding="utf-8")
    assert committed == glossary_style.style(), "run `python tasks.py reference`"


@pytest.mark.parametrize(("word", "term"), retired(), ids=lambda one: one.replace(" ", "-"))
def test_a_retired_word_goes_red_and_the_term_is_proposed(word: str, term: str) -> None:
    # Given a sentence with a retired word, when the style is applied, then it names the term
    assert proposed(f"The {word} is here.") == [term]
    assert proposed(f"{word.capitalize()}s are here.".replace("sss", "sses")) == [term]
    # And so it does where the word goes over the end of a line
    assert proposed(f"a\n{word}\nhere".replace(" ", "\n")) == [term]


def test_a_word_in_its_other_sense_stays() -> None:
    # Given words that are retired in one sense, when they have the other, then nothing is proposed
    assert proposed("Hash the line of the log; the result of the job is in the next step.") == []
    assert proposed("Every step of the pipeline has a hash.") == ["stage", "digest"]


def test_each_rule_of_the_linter_is_installed_with_its_exact_version() -> None:
    # Given the packages that tasks.py names, when they are compared with the configuration
    packages = [name.rpartition("@") for name in tasks().TEXTLINT]
    rules = {name.removeprefix("textlint-rule-") for name, _, _ in packages} - {"textlint"}
    # Then they are the linter and its rules, each with one version
    assert rules == set(loaded(ROOT / ".textlintrc.yml")["rules"])
    assert [
        version for _, _, version in packages if not re.fullmatch(r"\d+\.\d+\.\d+", version)
    ] == []


def test_the_linter_reads_every_page_but_three(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a machine with Node.js, when the words are checked
    module, called = tasks(), []
    monkeypatch.setattr(module.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(module, "run", lambda command, _, **__: called.append(command) or 7)
    # Then the exit code is the linter's
    assert module.words() == 7
    pages = [one for one in called[0] if one.endswith(".md")]
    # And it gets all documents, the README of a project too; not the history, the glossary, formats
    documents = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    others = {
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "{{cookiecutter.project_slug}}/README.md",
    }
    assert set(pages) == documents - {"docs/glossary.md", "docs/formats.md"} | others
    # And a page that somebody names is the only one
    module.words("docs/policy.md")
    assert called[1][-2:] == ["textlint", "docs/policy.md"]


def test_without_node_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a machine without Node.js, when the words are checked, then one line says what to do
    module = tasks()
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        module.words()
    assert ended.value.code == "error: npx was not found: install Node.js 20 or newer"


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("npx") is None, reason="npx is missing: install Node.js")
def test_the_linter_itself_finds_each_slip_and_passes_the_pages(tmp_path: Path) -> None:
    # Given a page with a slip for each rule
    answer = subprocess.run(["npm", "ping"], capture_output=True, text=True, check=False)
    if answer.returncode:
        pytest.skip(f"no npm registry answers: {answer.stderr.strip().splitlines()[-1]}")
    page = tmp_path / "page.md"
    page.write_text(SPOILT.format("A long sentence " * 20 + "ends."), encoding="utf-8")

    def linted(*pages: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "tasks.py", "words", *pages]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    # When the linter reads it, then each rule has found its slip, and the glossary's both
    spoilt = linted(str(page))
    assert spoilt.returncode == 1, spoilt.stderr
    assert [
        rule for rule in loaded(ROOT / ".textlintrc.yml")["rules"] if rule not in spoilt.stdout
    ] == []
    assert "threshold => limit" in spoilt.stdout
    assert "journal => ledger" in spoilt.stdout
    # And the pages of this repository have none
    done = linted()
    assert done.returncode == 0, done.stdout + done.stderr
