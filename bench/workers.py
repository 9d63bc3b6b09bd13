"""One training over two workers of one thread each, compared with one worker of two threads, on this machine.

    TORCH_HOME=… python -m bench.workers FOLDER [--repeats 3] [--images 96] [--threads 2] [--models NAME …]

FOLDER holds one folder of photographs per class. Each network is trained as a run in a data root of its own, in turns
with one worker and with several, from stored pixels: the seconds of its steps, their median over the repeats, and how
far the losses are apart. A training waits for its follower before its first step. Prints JSON.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.sources.folder import FolderSource
from core.datasets.splits import SplitPlan
from core.jobs.launchers import WORKER_ENVIRONMENT
from core.settings import Settings


def configurations(epochs: int) -> dict[str, TrainConfig]:
    """What is trained, by the name of the network."""
    common: dict[str, Any] = {"dataset": "bench", "epochs": epochs, "precision": "fp32", "schedule": "constant"}
    scratch = TrainConfig(model="scratch_cnn", strategy="scratch", batch_norm=False, dropout=0.0, **common)
    return {
        "scratch_cnn": scratch,
        "scratch_cnn with batch norm": scratch.variant(batch_norm=True),
        "mobilenet_v2": TrainConfig(model="mobilenet_v2", strategy="full", **common),
    }


def choose(folder: Path, place: Path, images: int) -> Path:
    """A folder with so many pictures for training, and a quarter as many for the other splits."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    for found in classes:
        (place / found.name).mkdir(parents=True)
        for path in sorted(found.iterdir())[: round(images / 0.8 / len(classes))]:
            shutil.copy(path, place / found.name)
    return place


def measure(settings: Settings, config: TrainConfig, threads: int) -> tuple[float, list[float]]:
    """Seconds of an epoch's steps, and the mean loss of each epoch."""
    from core.config.events import EpochDone
    from core.jobs.workers.local_followers import LocalFollowers, share_threads
    from core.jobs.workers.short_waits import ShortWaits
    from core.runs.run_store import RunStore
    from core.steps import StopSignal
    from core.training.session import train

    settings = replace(settings, threads=threads)
    run = RunStore(settings).create(config)
    dataset = DatasetStore(settings).get(config.dataset)

    def seconds_of(events: Any) -> tuple[float, list[float]]:
        epochs = [event for event in events if isinstance(event, EpochDone)]
        pictures = epochs[0].images_seen
        return statistics.median(pictures / epoch.images_per_second for epoch in epochs), [
            epoch.train_loss for epoch in epochs
        ]

    if config.workers == 1:
        with ShortWaits(threads):
            return seconds_of(train(config, dataset, settings, run.folder, StopSignal(), test=False))
    own = share_threads(settings, config)
    with ShortWaits(own.threads), LocalFollowers(own, run, config) as leader:
        leader.gather_seconds = 120.0  # a follower needs seconds for its imports
        return seconds_of(train(config, dataset, own, run.folder, StopSignal(), test=False, sharing=leader))


def main() -> None:
    """Measure each network in turns."""
    parser = argparse.ArgumentParser(description="One training over several workers of this machine.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--models", nargs="+", default=list(configurations(1)))
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in WORKER_ENVIRONMENT.items()):  # they count from the start on
        command = [sys.executable, "-m", "bench.workers", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **WORKER_ENVIRONMENT})
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TUNEMYPETS_HOME"] = folder
        settings = Settings.from_environment()
        source = FolderSource(choose(options.folder, Path(folder) / "pictures", options.images))
        list(import_dataset(settings, source, name="bench", plan=SplitPlan.parse("80/10/10"), seed=0))
        report: dict[str, Any] = {}
        for name in options.models:
            one = configurations(options.epochs)[name]
            found: dict[int, list[float]] = {1: [], options.workers: []}
            losses: dict[int, list[float]] = {}
            for _ in range(options.repeats):
                for workers in found:
                    seconds, losses[workers] = measure(settings, one.variant(workers=workers), options.threads)
                    found[workers].append(seconds)
            gaps = [abs(a - b) for a, b in zip(losses[1], losses[options.workers], strict=True)]
            report[name] = {
                "seconds of an epoch": {workers: round(statistics.median(all_), 2) for workers, all_ in found.items()},
                "all": {workers: [round(value, 2) for value in all_] for workers, all_ in found.items()},
                "largest difference of a loss": max(gaps),
            }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
