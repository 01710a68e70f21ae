"""The site of docs/ in a real browser: everybody can read it, on every screen, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browsing import chromium, needs_browser  # noqa: F401 - a fixture, too
from built_site import needs_mkdocs, site_folder  # noqa: F401 - a fixture, too

pytestmark = [
    needs_mkdocs,
    needs_browser,
    pytest.mark.slow,
]
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}
GROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(30, 33, 41)"}
PAGES = ("index", "tutorial", "commands", "configuration", "threats", "glossary", "release")
LOOKS = [
    ("light", "wide"),
    ("dark", "narrow"),
    pytest.param("light", "narrow", marks=pytest.mark.nightly),
    pytest.param("dark", "wide", marks=pytest.mark.nightly),
]


def opened(browser: Any, path: Path, size: str = "wide", scheme: str = "light") -> tuple[Any, list]:
    """Open a page; the second value collects requests to a host, and what the browser says."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    tab, heard = context.new_page(), []

    def asks(request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            heard.append(request.url)

    tab.on("request", asks)
    tab.on("console", lambda message: heard.append(f"console: {message.text}"))
    tab.on("pageerror", lambda error: heard.append(f"error: {error}"))
    tab.goto(path.as_uri())
    return tab, heard


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_that_hinders(
    site: Path, browser: Any, name: str, scheme: str, size: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    # Given a page of the site, in light or in dark, on a wide or on a narrow screen
    tab, heard = opened(browser, site / f"{name}.html", size, scheme)
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == GROUNDS[scheme]
    # And it asks no host for anything, and the browser complains of nothing
    assert heard == []
    # When axe looks at it
    found = Axe().run(tab).response
    # Then it finds nothing serious or critical, and has looked
    worst = {one["id"]: one["nodes"][0]["html"] for one in found["violations"]
             if one["impact"] in ("serious", "critical")}  # fmt: skip
    assert worst == {}
    assert {"color-contrast", "aria-dialog-name"} <= {one["id"] for one in found["passes"]}
    tab.context.close()


def test_no_page_scrolls_sideways_on_a_narrow_screen(site: Path, browser: Any) -> None:
    # Given the site on a narrow screen
    tab, heard = opened(browser, site / "index.html", "narrow")
    paths = sorted(set(site.glob("*.html")) - {site / "404.html"})  # which needs a server
    for path in paths:
        # When a page is opened, then it is no wider than the screen
        tab.goto(path.as_uri())
        tab.wait_for_load_state("load")
        width = tab.evaluate("document.documentElement.scrollWidth")
        assert (path.name, width) == (path.name, SIZES["narrow"][0])
    # And no page asks a host for anything
    assert heard == []
    tab.context.close()


def test_the_keyboard_scrolls_a_wide_table(site: Path, browser: Any) -> None:
    # Given a page with a table that is wider than a narrow screen
    tab, _ = opened(browser, site / "threats.html", "narrow")
    region = tab.locator(".md-typeset__scrollwrap[tabindex='0']").first
    assert region.evaluate("one => one.scrollWidth > one.clientWidth")
    # When somebody focuses the table and presses the arrow key, then it scrolls
    region.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("one => one.scrollLeft > 0", arg=region.element_handle())
    # And on a wide screen, where all of it is seen, Tab does not stop there
    tab.set_viewport_size({"width": 1600, "height": 900})
    tab.wait_for_function("!document.querySelector('.md-typeset__scrollwrap[tabindex]')")
    tab.context.close()


TYPED = """() => {
  const input = document.querySelector(".md-search__input");
  input.value = "waiver";
  input.dispatchEvent(new Event("keyup", { bubbles: true }));
  input.dispatchEvent(new Event("input", { bubbles: true }));
  return document.querySelector(".md-search-result__link");
}"""
"""Type a word into the search, and return a result if there is one."""


def test_the_search_works_from_the_file_system(site: Path, browser: Any) -> None:
    # Given the site, when its home is opened as a file and searched
    tab, heard = opened(browser, site / "index.html")
    tab.focus(".md-search__input")
    tab.wait_for_function(TYPED, polling=500)  # the search listens only once its script has run
    found = tab.eval_on_selector_all(".md-search-result__link", "all => all.map(a => a.href)")
    # Then it finds pages of the site, and everything comes from its folder
    assert any("policy.html" in link for link in found)
    assert heard == []
    tab.context.close()
