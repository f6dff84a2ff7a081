"""The report in a real browser: Chromium, as Debian packages it."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from load.analysis.results import Results, RunResult
from load.report.files import write_comparison, write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason="no Chromium is installed")
Make = Callable[[list[RunResult], str], Results]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield running
        running.close()


class Visit:
    """A page, and what it said and asked for."""

    def __init__(self, browser: Browser, file: Path, *, width: int = 1280, scheme: str = "light") -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
        )
        self.page: Page = context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_function("document.documentElement.dataset.charts !== undefined")

    def violations(self) -> str:
        """What axe finds on the whole page, folded parts included, in words; empty when it finds nothing."""
        self.page.eval_on_selector_all("details", "all => all.forEach((one) => { one.open = true; })")
        found = Axe().run(self.page)
        assert len(found.response["passes"]) > 10, "axe checked next to nothing"
        return str(found.generate_report()) if found.violations_count else ""


@pytest.fixture
def demo_page(tmp_path: Path, make_results: Make, demo_runs: list[RunResult]) -> Path:
    return write_report(tmp_path, make_results(demo_runs, "demo"))


@pytest.fixture
def lab_page(tmp_path: Path, make_results: Make, lab_runs: list[RunResult]) -> Path:
    return write_report(tmp_path, make_results(lab_runs, "lab"))


@pytest.fixture
def comparison_page(tmp_path: Path, make_results: Make, demo_runs: list[RunResult]) -> Path:
    results = make_results(demo_runs, "demo")
    return write_comparison(tmp_path, [(Path("first"), results), (Path("second"), results)])


def painted(page: Page) -> int:
    """How many canvases hold at least one pixel of colour."""
    return int(
        page.evaluate(
            """() => [...document.querySelectorAll('canvas')].filter((canvas) => {
                const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
                return pixels.some((value, index) => index % 4 === 3 && value > 0);
            }).length"""
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["demo_page", "lab_page"])
def test_every_chart_is_drawn_and_nothing_is_asked_for(
    request: pytest.FixtureRequest, browser: Browser, kind: str, scheme: str
) -> None:
    file: Path = request.getfixturevalue(kind)
    visit = Visit(browser, file, scheme=scheme)
    assert visit.said == []
    assert [url for url in visit.asked if not url.startswith("data:")] == [file.as_uri()]
    places = visit.page.locator(".chart").count()
    assert places >= 6
    assert visit.page.locator("canvas").count() == painted(visit.page) == places


def test_the_theme_follows_the_system_and_the_button(browser: Browser, demo_page: Path) -> None:
    visit = Visit(browser, demo_page, scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = visit.page.evaluate(background)
    visit.page.get_by_role("button", name="Light").click()
    light = visit.page.evaluate(background)
    assert dark != light
    assert visit.page.locator("button.theme").inner_text() == "Dark"
    assert visit.said == []


@pytest.mark.parametrize("kind", ["demo_page", "lab_page"])
def test_a_phone_shows_it_without_scrolling_sideways(
    request: pytest.FixtureRequest, browser: Browser, kind: str
) -> None:
    visit = Visit(browser, request.getfixturevalue(kind), width=390)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_charts_move_their_cursors_together(browser: Browser, demo_page: Path) -> None:
    visit = Visit(browser, demo_page)
    visit.page.locator(".column .u-over").nth(0).hover()
    times = visit.page.locator(".column .u-legend .u-series:first-child .u-value").all_inner_texts()
    assert "–" not in times[:3]
    assert len(set(times[:3])) == 1


def test_the_page_is_built_for_everybody(browser: Browser, lab_page: Path) -> None:
    page = Visit(browser, lab_page).page
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").count() == page.locator("main").count() == 1
    levels = page.eval_on_selector_all("h1,h2,h3", "all => all.map((one) => +one.tagName[1])")
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert page.locator("[role=img]:not([aria-label])").count() == 0
    assert page.locator("th:not([scope])").count() == page.locator(".u-legend th").count()
    ids = page.eval_on_selector_all("[id]", "all => all.map((one) => one.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["demo_page", "lab_page", "comparison_page"])
def test_axe_finds_nothing(request: pytest.FixtureRequest, browser: Browser, kind: str, scheme: str) -> None:
    assert Visit(browser, request.getfixturevalue(kind), scheme=scheme).violations() == ""


def test_axe_finds_what_is_wrong(browser: Browser, demo_page: Path) -> None:
    visit = Visit(browser, demo_page)
    visit.page.evaluate("document.querySelector('.deck').style.color = '#ddd'")
    assert "color-contrast" in visit.violations()


def test_a_comparison_is_drawn(browser: Browser, comparison_page: Path, demo_runs: list[RunResult]) -> None:
    visit = Visit(browser, comparison_page)
    assert visit.said == []
    assert painted(visit.page) == len(demo_runs)
