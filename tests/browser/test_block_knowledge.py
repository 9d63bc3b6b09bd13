"""What each block knows, in a real browser: measured from a phone in the dark, by keyboard."""

import pytest
from playwright.sync_api import Page, expect

from core.datasets.dataset import Dataset
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_phone_measures_the_blocks_and_the_ladder_comes_by_itself(
    drawn: Dataset, server: Server, dark_phone: Page
) -> None:
    dark_phone.goto(f"{server.address}/explore?dataset={drawn.id}&section=networks")
    start = dark_phone.get_by_role("button", name="Measure each block")
    expect(start).to_be_visible()
    start.focus()
    dark_phone.keyboard.press("Enter")
    expect(dark_phone.get_by_text("A head alone should reach about")).to_be_visible(timeout=120_000)
    expect(dark_phone.locator(".js-plotly-plot")).to_be_visible()
    expect(dark_phone.get_by_text("The test pictures were not used.")).to_be_visible()
    assert dark_phone.evaluate("document.documentElement.scrollWidth") == 390
    dark_phone.reload()
    expect(dark_phone.get_by_text("A head alone should reach about")).to_be_visible()
