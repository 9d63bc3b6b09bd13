"""The whole way in a real browser: no sleeps, elements found by what a person reads."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.datasets.drawn_sample import draw_sample
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.processes import wait_for
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RACE_SECONDS = 150_000  # milliseconds, for playwright
PHONE = {"width": 390, "height": 844}


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", name=name, exact=True, level=1)).to_be_visible()


def test_sample_race_reload_compare_and_predict(server: Server, page: Page, settings: Settings, tmp_path: Path) -> None:
    page.goto(server.address)
    heading(page, "TuneMyPets")
    page.get_by_role("link", name="Use my photos").click()
    page.get_by_role("radio", name="Sample").click()
    page.get_by_role("button", name="Create the sample").click()
    expect(page.get_by_text("drawn is imported")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Train on these pictures").click()
    heading(page, "Train")
    page.get_by_label("Epochs", exact=True).fill("3")
    page.get_by_label("Epochs", exact=True).press("Enter")
    page.get_by_role("button", name="Start a race").click()

    # the live chart appears, moves, and is never taken away
    canvas = page.locator("canvas").first
    expect(canvas).to_be_visible(timeout=90_000)
    expect(page).to_have_url(re.compile(r"race=race-"))
    canvas.evaluate("element => { element.dataset.seen = 'first' }")
    before = canvas.screenshot()
    expect(page.get_by_text(re.compile(r"after epoch [23]: \d+ of 10 right")).first).to_be_visible(timeout=60_000)
    assert canvas.screenshot() != before
    expect(page.locator("canvas[data-seen=first]")).to_have_count(1)

    # a reload in the middle loses nothing: the address names the race
    page.reload()
    heading(page, "Train")
    expect(page.get_by_text("scratch (scratch_cnn)").first).to_be_visible()
    expect(page.get_by_text(re.compile("on the same 36 test pictures"))).to_be_visible(timeout=RACE_SECONDS)

    page.get_by_role("link", name="Compare these runs").click()
    heading(page, "Compare")
    expect(page.get_by_role("heading", name="Verdict")).to_be_visible()
    expect(page.get_by_role("heading", name="Picture by picture")).to_be_visible()
    page.locator(".st-key-closer").get_by_text("Classes").click()
    expect(page.get_by_role("heading", name="Confusion matrices")).to_be_visible()

    # its own photo, both arms side by side
    photo = tmp_path / "mine.jpg"
    photo.write_bytes(dict(draw_sample(2, seed=99))["dog/dog_0002.jpg"])
    page.get_by_test_id("stSidebar").get_by_role("link", name="Predict").click()
    heading(page, "Predict")
    page.locator("input[type=file]").first.set_input_files(photo)
    expect(page.get_by_role("img", name="Probabilities of the classes")).to_have_count(2, timeout=90_000)
    expect(page.get_by_text(re.compile(r"\d+ ms")).first).to_be_visible()

    runs = RunStore(settings).all()
    assert [run.state() for run in runs] == [RunState.FINISHED, RunState.FINISHED]
    assert not server.imported_torch()


def test_a_run_continues_while_the_server_is_killed(
    server: Server, page: Page, settings: Settings, drawn: object, small_config: object
) -> None:
    from core.config.train_config import TrainConfig
    from core.jobs.scheduler import ensure_scheduler

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
    expect(page.get_by_test_id("stSidebar").get_by_role("link", name="Home")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_a_phone(server: Server, chromium: Browser, drawn: object, scheme: str) -> None:
    context = chromium.new_context(viewport=PHONE, color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    for path, title in (
        ("/", "TuneMyPets"),
        ("/explore", "Explore"),
        ("/train", "Train"),
        ("/compare", "Compare"),
        ("/predict", "Predict"),
    ):
        page.goto(server.address + path)
        heading(page, title)
        page.wait_for_load_state("networkidle")
        wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        assert wide <= PHONE["width"], path
    context.close()


def test_two_browsers_see_the_same_room(server: Server, chromium: Browser, drawn: object) -> None:
    pages = [chromium.new_context().new_page() for _ in range(2)]
    for page in pages:
        page.goto(f"{server.address}/explore?dataset=drawn")
        expect(page.get_by_text("cat · 20 pictures")).to_be_visible()
    pages[0].locator(".st-key-gallery-class").get_by_role("combobox").click()
    pages[0].get_by_role("option", name="cat").click()
    expect(pages[0].get_by_text("20 pictures, page 1 of 1.")).to_be_visible()
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
    epochs = page.get_by_label("Epochs", exact=True)
    epochs.fill("17")
    epochs.press("Enter")
    expect(page.get_by_role("button", name="Train only this")).to_be_enabled()
    page.get_by_test_id("stMain").get_by_role("link", name=re.compile("scratch")).first.click()
    page.locator(f".st-key-again-{run.id}").get_by_role("button", name="Use its settings").click()
    expect(page.get_by_role("button", name="Train only this")).to_be_enabled()
    expect(page.get_by_label("Epochs", exact=True)).to_have_value(str(run.config().epochs))
    expect(page).to_have_url(re.compile(r"train\?dataset=drawn$"))
