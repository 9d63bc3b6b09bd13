"""The worker of a run that a node trains: it holds the run's lock here, and writes what happens there.

    python -m core.cluster.relay RUN_DIR --node ID [--evaluate]

It is a driver of Ray, and ends as any worker does. When the node is lost, the run is queued again, and continues from
the last snapshot that arrived here.
"""

import argparse
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from core.cluster.dataset_copy import pack
from core.cluster.folder_copy import FolderReader, write_changes
from core.cluster.node_worker import NodeWorker
from core.cluster.ray_link import NodeLostError, Remote, RunLostError
from core.datasets.dataset_store import DatasetStore
from core.errors import RunError
from core.jobs.nodes import Node, read_cluster
from core.jobs.worker import Outcome, Worker, take
from core.quotas import is_full
from core.runs.failures import MEMORY, memory_sentence
from core.runs.run import Run
from core.settings import Settings
from core.steps import Request

ASK_SECONDS = 0.2  # between two questions for news

log = logging.getLogger("tunemypets.relay")


class Relay(Worker):
    """A worker whose computation is on a node."""

    def __init__(self, settings: Settings, run: Run, node: Node) -> None:
        super().__init__(settings, run)
        self._node = node

    def compute(self, *, evaluate_only: bool) -> Outcome:
        """Let the node compute, and write down what comes back."""
        try:
            with Remote(self.settings, self._node) as remote:
                return self._follow_node(remote, evaluate_only)
        except NodeLostError as error:
            log.warning("%s: the run is queued again", error)
            self.signal.ask(Request.PAUSE)
            return Outcome()
        except RunLostError as error:
            if error.for_memory:
                return Outcome(memory_sentence(self.run.config()), MEMORY)
            log.error("%s", error)
            logging.shutdown()
            os._exit(1)  # as a worker that crashed: the scheduler decides

    def _follow_node(self, remote: Remote, evaluate_only: bool) -> Outcome:
        config = self.run.config()
        dataset = DatasetStore(self.settings).get(config.dataset)
        if dataset.fingerprint != self.run.meta().dataset_fingerprint:
            raise RunError(
                f"The dataset {dataset.id} is not the one this run was made for: start a new run on the new pictures."
            )
        worker = remote.make(NodeWorker, self.settings, self.run.id, dataset.fingerprint, time.time())
        if not remote.call(worker.has_dataset, dataset.id):
            for piece in pack(dataset):
                if self._asked():
                    return Outcome()
                remote.call(worker.receive, dataset.id, piece.data, piece.last)
                self._touch()
        remote.call(worker.begin, FolderReader(self.run.folder).read(), evaluate_only=evaluate_only)
        passed_on, computed = False, 0.0
        while True:
            news = remote.call(worker.news)
            self._write(news.changes)
            if news.computed > computed + 0.02:
                computed = news.computed
                self._touch()
            outcome: Outcome | None = news.outcome
            if outcome is not None:
                remote.call(worker.close)
                return outcome
            if self._asked() and not passed_on:
                remote.call(worker.ask, self.signal.request)
                passed_on = True
            time.sleep(ASK_SECONDS)

    def _write(self, changes: Any) -> None:
        while True:
            try:
                write_changes(self.run.folder, changes)
                return
            except OSError as error:
                if not is_full(error) or not self._wait_for_space():
                    raise

    def _touch(self) -> None:
        """Show that the run moves."""
        os.utime(self.run.lock_path)


def main(arguments: list[str] | None = None) -> int:
    """Relay one run."""
    parser = argparse.ArgumentParser(prog="python -m core.cluster.relay", description="Let a node train one run.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--node", required=True, help="its id in the cluster")
    options = parser.parse_args(arguments)
    cluster = read_cluster(Settings.from_environment())
    node = next((node for node in cluster.nodes if node.id == options.node), None)
    if node is None:
        node = Node(options.node, "a node that has left", 0)
    return take(options.folder, lambda settings, run: Relay(settings, run, node))


if __name__ == "__main__":
    sys.exit(main())
