"""The nodes of a cluster, as the file `cluster.json` of a data root shows them; nothing of Ray is needed to read it.

`core.cluster.cluster_agent` writes the file, the dispatcher shares runs out among the nodes, and the Room shows them.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core.runs.run_files import NODE
from core.settings import Settings
from core.storage import read_json, write_json

FRESH_SECONDS = 20.0  # that the file counts


@dataclass(frozen=True)
class Node:
    """One machine of a cluster.

    Attributes:
        id: Ray's.
        cores: processor threads that Ray may give away there.
        problem: why nothing is trained there, in a sentence; empty where trainings may run.
        processor: its name.
        speed: billions of additions and multiplications a second, of one thread.
        known: whether it has been asked what it is.
        home: whether it is the presenter's machine.
    """

    id: str
    name: str
    cores: int
    gpus: int = 0
    problem: str = ""
    processor: str = ""
    speed: float = 0.0
    known: bool = True
    home: bool = False

    def places(self, threads: int) -> int:
        """How many trainings it takes at the same time, with so many threads each."""
        if self.problem or not self.known:
            return 0
        return self.gpus or self.cores // self.share(threads)

    def share(self, threads: int) -> int:
        """Processor threads of one training there."""
        return max(1, min(threads, self.cores))


@dataclass(frozen=True)
class Cluster:
    """All nodes at one moment.

    Attributes:
        time: in seconds since 1970.
        problem: why there are none, in a sentence.
    """

    address: str
    time: float
    problem: str = ""
    nodes: tuple[Node, ...] = ()

    def places(self, threads: int) -> int:
        """How many trainings it takes at the same time."""
        return sum(node.places(threads) for node in self.nodes)

    @property
    def obstacle(self) -> str:
        """Why no training can start, in a sentence; empty where one can."""
        if self.problem:
            return self.problem
        if any(node.places(1) for node in self.nodes):
            return ""
        if self.nodes and not any(node.cores or node.gpus for node in self.nodes):
            return "No machine of the cluster offers processor threads."
        refused = next((node.problem for node in self.nodes if node.problem), "")
        return refused or "The machines of the cluster are still joining."

    def choose(self, threads: int, wanted: int, taken: Mapping[str, int]) -> Node | None:
        """The node for one more training: one with a GPU, else one with enough cores, else the least busy one.

        Args:
            threads: of a training, by which nodes are divided.
            wanted: by this one, which may have begun with another number.
            taken: how many run on each node now, by id.
        """
        free = [node for node in self.nodes if node.places(threads) > taken.get(node.id, 0)]

        def rank(node: Node) -> tuple[bool, bool, float, str]:
            return not node.gpus, node.cores < wanted, taken.get(node.id, 0) / node.places(threads), node.id

        return min(free, key=rank, default=None)


_CLUSTER = TypeAdapter(Cluster)


def cluster_path(settings: Settings) -> Path:
    """The file that lists the nodes."""
    return settings.home / "cluster.json"


def write_cluster(settings: Settings, cluster: Cluster) -> None:
    """Show the nodes to everyone."""
    write_json(cluster_path(settings), asdict(cluster))


def read_cluster(settings: Settings) -> Cluster:
    """The nodes, as they were seen a moment ago; without any, and with the reason, where that is too long ago."""
    try:
        found = _CLUSTER.validate_python(read_json(cluster_path(settings)))
    except (OSError, ValueError, ValidationError):
        found = Cluster(settings.cluster, 0.0)
    if found.address == settings.cluster and abs(time.time() - found.time) < FRESH_SECONDS:
        return found
    return Cluster(settings.cluster, time.time(), f"Waiting for the Ray cluster {settings.cluster}.")


def count_runs(running: Iterable[Path]) -> Counter[str]:
    """How many runs each node has, by its id.

    Args:
        running: folders of the runs that are running.
    """
    return Counter(found["id"] for folder in running if (found := node_of(folder)) is not None)


def describe_state(node: Node) -> str:
    """Whether trainings run there, in words."""
    if node.problem:
        return node.problem
    if not node.known and (node.cores or node.gpus):
        return "Joining"
    return "Ready" if node.places(1) else "Offers no processor threads"


def node_of(folder: Path) -> dict[str, Any] | None:
    """Id and name of the node that trains a run, or did last; None where that is this machine."""
    try:
        values = read_json(folder / NODE)
        return {"id": str(values["id"]), "name": str(values["name"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def note_node(folder: Path, node: Node | None) -> None:
    """Note the node that a run is given to; None where it is this machine."""
    if node is not None:
        write_json(folder / NODE, {"id": node.id, "name": node.name})
    else:
        (folder / NODE).unlink(missing_ok=True)
