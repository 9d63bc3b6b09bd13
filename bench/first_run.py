"""The first run of a network on a machine: how long it measures what is fastest, before it begins.

    TORCH_HOME=… python -m bench.first_run FOLDER [--model mobilenet_v2] [--strategy head] [--beside 0 1] [--trees DIR]

FOLDER holds one folder of photographs per class. Each run is `python -m core train` with nothing measured, in a
workspace of its own, alone and beside programs that never pause. `--trees`: checkouts of earlier versions, which take
turns with this one. Seconds from building the network until it is described, which is building and measuring; how long
the building takes by itself is shown by the second run, which has the figures of the first.
"""

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.busy_machine import BUSY, started
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings
from tests.support.processes import end_processes


def command(tree: Path, home: Path, *words: str) -> Any:
    """Run `python -m core` of a checkout; the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "core", *words, "--json"],
        cwd=tree,
        env={**os.environ, "TUNEMYPETS_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return json.loads(done.stdout)


def seconds_before_training(home: Path, run_id: str) -> float:
    """From building the network until it is described."""
    records = RunStore(dataclasses.replace(Settings.from_environment(), home=home)).get(run_id).records()
    began = next(item["time"] for item in records if item.get("text") == "Building the network")
    return float(next(item["time"] for item in records if item["kind"] == "described") - began)


def main() -> None:
    """Measure in turn, and print JSON."""
    parser = argparse.ArgumentParser(description="The first run of a network.")
    parser.add_argument("folder")
    parser.add_argument("--model", default="mobilenet_v2")
    parser.add_argument("--strategy", default="head")
    parser.add_argument("--beside", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trees", nargs="*", type=Path, default=[])
    options = parser.parse_args()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "workspace"
        dataset = command(PROJECT_ROOT, home, "import", options.folder, "--name", "photos")["dataset"]
        words = ["train", dataset, "--model", options.model, "--strategy", options.strategy, "--epochs", "1"]
        for seed in range(options.rounds):
            for count in options.beside:
                for tree in (PROJECT_ROOT, *options.trees):
                    (home / "cache" / "measurements.json").unlink(missing_ok=True)
                    with ExitStack() as stack:
                        for _ in range(count):
                            stack.enter_context(started("-c", BUSY))
                        for which in ("first", "second"):
                            result = command(tree, home, *words, "--seed", str(seed))
                            taken = seconds_before_training(home, result["run"])
                            label = "this version" if tree == PROJECT_ROOT else tree.name
                            found.setdefault(f"{label}, beside {count}, {which} run", []).append(taken)
                            print(label, count, which, round(taken, 2), file=sys.stderr, flush=True)
                    end_processes(home)  # the scheduler, which belongs to one version
                    shutil.rmtree(home / "runs")
    print(json.dumps({key: round(statistics.median(values), 2) for key, values in found.items()}, indent=1))


if __name__ == "__main__":
    main()
