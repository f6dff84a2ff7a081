"""The report in a real browser: Chromium, as Debian packages it. Each page is opened once, for all tests."""

import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, sync_playwright

from load.analysis.results import Results, RunResult
from load.model import Sale, load_prices, sale_figures, sale_rates
from load.report import words
from load.report.document import asset
from load.report.files import write_comparison, write_report
from load.tests.visit import Visit, outcome, shown, waiting

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason="no Chromium is installed")
Kind = Literal["demo", "lab", "comparison"]
Open = Callable[[Kind], Visit]
# One of each kind: a page with every question, and tables that axe is soon done with.
LAB = ("sync:naive:1", "sync:protected:1", "ecs:5", "ecs:planned", "scaled", "lambda", "stock:lambda")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def visits(
    browser: Browser,
    tmp_path_factory: pytest.TempPathFactory,
    make_results: Callable[[list[RunResult], str], Results],
    demo_runs: list[RunResult],
    lab_runs: list[RunResult],
) -> Open:
    opened: dict[Kind, Visit] = {}
    demo = make_results(demo_runs, "demo")
    lab = make_results([run for run in lab_runs if run.scenario.name in LAB], "lab")

    def visit(kind: Kind) -> Visit:
        if kind not in opened:
            folder = tmp_path_factory.mktemp(kind)
            if kind == "comparison":
                file = write_comparison(folder, [(Path("first"), demo), (Path("second"), demo)])
            else:
                file = write_report(folder, demo if kind == "demo" else lab)
            opened[kind] = Visit(browser, file)
        return opened[kind]

    return visit


@pytest.fixture
def demo(visits: Open) -> Iterator[Visit]:
    visit = visits("demo")
    yield visit
    visit.load()


@pytest.fixture(params=["demo", "lab"])
def report(request: pytest.FixtureRequest, visits: Open) -> Visit:
    return visits(request.param)


def test_every_chart_is_drawn_and_nothing_is_asked_for(report: Visit) -> None:
    places = report.page.locator(".chart").count()
    assert places >= 6
    for scheme in ("dark", "light"):
        report.page.emulate_media(color_scheme=scheme)
        assert report.page.locator("canvas").count() == report.painted() == places
    assert report.said == []
    assert {url for url in report.asked if not url.startswith("data:")} == {report.file.as_uri()}


def test_the_theme_follows_the_system_and_the_button(demo: Visit) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    demo.page.emulate_media(color_scheme="dark")
    dark = demo.page.evaluate(background)
    demo.page.get_by_role("button", name="Light").click()
    assert demo.page.evaluate(background) != dark
    assert demo.page.locator("button.theme").inner_text() == "Dark"


def test_a_phone_shows_all_of_it_and_tables_keep_their_first_column(report: Visit) -> None:
    report.page.set_viewport_size({"width": 390, "height": 844})
    assert report.number("document.documentElement.scrollWidth") <= 390
    table = report.page.locator("#figures .scroll").first
    head = table.locator("tbody th").first
    before = head.bounding_box()
    assert table.evaluate("one => { one.scrollLeft = 300; return one.scrollLeft; }") > 100
    assert head.bounding_box() == before
    names = "#figures tbody th, #validity tbody th"
    cut = "all => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"
    assert report.page.eval_on_selector_all(names, cut) == []
    heights = report.page.eval_on_selector_all(names, "all => all.map((one) => one.clientHeight)")
    assert max(heights) <= 3 * 22 + 16, "a name takes three lines at most"
    report.page.set_viewport_size({"width": 1280, "height": 900})


def test_the_contents_stay_in_sight_and_say_where_the_reader_is(demo: Visit) -> None:
    demo.page.locator("nav.toc a", has_text="Checks").click()
    demo.page.locator(".toc [aria-current]", has_text="Checks").wait_for()
    box = demo.page.locator("nav.toc").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 60
    assert demo.number("scrollY") > 900


def test_charts_move_their_cursors_together(demo: Visit) -> None:
    demo.page.locator(".column .u-over").nth(0).hover()
    times = demo.page.locator(".column .u-legend .u-series:first-child .u-value").all_inner_texts()
    assert "–" not in times[:3]
    assert len(set(times[:3])) == 1


def test_the_arrow_keys_read_a_chart_moment_by_moment(demo: Visit) -> None:
    demo.page.locator("#chart-story .u-wrap").focus()
    value = demo.page.locator("#chart-story .u-legend .u-value").first
    assert not value.is_visible()
    read = []
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        demo.page.keyboard.press(key)
        read.append(value.inner_text())
    assert read == ["0 s", "1 s", "2 s", "1 s"]


def test_a_chart_is_zoomed_by_dragging_and_shows_all_again(demo: Visit) -> None:
    plot = demo.page.locator("#chart-story .u-over")
    box = plot.bounding_box()
    assert box is not None
    whole = demo.page.locator("#tools-story .whole")
    assert not whole.is_visible()
    demo.page.mouse.move(box["x"] + 200, box["y"] + 60)
    demo.page.mouse.down()
    demo.page.mouse.move(box["x"] + 400, box["y"] + 60, steps=4)
    demo.page.mouse.up()
    whole.click()
    assert not whole.is_visible()


def test_the_keys_zoom_a_chart_where_it_is_read(demo: Visit) -> None:
    whole = shown(demo)
    demo.page.locator("#chart-story .u-wrap").focus()
    for _ in range(3):
        demo.page.keyboard.press("ArrowRight")
    demo.page.keyboard.press("+")
    assert demo.page.locator("#chart-story .u-legend .u-value").first.inner_text() == "2 s"
    least, most = shown(demo)
    assert most - least == pytest.approx((whole[1] - whole[0]) / 2, abs=2)
    assert least <= 2 <= most, "what is read stays in sight"
    assert demo.page.locator("#tools-story .whole").is_visible()
    for keys in ("--", "+0"):
        for key in keys:
            demo.page.locator("#chart-story .u-wrap").press(key)
        assert shown(demo) == whole


def test_two_fingers_zoom_a_chart_and_one_reads_it(demo: Visit) -> None:
    whole = shown(demo)
    plot = demo.page.locator("#chart-story .u-over")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    screen = demo.page.context.new_cdp_session(demo.page)

    def touch(kind: str, *places: int) -> None:
        points = [{"x": box["x"] + place, "y": box["y"] + 60, "id": number} for number, place in enumerate(places)]
        screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 200)
    touch("touchMove", 240)
    assert demo.page.locator("#chart-story .u-legend .u-value").first.inner_text() != "–"
    touch("touchEnd")
    assert shown(demo) == whole
    touch("touchStart", 250, 350)
    touch("touchMove", 200, 400)
    touch("touchEnd")
    least, most = shown(demo)
    assert most - least == pytest.approx((whole[1] - whole[0]) / 2, abs=2)
    demo.page.locator("#tools-story .whole").click()
    assert shown(demo) == whole


def test_a_chart_is_saved_as_numbers_and_as_a_picture(demo: Visit, demo_runs: list[RunResult]) -> None:
    with demo.page.expect_download() as numbers:
        demo.page.locator("#tools-story button", has_text="CSV").click()
    lines = Path(numbers.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("time (s),taken by the queue,paid from the queue,sync: ")
    queue = next(run for run in demo_runs if run.scenario.name == "ecs")
    last = [line.split(",") for line in lines if line.split(",")[1]][-1]
    assert [int(cell) for cell in last[1:3]] == [queue.figures.accepted, queue.figures.completed]
    with demo.page.expect_download() as picture:
        demo.page.locator("#tools-story button", has_text="PNG").click()
    assert Path(picture.value.path()).read_bytes().startswith(b"\x89PNG")


def test_paper_shows_the_numbers_and_no_buttons(demo: Visit) -> None:
    demo.page.emulate_media(media="print")
    demo.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert demo.page.locator("details:not(.screen):not([open])").count() == 0
    for button in demo.page.locator("button").all():
        assert not button.is_visible()
    assert demo.page.locator(".stage").is_visible()


def test_paper_shows_the_order_path_at_its_largest_backlog(demo: Visit, demo_runs: list[RunResult]) -> None:
    run = next(run for run in demo_runs if run.scenario.name == "ecs")
    assert waiting(demo) == "0 waiting"
    demo.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert int(waiting(demo).split()[0]) == pytest.approx(run.figures.peak_backlog - run.scenario.workers, rel=0.05)
    demo.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert waiting(demo) == "0 waiting"


def test_no_chart_stands_alone_beside_an_empty_half_of_the_paper(visits: Open) -> None:
    visit = visits("lab")
    visit.page.emulate_media(media="print")
    visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    rows = visit.page.eval_on_selector_all(
        ".charts.wide", "all => all.map((row) => [...row.children].map((card) => card.classList.contains('whole')))"
    )
    visit.page.evaluate("dispatchEvent(new Event('afterprint'))")
    visit.page.emulate_media(media="screen")
    assert rows
    for row in rows:
        halves = "".join("w" if whole else "h" for whole in row).split("w")
        assert all(len(one) % 2 == 0 for one in halves), rows


def test_the_page_is_built_for_everybody(visits: Open) -> None:
    page = visits("lab").page
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").count() == page.locator("main").count() == 1
    levels = page.eval_on_selector_all("h1,h2,h3", "all => all.map((one) => +one.tagName[1])")
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert page.locator("[role=img]:not([aria-label])").count() == 0
    assert page.locator("th:not([scope])").count() == page.locator(".u-legend th").count()
    ids = page.eval_on_selector_all("[id]", "all => all.map((one) => one.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("kind", ["demo", "lab", "comparison"])
def test_axe_finds_nothing(visits: Open, kind: Kind) -> None:
    visit = visits(kind)
    assert visit.violations() == ""


def test_axe_finds_nothing_in_the_dark(visits: Open) -> None:
    visit = visits("lab")
    visit.page.emulate_media(color_scheme="dark")
    assert visit.violations("color-contrast") == ""
    visit.page.emulate_media(color_scheme="light")


def test_axe_finds_what_is_wrong(demo: Visit) -> None:
    demo.page.evaluate("document.querySelector('.deck').style.color = '#ddd'")
    assert "color-contrast" in demo.violations("color-contrast")


def test_a_comparison_is_drawn(visits: Open, demo_runs: list[RunResult]) -> None:
    visit = visits("comparison")
    assert visit.said == []
    assert visit.painted() == len(demo_runs)


SALES = [
    (Sale(rate=rate, payment=payment, wait=1e6, burst=burst, overhead=overhead), workers)
    for rate, payment, burst, overhead in (
        (65, 1.0, 12, 0.054),
        (60, 3.0, 3600, 0.015),
        (7.5, 0.1, 41.3, 0),
        (1, 10, 1, 0),
    )
    for workers in (1, 20, 64, 181, 300)
]


def test_the_page_computes_a_sale_as_the_model_does(demo: Visit) -> None:
    rates = sale_rates(load_prices())
    asked = [
        {"rate": one.rate, "payment": one.payment, "burst": one.burst, "overhead": one.overhead, "workers": workers}
        for one, workers in SALES
    ]
    script = f"([sales, rates]) => {{ {asset('order_model.js')} return sales.map((one) => saleFigures(one, rates)); }}"
    told = demo.page.evaluate(script, [asked, asdict(rates)])
    for (sale, workers), figures in zip(SALES, told, strict=True):
        assert figures == pytest.approx(asdict(sale_figures(sale, workers, rates)), rel=1e-9, abs=1e-9)


def test_a_duration_reads_as_it_does_in_the_sentences(demo: Visit) -> None:
    script = f"(values) => {{ {asset('format.js')} return values.map(spoken); }}"
    values = [0.54, 11.9, 60.0, 526.7, 11_520.0]
    assert demo.page.evaluate(script, values) == [words.seconds(value) for value in values]
    assert demo.page.evaluate(script, [None]) == [words.seconds(None)]


def test_the_order_path_replays_the_run_and_a_slider_asks_the_model(demo: Visit, demo_runs: list[RunResult]) -> None:
    queue = next(run for run in demo_runs if run.scenario.name == "ecs").figures
    measured = outcome(demo)
    assert measured["largest backlog"] == f"{queue.peak_backlog:,}"
    demo.page.locator(".moment").fill("1000")
    assert demo.page.locator("[data-show=paid]").inner_text() == f"{queue.completed:,} paid"
    workers = demo.page.locator("input[name=workers]")
    workers.focus()
    for _ in range(80):
        workers.press("ArrowRight")
    assert demo.page.locator("[data-of=workers]").inner_text() == "100"
    assert outcome(demo)["largest backlog"] != measured["largest backlog"]
    assert "they keep up" in demo.page.locator(".said").inner_text()
    demo.page.get_by_role("button", name="Back to the recording").click()
    assert outcome(demo) == measured


def test_the_order_path_moves_by_itself_only_for_those_who_want_motion(demo: Visit) -> None:
    path = demo.page.locator(".order-path")
    path.scroll_into_view_if_needed()
    play = demo.page.locator(".play")
    assert play.inner_text() == "Play"
    assert demo.page.locator(".lane i").count() == 0
    demo.page.emulate_media(reduced_motion="no-preference")
    demo.page.reload()
    path.scroll_into_view_if_needed()
    demo.page.locator(".lane i").first.wait_for(state="attached")
    play.press("Enter")
    assert play.inner_text() == "Play"


def test_the_axes_are_written_in_whole_pixels() -> None:
    assert re.findall(r"[0-9]+\.[0-9]+px", "".join(asset(name) for name in ("charts.js", "annotations.js"))) == []
