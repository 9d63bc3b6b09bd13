"""Training from scratch, and above a frozen prefix: how long it takes, and what bounds it.

    TORCH_HOME=… python -m bench.training_jobs FOLDER [--jobs C D] [--peers]

FOLDER holds one folder of photographs per class. Job C: the scratch CNN, 128 px, 10 epochs. Job D: MobileNetV2 with the
last third trainable, 3 epochs. Both through `python -m core train` with cold caches. Against: bench.dataloader_loop on
the same split (with `--peers`, as it is and with the memory settings that workers have here); for D the same run with
`--stored-views 0`. Limit of C: as many training steps and forward passes on tensors in memory, in the number format
that the run chose, in a process that has loaded everything; the run's training phase is held against it.
"""

import argparse
import json
import shutil
import statistics
import sys
import time
from typing import Any

from bench.jobs import Job, as_worker, command, imported
from core.runs.run_store import RunStore
from tests.support.processes import end_processes

JOBS = {
    "C": ["--model", "scratch_cnn", "--strategy", "scratch", "--image-size", "128", "--epochs", "10"],
    "D": ["--model", "mobilenet_v2", "--strategy", "partial", "--epochs", "3"],
}


def run(job: Job, words: list[str]) -> dict[str, Any]:
    """One run with cold caches: seconds of the command, and of its parts."""
    shutil.rmtree(job.settings.cache_dir, ignore_errors=True)
    end_processes(job.settings.home)
    result, taken = command(job.settings, "core", "train", job.dataset, *words, "--json")
    records = RunStore(job.settings).get(result["run"]).records()
    described = next(record for record in records if record["kind"] == "described")
    epochs = [record["epoch_seconds"] for record in records if record["kind"] == "epoch"]
    return {
        "seconds": round(taken, 2),
        "from_first_event": round(records[-1]["time"] - records[0]["time"], 2),
        "training": round(sum(epochs), 2),
        "epoch": round(statistics.median(epochs), 3),
        "precision": described["hardware"]["precision"],
        "accuracy": round(result["test_accuracy"], 4),
    }


def limit_of_c(train: int, val: int, precision: str) -> float:
    """Seconds of ten epochs of the scratch CNN on tensors in memory; prints them. For a process of its own."""
    import torch
    from torch.nn import functional

    from core.settings import Settings
    from core.stores.hardware import autocast
    from models.network import build

    torch.set_num_threads(Settings.from_environment().threads)
    device = torch.device("cpu")
    network = build("scratch_cnn", 2, seed=0).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters())
    batch = torch.randn(32, 3, 128, 128).to(memory_format=torch.channels_last)
    labels = torch.zeros(32, dtype=torch.long)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast(device, precision):
            logits = network(batch)
        functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    def look() -> None:
        with torch.inference_mode(), autocast(device, precision):
            network(batch)

    found = {}
    for name, work, count in (("train", step, train), ("val", look, val)):
        network.train(name == "train")
        work()
        times = []
        for _ in range(40):
            started = time.perf_counter()
            work()
            times.append(time.perf_counter() - started)
        found[name] = statistics.median(times) / 32 * count * 10
    print(json.dumps(found))
    return sum(found.values())


def main() -> None:
    """Measure in turn, and print JSON."""
    if sys.argv[1:2] == ["limit"]:
        limit_of_c(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
        return
    parser = argparse.ArgumentParser(description="Training from scratch, and from a frozen prefix.")
    parser.add_argument("folder")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    report: dict[str, Any] = {}
    with imported(options.folder) as job:
        for name in options.jobs:
            rows = report[name] = {"run": run(job, JOBS[name])}
            if name == "C":
                counts = [str(job.pictures["train"]), str(job.pictures["val"]), rows["run"]["precision"]]
                bound, _ = command(
                    job.settings, "bench.training_jobs", "limit", *counts, environment=as_worker(job.settings)
                )
                rows["limit_seconds"] = {key: round(value, 2) for key, value in bound.items()}
                rows["training_against_limit"] = round(rows["run"]["training"] / sum(bound.values()), 3)
            else:
                rows["without the store"] = run(job, [*JOBS[name], "--stored-views", "0"])
                gain = rows["without the store"]["seconds"] / rows["run"]["seconds"]
                rows["times_faster_than_without"] = round(gain, 2)
            if options.peers:
                for kind, environment in (("peer", {}), ("peer with our memory settings", as_worker(job.settings))):
                    end_processes(job.settings.home)
                    result, taken = command(
                        job.settings, "bench.dataloader_loop", str(job.split),
                        "--strategy", "scratch" if name == "C" else "partial", environment=environment,
                    )  # fmt: skip
                    rows[kind] = {
                        "seconds": round(taken, 1),
                        "accuracy": round(result["test_accuracy"], 4),
                        "times": round(taken / rows["run"]["seconds"], 1),
                    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
