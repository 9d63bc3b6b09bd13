"""How many nodes one scheduler keeps busy: runs that wait instead of training, on nodes that are only listed.

    python -m bench.many_nodes [--nodes 50] [--runs 200] [--seconds 1 5 20]

Queues runs at once, and lets the scheduler's own dispatcher start them: each holds its lock, waits for some seconds and
writes its result, in this process. For each length: runs a minute, of those that are possible; and how long one look
at all runs takes. Prints JSON.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

from core.config.train_config import TrainConfig
from core.jobs.launchers import process_facts
from core.jobs.nodes import Cluster, Node, write_cluster
from core.runs.run import Run, RunState
from core.runs.run_files import STARTED
from core.runs.run_lock import hold
from core.runs.run_store import RunStore
from core.scheduling.dispatcher import Dispatcher
from core.scheduling.scheduler import POLL_SECONDS
from core.scheduling.worker_processes import Exit, WorkerProcesses
from core.settings import Settings
from core.storage import write_json
from tests.support.drawn_dataset import import_drawn

ADDRESS = "127.0.0.1:6379"  # nothing is there


class WaitingProcesses(WorkerProcesses):
    """Runs that wait, each in a thread.

    Args:
        seconds: that each waits.
    """

    def __init__(self, settings: Settings, seconds: float) -> None:
        super().__init__(settings)
        self._seconds = seconds
        self._waiting: dict[str, threading.Thread] = {}

    @property
    def alive(self) -> set[str]:
        """Runs that have not been collected."""
        return set(self._waiting)

    def preload(self) -> None:
        """There is nothing to start."""

    def start(self, run: Run, threads: int, node: Node | None = None) -> None:
        """Let a run wait."""
        del threads, node
        thread = threading.Thread(target=self._wait, args=(run,), daemon=True)
        self._waiting[run.id] = thread
        thread.start()

    def collect(self) -> dict[str, Exit]:
        """Runs that have ended."""
        ended = [run_id for run_id, thread in self._waiting.items() if not thread.is_alive()]
        for run_id in ended:
            del self._waiting[run_id]
        return dict.fromkeys(ended, Exit(0, 0))

    def _wait(self, run: Run) -> None:
        with hold(run, 5.0):
            write_json(run.folder / STARTED, {**process_facts(), "time": time.time(), "memory_kills": 0})
            time.sleep(self._seconds)
            run.write_result(RunState.FINISHED, "Finished.", self._seconds)


def measure(settings: Settings, nodes: int, count: int, seconds: float) -> dict[str, float]:
    """Figures of so many runs, each of some seconds."""
    store = RunStore(settings)
    base = TrainConfig(dataset="drawn", model="petnet", strategy="head", epochs=2)
    runs = [store.create(base.variant(seed=seed)) for seed in range(count)]
    machines = tuple(Node(f"{number:04}", f"node{number}", cores=1) for number in range(nodes))
    dispatcher = Dispatcher(settings)
    dispatcher.workers = WaitingProcesses(settings, seconds)
    looks: list[float] = []
    began = time.monotonic()
    while any(run.result() is None for run in runs):
        write_cluster(settings, Cluster(ADDRESS, time.time(), "", machines))
        look = time.monotonic()
        dispatcher.step()
        looks.append(time.monotonic() - look)
        time.sleep(POLL_SECONDS)
    minutes = (time.monotonic() - began) / 60
    possible = 60 / seconds * nodes
    return {
        "seconds of a run": seconds,
        "runs a minute": round(count / minutes, 1),
        "possible": round(min(possible, count / (seconds / 60 * -(-count // nodes))), 1),
        "ms of a look, median": round(1000 * statistics.median(looks)),
        "ms of a look, longest": round(1000 * max(looks)),
    }


def main() -> None:
    """Measure each length."""
    parser = argparse.ArgumentParser(description="How many nodes one scheduler keeps busy.")
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.0, 5.0, 20.0])
    options = parser.parse_args()
    report = []
    for seconds in options.seconds:
        with tempfile.TemporaryDirectory() as name:
            os.environ |= {"TUNEMYPETS_HOME": str(Path(name) / "home"), "TUNEMYPETS_CLUSTER": ADDRESS}
            os.environ["TUNEMYPETS_THREADS"] = "1"
            settings = Settings.from_environment()
            import_drawn(settings)
            report.append(measure(settings, options.nodes, options.runs, seconds))
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
