"""A sweep on a phone: started from the form, watched until it has finished, and one of its trainings opened."""

import re
from contextlib import suppress

import pytest
from playwright.sync_api import Locator, Page, TimeoutError, expect

from core.errors import RunError
from core.runs.run_store import RunStore
from core.settings import Settings
from core.sweeps.sweep_store import SweepStore
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STARTED_MS = 120_000  # of trainings on a busy machine
TRIALS = 3
ROW = {"x": 18, "y": 52}  # the tick of the table's first row


def fits(page: Page) -> bool:
    return bool(page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth"))


def values_of(page: Page, name: str) -> Locator:
    """The field with the values of a searched setting."""
    return page.locator(f".st-key-sweep-values-scratch-{name} input")


def choose(page: Page, name: str, option: str) -> None:
    """Choose from a list; it closes where the page still scrolls under it, and is opened again."""
    for _ in range(5):
        page.get_by_role("combobox", name=name).tap()
        with suppress(TimeoutError):
            page.get_by_role("option", name=option).tap(timeout=2000)
            return
    raise AssertionError(f"{name} did not stay open.")


def fill(field: Locator, text: str) -> None:
    field.fill(text)
    field.press("Enter")


def test_a_sweep_is_started_watched_and_its_trials_are_opened(
    server: Server, phone: Page, drawn: object, settings: Settings, ended_processes: None
) -> None:
    phone.goto(f"{server.address}/train?dataset=drawn")
    phone.locator(".st-key-sweep summary").click(timeout=STARTED_MS)
    expect(phone.get_by_role("button", name="Start this sweep")).to_be_enabled()  # the form is drawn to its end
    choose(phone, "What is searched", "My own")
    phone.get_by_role("radio", name="Scratch", exact=True).click()
    expect(values_of(phone, "learning_rate")).to_be_visible()  # it searches the small network now
    searched = phone.get_by_role("combobox", name="Searched settings")
    for title, name, values in (("Filters", "filters", "[4,8]|[8,16]"), ("Image size", "image_size", "32,48")):
        searched.click()
        phone.keyboard.type(title)
        expect(phone.get_by_role("option").first).to_contain_text(title)
        phone.keyboard.press("Enter")
        expect(values_of(phone, name)).to_be_visible()
        phone.keyboard.press("Escape")
        fill(values_of(phone, name), values)
    fill(phone.locator(".st-key-sweep-trials-own input"), str(TRIALS))
    fill(phone.locator(".st-key-sweep-epochs-own input"), "1")
    expect(phone.get_by_text(re.compile("3 trials with 1 seed each"))).to_be_visible()
    assert fits(phone)
    phone.get_by_role("button", name="Start this sweep").click()

    expect(phone).to_have_url(re.compile(r"/train\?sweep=sweep-"), timeout=STARTED_MS)
    expect(phone.get_by_text(re.compile(rf"[12] of {TRIALS} trials")).first).to_be_visible(timeout=STARTED_MS)
    expect(phone.get_by_text("accuracy (validation), best trial")).to_be_visible()
    expect(phone.get_by_text(re.compile(rf"{TRIALS} trials in .* Finished")).first).to_be_visible(timeout=STARTED_MS)
    for run in RunStore(settings).all():  # of the race that follows
        with suppress(RunError):  # it has ended
            RunStore(settings).request_stop(run.id)
    expect(phone.get_by_role("button", name="Use these settings")).to_be_visible()
    assert fits(phone)

    phone.get_by_text(f"Trials ({TRIALS})").click()
    phone.get_by_test_id("stDataFrame").click(position=ROW)
    expect(phone).to_have_url(re.compile(r"/train\?run="))
    expect(phone.get_by_text(re.compile("Trial [0-2] of a sweep"))).to_be_visible()
    assert fits(phone)
    phone.get_by_role("link", name="See its sweep").click()
    (sweep,) = SweepStore(settings).all()
    expect(phone).to_have_url(re.compile(sweep.id))
    phone.get_by_text("Charts: history").click()
    expect(phone.get_by_text("Each point is a finished trial")).to_be_visible()
    assert fits(phone)
