"""On a phone: from Home to one's own photos, an import that fails, one that works, and back."""

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from core.settings import Settings
from tests.support.images import class_files
from tests.support.phone import PHONE
from tests.support.server import Server
from tests.support.uploads import imported

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE = 60_000  # milliseconds, of an import on a busy machine


def pack(path: Path, files: list[tuple[str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files:
            archive.writestr(name, data)
    return path


def assert_on_first_screen(element: Locator) -> None:
    expect(element).to_be_visible(timeout=PATIENCE)
    box = element.bounding_box()
    assert box is not None
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= PHONE["height"]


def bring(phone: Page, archive: Path) -> None:
    """Choose a zip at the end of the page, and import it."""
    phone.locator("input[type=file]").set_input_files(archive)
    button = phone.get_by_role("button", name="Import")
    expect(button).to_be_enabled(timeout=PATIENCE)
    phone.get_by_test_id("stMain").evaluate("main => { main.scrollTop = main.scrollHeight }")
    button.tap()


def test_home_holds_the_picture_and_both_buttons_on_one_screen(server: Server, phone: Page) -> None:
    phone.goto(server.address)
    assert_on_first_screen(phone.get_by_role("button", name="See it in 60 seconds"))
    assert_on_first_screen(phone.get_by_role("link", name="Use my photos"))
    assert_on_first_screen(phone.get_by_role("img", name=re.compile("Labelled photos lead to two networks")))
    phone.get_by_role("link", name="Use my photos").tap()
    assert_on_first_screen(phone.get_by_role("button", name="Import"))
    phone.go_back()
    expect(phone.get_by_role("heading", name="TuneMyPets")).to_be_visible()


def test_an_import_that_fails_and_one_that_works_end_where_one_looks(
    server: Server, phone: Page, settings: Settings, tmp_path: Path
) -> None:
    phone.goto(server.address)
    phone.get_by_role("link", name="Use my photos").tap()
    bring(phone, pack(tmp_path / "one class.zip", class_files({"cat": 12})))
    error = phone.get_by_test_id("stAlert")
    assert_on_first_screen(error)
    expect(error).to_have_count(1)
    expect(error).to_contain_text("one class.zip")

    files = [*class_files({"cat": 30, "dog": 30}, start=100), ("cat/broken.jpg", b"\xff\xd8\xff\xe0 cut off")]
    bring(phone, pack(tmp_path / "my pets.zip", files))
    assert_on_first_screen(phone.get_by_text("my pets is imported: 1 file rejected"))
    assert_on_first_screen(phone.get_by_text("60 pictures"))
    assert_on_first_screen(phone.get_by_role("button", name="Train on these pictures"))
    assert phone.get_by_test_id("stMain").evaluate("main => main.scrollTop") == 0
    expect(phone.get_by_role("button", name="Import")).to_have_count(0)

    phone.reload()  # loses nothing
    assert_on_first_screen(phone.get_by_text("my pets is imported"))
    phone.get_by_role("button", name=re.compile("^cat, picture")).first.tap()
    dialog = phone.get_by_role("dialog")
    expect(dialog.get_by_role("img", name=re.compile(r"^cat, ")).last).to_be_visible()
    dialog.get_by_role("button", name="Next").tap()
    expect(dialog.get_by_text("2 of 30")).to_be_visible()
    dialog.get_by_role("button", name="Close").tap()
    expect(dialog).to_have_count(0)

    # Back leads through the steps that a person took, and no others
    phone.go_back()
    expect(phone.get_by_test_id("stAlert").filter(has_text="one class.zip")).to_be_visible()
    phone.go_back()
    expect(phone).to_have_url(re.compile(r"/explore\?add=1$"))
    expect(phone.get_by_test_id("stAlert")).to_have_count(0)
    phone.go_back()
    expect(phone.get_by_role("heading", name="TuneMyPets")).to_be_visible()
    expect(phone.get_by_text("Continue with my pets")).to_be_visible()


def test_back_leads_from_explore_to_home_and_to_the_dataset_before(
    server: Server, phone: Page, drawn: object, settings: Settings
) -> None:
    imported(settings, class_files({"owl": 8, "rat": 8}, start=50), "others")
    phone.goto(server.address)
    phone.get_by_role("link", name="Explore").tap()
    expect(phone.get_by_text("owl · 8 pictures")).to_be_visible()
    phone.go_back()
    expect(phone.get_by_role("heading", name="TuneMyPets")).to_be_visible()
    phone.go_forward()
    expect(phone.get_by_text("owl · 8 pictures")).to_be_visible()
    phone.locator(".st-key-explore-dataset").get_by_role("combobox").tap()
    phone.get_by_role("option", name="drawn").tap()
    expect(phone.get_by_text("cat · 20 pictures")).to_be_visible()
    phone.go_back()
    expect(phone.get_by_text("owl · 8 pictures")).to_be_visible()
    phone.go_back()
    expect(phone.get_by_role("heading", name="TuneMyPets")).to_be_visible()
