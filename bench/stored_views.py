"""How many stored views a head needs: test accuracy and seconds for 1, 2, 4 and 8 of them.

    TORCH_HOME=… python -m bench.stored_views FOLDER … [--model mobilenet_v2] [--epochs 5 20] [--seeds 5]

Each FOLDER holds one folder of photographs per class; 40 % train, 20 % validate, 40 % test. One view is the plain one
alone; 0 views (a new random view in every epoch, `--fresh`) take longest. The same pictures, seeds and epochs for all;
differences to one view are paired over seeds and datasets.
"""

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.jobs import command
from core.config.events import Tested
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.settings import Settings
from core.steps import StopSignal
from core.training.session import train

VIEWS = (1, 2, 4, 8)


def run(settings: Settings, dataset: Dataset, config: TrainConfig, folder: Path) -> tuple[float, float]:
    """Test accuracy, and seconds from the decoded pictures to it."""
    started = time.perf_counter()
    folder.mkdir(parents=True)
    events = train(config, dataset, settings, folder, StopSignal())
    tested = next(event for event in events if isinstance(event, Tested))
    return tested.accuracy, time.perf_counter() - started


def measure(settings: Settings, folder: Path, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every combination on one dataset."""
    data, _ = command(settings, "core", "import", str(folder), "--name", folder.name, "--split", "40/20/40", "--json")
    dataset = DatasetStore(settings).get(data["dataset"])
    for views in (*VIEWS, 0) if options.fresh else VIEWS:
        for epochs in options.epochs:
            for seed in range(options.seeds):
                config = TrainConfig(
                    dataset=dataset.id, model=options.model, epochs=epochs, seed=seed, stored_views=views
                )
                target = settings.home / "out" / f"{folder.name}-{views}-{epochs}-{seed}"
                accuracy, seconds = run(settings, dataset, config, target)
                yield {
                    "dataset": folder.name,
                    "views": views,
                    "epochs": epochs,
                    "seed": seed,
                    "accuracy": accuracy,
                    "seconds": seconds,
                }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description="Accuracy and time by stored views.")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", default="mobilenet_v2")
    parser.add_argument("--epochs", type=int, nargs="+", default=[5, 20])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        settings = dataclasses.replace(Settings.from_environment(), home=Path(name))
        torch.set_num_threads(settings.threads)
        rows = [row for folder in options.folders for row in measure(settings, folder, options)]
    report = []
    for epochs in options.epochs:
        for views in sorted({row["views"] for row in rows}):
            chosen = [row for row in rows if (row["epochs"], row["views"]) == (epochs, views)]
            base = [row for row in rows if (row["epochs"], row["views"]) == (epochs, 1)]
            gains = [100 * (one["accuracy"] - other["accuracy"]) for one, other in zip(chosen, base, strict=True)]
            by_dataset = {
                folder.name: round(
                    statistics.fmean(row["accuracy"] for row in chosen if row["dataset"] == folder.name), 4
                )
                for folder in options.folders
            }
            report.append(
                {
                    "epochs": epochs,
                    "views": views,
                    "accuracy": by_dataset,
                    "points_above_one_view": round(statistics.fmean(gains), 2),
                    "standard_error": round(float(np.std(gains, ddof=1) / np.sqrt(len(gains))), 2),
                    "seconds_first": round(sum(row["seconds"] for row in chosen if row["seed"] == 0), 1),
                }
            )
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
