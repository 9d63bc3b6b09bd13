"""The arms of a race side by side, each with its share of the threads, against one after the other with all of them.

    python -m bench.side_by_side [--repeats 2] [--epochs 4]

Races on the drawn sample, of two arms that take about as long (`scratch,full`) and of a slow and a quick one
(`scratch,head`), with pixels decoded and the machine measured, without stored activations. Seconds are from queueing
the race to the last test result; the two ways take turns.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.jobs import command
from core.races.race import list_races
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.processes import end_processes

ARMS = ("scratch,full", "scratch,head")
WAYS = {"side by side": {}, "in turn": {"TUNEMYPETS_WORKERS": "1"}}


def race(settings: Settings, dataset: str, arms: str, epochs: int, environment: dict[str, str]) -> dict[str, float]:
    """Seconds of a race, and of each of its arms."""
    shutil.rmtree(settings.cache_dir / "activations", ignore_errors=True)
    words = ["--arms", arms, "--model", "petnet", "--epochs", str(epochs), "--json"]
    command(settings, "core", "race", dataset, *words, environment=environment)
    end_processes(settings.home)  # the next scheduler has another environment
    newest = list_races(RunStore(settings).summaries())[0]
    results = {run.meta.arm: RunStore(settings).get(run.id).result() for run in newest.runs}
    found = {str(arm): round(result.seconds or 0.0, 1) for arm, result in results.items() if result is not None}
    ended = max(result.ended for result in results.values() if result is not None)
    return {"race": round(ended - newest.meta.created, 1), **found}


def main() -> None:
    """Measure, print JSON."""
    parser = argparse.ArgumentParser(description="The arms of a race side by side and in turn.")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TUNEMYPETS_HOME"] = str(Path(folder) / "workspace")
        os.environ.pop("TUNEMYPETS_WORKERS", None)
        settings = Settings.from_environment()
        dataset = command(settings, "core", "sample", "--json")[0]["dataset"]
        report: dict[str, Any] = {}
        for arms in ARMS:
            for environment in WAYS.values():  # measures, decodes
                race(settings, dataset, arms, 1, environment)
            found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
            for _ in range(options.repeats):
                for way, environment in WAYS.items():
                    found[way].append(race(settings, dataset, arms, options.epochs, environment))
            report[arms] = {
                way: {name: statistics.median(item[name] for item in items) for name in items[0]}
                for way, items in found.items()
            }
    print(json.dumps({"threads": settings.threads, "load": os.getloadavg()[0], "seconds": report}, indent=1))


if __name__ == "__main__":
    main()
