"""On a phone: which files Predict takes, in a few words, and what it says of the others."""

import pytest
from playwright.sync_api import Page, expect

from core.settings import Settings
from tests.support.server import Server

pytestmark = pytest.mark.browser


def test_the_uploader_lists_no_endings_and_a_file_that_it_refuses_stays_with_its_reason(
    raced: Settings, server: Server, phone: Page
) -> None:
    phone.goto(f"{server.address}/predict")
    expect(phone.get_by_role("button", name="Upload", exact=True)).to_be_visible()
    expect(phone.get_by_text("Many pictures below takes a zip")).to_be_visible()
    expect(phone.get_by_text("JFIF")).to_be_hidden()
    shown = "element => getComputedStyle(element, '::after').content"
    assert "Photos" in phone.get_by_test_id("stFileUploaderDropzoneInstructions").first.evaluate(shown)
    chooser = phone.locator("input[type=file]").first
    chooser.set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"a text"})
    expect(phone.get_by_text("notes.txt", exact=True)).to_be_visible()
    expect(phone.get_by_text("files are not allowed")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"
