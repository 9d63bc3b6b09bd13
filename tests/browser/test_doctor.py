"""The data doctor in a real browser: examined from a phone in the dark, its findings reached by keyboard."""

import pytest
from playwright.sync_api import Page, expect

from core.datasets.dataset import Dataset
from tests.core.doctor.conftest import mislabelled_template, mixed
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
__all__ = ["mislabelled_template", "mixed"]  # fixtures


def test_a_phone_examines_a_dataset_and_a_key_opens_the_wrong_label(
    mixed: Dataset, server: Server, dark_phone: Page
) -> None:
    dark_phone.goto(f"{server.address}/explore?dataset={mixed.id}")
    dark_phone.get_by_text("Check", exact=True).click()
    dark_phone.get_by_role("button", name="Examine the pictures").click()
    first = dark_phone.locator("[class*=st-key-doctor-labels-0] button")
    expect(first).to_be_visible(timeout=120_000)  # it came by itself
    expect(dark_phone.get_by_text("dog → cat?").first).to_be_visible()
    first.focus()
    dark_phone.keyboard.press("Enter")
    dialog = dark_phone.get_by_role("dialog")
    expect(dialog.get_by_text("Labelled dog, looks like cat.")).to_be_visible()
    expect(dialog.get_by_text("Nearest neighbours")).to_be_visible()
    expect(dialog.get_by_text("dog/wrong.jpg")).to_be_visible()
    expect(dialog.get_by_text("similarity")).to_have_count(3)
    dark_phone.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert dark_phone.evaluate("document.documentElement.scrollWidth") == 390
    dark_phone.reload()
    dark_phone.get_by_text("Check", exact=True).click()
    expect(first).to_be_visible()
