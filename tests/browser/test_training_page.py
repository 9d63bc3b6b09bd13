"""Train on a phone: from the form to a race that has started, and what an address of a run shows."""

import re

import pytest
from playwright.sync_api import Page, expect

from core.config.train_config import TrainConfig
from core.races.race import list_races
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from tests.support.phone import PHONE
from tests.support.processes import wait_for
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MAX_TAPS = 1  # from the form to a race
STARTED_MS = 120_000  # of a training on a busy machine


def is_on_first_screen(page: Page, key: str) -> bool:
    box = page.locator(f".st-key-{key}").bounding_box()
    return box is not None and box["y"] >= 0 and box["y"] + box["height"] <= PHONE["height"]


def test_a_race_starts_with_one_tap_on_the_first_screen_and_back_leads_to_the_form(
    server: Server, phone: Page, drawn: object, settings: Settings, ended_processes: None
) -> None:
    phone.goto(server.address)  # the first visit of a fresh server, which knows its pages from then on
    expect(phone.get_by_role("heading", level=1)).to_be_visible(timeout=STARTED_MS)
    phone.goto(f"{server.address}/train?dataset=drawn")
    start = phone.get_by_role("button", name="Start the race")
    expect(start).to_be_enabled(timeout=STARTED_MS)
    for key in ("train-dataset", "train-mode", "train-length", "start"):
        assert is_on_first_screen(phone, key), key
    taps = 0
    start.tap()
    taps += 1
    expect(phone).to_have_url(re.compile(r"/compare\?race=race-"), timeout=STARTED_MS)
    assert taps <= MAX_TAPS

    (race,) = list_races(RunStore(settings).summaries())
    assert [run.config.max_seconds for run in race.runs] == [30.0, 30.0]
    phone.go_back()
    expect(phone.get_by_role("button", name="Start the race")).to_be_enabled(timeout=STARTED_MS)
    for run in race.runs:
        if RunStore(settings).get(run.id).state().active:
            RunStore(settings).request_stop(run.id)
    wait_for(lambda: not any(RunStore(settings).get(run.id).state().active for run in race.runs), 90)


def test_a_tap_and_a_key_on_a_block_freeze_up_to_it(server: Server, phone: Page, drawn: object) -> None:
    phone.goto(f"{server.address}/train?dataset=drawn")
    block = phone.locator(".st-key-block-3").get_by_role("button")
    expect(block).to_contain_text("frozen", timeout=STARTED_MS)
    block.tap()
    expect(phone.locator(".st-key-block-4").get_by_role("button")).to_contain_text("trainable")
    expect(phone.get_by_role("radio", name="Partial")).to_be_checked()
    block.focus()
    phone.keyboard.press("Enter")  # the last frozen one
    expect(block).to_contain_text("trainable")
    assert phone.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_reload_keeps_what_was_tapped_one_after_the_other_and_back_undoes_it(
    server: Server, phone: Page, drawn: object
) -> None:
    phone.goto(server.address)  # the first visit of a fresh server, which knows its pages from then on
    expect(phone.get_by_role("heading", level=1)).to_be_visible(timeout=STARTED_MS)
    phone.goto(f"{server.address}/train?dataset=drawn")
    medium, partial = phone.get_by_role("radio", name="Medium"), phone.get_by_role("radio", name="Partial")
    expect(phone.get_by_role("button", name="Start the race")).to_be_enabled(timeout=STARTED_MS)
    medium.tap()
    expect(medium).to_be_checked()
    partial.tap()  # which interrupts the drawing of the numbers that Medium stands for
    expect(phone).to_have_url(re.compile(r"strategy=partial"), timeout=STARTED_MS)
    expect(medium).to_be_checked()
    phone.reload()
    expect(partial).to_be_checked(timeout=STARTED_MS)
    expect(medium).to_be_checked()
    phone.get_by_role("radio", name="Full").tap()
    expect(phone).to_have_url(re.compile(r"strategy=full"), timeout=STARTED_MS)
    phone.go_back()
    expect(partial).to_be_checked(timeout=STARTED_MS)
    expect(medium).to_be_checked()
    expect(phone).to_have_url(re.compile(r"strategy=partial"))


def test_the_page_of_a_run_stops_it_and_starts_it_again(
    server: Server, phone: Page, drawn: object, settings: Settings, small_config: TrainConfig, ended_processes: None
) -> None:
    run = RunStore(settings).create(small_config.model_copy(update={"epochs": 1000}))
    ensure_scheduler(settings)
    phone.goto(f"{server.address}/train?run={run.id}")
    expect(phone.get_by_text(re.compile("Epoch [0-9]+ of 1000")).first).to_be_visible(timeout=STARTED_MS)
    expect(phone.get_by_role("region", name="The same validation pictures")).to_be_visible()
    phone.get_by_role("button", name="Stop").tap()
    expect(phone.get_by_text(re.compile(r"Stopped after \d+ epochs")).first).to_be_visible(timeout=STARTED_MS)
    phone.get_by_role("button", name="Start again").tap()
    expect(phone).not_to_have_url(re.compile(run.id), timeout=STARTED_MS)
    newest = RunStore(settings).all()[0]
    assert newest.config() == run.config()
    assert run.state() is RunState.STOPPED
    phone.get_by_role("button", name="Stop").tap()
    wait_for(lambda: not newest.state().active, 90)


def test_an_address_of_a_run_that_is_gone_says_so_and_shows_the_way_on(
    server: Server, phone: Page, drawn: object
) -> None:
    phone.goto(f"{server.address}/train?run=20200101-000000-abcdef")
    expect(phone.get_by_text("This training is not here any more")).to_be_visible(timeout=STARTED_MS)
    phone.get_by_role("link", name="New training").tap()
    expect(phone.get_by_role("button", name="Start the race")).to_be_visible(timeout=STARTED_MS)
