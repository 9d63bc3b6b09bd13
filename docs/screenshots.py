"""Take the README's screenshots from the running app: the 60-second demo, which needs no network.

    python -m docs.screenshots

Starts the app on an empty data root, presses the button and writes docs/images/*.png.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from core.settings import PROJECT_ROOT, Settings
from tests.support.server import CHROMIUM_NAMES, CHROMIUM_OPTIONS, Server

IMAGES = PROJECT_ROOT / "docs" / "images"
LAPTOP = {"width": 1280, "height": 1060}
MINUTES = 60_000  # milliseconds


def main() -> None:
    """Drive the app as a newcomer would, and take pictures on the way."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.environ["TUNEMYPETS_HOME"] = str(Path(folder) / "workspace")
        path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)))
        browser = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_OPTIONS, "--no-sandbox"])
        page = browser.new_page(viewport=LAPTOP)
        server = Server(Settings.from_environment())
        server.start()
        try:
            _take(page, server.address)
        finally:
            server.kill()
            browser.close()


def _take(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="60-second demo").click()
    expect(page).to_have_url(re.compile("race=race-"), timeout=5 * MINUTES)
    race = page.url.partition("race=")[2].partition("&")[0]
    expect(page.get_by_role("heading", name="Verdict")).to_be_visible(timeout=5 * MINUTES)
    expect(page.get_by_role("heading", name="Table")).to_be_visible()
    _save(page, "compare.png")
    page.goto(f"{address}/train?race={race}")
    expect(page.get_by_text("transfer (petnet)").first).to_be_visible()
    _save(page, "race.png")


def _save(page: Page, name: str) -> None:
    """Take a picture when nothing moves any more."""
    page.wait_for_load_state("networkidle")
    expect(page.locator("canvas").first).to_be_visible()
    page.screenshot(path=IMAGES / name)


if __name__ == "__main__":
    main()
