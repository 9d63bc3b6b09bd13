"""The process that connects a data root with a Ray cluster: it watches the nodes and relays the runs that they train.

    python -m core.cluster.cluster_agent          only the scheduler starts it, at the other end of its standard input

It speaks as the preloader does (`preloader.py`): the scheduler sends the folder of a run, its threads and its
node as one line of JSON, and receives another line with an exit status when the run's worker has ended. What it sees of
the nodes stands in `cluster.json`. Without a cluster it tries again; when the scheduler has ended, it ends with its
last run; SIGTERM pauses them all.
"""

import dataclasses
import json
import logging
import os
import select
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from filelock import Timeout

from core.cluster.ray_link import Nodes, RunLostError, connect
from core.cluster.relay import Relay
from core.errors import RunError, TuneMyPetsError
from core.jobs.launchers import log_to_stderr
from core.jobs.nodes import Cluster, write_cluster
from core.jobs.states import PAUSED, TAKEN
from core.jobs.workers.preloader import CHUNK_BYTES, SCHEDULER
from core.jobs.workers.worker import LOCK_SECONDS, Worker
from core.runs.run import Run, RunState
from core.runs.run_lock import hold
from core.settings import Settings
from core.steps import Request

LOOK_SECONDS = 1.0
WAIT_SECONDS = 3.0  # until the next attempt to connect
LOST_SECONDS = 30.0  # that runs may take to be queued again after Ray is gone

log = logging.getLogger("tunemypets.cluster")


class ClusterAgent:
    """Relays runs until the scheduler has ended, or Ray is gone."""

    def __init__(self, settings: Settings, nodes: Nodes) -> None:
        self._settings = settings
        self._nodes = nodes
        self._workers: dict[str, Worker] = {}
        self._threads: list[threading.Thread] = []
        self._unread = b""
        self._closing = False
        self._pausing = False  # asked by a signal
        self._cluster = Cluster(settings.cluster, 0.0)
        self._answers = threading.Lock()

    def serve(self) -> None:
        """Work until there is nothing more to do.

        Raises:
            Exception: of any kind, if Ray is gone.
        """
        looked = 0.0
        while not self._closing or self._threads:
            if time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                self._cluster = self._nodes.look()
                if not self._closing:
                    write_cluster(self._settings, self._cluster)
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if self._pausing:
                self.pause()
            if self._closing:
                time.sleep(0.1)
            elif select.select([SCHEDULER], [], [], 0.2)[0]:
                self._read()

    def ask_to_pause(self) -> None:
        """Let `serve` pause; a signal may call this at any moment."""
        self._pausing = True

    def pause(self) -> None:
        """Take no more runs, and pause those that are here."""
        if not self._closing:
            self._close()
        for worker in list(self._workers.values()):
            worker.signal.ask(Request.PAUSE)

    def wait(self, seconds: float) -> None:
        """Wait until every run has ended here, at most so long."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _close(self) -> None:
        self._closing = True
        self._nodes.close()

    def _read(self) -> None:
        received = os.read(SCHEDULER, CHUNK_BYTES)
        if not received:
            self._close()
            return
        *lines, self._unread = (self._unread + received).split(b"\n")
        for request in map(json.loads, lines):
            thread = threading.Thread(target=self._relay, args=(request,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _relay(self, request: dict[str, Any]) -> None:
        """Do one run, and report how it ended."""
        status = 1
        try:
            status = self._take(Run(Path(request["folder"])), int(request["threads"]), str(request["node"]))
        except (Timeout, RunError):
            status = TAKEN
        except RunLostError as error:
            log.error("%s: %s", request["folder"], error)
        except Exception:
            log.exception("a run could not be relayed: %s", request["folder"])
        with self._answers:
            _answer(str(request["folder"]), status)

    def _take(self, run: Run, threads: int, node_id: str) -> int:
        node = next((node for node in self._cluster.nodes if node.id == node_id), None)
        if node is None:
            log.warning("the node of %s has left", run.id)
            return PAUSED
        with hold(run, LOCK_SECONDS):
            settings = dataclasses.replace(self._settings, threads=threads)
            worker = Worker(settings, run, partial(Relay, nodes=self._nodes, node=node))
            self._workers[run.id] = worker
            try:
                state = worker.work()
            finally:
                del self._workers[run.id]
            log.info("%s ended on %s: %s", run.id, node.name, state.value)
            return PAUSED if state is RunState.QUEUED else 0


def _answer(folder: str, status: int) -> None:
    try:
        os.write(SCHEDULER, json.dumps({"folder": folder, "status": status}).encode() + b"\n")
    except OSError:
        log.info("the scheduler has ended")


def main() -> int:
    """Connect again and again, and serve the scheduler."""
    log_to_stderr()
    settings = Settings.from_environment()
    while True:
        try:
            ray = connect(settings.cluster)
            break
        except TuneMyPetsError as error:
            write_cluster(settings, Cluster(settings.cluster, time.time(), str(error)))
        if select.select([SCHEDULER], [], [], WAIT_SECONDS)[0]:
            received = os.read(SCHEDULER, CHUNK_BYTES)
            if not received:
                return 0
            for request in map(json.loads, received.splitlines()):  # no node can take it
                _answer(str(request["folder"]), PAUSED)
    agent = ClusterAgent(settings, Nodes(ray, settings.cluster, settings.threads))
    signal.signal(signal.SIGTERM, lambda *_: agent.ask_to_pause())
    try:
        agent.serve()
    except Exception:  # Ray is gone, in one of many ways
        log.warning("the connection to Ray is lost", exc_info=True)
        write_cluster(settings, Cluster(settings.cluster, time.time(), "The connection to the Ray cluster is lost."))
        agent.pause()
        agent.wait(LOST_SECONDS)
    logging.shutdown()
    os._exit(0)  # what Ray left behind may not end


if __name__ == "__main__":
    sys.exit(main())
