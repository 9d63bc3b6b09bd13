"""Many pictures in a real browser: a phone in the dark sends a zip, sees the answers, reloads, and takes the table."""

import io
import zipfile

import pytest
from playwright.sync_api import Page, expect

from core.batches.batch_store import BatchStore
from core.datasets.drawn_sample import draw_sample
from core.settings import Settings
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_phone_sends_a_zip_and_sees_sorts_and_downloads_the_answers(
    raced: Settings, server: Server, dark_phone: Page
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in [*draw_sample(15, size_px=80), ("bad.jpg", b"not a picture")]:
            archive.writestr(name, data)
    dark_phone.goto(f"{server.address}/predict")
    dark_phone.get_by_test_id("stExpander").get_by_text("Many pictures", exact=True).click()
    go = dark_phone.get_by_role("button", name="Predict all")
    expect(go).to_be_disabled()
    uploader = dark_phone.locator("[class*=st-key-batch-zip] input[type=file]")
    uploader.set_input_files({"name": "holiday.zip", "mimeType": "application/zip", "buffer": buffer.getvalue()})
    expect(go).to_be_enabled()
    go.click()
    expect(dark_phone.get_by_text("30 pictures · 1 file without an answer")).to_be_visible(timeout=120_000)
    expect(dark_phone.get_by_text("holiday.zip, answered by")).to_be_visible()
    expect(dark_phone.locator("figure")).to_have_count(24)
    dark_phone.get_by_role("button", name="Page 2").click()
    expect(dark_phone.locator("figure")).to_have_count(6)
    assert dark_phone.evaluate("document.documentElement.scrollWidth") == 390
    dark_phone.reload()
    expect(dark_phone.locator("figure")).to_have_count(24)
    dark_phone.get_by_text("No answer", exact=True).click()
    expect(dark_phone.locator("figure")).to_have_count(0)
    address = dark_phone.get_by_role("link", name="Table (CSV)").get_attribute("href")
    assert address is not None
    table = dark_phone.request.get(f"{server.address}/{address.removeprefix(server.address).lstrip('/')}")
    assert table.text().startswith("file,label,probability,p cat,p dog")
    dark_phone.get_by_role("button", name="Delete").first.click()
    dark_phone.get_by_role("button", name="Delete this batch").click()
    expect(dark_phone.get_by_role("button", name="Change network")).to_be_visible()
    assert BatchStore(raced).all() == []
