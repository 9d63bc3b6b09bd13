"""On a phone: a flag is unlike cats and dogs, and one of the pictures themselves is not."""

import pytest
from playwright.sync_api import Page, expect

from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.jobs.workers.worker import Worker
from core.novelty.novelty import read_novelty
from core.runs.run import Run
from core.runs.run_files import NOVELTY
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.core.predict.test_strange_pictures import flag
from tests.support.drawn_dataset import import_drawn
from tests.support.server import Server

pytestmark = pytest.mark.browser

STRANGE = "This looks unlike anything it was trained on"


@pytest.fixture
def run(settings: Settings) -> Run:
    """A head on petnet for drawn cats and dogs, with 24 validation pictures."""
    import_drawn(settings, 40, split="40/30/30")
    found = RunStore(settings).create(TrainConfig(dataset="drawn", model="petnet", strategy="head", epochs=3))
    assert Worker(settings, found).work().value == "finished"
    return found


def test_a_phone_is_shown_that_a_flag_is_strange_and_that_a_cat_is_not(
    settings: Settings, run: Run, server: Server, dark_phone: Page
) -> None:
    known = read_novelty(run.folder / NOVELTY, run.meta().classes)
    assert known is not None
    usual = int(known.test_indices[known.p_values(known.test_scores).argmax()])
    dataset = DatasetStore(settings).get("drawn")
    cat = dataset.image_path(dataset.rows[usual]).read_bytes()
    dark_phone.goto(f"{server.address}/predict?run={run.id}")
    chooser = dark_phone.locator("input[type=file]").first
    chooser.set_input_files({"name": "flag.png", "mimeType": "image/png", "buffer": flag()})
    expect(dark_phone.get_by_text(STRANGE)).to_be_visible()
    expect(dark_phone.get_by_role("button", name="Not sure: 1 in 20")).to_be_visible()
    assert dark_phone.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"
    dark_phone.get_by_role("button", name="Start over").click()
    expect(dark_phone.get_by_text(STRANGE)).to_have_count(0)
    chooser = dark_phone.locator("input[type=file]").first
    chooser.set_input_files({"name": "known.jpg", "mimeType": "image/jpeg", "buffer": cat})
    expect(dark_phone.get_by_role("img", name="Your picture known.jpg")).to_be_visible()
    expect(dark_phone.get_by_role("img", name="Probabilities of the classes")).to_be_visible()
    expect(dark_phone.get_by_text(STRANGE)).to_have_count(0)
