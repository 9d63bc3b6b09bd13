"""Heads of pretrained networks on features as they are and scaled: losses, accuracy, and how sure a network is.

    TORCH_HOME=… python -m bench.feature_scale FOLDER [FOLDER …] [--networks squeezenet1_0 …] [--strategy head]
        [--epochs 5] [--seeds 3] [--per-class 1000]

Each FOLDER holds one folder of pictures per class; every training is a run of the engine with its defaults. Prints a
line of JSON for each dataset, network and way: what the features are multiplied by, the training loss of the first
epoch and the test loss in nats, accuracy, and mean confidence on the test split: means over the seeds.
"""

import argparse
import dataclasses
import json
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.jobs import import_some
from core.checkpoints.checkpoint import read_sidecar
from core.config.events import EpochDone, Tested
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.runs.run_files import BEST, CHECKPOINTS, PREDICTIONS
from core.settings import Settings
from core.statistics.calibration import calibrate
from core.statistics.predictions import read_predictions
from core.steps import StopSignal
from core.training import preparation
from core.training.session import train

WAYS = {"as they are": lambda *_: 1.0, "scaled": preparation.measure_scale}


def measure(settings: Settings, dataset: Dataset, config: TrainConfig) -> dict[str, float]:
    """Train once."""
    folder = settings.home / "run"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / CHECKPOINTS).mkdir(parents=True)
    events = list(train(config, dataset, settings, folder, StopSignal()))
    first = next(event for event in events if isinstance(event, EpochDone))
    tested = next(event for event in events if isinstance(event, Tested))
    found = calibrate(read_predictions(folder / PREDICTIONS), None)
    return {
        "scale": read_sidecar(folder / CHECKPOINTS, BEST).feature_scale,
        "first_train_loss": first.train_loss,
        "test_loss": tested.loss,
        "nll": found.nll,
        "accuracy": tested.accuracy,
        "confidence": found.confidence,
    }


def main() -> None:
    """Print one line of JSON for each dataset, network and way, as it is known."""
    parser = argparse.ArgumentParser(description="Heads on features as they are and scaled.")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--networks", nargs="*", default=["squeezenet1_0"])
    parser.add_argument("--strategy", default="head")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--per-class", type=int, default=1000)
    options = parser.parse_args()
    for folder in options.folders:
        with tempfile.TemporaryDirectory() as name:
            settings = dataclasses.replace(Settings.from_environment(), home=Path(name))
            dataset = import_some(settings, folder, options.per_class)
            for network in options.networks:
                for way, scale in WAYS.items():
                    preparation.measure_scale = scale
                    configs = [
                        TrainConfig(
                            dataset=dataset.id, model=network, strategy=options.strategy, epochs=options.epochs,
                            seed=seed,
                        )
                        for seed in range(options.seeds)
                    ]  # fmt: skip
                    found = [measure(settings, dataset, config) for config in configs]
                    means: dict[str, Any] = {
                        key: round(statistics.mean(item[key] for item in found), 4) for key in found[0]
                    }
                    print(json.dumps({"dataset": dataset.id, "network": network, "features": way, **means}), flush=True)


if __name__ == "__main__":
    main()
