"""The data doctor in a real browser: examined from a phone in the dark, its findings reached by keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from core.datasets.dataset import Dataset
from tests.core.doctor.conftest import mislabelled_template, mixed
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
__all__ = ["mislabelled_template", "mixed"]  # fixtures


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    yield opened
    context.close()


def test_a_phone_examines_a_dataset_and_a_key_opens_the_wrong_label(
    mixed: Dataset, server: Server, phone: Page
) -> None:
    phone.goto(f"{server.address}/explore?dataset={mixed.id}")
    phone.get_by_text("Check", exact=True).click()
    phone.get_by_role("button", name="Examine the pictures").click()
    first = phone.locator("[class*=st-key-doctor-labels-0] button")
    expect(first).to_be_visible(timeout=120_000)  # it came by itself
    expect(phone.get_by_text("dog → cat?").first).to_be_visible()
    first.focus()
    phone.keyboard.press("Enter")
    dialog = phone.get_by_role("dialog")
    expect(dialog.get_by_text("Labelled dog, looks like cat.")).to_be_visible()
    expect(dialog.get_by_text("Nearest neighbours")).to_be_visible()
    expect(dialog.get_by_text("dog/wrong.jpg")).to_be_visible()
    expect(dialog.get_by_text("similarity")).to_have_count(3)
    phone.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    phone.reload()
    phone.get_by_text("Check", exact=True).click()
    expect(first).to_be_visible()
