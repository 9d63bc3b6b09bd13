"""On a phone: a dataset of Hugging Face from its address to its pictures, and a ready-made set that is cancelled."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from core.settings import Settings
from tests.support.images import class_files
from tests.support.server import Server
from tests.support.small_hub import serve_dataset
from tests.support.web_server import WebServer, serve

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE = 60_000  # milliseconds, of an import on a busy machine


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """What the app downloads from; asked for before `server`, which takes the addresses over."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as served:
        monkeypatch.setenv("TUNEMYPETS_SETS_URL", served.url)
        serve_dataset(served, "ada/pets", dict(class_files({"cat": 20, "dog": 20})), monkeypatch)
        served.files["/eurosat/EuroSAT.zip"] = bytes(2**25)
        yield served


def test_sets_come_from_hugging_face_and_from_the_catalogue(
    web: WebServer, server: Server, phone: Page, settings: Settings
) -> None:
    phone.goto(f"{server.address}/explore?add=1")
    phone.get_by_role("radio", name="Hugging Face").tap()
    phone.get_by_role("textbox", name="Dataset on Hugging Face").fill("ada/nothing")
    phone.get_by_role("button", name="Download and import").tap()
    expect(phone.get_by_test_id("stAlert")).to_contain_text("no public dataset ada/nothing", timeout=PATIENCE)
    address = phone.get_by_role("textbox", name="Dataset on Hugging Face")
    expect(address).to_have_value("hf://ada/nothing")
    address.fill("ada/pets")
    phone.get_by_role("button", name="Download and import").tap()
    expect(phone.get_by_text("pets is imported")).to_be_visible(timeout=PATIENCE)
    expect(phone.get_by_text("40 pictures")).to_be_visible()

    web.seconds = 0.05
    phone.get_by_role("button", name="Add photos").tap()
    phone.get_by_role("radio", name="Ready-made sets").tap()
    card = phone.locator(".st-key-set-eurosat")
    card.get_by_role("button", name="Download 94.3 MB").tap()
    expect(phone.get_by_text(re.compile(r"Downloading EuroSAT: \d+ of 94 MB"))).to_be_visible(timeout=PATIENCE)
    phone.get_by_role("button", name="Cancel").tap()
    expect(phone.get_by_text("The import was cancelled, and nothing of it was kept.")).to_be_visible(timeout=PATIENCE)
    expect(card.get_by_role("button")).to_be_enabled()
    assert not (settings.imports_dir / "downloads").exists()
