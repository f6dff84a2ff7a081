"""A report in the browser."""

from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

ALIKE = ".scroll tbody tr:nth-child(n+3), .checks li:nth-child(n+3)"
DRAWN = "document.documentElement.dataset.charts !== undefined"


class Visit:
    """A page, and what it said and asked for."""

    def __init__(self, browser: Browser, file: Path) -> None:
        self.file = file
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page: Page = browser.new_context(accept_downloads=True, reduced_motion="reduce").new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.load()

    def load(self) -> None:
        self.page.set_viewport_size({"width": 1280, "height": 900})
        self.page.emulate_media(media="screen", color_scheme="light", reduced_motion="reduce")
        self.page.goto(self.file.as_uri())
        self.page.wait_for_function(DRAWN)

    def number(self, script: str) -> int:
        return int(self.page.evaluate(script))

    def violations(self, *rules: str) -> str:
        """What axe finds on the whole page, folded parts included, in words; empty when it finds nothing.

        The rows of a table are alike, so are the checks of a run: two of each are looked at, and the rest is taken out.
        """
        self.page.eval_on_selector_all(ALIKE, "all => all.forEach((one) => one.remove())")
        self.page.eval_on_selector_all("details", "all => all.forEach((one) => { one.open = true; })")
        found = Axe().run(self.page, options={"runOnly": list(rules)} if rules else {})
        assert len(found.response["passes"]) > (0 if rules else 10), "axe checked next to nothing"
        return str(found.generate_report()) if found.violations_count else ""

    def painted(self) -> int:
        """How many canvases hold at least one pixel of colour."""
        return self.number(
            """() => [...document.querySelectorAll('canvas')].filter((canvas) => {
                const copy = new OffscreenCanvas(canvas.width, canvas.height);
                const ctx = copy.getContext('2d', { willReadFrequently: true });
                ctx.drawImage(canvas, 0, 0);
                const pixels = ctx.getImageData(0, 0, canvas.width, canvas.height).data;
                return pixels.some((value, index) => index % 4 === 3 && value > 0);
            }).length"""
        )


def shown(visit: Visit) -> tuple[int, int]:
    """The first and the last second that the arrow keys find in the story's chart."""
    plot = visit.page.locator("#chart-story .u-wrap")
    found = []
    for key in ("ArrowRight", "ArrowLeft"):
        plot.focus()
        plot.blur()
        plot.press(key)
        read = visit.page.locator("#chart-story .u-legend .u-value").first.inner_text()
        minutes, _, seconds = read.removesuffix(" s").rpartition(" min ")
        found.append(60 * int(minutes or 0) + int(seconds))
    plot.blur()
    return found[0], found[1]


def waiting(visit: Visit) -> str:
    """What the order path says of its queue."""
    return visit.page.locator("[data-show=waiting]").inner_text()


def outcome(visit: Visit) -> dict[str, str]:
    """The figures below the order path, by their names."""
    pairs = "all => all.map((one) => [...one.children].map((part) => part.textContent))"
    return dict(visit.page.eval_on_selector_all(".outcome div", pairs))
