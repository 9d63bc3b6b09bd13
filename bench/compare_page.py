"""How long a click on the Compare page takes until its result is drawn, with 50 runs and 2,000 test images.

    python -m bench.compare_page                       # makes the data root in a temporary folder
    python -m bench.compare_page --home FOLDER         # keeps it there, and uses it again

Clicks are timed as `bench/clicks.py` describes. Limit: 0.5 s. Prints JSON: per kind of click the median and the
95th percentile in seconds, what it cost, and the ratios of the 95th percentiles to the limit.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page

from bench.clicks import Clicks, open_app, summarise
from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.runs.run_store import Arm, RunStore
from core.settings import Settings
from pages.components.compare.details.confusion_matrix import NAMES_PX, ROW_PX
from tests.support.tested_runs import finish, make_dataset

CLASSES = [f"class {letter}" for letter in "ABCDEFGHIJ"]
RUNS = 50
IMAGES = 2_500  # 80 % of them in the test split
SEEDS = (0, 1, 2)
TILES = "[class*=st-key-sheet-{}-]"
MATRIX = "[class*=st-key-confusion-2] canvas"  # the canvas holds the table as text too


def make_root(settings: Settings, runs: int = RUNS) -> None:
    """A race of two arms with three seeds, and single runs, until there are `runs`."""
    dataset = make_dataset(settings, CLASSES, IMAGES, plan="10/10/80")
    store = RunStore(settings)

    def config(strategy: str, seed: int, epochs: int = 10) -> TrainConfig:
        model = "scratch_cnn" if strategy == "scratch" else "petnet"
        return TrainConfig.model_validate(
            {"dataset": dataset.id, "model": model, "strategy": strategy, "seed": seed, "epochs": epochs}
        )

    for number in range(runs - 2 * len(SEEDS)):
        strategy = ("scratch", "head", "full")[number % 3]
        run = store.create(config(strategy, number))
        finish(run, dataset, 0.5 + 0.4 * (number % 7) / 7, seed=number)
    arms = [Arm(name, config(name, seed)) for seed in SEEDS for name in ("scratch", "head")]
    plan = RacePlan("race", ("scratch", "head"), SEEDS, "epochs", 10)
    _, raced = store.create_race(plan, arms)
    for number, (run, arm) in enumerate(zip(raced, arms, strict=True)):
        finish(run, dataset, 0.6 if arm.name == "scratch" else 0.85, seed=500 + number)


def measure(page: Page, clicks: Clicks, address: str, runs: list[str], rounds: int) -> None:
    """Click through the page as people do, pair by pair of the runs."""
    for number in range(rounds):
        first = number % (len(runs) - 1)
        page.goto(f"{address}/compare?runs={runs[first]},{runs[first + 1]}&view=pictures")
        page.locator("[class*=st-key-sheet-group-] img").first.wait_for(timeout=60_000)
        page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
        page.wait_for_timeout(2000)
        _click_groups(page, clicks)
        _click_strips(page, clicks)
        _open_part(page, clicks, "confusion", MATRIX)
        _open_part(page, clicks, "classes", ".st-key-class-chart canvas")
        _click_matrices(page, clicks, number)
        _open_part(page, clicks, "confidence", ".st-key-calibration-chart canvas")
        toggle = page.locator(".st-key-calibration-after label").first
        clicks.time("after scaling", toggle.click, ".st-key-calibration-chart")
        _choose_another(page, clicks)


def _choose_another(page: Page, clicks: Clicks) -> None:
    """A third run next to the two: the whole page changes."""
    page.locator("h1").scroll_into_view_if_needed()
    chooser = page.locator("[class*=st-key-compare-runs-] input").first
    chooser.click()
    chooser.press("ArrowDown")
    options = page.get_by_role("option")
    options.first.wait_for()
    page.wait_for_timeout(500)  # a list that is still moving loses a click
    clicks.time("another run", options.nth(7).click, ".st-key-scores", screen=True)


def _open_part(page: Page, clicks: Clicks, name: str, region: str) -> None:
    summary = page.locator(f".st-key-part-{name} summary")
    clicks.time(f"part {name}", summary.click, region)


def _click_strips(page: Page, clicks: Clicks) -> None:
    clicks.time("loss", page.get_by_text("Loss", exact=True).first.click, "[class*=st-key-chart-2]")
    strip = page.locator("[class*=st-key-compared-only-] button").first
    clicks.time("a picture of a strip", strip.click, "[role=dialog] img")
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")


def _click_groups(page: Page, clicks: Clicks) -> None:
    tiles = TILES.format("group")
    pills = page.locator("[class*=st-key-groups-]")
    for title in ("Both right", "Neither right", "Only ", "Both right"):
        button = pills.get_by_text(title).first
        if button.get_attribute("aria-checked") == "true" or "(0)" in button.inner_text():
            continue
        clicks.time("another group", button.click, tiles)
    for name in ("2", "3", "1"):
        pages = page.locator("[class*=st-key-group-all-][class*=-page-]").get_by_text(name, exact=True)
        clicks.time("another page", pages.first.click, tiles)
    for order in ("Most confident first", "Greatest disagreement first"):
        page.locator("[class*=st-key-group-all-][class*=-order] input").click()
        clicks.time("another order", page.get_by_role("option", name=order).click, tiles)
    for place in (0, 5):
        clicks.time("a picture, large", page.locator(f"{tiles} button").nth(place).click, "[role=dialog] img")
        page.get_by_role("dialog").locator("img").wait_for()
        clicks.time("the next picture", page.get_by_role("dialog").get_by_text("Next").click, "[role=dialog] img")
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")


def _click_matrices(page: Page, clicks: Clicks, number: int) -> None:
    for place in (number % 8, 8):  # on the diagonal, where there are pictures
        matrix = page.locator("[class*=st-key-confusion-2] .stDataFrameGlideDataEditor").first
        matrix.scroll_into_view_if_needed()
        corner = matrix.bounding_box()
        assert corner is not None
        column = (corner["width"] - NAMES_PX) / len(CLASSES)
        x, y = corner["x"] + NAMES_PX + column * (place + 0.5), corner["y"] + ROW_PX * (place + 1.5)
        page.mouse.move(x, y)  # the table wants to know where a hand is before it presses
        page.wait_for_timeout(300)
        clicks.time("a confusion cell", lambda x=x, y=y: page.mouse.click(x, y), TILES.format("cell"))
    for unit in ("% of the class", "Pictures"):
        button = page.locator(".st-key-confusion-unit").get_by_text(unit, exact=True)
        clicks.time("another unit", button.click, MATRIX)
    for figure in ("Recall", "Precision", "F1"):
        button = page.locator(".st-key-class-measure").get_by_text(figure, exact=True)
        clicks.time("another figure", button.click, ".st-key-class-chart")


def main() -> None:
    """Make the data root, start the app, click, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--home", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TUNEMYPETS_HOME"] = str(arguments.home or Path(folder) / "workspace")
        settings = Settings.from_environment()
        if not DatasetStore(settings).ids():
            began = time.perf_counter()
            make_root(settings)
            print(f"made the data root in {time.perf_counter() - began:.0f} s")
        runs = [run.id for run in RunStore(settings).all()]
        with open_app(settings) as (page, clicks, address):
            measure(page, clicks, address, runs, arguments.rounds)
    print(json.dumps(summarise(clicks.found), indent=1))


if __name__ == "__main__":
    main()
