"""The frozen part of a training over the nodes of a cluster: how fast, and what many pictures would cost.

    TORCH_HOME=… python -m bench.shards FOLDER [--models petnet mobilenet_v2] [--nodes 1 2] [--waiting 1 8 50]

FOLDER holds one folder of photographs per class. For each network, with one processor thread: milliseconds of a
processor to decode a picture and to evaluate it; then pictures a second over some nodes of one thread each on this
machine. Then the same with nodes that wait for as long as they would compute, which need no processor: whether giving
out and taking back keeps up with them; and with some that do not wait at all: how many pictures a second that can be.
Last an epoch of a head over many stored activations, and the memory of a dataset's table. Prints JSON.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.sources.folder import FolderSource
from core.datasets.splits import SplitPlan
from core.jobs.launchers import WORKER_ENVIRONMENT
from core.settings import PROJECT_ROOT, Settings
from core.steps import StopSignal, run_step

WAITING_SECONDS = 10.0  # of a measurement with nodes that wait


class WaitingNodes:
    """Many nodes in one process, which answer with zeros after the time that computing would take.

    Args:
        count: how many.
        bytes_a_image: of the answer.
        seconds_a_image: that a node waits.
    """

    def __init__(self, count: int, bytes_a_image: int, seconds_a_image: float) -> None:
        import core.cluster.shards  # noqa: F401 - what takes seconds, before the clock starts

        self._numbers, self._seconds = bytes_a_image // 4, seconds_a_image
        self._busy = [threading.Lock() for _ in range(count)]

    def evaluate(self, node: int, shard: Any) -> Any:
        """Zeros."""
        from core.cluster.shards import Evaluated

        count = len(shard.pictures)
        with self._busy[node]:
            time.sleep(count * self._seconds)
        return Evaluated(np.zeros((count, self._numbers), np.float32), count * max(0.0005, self._seconds))


class WaitingNode:
    """One of them, as the handle of a worker.

    Args:
        nodes: Ray's handle of a `WaitingNodes`.
    """

    def __init__(self, nodes: Any, number: int) -> None:
        self.hold = SimpleNamespace(remote=lambda _: None)
        self.evaluate = SimpleNamespace(remote=lambda shard: nodes.evaluate.remote(number, shard))


def measure_network(
    model: str, settings: Settings, dataset: Dataset, nodes: list[int], waiting: list[int]
) -> dict[str, Any]:
    """All figures of one network."""
    import ray

    from core.checkpoints.checkpoint import build_network
    from core.cluster.node_worker import NodeWorker
    from core.cluster.shards import Shards
    from core.stores.activations import Prefix, open_activations
    from core.stores.augmentation import Augmentation
    from core.stores.hardware import Hardware, choose_device, prepare_torch
    from core.stores.pixels import open_files, open_store

    prepare_torch(settings, 0)
    config = TrainConfig(dataset=dataset.id, model=model)
    network = build_network(settings, config, len(dataset.classes))
    network.freeze(list(network.blocks)[-1])
    hardware = Hardware(choose_device(settings), "", 1, "fp32", "")
    hardware.place(network)
    spec = config.entry().preprocessing
    prefix = Prefix(network, spec, hardware)
    plain = Augmentation(crop=False, flip=False, colour=False, strength=0.0)
    indices = np.arange(len(dataset.rows))

    def fill(where: Path, store: Any, chosen: Any = indices) -> float:
        began = time.perf_counter()
        step = open_activations(replace(settings, home=where), prefix, store, chosen, plain, 0, StopSignal())
        run_step(step)
        return len(chosen) / (time.perf_counter() - began)

    figures: dict[str, Any] = {"bytes of activations": prefix.bytes_a_image()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.process_time()
        store = run_step(open_store(replace(settings, home=folder / "home"), dataset, spec, StopSignal()))
        figures["ms to decode"] = 1000 * (time.process_time() - began) / len(dataset.rows)
        fill(folder / "warm", store, np.arange(32))
        began = time.process_time()
        figures["pictures a second, at home"] = fill(folder / "home", store, np.arange(len(dataset.rows)))
        figures["ms of the frozen part"] = 1000 * (time.process_time() - began) / len(dataset.rows)
        files = open_files(settings, dataset, spec)
        for count in nodes:
            shards = Shards("cpu")
            environment = {**WORKER_ENVIRONMENT, "OMP_NUM_THREADS": "1", "TUNEMYPETS_THREADS": "1"}
            make: Any = ray.remote(NodeWorker).options(num_cpus=0, runtime_env={"env_vars": environment})
            workers = {str(number): make.remote() for number in range(count)}
            ray.get([worker.describe.remote() for worker in workers.values()])
            shards.lend(workers)
            figures[f"pictures a second, {count} nodes"] = fill(folder / str(count), replace(files, elsewhere=shards))
            for worker in workers.values():
                ray.kill(worker)
        waits = (figures["ms to decode"] + figures["ms of the frozen part"]) / 1000
        for count, seconds in [*((count, waits) for count in waiting), (8, 0.0)]:
            shards = Shards("cpu")
            there: Any = ray.remote(WaitingNodes)
            nodes_there = there.options(num_cpus=0, max_concurrency=2 * count).remote(
                count, prefix.bytes_a_image(), seconds
            )
            ray.get(nodes_there.__ray_ready__.remote())
            shards.lend({str(number): WaitingNode(nodes_there, number) for number in range(count)})
            rate = min(3000.0, count / seconds) if seconds else 3000.0
            chosen = np.resize(indices, int(rate * WAITING_SECONDS))
            here = folder / f"{count} {seconds}"
            name = f"pictures a second, {count} nodes that wait"
            if seconds:
                figures[f"{name}, at best"] = count / seconds
            else:
                name = "pictures a second, given out and taken back"
            own = time.process_time()
            figures[name] = fill(here, replace(files, elsewhere=shards), chosen)
            figures[f"{name}: ms of a processor here for each"] = 1000 * (time.process_time() - own) / len(chosen)
            ray.kill(nodes_there)
    return {key: round(value, 2) for key, value in figures.items()}


def measure_head(settings: Settings, rows: int, features: int) -> dict[str, float]:
    """Seconds of an epoch of a head over so many stored activations, and of a validation of a tenth."""
    import torch

    from core.config.events import EpochDone
    from core.config.stages import plan_stages
    from core.stores.activations import Activations
    from core.stores.array_cache import ArrayFile
    from core.stores.hardware import Hardware, prepare_torch
    from core.stores.pixels import PixelStore
    from core.stores.training_data import SplitData, TrainingData
    from core.training.feeds import ActivationFeed
    from core.training.trainer import Trainer
    from models.network import build

    prepare_torch(settings, 0)
    rng = np.random.default_rng(0)
    path = settings.home / "activations.npy"
    array = np.lib.format.open_memmap(path, "w+", np.float32, (rows, features))
    for first in range(0, rows, 10_000):
        array[first : first + 10_000] = rng.random((min(10_000, rows - first), features), np.float32)
    array.flush()
    config = TrainConfig(dataset="photos", model="mobilenet_v2", epochs=1, stored_views=1)
    network = build("mobilenet_v2", 10, seed=0)
    network.freeze(list(network.blocks)[-1])
    hardware = Hardware(torch.device("cpu"), "", settings.threads, "fp32", "")
    train, val = (SplitData(np.arange(count), rng.integers(10, size=count)) for count in (rows, rows // 10))
    nothing = PixelStore(ArrayFile(path), np.arange(rows), "")
    data = TrainingData(nothing, train, val, config.entry().preprocessing)
    stored = [Activations(ArrayFile(path), split.indices) for split in (train, val)]
    feed = ActivationFeed(stored[:1], stored[1], config, hardware)
    trainer = Trainer(network, data, config, plan_stages(config, config.entry()), [feed], hardware)
    seconds = next(event.epoch_seconds for event in trainer.fit(StopSignal()) if isinstance(event, EpochDone))
    return {"rows": rows, "GB": path.stat().st_size / 1e9, "seconds of an epoch": round(seconds, 1)}


def measure_table(dataset: Dataset, rows: int) -> float:
    """Bytes of memory of a row in the table of a dataset."""
    process = psutil.Process()
    before = process.memory_info().rss
    one = dataset.rows[0]
    table = [replace(one, index=index, path=f"{one.path}{index}", name=f"{one.name}{index}", sha256=f"{index:064}",
                     pixel_hash=f"{index:064}", perceptual_hash=f"{index:016}") for index in range(rows)]  # fmt: skip
    return (process.memory_info().rss - before) / len(table)


def main() -> None:
    """Measure each network."""
    parser = argparse.ArgumentParser(description="The frozen part of a training over a cluster.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--waiting", type=int, nargs="*", default=[1, 8, 50])
    parser.add_argument("--models", nargs="+", default=["petnet", "mobilenet_v2"])
    parser.add_argument("--rows", type=int, default=200_000, help="of the head's activations")
    options = parser.parse_args()

    os.environ |= {**WORKER_ENVIRONMENT, "OMP_NUM_THREADS": "1", "TUNEMYPETS_THREADS": "1"}
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory() as name:
        os.environ["TUNEMYPETS_HOME"] = name
        import ray

        settings = Settings.from_environment()
        list(
            import_dataset(
                settings, FolderSource(options.folder), name="photos", plan=SplitPlan.parse("60/20/20"), seed=0
            )
        )
        dataset = DatasetStore(settings).get("photos")
        modules = [str(PROJECT_ROOT / name) for name in ("core", "models", "bench")]
        ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False, runtime_env={"py_modules": modules})
        sizes = [row.bytes for row in dataset.rows]
        report: dict[str, Any] = {"pictures": len(sizes), "kB of a picture": round(sum(sizes) / len(sizes) / 1000, 1)}
        for model in options.models:
            report[model] = measure_network(model, settings, dataset, options.nodes, options.waiting)
        ray.shutdown()
        report["head"] = measure_head(settings, options.rows, 1280)
        report["bytes of a row of the table"] = round(measure_table(dataset, options.rows))
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
