"""A race in a real browser: watched, stopped, started again, and its addresses."""

import re
from collections.abc import Sequence

import pytest
from playwright.sync_api import Page, expect

from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.races.race_actions import start_race
from core.runs.run import Run, RunState
from core.runs.run_store import Arm, RunStore
from core.settings import Settings
from tests.support.processes import wait_for
from tests.support.server import Server
from tests.support.small_runs import SMALL_SCRATCH
from tests.support.tested_runs import finish

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE = 120_000  # milliseconds
PLAN = RacePlan("race", ("scratch", "transfer"), (0,), "epochs", 1000)


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the arms of a race run side by side: tests have one thread each."""
    monkeypatch.setenv("TUNEMYPETS_THREADS", "2")


def begin(settings: Settings, plan: RacePlan = PLAN) -> tuple[str, list[Run]]:
    """A race of two small networks, long enough to be stopped."""
    planned = int(plan.amount)
    scratch = TrainConfig.model_validate({**SMALL_SCRATCH, "epochs": planned, "batch_size": 2})
    transfer = TrainConfig(dataset="drawn", model="petnet", strategy="full", epochs=planned, batch_size=8)
    return start_race(settings, plan, [Arm("scratch", scratch), Arm("transfer", transfer)])


def epochs(runs: Sequence[Run]) -> list[int]:
    return [len(run.history().epochs) for run in runs]


def test_a_race_is_watched_stopped_and_started_again_at_one_address(
    two_threads: None, server: Server, page: Page, settings: Settings, drawn: object, ended_processes: None
) -> None:
    race_id, runs = begin(settings)
    page.goto(f"{server.address}/compare?race={race_id}")
    expect(page.locator(".race-lane")).to_have_count(2)

    # both arms train at the same time, and the one chart that shows them moves without being replaced
    canvas = page.locator("canvas").first
    expect(canvas).to_be_visible()
    canvas.evaluate("element => { element.dataset.seen = 'first' }")
    for arm in ("Scratch", "Transfer"):
        expect(page.get_by_role("progressbar", name=f"{arm}, training")).to_be_visible(timeout=PATIENCE)
    wait_for(lambda: min(epochs(runs)) > 0, 120)
    assert [run.state() for run in runs] == [RunState.RUNNING, RunState.RUNNING]
    before = canvas.screenshot()
    expect(page.locator(".race-strip tbody tr")).to_have_count(2)
    expect(page.locator(".race-strip [aria-label=right]").first).to_be_visible()
    wait_for(lambda: canvas.screenshot() != before, 60)
    expect(page.locator("canvas[data-seen=first]")).to_have_count(1)

    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Start again")).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".race-lane")).to_have_count(0)
    expect(page).to_have_url(re.compile(rf"/compare\?race={race_id}$"))
    assert [run.state() for run in runs] == [RunState.STOPPED, RunState.STOPPED]
    expect(page.get_by_role("button", name="Evaluate")).to_be_visible()

    page.get_by_role("button", name="Start again").click()
    expect(page).not_to_have_url(re.compile(race_id))
    expect(page.locator(".race-lane")).to_have_count(2)
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.go_back()  # to the stopped race, which stays
    expect(page.get_by_role("button", name="Start again")).to_be_visible()
    page.go_forward()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Start again")).to_be_visible(timeout=PATIENCE)
    races = {run.meta().race for run in RunStore(settings).all()}
    assert len(races) == 2


def test_back_leads_through_what_a_person_chose_and_a_gone_race_says_so(
    server: Server, page: Page, settings: Settings, drawn: object
) -> None:
    from core.datasets.dataset_store import DatasetStore

    dataset = DatasetStore(settings).get("drawn")
    plan = RacePlan("race", ("scratch", "transfer"), (0,), "epochs", 5)
    older, newer = (begin(settings, plan) for _ in range(2))
    for _, runs in (older, newer):
        for run, accuracy in zip(runs, (0.6, 0.9), strict=True):
            finish(run, dataset, accuracy)
    page.goto(server.address)
    page.locator(".st-key-navigation").get_by_role("link", name="Compare").click()
    expect(page).to_have_url(re.compile(r"/compare$"))
    expect(page.get_by_text("finished").first).to_be_visible()
    page.get_by_role("combobox", name="Race or learning curve").click()
    page.get_by_role("option").nth(1).click()
    expect(page).to_have_url(re.compile(rf"/compare\?race={older[0]}"))
    page.locator(".st-key-compare-choice").get_by_text("Runs", exact=True).click()
    expect(page).to_have_url(re.compile(r"/compare\?runs="))
    page.go_back()
    expect(page).to_have_url(re.compile(rf"race={older[0]}"))
    expect(page.get_by_role("combobox", name="Race or learning curve")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(re.compile(r"/compare$"))
    page.go_back()
    expect(page.get_by_role("heading", name="TuneMyPets", level=1)).to_be_visible()

    page.goto(f"{server.address}/compare?race=race-20200101-000000-aaaaaa")
    expect(page.get_by_text("That race no longer exists")).to_be_visible()
    expect(page.get_by_role("link", name="Start a race")).to_be_visible()
