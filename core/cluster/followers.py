"""The followers of one training over several machines: workers that it borrows from all nodes.

It has at most as many as its configuration says, and none that another run waits for. Each is served by a thread here,
which sends it the pictures and sees whether it lives; the training's own worker leads them (`core.parallel`).
"""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable

from core.cluster.dataset_copy import pack
from core.cluster.ray_link import Nodes, RemoteWorker
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import ClusterError, TuneMyPetsError
from core.settings import Settings

ASK_SECONDS = 1.0  # between two looks for workers that are free, and whether a follower lives
END_SECONDS = 60.0  # that followers may take to leave

log = logging.getLogger("tunemypets.cluster")


class _Follower(threading.Thread):
    """Serves one borrowed worker, from its first call until it goes back."""

    def __init__(self, followers: "Followers", worker: RemoteWorker, name: str) -> None:
        super().__init__(daemon=True, name=name)
        self.worker = worker
        self.follows = False
        self.leaving = threading.Event()
        self._followers = followers

    def run(self) -> None:
        free = False
        try:
            self._begin()
            self.follows = True
            while not self.leaving.wait(ASK_SECONDS):
                if not self.worker.call(_nothing, "follows"):
                    log.warning("%s follows no longer", self.name)
                    break
            self.follows = False
            free = bool(self.worker.call(_nothing, "leave"))
        except ClusterError as error:
            log.warning("%s is lost: %s", self.name, error)
        except TuneMyPetsError as error:
            log.warning("%s cannot follow: %s", self.name, error)
        finally:
            self.follows = False
            self._followers.give_back(self.worker, free=free)

    def _begin(self) -> None:
        what, worker = self._followers, self.worker
        settings = dataclasses.replace(what.settings, threads=worker.node.share(what.settings.threads))
        worker.call(_nothing, "open", settings, what.run_id, what.dataset.fingerprint, time.time())
        if not worker.call(_nothing, "has_dataset", what.dataset.id):
            for piece in pack(what.dataset):
                worker.call(_nothing, "receive", what.dataset.id, piece.data, piece.last)
        worker.call(_nothing, "follow", what.config.model_dump(mode="json"), what.address, self.name)


class Followers:
    """Borrows workers for one run, as many as its configuration says and no other run wants.

    Args:
        remote: computes the run, and leads.
    """

    def __init__(
        self, nodes: Nodes, remote: RemoteWorker, settings: Settings, run_id: str, config: TrainConfig, dataset: Dataset
    ) -> None:
        self.settings, self.run_id, self.config, self.dataset = settings, run_id, config, dataset
        self.address = ""
        self._nodes, self._remote = nodes, remote
        self._device = "cuda" if remote.node.gpus else "cpu"
        self._threads: list[_Follower] = []
        self._invited: list[str] = []
        self._names = 0
        self._looked = 0.0

    def begin(self, beat: Callable[[], None]) -> None:
        """Let the run's own worker lead; call it before its computation begins."""
        self.address = self._remote.call(beat, "lead")

    def follow(self, beat: Callable[[], None]) -> None:
        """Borrow what is free, and give back what another run waits for.

        Raises:
            NodeLostError, RunLostError: the run's own worker does not answer.
        """
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        stay = [thread for thread in self._threads if not self._nodes.is_awaited(thread.worker.node)]
        missing = self.config.workers - 1 - len(self._threads)
        if missing and time.monotonic() - self._looked > ASK_SECONDS:
            self._looked = time.monotonic()
            for worker in self._nodes.borrow(self._device, missing):
                self._names += 1
                self._threads.append(_Follower(self, worker, f"{worker.node.name}#{self._names}"))
                self._threads[-1].start()
        invited = [thread.name for thread in stay if thread.follows and not thread.leaving.is_set()]
        if invited != self._invited:
            self._remote.call(beat, "invite", invited)
            self._invited = invited
        for thread in self._threads:
            if self._nodes.is_awaited(thread.worker.node):
                thread.leaving.set()

    def close(self) -> None:
        """Give everything back; the leader has let them go, or has ended."""
        for thread in self._threads:
            thread.leaving.set()
        until = time.monotonic() + END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def give_back(self, worker: RemoteWorker, *, free: bool) -> None:
        """Take back what was borrowed; end it where it cannot take another run."""
        if free:
            self._nodes.give_back(worker)
        else:
            worker.end()


def _nothing() -> None:
    """A follower shows no signs of life here: its leader's run does."""
