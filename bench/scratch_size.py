"""Input sizes of the scratch CNN: accuracy by epochs and by seconds, to choose the default that is fairest to it.

    python -m bench.scratch_size FOLDER [FOLDER …] --results FILE [--sizes 64 128] [--epochs 15 5 30] [--seeds 3]
        [--per-class 300] [--threads 1]
    python -m bench.scratch_size --results FILE

Each FOLDER holds one folder of pictures per class; `--per-class` takes the first so many of each. Every training is a
run of the engine with its defaults (cosine schedule, random crops and flips) on the same split; `--epochs` are 2 or
more, each a run of its own, because the schedule ends with the run. The seed decides weights and order. One line of
JSON goes into FILE as soon as a run has ended; a run that is there already is left out, so the command can be stopped
and called again. Seconds are of one thread's processor time, which other programs disturb less than the clock. Without
folders it prints the table of FILE, means (lowest to highest seed): validation accuracy after the fifth and the last
epoch, test accuracy and loss (the best epoch's weights), seconds of an epoch and of all.
"""

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.jobs import import_some
from core.config.events import EpochDone, Tested
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.settings import Settings
from core.steps import StopSignal
from core.training.session import train

KEYS = ("dataset", "size_px", "epochs", "seed")


def measure(settings: Settings, dataset: Dataset, size_px: int, epochs: int, seed: int) -> dict[str, Any]:
    """One training: the history of its validation, its test result, and its processor time."""
    config = TrainConfig(
        dataset=dataset.id, model="scratch_cnn", strategy="scratch", image_size=size_px, epochs=epochs, seed=seed
    )
    history: list[EpochDone] = []
    ticks: list[float] = []
    folder = settings.home / "run"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "checkpoints").mkdir(parents=True)
    started = time.perf_counter()
    for event in train(config, dataset, settings, folder, StopSignal()):
        if isinstance(event, EpochDone):
            history.append(event)
            ticks.append(time.process_time())
        elif isinstance(event, Tested) and event.split == "test":
            tested = event
    own = [later - before for before, later in pairwise(ticks)]  # the first epoch warms up
    return {
        "dataset": dataset.id, "size_px": size_px, "epochs": epochs, "seed": seed,
        "val_accuracy": [round(done.val_accuracy, 4) for done in history],
        "val_loss": [round(done.val_loss, 4) for done in history],
        "test_accuracy": round(tested.accuracy, 4),
        "test_loss": round(tested.loss, 4),
        "pictures": {split: len(dataset.rows_of(split)) for split in ("train", "val", "test")},
        "processor_seconds_an_epoch": round(statistics.median(own), 3),
        "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip


def read(file: Path) -> list[dict[str, Any]]:
    """The results so far."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def table(results: Iterable[dict[str, Any]]) -> str:
    """The means over seeds, as a table."""
    groups: dict[tuple[str, int, int], list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        groups[result["dataset"], result["epochs"], result["size_px"]].append(result)
    lines = [
        "| dataset | epochs | size | seeds | validation, epoch 5 | last | test | test loss | s an epoch | s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (dataset, epochs, size_px), found in sorted(groups.items()):
        fifth = [100 * item["val_accuracy"][:5][-1] for item in found]
        val = [100 * item["val_accuracy"][-1] for item in found]
        test = [100 * item["test_accuracy"] for item in found]
        epoch = statistics.median(item["processor_seconds_an_epoch"] for item in found)
        lines.append(
            f"| {dataset} | {epochs} | {size_px} px | {len(found)} | {_spread(fifth)} | {_spread(val)} "
            f"| {_spread(test)} | {statistics.mean(item['test_loss'] for item in found):.3f} "
            f"| {epoch:.1f} | {epoch * epochs:.0f} |"
        )
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description="Input sizes of the scratch CNN.")
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--epochs", type=int, nargs="+", default=[15, 5, 30])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--per-class", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    known = {tuple(result[key] for key in KEYS) for result in read(options.results)}
    with tempfile.TemporaryDirectory() as name:
        settings = dataclasses.replace(Settings.from_environment(), home=Path(name), threads=options.threads)
        datasets = [import_some(settings, folder, options.per_class) for folder in options.folders]
        for epochs in options.epochs:
            for dataset in datasets:
                for seed in range(options.seeds):
                    for size_px in options.sizes:
                        if (dataset.id, size_px, epochs, seed) in known:
                            continue
                        found = measure(settings, dataset, size_px, epochs, seed)
                        with options.results.open("a") as file:
                            file.write(json.dumps(found) + "\n")
                        print({key: found[key] for key in (*KEYS, "test_accuracy", "seconds")}, flush=True)
    print(table(read(options.results)))


if __name__ == "__main__":
    main()
