"""Selecting a range of pictures in a real browser, on a phone, with keys."""

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


def test_keys_select_all_between_two_pictures_and_leave_them_out(drawn: Dataset, server: Server, phone: Page) -> None:
    phone.goto(f"{server.address}/explore?dataset={drawn.id}")
    phone.get_by_text("Correct labels").click()
    between = phone.get_by_role("button", name="between")
    expect(between).to_be_disabled()
    for place, said in ((2, "1 picture selected."), (6, "2 pictures selected.")):
        picture = phone.locator(f".st-key-select-{place} button")
        picture.focus()
        phone.keyboard.press("Enter")
        expect(phone.get_by_text(said)).to_be_visible()
    expect(between).to_be_enabled()
    phone.keyboard.press("b")
    expect(phone.get_by_text("5 pictures selected.")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    phone.keyboard.press("x")
    expect(phone.get_by_text("5 pictures dropped")).to_be_visible()
