"""All that this program asks of Ray: a connection, and an actor on a node that answers or is lost."""

import logging
import os
import signal
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from core.errors import ClusterError, ExtraMissingError, TuneMyPetsError
from core.jobs.launchers import WORKER_ENVIRONMENT
from core.jobs.nodes import Node
from core.settings import PROJECT_ROOT, Settings

ANSWER_SECONDS = 60.0  # a node that does not answer for so long is lost
BEGIN_SECONDS = 180.0  # that a node may take for the imports of a worker
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
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        log.warning("no connection to Ray", exc_info=error)
        raise ClusterError(
            f"There is no Ray cluster at {address}: start it on this machine with ray start (see docs/cluster.md)."
        ) from error
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray's would end this process at once
    return ray


class Remote:
    """A place on a node, for as long as the block lasts.

    Raises:
        ClusterError: on entering, if Ray cannot be reached.
    """

    def __init__(self, settings: Settings, node: Node) -> None:
        self._settings = settings
        self._node = node
        self._actor: Any = None

    def __enter__(self) -> Self:
        try:
            self._ray = connect(self._settings.cluster)
        except ClusterError as error:
            raise NodeLostError(str(error)) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()  # ends the actor, too

    def make(self, kind: Callable[..., Any], *arguments: Any) -> Any:
        """An actor on the node, with the processor threads of the settings, or a GPU."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        threads = str(self._settings.threads)
        environment = {**WORKER_ENVIRONMENT, "OMP_NUM_THREADS": threads, "TUNEMYPETS_THREADS": threads}
        options = self._ray.remote(kind).options(
            num_cpus=0 if self._node.gpus else self._node.share(self._settings.threads),
            num_gpus=1 if self._node.gpus else 0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(self._node.id, soft=False),
            runtime_env={"env_vars": environment},
        )
        self._actor = options.remote(*arguments)
        self._seconds = BEGIN_SECONDS
        return self._actor

    def call(self, method: Any, *arguments: Any, **named: Any) -> Any:
        """What a method of the actor answers.

        Raises:
            NodeLostError, RunLostError: there is no answer.
            TuneMyPetsError: as the method raised it.
        """
        errors = self._ray.exceptions
        try:
            answer = self._ray.get(method.remote(*arguments, **named), timeout=self._seconds)
        except errors.GetTimeoutError as error:
            raise NodeLostError(f"{self._node.name} does not answer") from error
        except errors.RayTaskError as error:
            if isinstance(error.cause, TuneMyPetsError):
                raise error.cause from error
            raise RunLostError(f"the worker on {self._node.name} failed: {error.cause!r}") from error
        except errors.OutOfMemoryError as error:
            raise RunLostError(f"{self._node.name} ran out of memory", for_memory=True) from error
        except (errors.RayError, OSError) as error:
            if self._node_lives():
                raise RunLostError(f"the worker on {self._node.name} has ended: {error}") from error
            raise NodeLostError(f"{self._node.name} is lost") from error
        self._seconds = ANSWER_SECONDS
        return answer

    def _node_lives(self) -> bool:
        until = time.monotonic() + DOUBT_SECONDS
        while time.monotonic() < until:
            try:
                alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
            except Exception:  # Ray itself is gone, in one of many ways
                return False
            if self._node.id not in alive:
                return False
            time.sleep(0.5)
        return True
