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

from core.datasets.drawn_sample import draw_sample
from core.settings import PROJECT_ROOT, Settings
from tests.support.server import CHROMIUM_NAMES, CHROMIUM_OPTIONS, Server

IMAGES = PROJECT_ROOT / "docs" / "images"
LAPTOP = {"width": 1280, "height": 900}
MINUTES = 60_000  # milliseconds
MORE = 6_000  # of a race after its slower arm has made an epoch
LOADING = "[data-testid=stSkeleton], [data-testid=stSpinner], [data-testid=stStatusWidget]"


def main() -> None:
    """Drive the app as a newcomer would, and take screenshots on the way."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.environ["TUNEMYPETS_HOME"] = str(Path(folder) / "workspace")
        path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)))
        browser = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_OPTIONS, "--no-sandbox"])
        page = browser.new_page(viewport=LAPTOP, bypass_csp=True)  # the app forbids the eval that waiting takes
        server = Server(Settings.from_environment())
        server.start()
        try:
            _take(page, server.address, Path(folder))
        finally:
            server.kill()
            browser.close()


def _take(page: Page, address: str, folder: Path) -> None:
    page.goto(address)
    page.get_by_role("button", name="See it in 60 seconds").click()
    expect(page).to_have_url(re.compile("race=race-"), timeout=5 * MINUTES)
    expect(page.get_by_text("best validation")).to_have_count(2, timeout=MINUTES)
    page.wait_for_timeout(MORE)
    _save(page, "race.png")
    expect(page.locator(".st-key-verdict [data-testid=stAlert]")).to_be_visible(timeout=5 * MINUTES)
    _save(page, "compare.png")
    page.goto(f"{address}/explore")
    _save(page, "explore.png")
    photo = folder / "my dog.jpg"
    photo.write_bytes(dict(draw_sample(6, seed=99))["dog/dog_0005.jpg"])
    page.goto(f"{address}/predict")
    page.locator("input[type=file]").first.set_input_files(photo)
    expect(page.get_by_text(re.compile("This is a|Not sure: ")).first).to_be_visible(timeout=MINUTES)
    _save(page, "predict.png")


def _save(page: Page, name: str) -> None:
    """Take a screenshot when every widget, chart and image has finished loading."""
    page.wait_for_load_state("networkidle")
    expect(page.locator(LOADING)).to_have_count(0, timeout=MINUTES)
    page.wait_for_function("[...document.images].every(image => image.complete)")
    page.wait_for_timeout(1500)  # charts draw themselves in
    page.screenshot(path=IMAGES / name)


if __name__ == "__main__":
    main()
