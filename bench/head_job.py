"""A head on a frozen MobileNetV2, five epochs, from the imported dataset to the test accuracy: how long it takes.

    TORCH_HOME=… python -m bench.head_job FOLDER [--seeds 3] [--no-peer]

FOLDER holds one folder of photographs per class. Job A: cold caches. Job B: the same again with another seed, warm.
Both through `python -m core train`, from the start of its process to its end. Peer: bench.tutorial_loop on the same
split. Limit: every picture decoded once and sent through the frozen part once, in the fastest of the formats that this
run measures, in a process that has loaded everything. Medians over the seeds.
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
import time
from pathlib import Path
from typing import Any

from core.datasets.store import DatasetStore
from core.settings import PROJECT_ROOT, Settings
from tests.conftest import end_processes

MODEL = "mobilenet_v2"


def command(settings: Settings, *arguments: str) -> tuple[Any, float]:
    """Run a Python module; its JSON and the seconds it took."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, "TUNEMYPETS_HOME": str(settings.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return json.loads(done.stdout), time.perf_counter() - started


def lay_out(settings: Settings, dataset_id: str, folder: Path) -> None:
    """The dataset's split as folders of links, for the peer."""
    dataset = DatasetStore(settings).get(dataset_id)
    for row in dataset.rows:
        source = dataset.picture_path(row)
        target = folder / row.split / dataset.classes[row.label] / f"{row.index}{source.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)


def limit(settings: Settings, dataset_id: str) -> dict[str, float]:
    """Seconds to decode every picture once, and to send it through the frozen part once, by number format."""
    import torch

    from core.training.activations import Prefix
    from core.training.augmentation import centre_crop, to_channels_first
    from core.training.config import TrainConfig
    from core.training.hardware import Hardware
    from core.training.networks import build_network
    from core.training.pixels import PixelStore, open_store

    dataset = DatasetStore(settings).get(dataset_id)
    config = TrainConfig(dataset=dataset_id, model=MODEL)
    entry = config.entry()
    torch.set_num_threads(settings.threads)
    started = time.perf_counter()
    *_, store = open_store(settings, dataset, entry.preprocessing, lambda: False)
    assert isinstance(store, PixelStore)
    found = {"decode": time.perf_counter() - started}
    network = build_network(config, entry, len(dataset.classes))
    network.freeze(entry.freeze_points[-1])
    for precision in ("fp32", "bf16"):
        hardware = Hardware(torch.device("cpu"), "", settings.threads, precision, "")
        hardware.place(network)
        prefix = Prefix(network, entry.preprocessing, hardware)
        views = [
            centre_crop(to_channels_first(store.pixels[start : start + 32].copy()), entry.preprocessing.crop_px)
            for start in range(0, len(store.pixels), 32)
        ]
        prefix(views[0])
        started = time.perf_counter()
        for view in views:
            prefix(view)
        found[precision] = time.perf_counter() - started
    return found


def main() -> None:
    """Measure in turn, and print JSON."""
    parser = argparse.ArgumentParser(description="A head on a frozen MobileNetV2.")
    parser.add_argument("folder")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {"A": [], "B": [], "training of B": [], "peer": []}
    accuracy: dict[str, list[float]] = {"A": [], "B": [], "peer": []}
    with tempfile.TemporaryDirectory() as name:
        settings = dataclasses.replace(Settings.from_environment(), home=Path(name) / "workspace")
        data, _ = command(settings, "core", "import", options.folder, "--name", "photos", "--json")
        lay_out(settings, data["dataset"], Path(name) / "split")
        job = ["core", "train", data["dataset"], "--model", MODEL, "--strategy", "head", "--epochs", "5", "--json"]
        for seed in range(options.seeds):
            shutil.rmtree(settings.cache_dir, ignore_errors=True)
            end_processes(settings.home)  # no scheduler that is already there
            for kind, number in (("A", seed), ("B", seed + 100)):
                result, taken = command(settings, *job, "--seed", str(number))
                seconds[kind].append(taken)
                accuracy[kind].append(result["test_accuracy"])
            shown, _ = command(settings, "core", "show", result["run"], "--json")
            seconds["training of B"].append(sum(epoch["seconds"] for epoch in shown["history"]))
            if not options.no_peer:
                folder = str(Path(name) / "split")
                result, taken = command(settings, "bench.tutorial_loop", folder, "--seed", str(seed))
                seconds["peer"].append(taken)
                accuracy["peer"].append(result["test_accuracy"])
        shutil.rmtree(settings.cache_dir, ignore_errors=True)
        bound = limit(settings, data["dataset"])
        end_processes(settings.home)
    medians = {kind: statistics.median(values) for kind, values in seconds.items() if values}
    fastest = bound["decode"] + min(bound["fp32"], bound["bf16"])
    report = {
        "pictures": data["splits"],
        "seconds": {kind: [round(value, 2) for value in values] for kind, values in seconds.items()},
        "test_accuracy": accuracy,
        "limit_seconds": {kind: round(value, 2) for kind, value in bound.items()},
        "A_against_limit": round(medians["A"] / fastest, 2),
    }
    if "peer" in medians:
        report["peer_against_A"] = round(medians["peer"] / medians["A"], 1)
        report["peer_against_B"] = round(medians["peer"] / medians["B"], 1)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
