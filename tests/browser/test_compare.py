"""Compare in a real browser: what only a browser can click."""

import pytest
from playwright.sync_api import Page, expect

from core.config.train_config import TrainConfig
from core.runs.run_store import RunStore
from core.settings import Settings
from pages.components.compare.details.confusion_matrix import NAMES_PX, ROW_PX
from tests.support.server import Server
from tests.support.tested_runs import finish, make_dataset

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_chosen_cell_stays_chosen_in_the_other_unit(settings: Settings, server: Server, page: Page) -> None:
    dataset = make_dataset(settings, ("cat", "dog", "owl"), 60)
    runs = []
    for seed, accuracy in enumerate((0.5, 0.7)):
        config = TrainConfig(dataset=dataset.id, model="scratch_cnn", strategy="scratch", seed=seed)
        runs.append(RunStore(settings).create(config))
        finish(runs[-1], dataset, accuracy, seed=seed)
    page.goto(f"{server.address}/compare?runs={','.join(run.id for run in runs)}&view=classes")
    matrix = page.locator("[class*=st-key-confusion-2] .stDataFrameGlideDataEditor").first
    matrix.scroll_into_view_if_needed()
    corner = matrix.bounding_box()
    assert corner is not None
    page.mouse.click(corner["x"] + NAMES_PX + 20, corner["y"] + ROW_PX + 17)  # cats that are called cats
    tiles = page.locator("[class*=st-key-sheet-cell-0-0-] img")
    expect(tiles.first).to_be_visible()
    count = tiles.count()
    page.locator(".st-key-confusion-unit").get_by_text("% of the class", exact=True).click()
    expect(page.locator(".st-key-confusion-unit [aria-checked=true]")).to_have_text("% of the class")
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    expect(tiles).to_have_count(count)
