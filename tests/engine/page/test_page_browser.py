"""The page in a real browser: nothing leaves it, and everybody can use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import baked
import pages
import pytest
from baked import once
from browsing import chromium, needs_browser  # noqa: F401 - a fixture, too

from governed_ml.core.config.composition import CONF, compose
from governed_ml.core.tables import RAW
from governed_ml.pipeline.data_page import data_page

pytestmark = [
    needs_browser,
    pytest.mark.slow,
]
SIZES = {"wide": (1280, 900), "narrow": (360, 740)}


@pytest.fixture(scope="module")
def drawn(
    project_after_run: baked.BakedProject, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Pages of an allowed project, of a denied one with windows and approvals, of a broken one.

    And the data page.
    """

    def make(folder: Path) -> None:
        for name in ("allow", "deny", "broken"):
            base = pages.lean(project_after_run, folder / name)
            if name == "deny":
                pages.denied(base)
                pages.crowned(base)
                levels = ("healthy", "warn", "not_measured", "retrain", "rollback")
                for number, level in enumerate(levels, start=1):
                    pages.monitored(base, number, level=level, reasons=["a" * 300])
            if name == "broken":
                (base / "reports/evidence/drift.json").unlink()
                (base / "reports/evidence/explain.json").write_text("{", encoding="utf-8")
            with pages.without_proof():
                pages.draw(base)
        project = project_after_run.path
        data_page.draw(folder, project / RAW, compose(project / CONF).data)

    home = once(tmp_path_factory, "pages", make)
    names = ("allow", "deny", "broken")
    found = {name: home / name / "records/reports/index.html" for name in names}
    return found | {"data": home / data_page.DATA_PAGE}


def opened(browser: Any, path: Path, size: str = "wide", scheme: str = "light") -> tuple[Any, list]:
    """Open a page; the second value collects every request and every complaint of the browser."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    tab, heard = context.new_page(), []
    tab.on("request", lambda request: heard.append(request.url))
    tab.on("console", lambda message: heard.append(f"console: {message.text}"))
    tab.on("pageerror", lambda error: heard.append(f"error: {error}"))
    tab.goto(path.as_uri())
    return tab, heard


@pytest.mark.parametrize("name", ["allow", "deny", "broken", "data"])
def test_nothing_leaves_the_page_and_it_fits_every_screen(
    browser: Any, drawn: dict[str, Path], name: str
) -> None:
    for size, (width, _) in SIZES.items():
        # Given a page, when it is opened on a wide and on a narrow screen
        tab, heard = opened(browser, drawn[name], size)
        tab.wait_for_load_state("networkidle")
        # Then the browser asks for nothing but the page, and complains of nothing
        assert [one for one in heard if one not in (drawn[name].as_uri(), "data:,")] == []
        # And it does not scroll sideways; what is wide scrolls in its own region
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.evaluate("[...document.querySelectorAll('td svg')].every(e => e.clientWidth)")
        # And the style counts, which its policy names by its digest
        assert (
            tab.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowX") == "auto"
        )
        tab.context.close()


@pytest.mark.parametrize(("scheme", "size"), [("light", "wide"), ("dark", "narrow")])
@pytest.mark.parametrize("name", ["allow", "deny", "broken", "data"])
def test_axe_finds_nothing_that_hinders(
    browser: Any, drawn: dict[str, Path], name: str, scheme: str, size: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    # Given a page in light or in dark, everything in it unfolded
    tab, _ = opened(browser, drawn[name], size, scheme)
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
    # When axe looks at it
    found = Axe().run(tab).response
    # Then it finds nothing serious or critical, and has looked
    worst = {one["id"]: one["nodes"][0]["html"] for one in found["violations"]
             if one["impact"] in ("serious", "critical")}  # fmt: skip
    assert worst == {}
    passed = {one["id"] for one in found["passes"]}
    assert {"color-contrast", "region", "svg-img-alt"} <= passed
    assert "scrollable-region-focusable" in passed or size == "wide"
    tab.context.close()


def test_the_keyboard_reaches_everything(browser: Any, drawn: dict[str, Path]) -> None:
    # Given a page on a narrow screen, when somebody presses Tab until the end
    tab, _ = opened(browser, drawn["deny"], "narrow")
    wanted = tab.evaluate(
        "[...document.querySelectorAll('a, summary, .scroll')]"
        ".filter(e => e.checkVisibility({contentVisibilityAuto: true}) && !e.closest("
        "'details:not([open]) > :not(summary)')).map((e, n) => (e.dataset.n = n, n)).length"
    )
    seen: set[str] = set()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    for _ in range(wanted + 20):
        seen.add(str(tab.evaluate("document.activeElement.dataset.n")))
        # Then what has the focus shows it
        outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid" or tab.evaluate("document.activeElement === document.body")
        tab.keyboard.press("Tab")
    # And every link, fold and scrolling region was reached
    assert {str(number) for number in range(wanted)} <= seen
    assert wanted > 40
    # And a region scrolls by the arrow keys
    region = tab.locator("#rules .scroll")
    region.focus()
    tab.keyboard.press("ArrowRight")
    for _ in range(50):  # the page's policy forbids what `wait_for_function` would evaluate
        if region.evaluate("one => one.scrollLeft"):
            break
        tab.wait_for_timeout(100)
    assert region.evaluate("one => one.scrollLeft") > 0
    tab.context.close()


def test_the_page_can_be_printed(browser: Any, drawn: dict[str, Path]) -> None:
    # Given a page in dark mode, when it is printed
    tab, _ = opened(browser, drawn["deny"], "wide", "dark")
    tab.emulate_media(media="print")
    # Then it is dark on white, without navigation, and what is folded is there
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert not tab.locator("nav").is_visible()
    assert tab.locator("details table").first.bounding_box()["height"] > 50
    assert (
        tab.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
    )
    # And on paper, no table is wider than the sheet
    tab.set_viewport_size({"width": 718, "height": 1000})  # A4 without margins, at 96 dots an inch
    assert tab.evaluate("document.documentElement.scrollWidth") <= 718
    assert tab.pdf(format="A4").startswith(b"%PDF")
    tab.context.close()
