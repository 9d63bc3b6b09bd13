"""All that this program asks of Ray: a connection, which nodes live, and workers on nodes that answer or are lost."""

import logging
import math
import os
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from core.cluster.node_facts import find_problem, versions
from core.cluster.node_worker import NodeWorker
from core.errors import ClusterError, ExtraMissingError, TuneMyPetsError
from core.jobs.launchers import WORKER_ENVIRONMENT
from core.jobs.nodes import Cluster, Node
from core.settings import PROJECT_ROOT
from core.steps import Stopped

ANSWER_SECONDS = 300.0  # for large files over a slow network; Ray itself notices sooner if a node is lost
BEAT_SECONDS = 0.25
BEGIN_SECONDS = 180.0  # that a node may take for the imports of a worker
HOME = "home"  # the id of the presenter's own machine, where trainings run whose pictures are shared out
DOUBT_SECONDS = 15.0  # until Ray knows that a node is gone, after what ran there has ended

log = logging.getLogger("tunemypets.cluster")


class NodeLostError(ClusterError):
    """The node, the network to it or Ray is gone."""


class RunLostError(ClusterError):
    """A computation ended on a node that lives.

    Attributes:
        for_memory: Ray ended it because memory ran out.
    """

    def __init__(self, text: str, *, for_memory: bool = False) -> None:
        super().__init__(text)
        self.for_memory = for_memory


def connect(address: str) -> Any:
    """Ray, as a driver of the cluster at an address; this program's code goes along.

    Raises:
        ExtraMissingError: Ray is not installed.
        ClusterError: there is no cluster, or it does not fit.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ExtraMissingError("A cluster needs Ray: run pip install -r requirements-cluster.txt.") from error
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address, namespace="tunemypets", log_to_driver=False, logging_level=logging.WARNING,
            runtime_env={
                "py_modules": [str(PROJECT_ROOT / name) for name in ("core", "models")],
                "excludes": ["**/__pycache__/**"],
            },
        )  # fmt: skip
    except Exception as error:  # Ray raises many kinds
        log.warning("no connection to Ray", exc_info=error)
        with suppress(Exception):
            ray.shutdown()
        if "ersion mismatch" in str(error):
            raise ClusterError(
                f"The Ray cluster at {address} has another version of Ray or Python: install the same on both."
            ) from error
        raise ClusterError(
            f"There is no Ray cluster at {address}: start it on this machine with ray start (docs/cluster.md)."
        ) from error
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray's would end this process at once
    return ray


class Nodes:
    """The nodes that live, and the workers that wait on them for a run.

    A worker needs seconds for its imports, so a run takes one that waits, and gives it back. Each node that joins gets
    its first worker at once, and is asked what it is.

    Args:
        ray: the connected module.
        threads: of a training.
    """

    def __init__(self, ray: Any, address: str, threads: int) -> None:
        self.ray = ray
        self._own = ray.get_runtime_context().get_node_id()
        self._address = address
        self._threads = threads
        self._here = versions()
        self._asked: dict[str, tuple[RemoteWorker, Any]] = {}  # by node: who answers, and the answer to come
        self._facts: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, list[RemoteWorker]] = defaultdict(list)
        self._made: Counter[str] = Counter()  # workers that have not ended, by node
        self._lock = threading.Lock()
        self._awaited: Counter[str] = Counter()  # runs that wait for a worker, by node
        self._closed = False
        self._alive: frozenset[str] = frozenset()
        self._now: tuple[Node, ...] = ()
        self._seen = 0.0

    def look(self) -> Cluster:
        """The nodes now.

        Raises:
            Exception: of any kind, if Ray is gone.
        """
        alive = [node for node in self.ray.nodes() if node["Alive"]]
        if self._own not in {node["NodeID"] for node in alive}:
            raise ClusterError("Ray has ended on this machine.")  # and would not notice the end of this process
        self._alive, self._seen = frozenset(node["NodeID"] for node in alive), time.monotonic()
        with self._lock:
            for gone in self._made.keys() - self._alive - {HOME}:
                del self._made[gone]
                self._waiting.pop(gone, None)
        hosts = Counter(node["NodeManagerHostname"] for node in alive)
        nodes = tuple(self._describe(node, hosts) for node in sorted(alive, key=lambda item: str(item["NodeID"])))
        self._now = nodes
        return Cluster(self._address, time.time(), "", nodes)

    def lives(self, node: Node, beat: Callable[[], None]) -> bool:
        """Whether a node is still there, according to looks from now on.

        Args:
            beat: called several times a second meanwhile.
        """
        began = time.monotonic()
        while time.monotonic() - began < DOUBT_SECONDS:
            if self._seen > began + 1 and self._ray_id(node) not in self._alive:
                return False
            beat()
            time.sleep(BEAT_SECONDS)
        return self._seen > began and self._ray_id(node) in self._alive

    def take(self, node: Node, beat: Callable[[], None]) -> "RemoteWorker":
        """A worker on a node: one that waits, or a new one where the node has room for it.

        Args:
            beat: called several times a second until there is one; what it raises ends the wait.

        Raises:
            NodeLostError: there is none in time. At home there always is, sooner or later.
        """
        until = time.monotonic() + BEGIN_SECONDS
        with self._lock:
            self._awaited[node.id] += 1
        try:
            while time.monotonic() < until or node.id == HOME:
                with self._lock:
                    found = self._find(node)
                if found is not None:
                    return found
                beat()
                time.sleep(BEAT_SECONDS)
        finally:
            with self._lock:
                self._awaited[node.id] -= 1
        raise NodeLostError(f"{node.name} has no room")

    def home(self, places: int) -> Node:
        """The presenter's own machine, for so many trainings at a time."""
        return Node(HOME, "this machine", self._threads * places)

    def computes_with(self) -> str:
        """The device that takes most of the work of a cluster, as torch names its type."""
        return "cuda" if any(node.gpus and node.places(self._threads) for node in self._now) else "cpu"

    def borrow(self, device: str, most: float = math.inf) -> "list[RemoteWorker]":
        """Workers with this device that no run has or waits for; they are wanted back when one does.

        See `is_awaited`.
        """
        found: list[RemoteWorker] = []
        for node in self._now:
            if bool(node.gpus) != (device == "cuda") or self.is_awaited(node):
                continue
            with self._lock:
                while len(found) < most and not self._closed and (worker := self._find(node)) is not None:
                    found.append(worker)
        return found

    def is_awaited(self, node: Node) -> bool:
        """Whether a run waits for a worker of this node."""
        return self._awaited[node.id] > 0

    def forget(self, worker: "RemoteWorker") -> None:
        """Take note that a worker has ended."""
        with self._lock:
            self._made[worker.node.id] -= 1

    def give_back(self, worker: "RemoteWorker") -> None:
        """Let a worker wait for another run."""
        with self._lock:
            closed = self._closed
            if not closed:
                self._waiting[worker.node.id].append(worker)
        if closed:
            worker.end()

    def close(self) -> None:
        """End the workers that wait, and let no more of them wait: another process may need their cores."""
        with self._lock:
            self._closed = True
            waiting = [worker for workers in self._waiting.values() for worker in workers]
            self._waiting.clear()
        for worker in waiting:
            worker.end()

    def _describe(self, seen: dict[str, Any], hosts: Counter[str]) -> Node:
        name, resources = str(seen["NodeManagerHostname"]), seen["Resources"]
        if hosts[name] > 1:
            name = f"{name} ({seen['NodeManagerAddress']})"
        node = Node(
            str(seen["NodeID"]), name, int(resources.get("CPU", 0)), int(resources.get("GPU", 0)), known=False,
            home=seen["NodeID"] == self._own,
        )  # fmt: skip
        if not node.cores and not node.gpus:
            return node
        self._ask(node)
        facts = self._facts.get(node.id)
        if facts is None:
            return node
        problem = find_problem(name, node.gpus, facts, self._here)
        processor, speed = facts.get("processor", ""), facts.get("speed", 0.0)
        return replace(node, problem=problem, processor=processor, speed=speed, known=True)

    def _ask(self, node: Node) -> None:
        """Find out once what a node is."""
        if node.id in self._facts or self._closed:
            return
        if node.id not in self._asked:
            with self._lock:
                worker = self._make(node)
            self._asked[node.id] = worker, worker.actor.describe.remote()
        worker, answer = self._asked[node.id]
        if not self.ray.wait([answer], timeout=0)[0]:
            return
        del self._asked[node.id]
        try:
            self._facts[node.id] = self.ray.get(answer)
        except self.ray.exceptions.RayError as error:
            log.warning("no facts about %s", node.name, exc_info=error)
            self._facts[node.id] = {"problem": "cannot run this program: see its Ray logs.", "versions": {}}
        if self._facts[node.id]["problem"]:
            worker.end()
        else:
            self.give_back(worker)

    def _ray_id(self, node: Node) -> str:
        return self._own if node.id == HOME else node.id

    def _find(self, node: Node) -> "RemoteWorker | None":
        """A worker that waits, or a new one where the node has room for it."""
        if self._waiting[node.id]:
            return self._waiting[node.id].pop()
        return self._make(node) if self._made[node.id] < node.places(self._threads) else None

    def _make(self, node: Node) -> "RemoteWorker":
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        threads = str(node.share(self._threads))
        environment = {**WORKER_ENVIRONMENT, "OMP_NUM_THREADS": threads, "TUNEMYPETS_THREADS": threads}
        options = self.ray.remote(NodeWorker).options(
            num_cpus=0 if node.gpus or node.id == HOME else node.share(self._threads),
            num_gpus=1 if node.gpus else 0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(self._ray_id(node), soft=False),
            runtime_env={"env_vars": environment},
        )
        self._made[node.id] += 1
        return RemoteWorker(self, node, options.remote())


class RemoteWorker:
    """A `NodeWorker` on a node."""

    def __init__(self, nodes: Nodes, node: Node, actor: Any) -> None:
        self.node = node
        self.actor = actor
        self._nodes = nodes
        self._seconds = BEGIN_SECONDS

    def end(self) -> None:
        """End its process, whatever it computes."""
        self._nodes.forget(self)
        with suppress(Exception):  # Ray may be gone, in one of many ways
            self._nodes.ray.kill(self.actor)

    def call(self, beat: Callable[[], None], method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the worker, and wait for its answer.

        Args:
            beat: called several times a second until there is an answer; what it raises ends the wait.

        Raises:
            NodeLostError, RunLostError: there is no answer.
            TuneMyPetsError: as the method raised it.
        """
        ray, name = self._nodes.ray, self.node.name
        errors, until = ray.exceptions, time.monotonic() + self._seconds
        try:
            answer = getattr(self.actor, method).remote(*arguments, **named)
            while not ray.wait([answer], timeout=BEAT_SECONDS)[0] and time.monotonic() < until:
                beat()
            answer = ray.get(answer, timeout=0)
        except Stopped:
            raise
        except errors.GetTimeoutError as error:
            raise NodeLostError(f"{name} does not answer") from error
        except errors.RayTaskError as error:
            if isinstance(error.cause, TuneMyPetsError):
                raise error.cause from error
            raise RunLostError(f"the worker on {name} failed: {error.cause!r}") from error
        except errors.OutOfMemoryError as error:
            raise RunLostError(f"{name} ran out of memory", for_memory=True) from error
        except Exception as error:  # the worker, its node or Ray is gone, in one of many ways
            if self._nodes.lives(self.node, beat):
                raise RunLostError(f"the worker on {name} has ended: {error}") from error
            raise NodeLostError(f"{name} is lost") from error
        self._seconds = ANSWER_SECONDS
        return answer
