"""How long clicks on Explore, Train, Predict, Compare and Room take until their result is drawn, with real photographs.

    python -m bench.page_clicks FOLDER                  # of photographs in one folder for each class
    python -m bench.page_clicks FOLDER --home HOME      # keeps what it makes there, and uses it again

The data root has the photographs as a dataset with the data doctor's findings and linear probes, two trained heads of
petnet, and a batch of the photographs; making it takes minutes. Clicks are timed as `bench/clicks.py` describes. Limit:
0.5 s. Clicks that make a network compute (a heatmap, another picture) are not among them, but for the first opening of
"Why". Prints JSON: per kind of click the median and the 95th percentile in seconds, and what it cost.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page

from bench.clicks import Clicks, open_app, summarise
from core.actor import OPERATOR
from core.batches.batch_store import BatchStore
from core.datasets.dataset_store import DatasetStore
from core.doctor.doctor_findings import findings_path
from core.doctor.examination import list_backbones
from core.probes.ladder import ladder_path
from core.room.board import show_scene
from core.runs.run_store import RunStore
from core.settings import Settings
from models import weights

BATCH = 200  # pictures
ENDED = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def make_root(settings: Settings, folder: Path) -> None:
    """Make what is missing."""

    def core(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "core", *arguments], check=True, stdout=subprocess.DEVNULL)

    if not DatasetStore(settings).ids():
        core("import", str(folder), "--name", "photos")
    (name,) = DatasetStore(settings).ids()
    dataset = DatasetStore(settings).get(name)
    for seed in range(len(RunStore(settings).all()), 2):
        core("train", name, "--model", "petnet", "--epochs", "3", "--seed", str(seed))
    if not findings_path(settings, dataset, list_backbones()[0]).exists():
        core("doctor", name)
    if not ladder_path(settings, dataset, weights.default_network()).exists():
        core("probe", name)
    store, run = BatchStore(settings), RunStore(settings).all()[0]
    if not store.all():
        pictures = settings.home / "pictures"
        pictures.mkdir(exist_ok=True)
        for row in dataset.rows[:BATCH]:
            (pictures / f"{row.index}{dataset.image_path(row).suffix}").write_bytes(dataset.read_image(row))
        batch = store.start(run.id, pictures)
        while batch.status().state == "running":
            time.sleep(1)


def measure(page: Page, clicks: Clicks, address: str, settings: Settings, rounds: int) -> None:
    """Click on each page as people do."""
    (name,) = DatasetStore(settings).ids()
    dataset = DatasetStore(settings).get(name)
    runs = ",".join(run.id for run in RunStore(settings).all()[:2])
    (batch,) = BatchStore(settings).all()
    photo = dataset.image_path(dataset.rows_of("test")[0])
    for _ in range(rounds):
        _open(page, f"{address}/explore?dataset={name}", "[class*=st-key-strip-] img")
        _click_explore(page, clicks)
        _open(page, f"{address}/train?dataset={name}", ".st-key-blocks button")
        _click_train(page, clicks)
        _open(page, f"{address}/predict?run={runs.split(',')[0]}", "input[type=file]")
        page.locator("input[type=file]").first.set_input_files(photo)
        page.get_by_role("img", name="Probabilities of the classes").wait_for(timeout=120_000)
        _settle(page)
        _click_predict(page, clicks)
        _open(page, f"{address}/predict?batch={batch.id}", "figure img")
        _click_batch(page, clicks)
        _open(page, f"{address}/compare?runs={runs}", ".st-key-strips")
        _click_compare(page, clicks)
        show_scene(settings, "join", OPERATOR)
        _open(page, f"{address}/room", ".st-key-room-scenes button")
        _click_room(page, clicks)


def _open(page: Page, address: str, region: str) -> None:
    page.goto(address)
    page.locator(region).first.wait_for(state="attached", timeout=60_000)
    _settle(page)


def _settle(page: Page) -> None:
    page.locator(ENDED).wait_for()
    page.wait_for_timeout(1500)


def _click_explore(page: Page, clicks: Clicks) -> None:
    sections = page.locator(".st-key-explore-section")
    page.locator(".st-key-gallery-class input").click()
    _choose(page, clicks, "Explore: one class", 1, "[class*=st-key-tiles-]")
    pages = page.locator("[class*=st-key-gallery-page-]")
    for name in ("2", "3"):
        button = pages.get_by_text(name, exact=True).first
        clicks.time("Explore: another page", button.click, "[class*=st-key-tiles-]")
    check = sections.get_by_text("Check", exact=True)
    clicks.time("Explore: Check", check.click, "[class*=st-key-doctor-part-]", screen=True)
    networks = sections.get_by_text("Networks", exact=True)
    clicks.time("Explore: Networks", networks.click, "[class*=st-key-knowledge-chart-] svg")


def _click_train(page: Page, clicks: Clicks) -> None:
    one = page.get_by_text("One network", exact=True)
    clicks.time("Train: one network", one.click, ".st-key-start-bar")
    strategies = page.locator(".st-key-train-strategy")
    for name in (1, 2, 1):
        clicks.time("Train: another strategy", strategies.locator("button").nth(name).click, ".st-key-blocks")
    block = page.locator(".st-key-block-2 button").first
    clicks.time("Train: a block", block.click, ".st-key-blocks")
    for name in ("Medium", "Quick"):
        button = page.locator(".st-key-train-length").get_by_text(name).first
        clicks.time("Train: another length", button.click, ".st-key-start-bar")
    sweep = page.locator(".st-key-sweep summary")
    clicks.time("Train: the sweep", sweep.click, ".st-key-sweep-start")


def _click_predict(page: Page, clicks: Clicks) -> None:
    page.get_by_role("button", name="Not sure:").click()
    slider = page.get_by_role("slider").first
    slider.wait_for()
    slider.focus()
    for key in ("ArrowLeft", "ArrowRight"):
        clicks.time("Predict: another promise", lambda key=key: slider.press(key), ".st-key-predict-promise-row")
    page.keyboard.press("Escape")
    batches = page.locator(".st-key-batch-form summary")
    batches.click()
    page.wait_for_timeout(700)
    pictures = page.locator(".st-key-batch-way").get_by_text("Pictures", exact=True)
    clicks.time("Predict: many pictures", pictures.click, ".st-key-batch-form [data-testid=stFileUploader]")


def _click_batch(page: Page, clicks: Clicks) -> None:
    for name in ("2", "3"):
        button = page.locator("[class*=st-key-batch-page-]").get_by_text(name, exact=True).first
        clicks.time("Predict: pictures of a batch", button.click, "[data-testid=stMainBlockContainer] figure")
    page.locator("[class*=st-key-batch-class-] input").click()
    _choose(page, clicks, "Predict: one class of a batch", 1, "[data-testid=stMainBlockContainer] figure")


def _click_compare(page: Page, clicks: Clicks) -> None:
    confidence = page.locator(".st-key-part-confidence summary")
    clicks.time("Compare: Confidence", confidence.click, ".st-key-calibration-chart canvas")
    answering = page.locator(".st-key-confidence-view").get_by_text("Not sure", exact=True)
    clicks.time("Compare: Not sure", answering.click, ".st-key-answering-chart canvas")
    slider = page.locator(".st-key-answering").get_by_role("slider")
    slider.focus()
    for _ in range(2):
        clicks.time("Compare: another threshold", lambda: slider.press("ArrowLeft"), ".st-key-answering-chart")
    confidence.click()
    page.wait_for_timeout(700)
    why = page.locator(".st-key-part-why summary")
    clicks.time("Compare: Why", why.click, ".st-key-part-why figure img")
    changes = page.locator(".st-key-why-section").get_by_text("Weight changes", exact=True).first
    clicks.time("Compare: weight changes", changes.click, "[class*=st-key-why-moved-]")


def _click_room(page: Page, clicks: Clicks) -> None:
    scenes = page.locator(".st-key-room-scene")
    clicks.time("Room: Games", scenes.get_by_text("Games", exact=True).click, ".st-key-room-game")
    games = page.locator(".st-key-room-game")
    for title, region in (("Bets", "bet-controls"), ("Treasure hunt", "hunt-dataset"), ("The promise", "promise-run")):
        clicks.time("Room: another game", games.get_by_text(title, exact=True).click, f".st-key-{region}")
    games.get_by_text("Off", exact=True).click()
    _settle(page)


def _choose(page: Page, clicks: Clicks, kind: str, place: int, region: str) -> None:
    option = page.get_by_role("option").nth(place)
    option.wait_for()
    page.wait_for_timeout(500)  # a list that is still moving loses a click
    clicks.time(kind, option.click, region)


def main() -> None:
    """Make the data root, start the app, click, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--home", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TUNEMYPETS_HOME"] = str(arguments.home or Path(folder) / "workspace")
        settings = Settings.from_environment()
        make_root(settings, arguments.folder)
        with open_app(settings) as (page, clicks, address):
            measure(page, clicks, address, settings, arguments.rounds)
    print(json.dumps(summarise(clicks.found), indent=1))


if __name__ == "__main__":
    main()
