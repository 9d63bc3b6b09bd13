"""The 60-second demo: seconds from the click to the verdict, and how the race ends with several seeds.

    python -m bench.demo [--seeds 3] [--no-click]
    unshare --net --map-root-user sh -c "ip link set lo up; python -m bench.demo"        (without a network)

A data root of its own, no downloaded weights, a phone-sized Chromium. The click starts everything: drawing, import,
scheduler, two trainings, tests, verdict. The other seeds run the same race through the command line. Limit: the seconds
that the two trainings themselves took.
"""

import argparse
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from core.races import demo
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings
from tests.support.processes import end_processes
from tests.support.server import CHROMIUM_NAMES, CHROMIUM_OPTIONS

PHONE = {"width": 390, "height": 844}
PATIENCE = 300_000  # milliseconds


def click(environment: dict[str, str]) -> float:
    """Seconds from the click on Home to the verdict on the comparison page."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)],
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        with sync_playwright() as playwright:
            path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)))
            browser = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_OPTIONS, "--no-sandbox"])
            page = browser.new_page(viewport=PHONE)
            page.goto(address)
            button = page.get_by_role("button", name="60-second demo")
            button.wait_for()
            started = time.perf_counter()
            button.click()
            page.get_by_role("heading", name="Verdict").wait_for(timeout=PATIENCE)
            seconds = time.perf_counter() - started
            browser.close()
    finally:
        server.terminate()
        server.wait(10)
    return seconds


def race(settings: Settings, environment: dict[str, str], dataset: str, seed: int) -> list[str]:
    """Run the demo's race with another seed; the ids of its two runs."""
    transfer = demo.demo_config(dataset, seed)
    arguments = ["--model", transfer.model, "--strategy", transfer.strategy, "--epochs", str(transfer.epochs)]
    arguments += ["--batch-size", str(transfer.batch_size)]
    subprocess.run(
        [sys.executable, "-m", "core", "race", dataset, *arguments, "--seed", str(seed), "--json"],
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    newest = RunStore(settings).all()[0].meta().race
    assert newest is not None
    return [run.id for run in RunStore(settings).race(newest)]


def figures(settings: Settings, ids: list[str]) -> dict[str, Any]:
    """What the two runs of a race reached."""
    from core.races.run_comparison import compare_runs

    runs = [RunStore(settings).get(name) for name in ids]
    found: dict[str, Any] = {}
    for arm, run in zip(("scratch", "transfer"), runs, strict=True):
        result = run.result()
        assert result is not None
        assert result.tested is not None
        found[arm] = {
            "test_accuracy": round(result.tested.correct / result.tested.images, 4),
            "test_images": result.tested.images,
            "run_seconds": result.seconds,
        }
    return {**found, "verdict": compare_runs(settings, *runs).verdict}


def main() -> None:
    """Click, race, print JSON."""
    parser = argparse.ArgumentParser(description="The 60-second demo.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--no-click", action="store_true", help="only the races, without a browser")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = dataclasses.replace(Settings.from_environment(), home=Path(folder) / "workspace")
        environment = {**os.environ, "TUNEMYPETS_HOME": str(settings.home), "TORCH_HOME": str(Path(folder) / "none")}
        report: dict[str, Any] = {
            "settings": {"epochs": demo.EPOCHS, "batch_size": demo.BATCH_SIZE, "split": demo.SPLIT},
            "seeds": {},
        }
        first = 0
        if options.no_click:
            command = [sys.executable, "-m", "core", "sample", "--split", demo.SPLIT, "--json"]
            subprocess.run(command, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
        else:
            report["seconds_from_click_to_verdict"] = round(click(environment), 1)
            report["seeds"]["0"] = figures(settings, [run.id for run in reversed(RunStore(settings).all())])
            first = 1
        dataset = demo.demo_dataset(settings)
        assert dataset is not None
        for seed in range(first, options.seeds):
            report["seeds"][str(seed)] = figures(settings, race(settings, environment, dataset, seed))
        end_processes(settings.home)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
