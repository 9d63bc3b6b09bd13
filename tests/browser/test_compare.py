"""Compare in a real browser: what only a browser can click."""

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from core.config.train_config import TrainConfig
from core.runs.run_store import RunStore
from core.settings import Settings
from pages.components.compare.details.confusion_matrix import NAMES_PX, ROW_PX
from tests.support.finished_runs import start_race
from tests.support.server import Server
from tests.support.tested_runs import finish, make_dataset

HEADER_PX = 340  # links, title, choice and headline above a result

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_chosen_cell_stays_chosen_in_the_other_unit(settings: Settings, server: Server, page: Page) -> None:
    dataset = make_dataset(settings, ("cat", "dog", "owl"), 60)
    runs = []
    for seed, accuracy in enumerate((0.5, 0.7)):
        config = TrainConfig(dataset=dataset.id, model="scratch_cnn", strategy="scratch", seed=seed)
        runs.append(RunStore(settings).create(config))
        finish(runs[-1], dataset, accuracy, seed=seed)
    messages: list[object] = []  # from the server: one for each element that is drawn
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: messages.append(data)))
    page.goto(f"{server.address}/compare?runs={','.join(run.id for run in runs)}&view=confusion")
    matrix = page.locator("[class*=st-key-confusion-2] .stDataFrameGlideDataEditor").first
    matrix.scroll_into_view_if_needed()
    corner = matrix.bounding_box()
    assert corner is not None
    ended = page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')
    ended.wait_for()
    whole_page = len(messages)
    page.mouse.click(corner["x"] + NAMES_PX + 20, corner["y"] + ROW_PX + 17)  # cats that are called cats
    tiles = page.locator("[class*=st-key-sheet-cell-0-0-] img")
    expect(tiles.first).to_be_visible()
    ended.wait_for()
    count = tiles.count()
    drawn = len(messages) - whole_page
    assert count < drawn < count + 30 < whole_page  # its own matrix, not the page
    page.locator(".st-key-confusion-unit").get_by_text("% of the class", exact=True).click()
    expect(page.locator(".st-key-confusion-unit [aria-checked=true]")).to_have_text("% of the class")
    ended.wait_for()
    expect(tiles).to_have_count(count)


def make_race(settings: Settings) -> str:
    """A finished race on patterns."""
    dataset = make_dataset(settings, ("cat", "dog"), 200)
    race_id, runs = start_race(settings, dataset, seeds=(0,))
    for run, accuracy in zip(runs, (0.55, 0.9), strict=True):
        finish(run, dataset, accuracy, seed=round(100 * accuracy))
    return race_id


def test_what_counts_of_a_result_fits_two_screens_of_a_phone(
    settings: Settings, server: Server, chromium: Browser
) -> None:
    race_id = make_race(settings)
    page = chromium.new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.goto(f"{server.address}/compare?race={race_id}")
    first_part = page.locator(".st-key-part-pictures")
    first_part.wait_for()
    page.locator("[class*=st-key-chart-] canvas").wait_for()
    for name in ("only-1", "none"):
        expect(page.locator(f".st-key-compared-{name} img").first).to_be_visible()
    result, folded = page.locator(".st-key-result").bounding_box(), first_part.bounding_box()
    assert result is not None
    assert folded is not None
    assert folded["y"] - result["y"] < 2 * 844 - HEADER_PX

    page.locator(".st-key-compared-only-1 button").first.tap()
    expect(page.get_by_role("dialog").locator("img")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("[class*=st-key-confusion-2]")).to_have_count(0)
    page.locator(".st-key-part-confusion summary").tap()
    expect(page.locator("[class*=st-key-confusion-2] canvas").first).to_be_visible()
    page.close()


def test_back_leaves_a_result_at_once(settings: Settings, server: Server, page: Page) -> None:
    race_id = make_race(settings)
    page.goto(f"{server.address}/explore")
    expect(page.get_by_role("heading", name="Explore")).to_be_visible()
    page.goto(f"{server.address}/compare?race={race_id}&view=why,cost")
    expect(page.locator(".st-key-part-cost [data-testid=stDataFrame]")).to_be_visible()
    page.get_by_text("Loss", exact=True).click()
    page.locator(".st-key-part-numbers summary").click()
    expect(page.locator(".st-key-part-numbers [data-testid=stDataFrame]")).to_be_visible()
    assert parse_qs(urlsplit(page.url).query) == {"race": [race_id], "view": ["why,cost"]}
    page.go_back()
    expect(page.get_by_role("heading", name="Explore")).to_be_visible()
