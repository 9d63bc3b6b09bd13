"""The 60-second demo: seconds from the start to the comparison, and what both arms have learned by then.

    python -m bench.demo [--times 3] [--busy 1] [--no-click]
    unshare --net --map-root-user sh -c "ip link set lo up; python -m bench.demo"        (without a network)

Each time a data root of its own, no downloaded weights, a phone-sized Chromium. The click starts everything: drawing,
import, scheduler, two trainings, tests, verdict; `--no-click` starts the same in core, without a browser. `--busy` lets
so many processes keep a core busy meanwhile. Limit: the minute that is promised.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from core.jobs.import_jobs import ImportJobs
from core.races import demo
from core.races.run_comparison import compare_runs
from core.runs.run_store import RunStore
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from tests.support.processes import end_processes
from tests.support.server import Server, find_chromium

PHONE = {"width": 390, "height": 844}
PATIENCE = 300_000  # milliseconds


def click(settings: Settings) -> float:
    """Seconds from the click on Home to the verdict on the page of the race."""
    server = Server(settings)
    server.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(**(find_chromium() or {}))
            page = browser.new_page(viewport=PHONE)
            page.goto(server.address)
            button = page.get_by_role("button", name="See it in 60 seconds")
            button.wait_for()
            started = time.perf_counter()
            button.click()
            page.locator(".st-key-verdict [data-testid=stAlert]").wait_for(timeout=PATIENCE)
            seconds = time.perf_counter() - started
            browser.close()
    finally:
        server.kill()
    return seconds


def start(settings: Settings) -> float:
    """Seconds from the start of the demo to the test results of both arms, without a page."""
    started = time.perf_counter()
    job = demo.make_demo_dataset(settings)
    while (status := ImportJobs(settings).status(job)).dataset is None:
        time.sleep(0.1)
    race = demo.start_demo(settings, status.dataset)
    ensure_scheduler(settings)
    while any(run.state().active for run in RunStore(settings).race(race)):
        time.sleep(0.1)
    return time.perf_counter() - started


def figures(settings: Settings) -> dict[str, Any]:
    """What the two runs of the demo reached."""
    runs = sorted(RunStore(settings).all(), key=lambda run: run.config().strategy != "scratch")
    found: dict[str, Any] = {}
    for arm, run in zip(("scratch", "transfer"), runs, strict=True):
        result, history = run.result(), run.history()
        assert result is not None
        assert result.tested is not None
        assert history.described is not None
        found[arm] = {
            "test_accuracy": round(result.tested.correct / result.tested.images, 4),
            "run_seconds": round(result.seconds or 0.0, 1),
            "training_seconds": round(history.epochs[-1].seconds, 1),
            "budget_seconds": run.config().max_seconds,
            "epochs": len(history.epochs),
            "pictures_seen": history.epochs[-1].images_seen,
            "threads": history.described.hardware["threads"],
        }
    comparison = compare_runs(settings, *runs)
    return {**found, "verdict": comparison.verdict, "caveats": [item.sentence for item in comparison.caveats]}


def main() -> None:
    """Start the demo again and again, print JSON."""
    parser = argparse.ArgumentParser(description="The 60-second demo.")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="processes that keep a core busy each")
    parser.add_argument("--no-click", action="store_true", help="without a browser")
    options = parser.parse_args()
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.busy)]
    report = []
    try:
        for _ in range(options.times):
            with tempfile.TemporaryDirectory() as folder:
                settings = dataclasses.replace(Settings.from_environment(), home=Path(folder) / "workspace")
                environment = {
                    "TUNEMYPETS_HOME": str(settings.home),
                    "TORCH_HOME": str(Path(folder) / "none"),
                }
                os.environ.update(environment)
                seconds = start(settings) if options.no_click else click(settings)
                report.append({"seconds_from_start_to_result": round(seconds, 1), **figures(settings)})
                end_processes(settings.home)
    finally:
        for process in others:
            process.kill()
    print(json.dumps({"busy": options.busy, "demos": report}, indent=1))


if __name__ == "__main__":
    main()
