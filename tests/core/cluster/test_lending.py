"""Which workers a run borrows, and when they go back."""

from collections.abc import Callable
from typing import Any

import pytest

from core.cluster import lending as lending_module
from core.cluster.lending import Lending
from core.cluster.ray_link import HOME, Nodes
from core.jobs.nodes import Node

AT_HOME = Node(HOME, "this machine", 1)


class NearWorker:
    """A worker that is lent, or the one that borrows: it notes what it is lent."""

    def __init__(self, node: Node) -> None:
        self.node, self.actor = node, f"actor on {node.name}"
        self.ended = False
        self.lent: list[set[str]] = []

    def call(self, beat: Callable[[], None], method: str, actors: dict[str, Any]) -> None:
        beat()
        assert method == "lend"
        self.lent.append(set(actors.values()))

    def end(self) -> None:
        self.ended = True


class NearNodes(Nodes):
    """Two nodes with one worker each."""

    def __init__(self, gpus: int = 0) -> None:
        self.nodes = [Node("a", "lab-1", 1), Node("b", "lab-2", 1, gpus)]
        self.free = [NearWorker(node) for node in self.nodes]
        self.awaited: set[str] = set()
        self._now, self._threads = tuple(self.nodes), 1

    def borrow(self, device: str) -> list[Any]:
        found = [
            worker
            for worker in self.free
            if bool(worker.node.gpus) == (device == "cuda") and worker.node.id not in self.awaited
        ]
        self.free = [worker for worker in self.free if worker not in found]
        return found

    def is_awaited(self, node: Node) -> bool:
        return node.id in self.awaited

    def give_back(self, worker: Any) -> None:
        self.free.append(worker)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lending_module, "ASK_SECONDS", -1.0)


def beat() -> None:
    """Nothing has to be shown."""


@pytest.mark.usefixtures("often")
def test_workers_are_borrowed_while_pictures_are_left_and_go_back_to_a_run_that_waits() -> None:
    nodes, borrower = NearNodes(), NearWorker(AT_HOME)
    lending = Lending(nodes, borrower, AT_HOME)
    lending.follow(0, (), beat)
    assert not lending.lends
    lending.follow(100, (), beat)
    nodes.awaited.add("a")
    lending.follow(60, (), beat)
    assert [worker.node.id for worker in nodes.free] == ["a"]
    nodes.awaited.clear()
    lending.follow(30, (), beat)
    lending.follow(0, (), beat)
    both = {"actor on lab-1", "actor on lab-2"}
    assert borrower.lent == [both, {"actor on lab-2"}, both, set()]
    assert {worker.node.id for worker in nodes.free} == {"a", "b"}


@pytest.mark.usefixtures("often")
def test_a_worker_that_was_lost_is_ended_and_the_rest_goes_back_at_the_end() -> None:
    nodes, borrower = NearNodes(), NearWorker(AT_HOME)
    first, second = nodes.free
    lending = Lending(nodes, borrower, AT_HOME)
    lending.follow(100, (), beat)
    lending.follow(90, ("lab-1#1", "never lent"), beat)
    assert (first.ended, second.ended) == (True, False)
    lending.close()
    assert nodes.free == [second]


def test_where_there_is_a_gpu_only_nodes_with_one_take_part() -> None:
    nodes = NearNodes(gpus=1)
    borrower = NearWorker(AT_HOME)
    lending = Lending(nodes, borrower, AT_HOME)
    assert lending.device == "cuda"
    lending.follow(100, (), beat)
    assert borrower.lent == [{"actor on lab-2"}]
    on_a_node = Lending(nodes, borrower, nodes.nodes[0])
    assert on_a_node.device == "cpu"
