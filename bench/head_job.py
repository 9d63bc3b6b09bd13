"""A head on a frozen MobileNetV2, five epochs, from the imported dataset to the test accuracy: how long it takes.

    TORCH_HOME=… python -m bench.head_job FOLDER [--seeds 3] [--peers tutorial_loop fastai_loop lightning_loop]

FOLDER holds one folder of photographs per class. Job A: cold caches and no scheduler. Job B: the same again with
another seed, warm. Both through `python -m core train`, from the start of its process to its end. Peers: the same
split, each in its own process, as anybody would start it, and once more with the memory settings that workers have.
Limit: every picture decoded once and sent through the frozen part once, in the fastest of the formats that this run
measures, in a process that has loaded everything; A without the start of its processes is held against it. Medians.
"""

import argparse
import json
import shutil
import statistics
import sys
import time
from typing import Any

from bench.jobs import Job, as_worker, command, imported
from core.datasets.dataset_store import DatasetStore
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.processes import end_processes

MODEL = "mobilenet_v2"
PEERS = ("tutorial_loop", "fastai_loop", "lightning_loop")


def limit(settings: Settings, dataset_id: str) -> dict[str, float]:
    """Seconds to decode every picture once, and to send it through the frozen part once, by number format.

    For a process of its own, which has the memory settings of workers.
    """
    import numpy as np
    import torch

    from core.checkpoints.checkpoint import build_network
    from core.config.train_config import TrainConfig
    from core.steps import StopSignal, run_step
    from core.stores.activations import BATCH, Prefix
    from core.stores.augmentation import centre_crop, to_channels_first
    from core.stores.hardware import Hardware, number_formats
    from core.stores.pixels import open_store

    dataset = DatasetStore(settings).get(dataset_id)
    config = TrainConfig(dataset=dataset_id, model=MODEL)
    entry = config.entry()
    torch.set_num_threads(settings.threads)
    started = time.perf_counter()
    store = run_step(open_store(settings, dataset, entry.preprocessing, StopSignal()))
    found = {"decode": time.perf_counter() - started}
    network = build_network(settings, config, len(dataset.classes))
    network.freeze(entry.freeze_points[-1])
    cpu = torch.device("cpu")
    for precision in number_formats(cpu):
        hardware = Hardware(cpu, "", settings.threads, "fp32", "", precision, "")
        hardware.place(network)
        prefix = Prefix(network, entry.preprocessing, hardware)
        views = []
        for start in range(0, len(store.pixels), BATCH):
            pixels = store.pixels.take(np.arange(start, min(start + BATCH, len(store.pixels))))
            views.append(centre_crop(to_channels_first(pixels), entry.preprocessing))
        prefix(views[0])
        started = time.perf_counter()
        for view in views:
            prefix(view)
        found[precision] = time.perf_counter() - started
    return found


def training_seconds(job: Job, run_id: str) -> tuple[float, float]:
    """From the first event to the test result, and the training alone: seconds of a run without its start."""
    records = RunStore(job.settings).get(run_id).records()
    epochs = [record["epoch_seconds"] for record in records if record["kind"] == "epoch"]
    return records[-1]["time"] - records[0]["time"], sum(epochs)


def ours(job: Job, seeds: int) -> dict[str, dict[str, list[float]]]:
    """Jobs A and B for every seed."""
    found: dict[str, dict[str, list[float]]] = {kind: {} for kind in "AB"}
    words = ["core", "train", job.dataset, "--model", MODEL, "--strategy", "head", "--epochs", "5", "--json"]
    for seed in range(seeds):
        shutil.rmtree(job.settings.cache_dir, ignore_errors=True)
        end_processes(job.settings.home)  # no scheduler that is there already
        for kind, number in (("A", seed), ("B", seed + 100)):
            result, taken = command(job.settings, *words, "--seed", str(number))
            whole, training = training_seconds(job, result["run"])
            row = {
                "seconds": taken,
                "from_first_event": whole,
                "training": training,
                "accuracy": result["test_accuracy"],
            }
            for name, value in row.items():
                found[kind].setdefault(name, []).append(round(value, 4))
    return found


def main() -> None:
    """Measure in turn, and print JSON."""
    if sys.argv[1:2] == ["limit"]:
        print(json.dumps(limit(Settings.from_environment(), sys.argv[2])))
        return
    parser = argparse.ArgumentParser(description="A head on a frozen MobileNetV2.")
    parser.add_argument("folder")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=["tutorial_loop"])
    parser.add_argument("--peer-seeds", type=int, default=1)
    options = parser.parse_args()
    with imported(options.folder) as job:
        found = ours(job, options.seeds)
        report: dict[str, Any] = {"pictures": job.pictures, **found}
        medians = {kind: {name: statistics.median(v) for name, v in rows.items()} for kind, rows in found.items()}
        end_processes(job.settings.home)
        shutil.rmtree(job.settings.cache_dir, ignore_errors=True)
        bound, _ = command(job.settings, "bench.head_job", "limit", job.dataset, environment=as_worker(job.settings))
        report["limit_seconds"] = {name: round(value, 2) for name, value in bound.items()}
        fastest = bound["decode"] + min(value for name, value in bound.items() if name != "decode")
        report["A_from_first_event_against_limit"] = round(medians["A"]["from_first_event"] / fastest, 2)
        report["A_against_limit"] = round(medians["A"]["seconds"] / fastest, 2)
        for peer in options.peers:
            for kind, environment in (("", {}), (" with our memory settings", as_worker(job.settings))):
                rows = [
                    command(job.settings, f"bench.{peer}", str(job.split), "--seed", str(seed), environment=environment)
                    for seed in range(options.peer_seeds)
                ]
                seconds = statistics.median(taken for _, taken in rows)
                report[peer + kind] = {
                    "seconds": [round(taken, 1) for _, taken in rows],
                    "accuracy": [round(result["test_accuracy"], 4) for result, _ in rows],
                    "times_A": round(seconds / medians["A"]["seconds"], 1),
                    "times_B": round(seconds / medians["B"]["seconds"], 1),
                }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
