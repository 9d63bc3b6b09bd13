"""What a training on a node of a Ray cluster costs, compared with one at home on the same machine.

    python -m bench.cluster [--repeats 3] [--epochs 200] [--heads 12] [--nodes 2]

Starts a cluster of its own: a head, and nodes with one core each, whose copies are in folders of their own. At home and
on a node, with one processor thread: seconds from queueing a run until its first event, and until its first epoch; the
seconds of its training; and how many heads of petnet a minute end when many are queued. Prints JSON.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from core.cluster.node_worker import ROOT
from core.config.train_config import TrainConfig
from core.jobs.nodes import read_cluster
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from tests.support.drawn_dataset import import_drawn
from tests.support.processes import end_processes

WAIT_SECONDS = 0.02


def queue(config: TrainConfig) -> Run:
    """A queued run."""
    settings = Settings.from_environment()
    run = RunStore(settings).create(config)
    ensure_scheduler(settings)
    return run


def measure_run(config: TrainConfig) -> dict[str, float]:
    """Seconds of one run, from the moment when it is queued."""
    queued = time.time()
    run = queue(config)
    while run.state().active:
        time.sleep(WAIT_SECONDS)
    assert run.state() is RunState.FINISHED, run.result()
    moments = [(record["kind"], record["time"] - queued) for record in run.records()]
    epochs = run.history().epochs
    return {
        "first event": moments[0][1],
        "first epoch": next(moment for kind, moment in moments if kind == "epoch"),
        "training": epochs[-1].seconds,
        "all": time.time() - queued,
    }


def measure_heads(count: int) -> float:
    """Heads a minute, of so many that are queued at once."""
    base = TrainConfig(dataset="drawn", model="petnet", strategy="head", epochs=2)
    began = time.monotonic()
    runs = [queue(base.variant(seed=seed)) for seed in range(count)]
    while any(run.state().active for run in runs):
        time.sleep(0.1)
    assert all(run.state() is RunState.FINISHED for run in runs)
    return 60 * count / (time.monotonic() - began)


def measure(repeats: int, epochs: int, heads: int) -> dict[str, float]:
    """Everything, with the cluster of the environment or at home."""
    config = TrainConfig(
        dataset="drawn", model="scratch_cnn", strategy="scratch", filters=(8, 16), dense_neurons=16, image_size=48,
        epochs=epochs, batch_size=16, precision="fp32",
    )  # fmt: skip
    measure_run(config.variant(epochs=1, seed=99))  # caches and measurements
    rows = [measure_run(config.variant(seed=seed)) for seed in range(repeats)]
    figures = {name: round(statistics.median(row[name] for row in rows), 2) for name in rows[0]}
    return {**figures, "heads a minute": round(measure_heads(heads), 1)}


def main() -> None:
    """Measure at home, then on a cluster."""
    parser = argparse.ArgumentParser(description="Trainings on a node, compared with trainings at home.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--nodes", type=int, default=2)
    options = parser.parse_args()
    from ray.cluster_utils import Cluster

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ |= {"TUNEMYPETS_HOME": str(folder / "home"), "TUNEMYPETS_THREADS": "1"}
        os.environ |= {"TUNEMYPETS_WORKERS": str(options.nodes), "RAY_USAGE_STATS_ENABLED": "0"}
        settings = Settings.from_environment()
        import_drawn(settings, 60)
        report = {"home": measure(options.repeats, options.epochs, options.heads)}
        end_processes(settings.home)

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        stack.callback(cluster.shutdown)
        stack.callback(end_processes, settings.home)
        for number in range(options.nodes):
            environment = {ROOT: str(folder / f"node{number}"), "RAY_worker_niceness": "5"}
            cluster.add_node(num_cpus=1, env_vars=environment)
        os.environ["TUNEMYPETS_CLUSTER"] = cluster.address
        settings = Settings.from_environment()
        began = time.monotonic()
        ensure_scheduler(settings)
        while read_cluster(settings).places(1) < options.nodes:
            ensure_scheduler(settings)
            time.sleep(0.2)
        joined = round(time.monotonic() - began, 1)
        report["node"] = {"until the nodes are known": joined}
        report["node"] |= measure(options.repeats, options.epochs, options.heads)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
