"""Names of classes in a real browser: what markdown, plotly and tables make of them there."""

import pytest
from playwright.sync_api import Page, expect

from core.settings import Settings
from pages.components.shared.names import WORD_JOINER
from tests.support.finished_runs import start_race
from tests.support.server import Server
from tests.support.tested_runs import finish, make_dataset

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CLASSES = (
    "1e3", "1000", "001", "2020-01", "<unk>", "<i>E. coli<", "&lt;b&gt;", "$a$ $b$", ":dog:", ":red[x]", ">= 5 mm",
    "5 -> 10", "www.example.com", "a@b.com", "*star*", ":streamlit:", "nan", "[link](x)",
)  # fmt: skip


def test_every_name_is_shown_as_it_is(settings: Settings, server: Server, page: Page) -> None:
    dataset = make_dataset(settings, CLASSES, 6 * len(CLASSES), "20/60/20", size_px=32)
    runs = start_race(settings, dataset, seeds=(0,))[1]
    for run in runs:
        finish(run, dataset, 0.0)

    page.goto(f"{server.address}/compare?runs={','.join(run.id for run in runs)}&view=pictures,numbers")
    tiles = page.locator("[class*=st-key-sheet-] button")
    expect(tiles).to_have_count(len(dataset.rows_of("test")))
    shown = {tile.splitlines()[0].replace(WORD_JOINER, "") for tile in tiles.all_inner_texts()}
    assert shown == {f"is: {name}" for name in CLASSES}
    assert page.locator("[class*=st-key-sheet-] button :is(a, em, .katex, [data-testid=stIconMaterial])").count() == 0

    page.locator("[data-testid=stDataFrame]").first.hover()
    expect(page.get_by_role("button", name="Fullscreen").last).to_be_visible()
    expect(page.locator('button[kind="elementToolbar"][aria-label^="Download as CSV"]:visible')).to_have_count(0)

    page.goto(f"{server.address}/explore?dataset={dataset.id}")
    page.get_by_text("Check", exact=True).click()
    for place, ticks in ((".st-key-counts", ".xtick"), (".st-key-bytes", ".ytick")):
        labels = page.locator(f"{place} {ticks} text")
        expect(labels).to_have_count(len(CLASSES))
        assert labels.all_text_contents() == list(dataset.classes)
    assert page.locator(".st-key-sizes .legendtext").all_text_contents() == list(dataset.classes)
    assert page.locator(".st-key-bytes .boxlayer .trace").count() == len(CLASSES)
