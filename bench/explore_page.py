"""How long clicks on Explore take until their result is drawn, and the memory of the server.

    TUNEMYPETS_HOME=FOLDER python -m bench.explore_page DATASET [--backbone petnet]

Real server, real Chromium; the dataset should be examined by the doctor. A click is timed until what it asks for is on
the page and the script has ended, Chromium's driver included. Limit: 1 s. Prints JSON. `bench.large_import --doctor`
runs it on very many pictures.
"""

import argparse
import json
import re
import time
from collections.abc import Callable

import psutil
from playwright.sync_api import Locator, Page

from bench.clicks import open_app
from bench.large_import import megabytes, sampled
from core.settings import Settings
from models.catalog import CATALOG

PAUSE_MS = 1000  # between clicks
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
PARTS = {  # with what is drawn
    "Near-copies": re.compile("^(No near-copies|Near-copies:)"),
    "Hard to see": re.compile("^(No picture is hard|Hard to see:)"),
    "Classes": re.compile("held-out|Fitted on training"),
}


class Clicks:
    """Clicks on a page, and the seconds of each: those that pass, and those of the server's processor."""

    def __init__(self, page: Page, server: psutil.Process) -> None:
        self.page = page
        self.server = server
        self.seconds: dict[str, tuple[float, float]] = {}

    def time(self, name: str, act: Callable[[], object], wanted: Locator) -> None:
        """Do something, and wait until what it asks for is there."""
        before, began = self._busy(), time.perf_counter()
        act()
        wanted.first.wait_for()
        self.page.locator(IDLE).wait_for()
        self.seconds[name] = round(time.perf_counter() - began, 2), round(self._busy() - before, 2)
        self.page.wait_for_timeout(PAUSE_MS)

    def _busy(self) -> float:
        times = self.server.cpu_times()
        return float(times.user + times.system)


def click_through(page: Page, server: psutil.Process, address: str, network: str) -> dict[str, tuple[float, float]]:
    """Open the page twice, look at pictures, correct one and undo it, and look at what the doctor found."""
    clicks, button = Clicks(page, server), page.get_by_role
    tiles, dialog = page.locator("[class*=st-key-tiles-] button"), page.get_by_role("dialog")
    for name in ("first visit", "second visit"):
        clicks.time(name, lambda: page.goto(address), page.locator("[class*=st-key-strip-] img"))
    clicks.time("all of a class", page.locator(".st-key-all-0 button").click, page.get_by_text("page 1 of"))
    clicks.time("page 2", button("button", name="Page 2", exact=True).click, page.get_by_text("page 2 of"))
    clicks.time("open a picture", tiles.first.click, dialog.locator("img"))
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    clicks.time("correct labels", page.get_by_text("Correct labels").click, page.get_by_text("Click the pictures"))
    clicks.time("select a picture", tiles.first.click, page.get_by_text("1 picture selected"))
    clicks.time("leave it out", lambda: page.keyboard.press("x"), page.get_by_text("1 picture dropped"))
    clicks.time("undo", button("button", name="Undo the last").click, page.get_by_text("Click the pictures"))
    page.get_by_text("1 picture dropped").wait_for(state="detached")
    clicks.time("Check", page.get_by_text("Check", exact=True).click, page.get_by_text("File sizes by class"))
    page.locator("[class*=st-key-doctor-backbone-] input").click()
    option = page.get_by_role("option", name=network)
    clicks.time("another network", option.click, page.locator("[class*=st-key-doctor-part-]"))
    for part, drawn in PARTS.items():
        choice = page.locator("[class*=st-key-doctor-part-]").get_by_text(part)
        clicks.time(part, choice.click, page.get_by_text(drawn))
    clicks.time("Pictures", button("radio", name="Pictures").click, page.locator(".st-key-filters"))
    return clicks.seconds


def main() -> None:
    """Click, and print JSON."""
    parser = argparse.ArgumentParser(description="Clicks on Explore.")
    parser.add_argument("dataset")
    parser.add_argument("--backbone", default="petnet", help="that has examined it")
    options = parser.parse_args()
    network = CATALOG[options.backbone].title
    with open_app(Settings.from_environment()) as (page, clicks, address), sampled(lambda: [clicks.server]) as peak:
        page.set_default_timeout(120_000)
        seconds = click_through(page, clicks.server, f"{address}/explore?dataset={options.dataset}", network)
    print(json.dumps({"seconds": seconds, "server_peak_megabytes": megabytes(peak)}))


if __name__ == "__main__":
    main()
