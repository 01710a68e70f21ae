"""SECURITY, code of conduct, issue forms and the pull request template: as GitHub reads them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from baked import ROOT

ISSUES = ROOT / ".github" / "ISSUE_TEMPLATE"
FORMS = sorted(one for one in ISSUES.glob("*.yml") if one.name != "config.yml")
PAGES = [ROOT / "SECURITY.md", ROOT / "CODE_OF_CONDUCT.md", ROOT / "CONTRIBUTING.md"]


def loaded(path: Path) -> Any:
    """A YAML file's content."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.name)
def test_an_issue_form_has_what_github_requires(form: Path) -> None:
    # Given a form, when it is read, then it has the keys without which GitHub does not show it
    content = loaded(form)
    assert {"name", "description", "body"} <= set(content)
    # And each element has a known type; each field has an id of its own and a label
    kinds = {"markdown", "textarea", "input", "dropdown", "checkboxes"}
    assert {one["type"] for one in content["body"]} <= kinds
    fields = [one for one in content["body"] if one["type"] != "markdown"]
    assert fields
    assert all(one["attributes"]["label"] for one in fields)
    assert len({one["id"] for one in fields}) == len(fields)
    assert all(one["attributes"]["value"] for one in content["body"] if one not in fields)


def test_there_are_forms_for_bugs_and_for_features() -> None:
    # Given the forms, when they are listed, then there are two, with different names
    assert [one.name for one in FORMS] == ["bug_report.yml", "feature_request.yml"]
    assert len({loaded(one)["name"] for one in FORMS}) == len(FORMS)


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [ISSUES / "config.yml"]),
    ],
    ids=["forms", "config"],
)
def test_the_files_match_githubs_schema(schema: str, files: list[Path]) -> None:
    # Given the files, when they are validated against the schema, then nothing is wrong
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_links_of_a_new_issue_lead_to_documents_that_exist() -> None:
    # Given the links beside the forms, when those into the repository are followed
    links = [one["url"] for one in loaded(ISSUES / "config.yml")["contact_links"]]
    paths = [found[1] for one in links if (found := re.search(r"/blob/main/(.+)$", one))]
    # Then their files are there, the documentation among them, and there is the private report
    assert "docs/README.md" in paths
    assert [one for one in paths if not (ROOT / one).exists()] == []
    assert any(one.endswith("/security/advisories/new") for one in links)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_each_link_of_a_community_file_resolves(page: Path) -> None:
    # Given a page, when its links to files are followed, then each is there
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    assert [one for one in links if not (page.parent / one).exists()] == []
    # And it names no address of a person: contact is through GitHub
    assert re.findall(r"[\w.+-]+@[\w-]+\.\w+", text) == []


def test_the_security_page_says_how_to_report_and_what_is_in_scope() -> None:
    # Given SECURITY.md, when its sections are read, then each question has an answer
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.M) == [
        "Supported versions",
        "Report a vulnerability",
        "Scope",
    ]
    assert "docs/whose-code-runs.md" in text
    assert "**Report a vulnerability**" in text


def test_a_pull_request_is_asked_for_the_test_that_failed_first() -> None:
    # Given the template, when its headings are read, then they ask what, why and how
    text = (ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.M) == ["What", "Why", "How", "How it was tested"]
    assert "failed before this change" in text
