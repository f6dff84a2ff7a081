"""The README's pictures, taken from a demo's and a laboratory's report: `python -m load.report.pictures DEMO LAB`."""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from load.report.files import PAGE

PICTURES = Path(__file__).resolve().parent.parent.parent / "docs" / "pictures"
WIDTH, MARGIN = 1240, 16
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BEGIN = "250"  # of a thousand: amid the rush


def main() -> None:
    """Write the three pictures."""
    parser = argparse.ArgumentParser(prog="python -m load.report.pictures", description=__doc__)
    parser.add_argument("demo", type=Path, metavar="DEMO", help="the folder of a demo's report")
    parser.add_argument("lab", type=Path, metavar="LAB", help="the folder of a laboratory's report")
    folders = parser.parse_args()
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": WIDTH, "height": 900}, reduced_motion="reduce")
        _open(page, folders.demo)
        _take(page, "report.png", ".bar", ".hero")
        _take(page, "order-path.png", "#path h2", ".order-path", before=_play)
        _open(page, folders.lab)
        _take(page, "laboratory.png", "#growth h2", "#growth .charts")
        chromium.close()


def _open(page: Page, folder: Path) -> None:
    page.goto((folder / PAGE).resolve().as_uri())
    page.wait_for_function("document.documentElement.dataset.charts !== undefined")


def _play(page: Page) -> None:
    """Let the orders move, and hold them on their way."""
    page.emulate_media(reduced_motion="no-preference")
    page.locator(".moment").fill(BEGIN)
    page.locator(".play").click()
    page.locator(".lane[data-flow=completed] i").nth(1).wait_for()
    page.locator(".play").click()


def _take(page: Page, name: str, first: str, last: str, *, before: Callable[[Page], None] | None = None) -> None:
    """All that lies from one element to another, over the whole width."""
    if before is not None:
        before(page)
    page.evaluate("document.activeElement.blur(); scrollTo({ top: 0, behavior: 'instant' })")
    places = [page.locator(one).bounding_box() for one in (first, last)]
    top, bottom = (place for place in places if place is not None)
    start = max(0.0, top["y"] - MARGIN)
    height = bottom["y"] + bottom["height"] + MARGIN - start
    page.screenshot(path=PICTURES / name, full_page=True, clip={"x": 0, "y": start, "width": WIDTH, "height": height})


if __name__ == "__main__":
    main()
