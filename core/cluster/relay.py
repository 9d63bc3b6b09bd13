"""The computation of a run that a node trains: its worker holds the lock here, and writes what happens there."""

import logging
import os
import time
from functools import partial

from core.cluster.dataset_copy import pack
from core.cluster.folder_copy import FolderReader, write_changes
from core.cluster.followers import Followers
from core.cluster.lending import Lending, shares_pictures
from core.cluster.ray_link import HOME, NodeLostError, Nodes, RemoteWorker, RunLostError
from core.datasets.dataset import Dataset
from core.errors import ClusterError, TuneMyPetsError
from core.jobs.nodes import Node
from core.jobs.workers.computation import Outcome
from core.jobs.workers.held_run import HeldRun
from core.runs.failures import MEMORY, memory_sentence
from core.steps import Request, Stopped

ASK_SECONDS = 0.2  # between two questions for news
STUCK_SECONDS = 45.0  # without an event or a computation: the worker is ended
BUSY_SHARE = 0.05  # of a processor: answering takes less
MOST_WORKERS = 3  # on one node that end before they begin

log = logging.getLogger("tunemypets.cluster")


class Relay:
    """The computation of a run on a node."""

    def __init__(self, held: HeldRun, nodes: Nodes, node: Node) -> None:
        self._held, self._run = held, held.run
        self._nodes = nodes
        self._node = node
        self._lending: Lending | None = None
        self._followers: Followers | None = None

    def compute(self, *, evaluate_only: bool) -> Outcome:
        """Let the node compute, and write down what comes back. A run whose node is lost is queued again.

        Raises:
            RunLostError: the computation ended on a node that lives.
        """
        remote = None
        try:
            dataset = self._held.find_dataset()
            shared = not evaluate_only and self._shares_pictures(dataset)
            if shared and self._run.config().strategy == "head":
                # what remains to be trained is small, and the pictures are here
                self._node = self._nodes.home(self._held.settings.workers or 1)
            remote = self._take_worker()
            if shared:
                self._lending = Lending(self._nodes, remote, self._node)
            elif self._run.config().workers > 1 and self._held.curve_plan is None and not evaluate_only:
                self._followers = Followers(
                    self._nodes, remote, self._held.settings, self._run.id, self._run.config(), dataset
                )
            outcome = self._follow_node(remote, dataset, evaluate_only)
            if self._close(remote):
                remote = None
            return outcome
        except Stopped:
            return Outcome()
        except NodeLostError as error:
            log.warning("%s: %s is queued again", error, self._run.id)
            self._held.signal.ask(Request.PAUSE)
            return Outcome()
        except RunLostError as error:
            if error.for_memory:
                return Outcome(memory_sentence(self._run.config()), MEMORY)
            raise
        except TuneMyPetsError as error:
            return Outcome(str(error))
        finally:
            if self._lending is not None:
                self._lending.close()
            if remote is not None:
                remote.end()
            if self._followers is not None:
                self._followers.close()

    def _shares_pictures(self, dataset: Dataset) -> bool:
        """Whether all machines evaluate the frozen part of this run together."""
        return self._held.curve_plan is None and shares_pictures(self._held.settings, self._run.config(), dataset)

    def _take_worker(self) -> RemoteWorker:
        """A worker on the node that answers: one that waited may have ended."""
        for _ in range(MOST_WORKERS):
            remote = self._nodes.take(self._node, self._beat_or_stop)
            try:
                remote.call(self._beat_or_stop, "wake")
                return remote
            except RunLostError:
                remote.end()
            except BaseException:
                remote.end()
                raise
        raise NodeLostError(f"{self._node.name} starts no worker")

    def _close(self, remote: RemoteWorker) -> bool:
        """Let a worker wait for another run; False if it cannot. What its run computed is here by now."""
        try:
            free = bool(remote.call(self._beat, "close"))
        except ClusterError as error:
            log.warning("%s", error)
            return False
        if free:
            self._nodes.give_back(remote)
        return free

    def _follow_node(self, remote: RemoteWorker, dataset: Dataset, evaluate_only: bool) -> Outcome:
        at_home, lending = self._node.id == HOME, self._lending
        remote.call(
            self._beat_or_stop, "open", self._held.settings, self._run.id, dataset.fingerprint, time.time(),
            at_home=at_home, shared=lending.device if lending is not None else "",
        )  # fmt: skip
        if not at_home and not remote.call(self._beat_or_stop, "has_dataset", dataset.id):
            for piece in pack(dataset):
                remote.call(self._beat_or_stop, "receive", dataset.id, piece.data, piece.last)
        if self._followers is not None:
            self._followers.begin(self._beat_or_stop)
        remote.call(self._beat, "begin", FolderReader(self._run.folder).read(), evaluate_only=evaluate_only)
        passed_on, computed, moved = False, 0.0, time.monotonic()
        while True:
            news = remote.call(self._beat, "news")
            self._held.write(partial(write_changes, self._run.folder, news.changes))
            self._held.log.take_over(news.seconds)
            outcome: Outcome | None = news.outcome
            if outcome is not None:
                return outcome
            if lending is not None:
                lending.follow(news.left, news.lost, self._beat)
            if self._followers is not None:
                self._followers.follow(self._beat)
            still = time.monotonic() - moved
            waits = lending is not None and news.left > 0 and not lending.lends  # for a machine that is free
            if waits or news.changes or news.computed - computed > max(0.1, BUSY_SHARE * still):
                computed, moved = news.computed, time.monotonic()
            elif still > STUCK_SECONDS:
                raise RunLostError(f"the worker on {self._node.name} has stopped responding")
            if self._held.asked() and not passed_on:
                remote.call(self._beat, "ask", self._held.signal.request)
                passed_on = True
            self._beat()
            time.sleep(ASK_SECONDS)

    def _beat(self) -> None:
        """Show that this worker moves; whether the node does is seen here."""
        os.utime(self._run.lock_path)

    def _beat_or_stop(self) -> None:
        """The same, before the computation began.

        Raises:
            Stopped: the run has to end.
        """
        self._beat()
        if self._held.asked():
            raise Stopped
