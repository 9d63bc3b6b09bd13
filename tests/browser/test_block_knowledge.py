"""What each block knows, in a real browser: measured from a phone in the dark, by keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from core.datasets.dataset import Dataset
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    yield opened
    context.close()


def test_a_phone_measures_the_blocks_and_the_ladder_comes_by_itself(
    drawn: Dataset, server: Server, phone: Page
) -> None:
    phone.goto(f"{server.address}/explore?dataset={drawn.id}&section=networks")
    start = phone.get_by_role("button", name="Measure each block")
    expect(start).to_be_visible()
    start.focus()
    phone.keyboard.press("Enter")
    expect(phone.get_by_text("A head alone should reach about")).to_be_visible(timeout=120_000)
    expect(phone.locator(".js-plotly-plot")).to_be_visible()
    expect(phone.get_by_text("The test pictures were not used.")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    phone.reload()
    expect(phone.get_by_text("A head alone should reach about")).to_be_visible()
