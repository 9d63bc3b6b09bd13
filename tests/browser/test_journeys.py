"""The whole way in a real browser: no sleeps, elements found by what a person reads."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from core.datasets.drawn_sample import draw_sample
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.processes import wait_for
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RACE_SECONDS = 150_000  # milliseconds, for playwright
MAX_TAPS = 6  # from Home to a trained model


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", name=name, exact=True, level=1)).to_be_visible()


@pytest.fixture
def hasty_server(settings: Settings, ended_processes: None) -> Iterator[Server]:
    """The app, with quick trainings that are over in seconds."""
    running = Server(settings, module="tests.support.hasty_app")
    running.start()
    yield running
    running.kill()


def test_six_taps_lead_a_phone_from_home_to_an_answer_on_own_photos(
    hasty_server: Server, phone: Page, settings: Settings, tmp_path: Path
) -> None:
    taps = 0

    def tap(element: Locator) -> None:
        nonlocal taps
        element.tap()
        taps += 1

    archive = tmp_path / "my pets.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for name, data in draw_sample(24, size_px=64):
            packed.writestr(name, data)
    phone.goto(hasty_server.address)
    heading(phone, "TuneMyPets")
    tap(phone.get_by_role("link", name="Use my photos"))
    phone.locator("input[type=file]").set_input_files(archive)
    taps += 1  # the button that opens the phone's own choice of files
    tap(phone.get_by_role("button", name="Import"))
    expect(phone.get_by_text("my pets is imported")).to_be_visible(timeout=60_000)
    tap(phone.get_by_role("button", name="Train on these pictures"))
    heading(phone, "Train")
    tap(phone.get_by_role("button", name="Start the race"))

    # the race is there, moves, and a reload in the middle loses nothing: the address names it
    expect(phone).to_have_url(re.compile(r"/compare\?race=race-"))
    expect(phone.locator(".race-lane")).to_have_count(2)
    expect(phone.get_by_role("progressbar", name=re.compile(", training")).first).to_be_visible(timeout=90_000)
    phone.reload()
    verdict = phone.locator(".st-key-verdict [data-testid=stAlert]")
    expect(verdict).to_contain_text(re.compile("Transfer|No difference"), timeout=RACE_SECONDS)
    assert taps <= MAX_TAPS

    # its own photo, with the networks of the race
    photo = tmp_path / "mine.jpg"
    photo.write_bytes(dict(draw_sample(2, seed=99))["dog/dog_0002.jpg"])
    tap(phone.get_by_role("button", name="Try it"))
    heading(phone, "Predict")
    phone.locator("input[type=file]").first.set_input_files(photo)
    expect(phone.get_by_text(re.compile("This is a (cat|dog)")).first).to_be_visible(timeout=90_000)

    runs = RunStore(settings).all()
    assert [run.state() for run in runs] == [RunState.FINISHED, RunState.FINISHED]
    assert not hasty_server.imported_torch()


def test_a_run_continues_while_the_server_is_killed(
    server: Server, page: Page, settings: Settings, drawn: object, small_config: object
) -> None:
    from core.config.train_config import TrainConfig
    from core.scheduling.scheduler import ensure_scheduler

    assert isinstance(small_config, TrainConfig)
    run = RunStore(settings).create(small_config.model_copy(update={"epochs": 1000}))
    ensure_scheduler(settings)
    page.goto(f"{server.address}/train?run={run.id}")
    expect(page.get_by_text(re.compile("Epoch [0-9]+ of 1000")).first).to_be_visible(timeout=60_000)
    done = len(run.history().epochs)
    server.kill()
    wait_for(lambda: len(run.history().epochs) > done)
    assert run.state() is RunState.RUNNING
    server.start()
    page.goto(f"{server.address}/train?run={run.id}")
    expect(page.get_by_text(re.compile("Epoch [0-9]+ of 1000")).first).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text(re.compile(r"Stopped after \d+ epochs")).first).to_be_visible(timeout=15_000)
    assert run.has_weights


@pytest.mark.parametrize("name", ["explore", "train", "compare", "predict"])
def test_a_deep_link_opens_on_a_fresh_server(server: Server, page: Page, name: str) -> None:
    page.goto(f"{server.address}/{name}")
    heading(page, name.capitalize())
    expect(page.locator(".st-key-navigation").get_by_role("link", name="Home")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_two_browsers_see_the_same_room(server: Server, chromium: Browser, drawn: object) -> None:
    pages = [chromium.new_context().new_page() for _ in range(2)]
    for page in pages:
        page.goto(f"{server.address}/explore?dataset=drawn")
        expect(page.get_by_text("cat · 20 pictures")).to_be_visible()
    pages[0].locator(".st-key-gallery-class").get_by_role("combobox").click()
    pages[0].get_by_role("option", name="cat").click()
    expect(pages[0].get_by_text("20 pictures.", exact=True)).to_be_visible()
    expect(pages[0].get_by_text("dog · 20 pictures")).to_have_count(0)
    expect(pages[1].get_by_text("dog · 20 pictures")).to_be_visible()
    for page in pages:
        page.context.close()


def test_settings_of_a_run_fill_a_form_that_was_open_before(
    raced: Settings, ended_processes: None, server: Server, page: Page
) -> None:
    run = next(run for run in RunStore(raced).all() if run.config().strategy == "scratch")
    page.goto(f"{server.address}/train")
    heading(page, "Train")
    page.get_by_text("Medium").click()
    start = page.get_by_role("button", name="Start the race")
    expect(start).to_be_enabled()
    page.goto(f"{server.address}/train?run={run.id}")
    page.get_by_role("button", name="Use its settings").click()
    expect(page.get_by_role("radio", name="One network")).to_be_checked()
    expect(page.get_by_text(f"{run.config().epochs} epochs").first).to_be_visible()
    expect(page).to_have_url(re.compile(r"train\?mode=single&.*&epochs=3&(?!.*run=)"))
    page.reload()  # loses nothing
    expect(page.get_by_role("radio", name="One network")).to_be_checked()
    expect(page.get_by_text(f"{run.config().epochs} epochs").first).to_be_visible()
