"""The site of docs/: it builds without a warning, and it loads nothing from another host."""

from __future__ import annotations

import importlib.util
import logging
import re
import shutil
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml
from baked import ROOT
from built_site import built, needs_mkdocs, site_folder  # noqa: F401 - a fixture, too

PARTS = ("mkdocs.yml", "mkdocs_links.py")
LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b[^>]*\bhref=["']?((?:https?:)?//[^"'\s>]+)|url\(["']?((?:https?:)?//[^"')]+)"""
)
pytestmark = needs_mkdocs


def test_the_site_has_every_page(site: Path) -> None:
    # Given the documents, when the site is built strictly, then it has each, and a home
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"README"}
    assert {path.stem for path in site.glob("*.html")} == pages | {"index", "404"}


def test_the_navigation_has_the_four_parts_of_the_index(site: Path) -> None:
    # Given the home page, when its navigation is read, then it has the parts of docs/README.md
    text = (site / "index.html").read_text(encoding="utf-8")
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    parts = re.findall(r"^## (.+)$", index, re.M)
    assert parts == ["Tutorial", "How-to guides", "Reference", "Explanation"]
    navigation = text.partition("md-nav--primary")[2].partition("md-content__inner")[0]
    assert [part for part in parts if part not in navigation] == []


def test_each_page_is_in_the_same_part_of_the_navigation_and_of_the_index() -> None:
    # Given the index, when the pages under each of its headings are read
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    _, *parts = re.split(r"^## (.+)$", index, flags=re.M)
    listed = {head: set(re.findall(r"\]\((\w[\w-]*\.md)\)", text))
              for head, text in zip(parts[::2], parts[1::2], strict=True)}  # fmt: skip
    # Then the site's navigation has the same pages under the same headings
    configuration = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    home, *shown = configuration["nav"]
    assert home == {"Home": "README.md"}
    navigation = {
        head: {page for row in rows for page in row.values()}
        for part in shown
        for head, rows in part.items()
    }
    assert navigation == listed


def test_a_page_loads_nothing_from_another_host(site: Path) -> None:
    # Given the site, when its pages and styles are searched for what a browser would load
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    found = {
        (path.name, *match.groups())
        for path in files
        for match in LOADED.finditer(path.read_text(encoding="utf-8"))
    }
    # Then all of it is in the site, the search and its index included
    assert found == set()
    assert (site / "search" / "search_index.js").is_file()
    assert (site / "assets" / "iframe-worker.js").is_file()


def test_external_resources_in_a_page_are_found() -> None:
    # Given what the test above must find, when it is searched, then it is found
    bad = ['<script src="https://unpkg.com/x"></script>', '<link rel="x" href="//fonts.example/y">',
           "a{background:url(https://cdn.example/z)}"]  # fmt: skip
    assert [one for one in bad if not LOADED.search(one)] == []
    assert not LOADED.search('<a href="https://example.org">text</a><script src="assets/a.js">')


@pytest.mark.slow
def test_a_broken_link_fails_the_build(tmp_path: Path) -> None:
    # Given documents with a broken link, a broken anchor, and a page that the navigation lacks
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for name in PARTS:
        shutil.copy(ROOT / name, tmp_path / name)
    page = tmp_path / "docs" / "limits.md"
    text = page.read_text(encoding="utf-8")
    more = "\n[a](nothing.md) [b](policy.md#nothing) [c](../nothing.md)\n"
    page.write_text(text + more, encoding="utf-8")
    (tmp_path / "docs" / "new.md").write_text("# New\n", encoding="utf-8")
    # When the site is built, then the build fails, and names each
    done = built(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert "'nothing.md', but the target is not found" in done.stderr
    assert "'policy.md#nothing', but the doc 'policy.md' does not contain" in done.stderr
    assert "limits.md links to nothing.md, which does not exist" in done.stderr
    assert "new.md" in done.stderr


def links() -> ModuleType:
    """The hook that rewrites links out of docs/."""
    spec = importlib.util.spec_from_file_location("mkdocs_links", ROOT / "mkdocs_links.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("repository", "text", "shown"),
    [
        ("", "[the licence](../LICENSE)", "the licence (`LICENSE`)"),
        ("", "[LICENSE](../LICENSE)", "LICENSE"),
        ("https://e.org/r/", "[it](../README.md#docs)", "[it](https://e.org/r/blob/main/README.md#docs)"),
        ("https://e.org/r", "`[it](../README.md)`", "`[it](../README.md)`"),
        ("", "[a page](policy.md)", "[a page](policy.md)"),
    ],
    ids=["no-address", "named", "address", "code", "inside"],
)  # fmt: skip
def test_a_link_out_of_the_documents_goes_to_the_repository(
    repository: str, text: str, shown: str
) -> None:
    # Given a page with a link to a file of the repository, when the site takes it
    page = SimpleNamespace(file=SimpleNamespace(src_uri="page.md"))
    config = SimpleNamespace(docs_dir=str(ROOT / "docs"), repo_url=repository)
    # Then the link goes to the repository, or is text where nobody knows its address
    assert links().on_page_markdown(text, page=page, config=config) == shown


def test_a_link_to_a_file_that_does_not_exist_is_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Given a link to no file, when the site takes it, then that is a warning: strict builds fail
    page = SimpleNamespace(file=SimpleNamespace(src_uri="page.md"))
    config = SimpleNamespace(docs_dir=str(ROOT / "docs"), repo_url="")
    with caplog.at_level(logging.WARNING):
        links().on_page_markdown("[it](../nothing.md)", page=page, config=config)
    assert "page.md links to nothing.md, which does not exist" in caplog.text
