"""A relay and its node's worker without Ray: the worker is in this process, and may be lost at any call."""

import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core.cluster.dataset_copy import home_of
from core.cluster.node_worker import ROOT, NodeWorker
from core.cluster.ray_link import NodeLostError, Nodes, RunLostError
from core.cluster.relay import Relay
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.jobs.nodes import Node
from core.jobs.workers.worker import Worker
from core.runs.run import Run, RunState
from core.runs.run_files import BEST_WEIGHTS, PREDICTIONS, SNAPSHOT
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.processes import wait_for

NODE = Node("a", "lab-3", 2)
Fault = Callable[[str], None]


class NearWorker:
    """What a `RemoteWorker` is, in this process.

    Attributes:
        ended: whether its process was ended.
    """

    def __init__(self, fault: Fault) -> None:
        self.node = NODE
        self.ended = False
        self.called: list[str] = []
        self._fault = fault
        self._worker = NodeWorker()

    def call(self, beat: Callable[[], None], method: str, *arguments: Any, **named: Any) -> Any:
        beat()
        self.called.append(method)
        self._fault(method)
        return getattr(self._worker, method)(*arguments, **named)

    def end(self) -> None:
        """Let what it computes come to its end: two trainings in one process would meet."""
        self.ended = True
        if "news" in self.called:
            wait_for(lambda: self._worker.news().outcome is not None, 60)


class NearNodes(Nodes):
    """One node; `fault` may raise at any call."""

    def __init__(self, fault: Fault) -> None:
        self.workers: list[NearWorker] = []
        self.back: list[Any] = []
        self._fault = fault

    def take(self, node: Node, beat: Callable[[], None]) -> Any:
        assert node == NODE
        beat()
        self.workers.append(NearWorker(self._fault))
        return self.workers[-1]

    def give_back(self, worker: Any) -> None:
        self.back.append(worker)


@pytest.fixture
def node_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(ROOT, str(tmp_path / "node"))
    return tmp_path / "node"


def relay(settings: Settings, run: Run, fault: Fault = lambda _: None) -> tuple[RunState, NearNodes]:
    """Relay a run to its end."""
    nodes = NearNodes(fault)
    run.lock_path.touch()
    return Worker(settings, run, partial(Relay, nodes=nodes, node=NODE)).work(), nodes


def fail_at(wanted: str, error: Exception, times: int = 1) -> Fault:
    """Raise at the first calls of a method."""
    left = [times]

    def fault(method: str) -> None:
        if method == wanted and left[0]:
            left[0] -= 1
            raise error

    return fault


def test_a_run_ends_here_with_everything_and_its_worker_waits(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, node_root: Path
) -> None:
    run = RunStore(settings).create(small_config)
    state, nodes = relay(settings, run)
    assert state is RunState.FINISHED
    result = run.result()
    assert result is not None
    assert result.tested is not None
    assert (run.folder / PREDICTIONS).exists()
    assert (run.checkpoints / BEST_WEIGHTS).exists()
    assert not (run.checkpoints / SNAPSHOT).exists()
    assert nodes.back == nodes.workers
    assert not nodes.workers[0].ended
    assert not list((home_of(node_root, drawn.fingerprint) / "copies").iterdir())
    _, again = relay(settings, RunStore(settings).create(small_config.variant(seed=5)))
    assert "receive" in nodes.workers[0].called
    assert "receive" not in again.workers[0].called  # the pictures are there


def test_a_dataset_that_is_gone_is_said_as_at_home(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, node_root: Path
) -> None:
    run = RunStore(settings).create(small_config)
    DatasetStore(settings).delete(drawn.id)
    state, nodes = relay(settings, run)
    assert state is RunState.FAILED
    result = run.result()
    assert result is not None
    assert "There is no dataset 'drawn'" in result.text
    assert not nodes.workers


@pytest.mark.parametrize("method", ["wake", "open", "has_dataset", "receive", "begin", "news"])
def test_a_lost_node_costs_no_attempt(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, node_root: Path, method: str
) -> None:
    run = RunStore(settings).create(small_config)
    state, nodes = relay(settings, run, fail_at(method, NodeLostError("lab-3 is lost")))
    assert state is RunState.QUEUED
    assert run.state() is RunState.QUEUED
    assert nodes.workers[0].ended
    assert relay(settings, run)[0] is RunState.FINISHED


def test_a_worker_that_ended_while_it_waited_is_replaced(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, node_root: Path
) -> None:
    run = RunStore(settings).create(small_config)
    state, nodes = relay(settings, run, fail_at("wake", RunLostError("the worker has ended"), times=2))
    assert state is RunState.FINISHED
    assert [worker.ended for worker in nodes.workers] == [True, True, False]


def test_a_computation_that_ends_on_a_living_node_is_a_crash_and_memory_is_named(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, node_root: Path
) -> None:
    run = RunStore(settings).create(small_config)
    with pytest.raises(RunLostError):
        relay(settings, run, fail_at("news", RunLostError("the worker has ended")))
    assert run.result() is None
    other = RunStore(settings).create(small_config)
    state, _ = relay(settings, other, fail_at("news", RunLostError("too large", for_memory=True)))
    assert state is RunState.FAILED
    result = other.result()
    assert result is not None
    assert "memory" in result.text


def test_what_a_run_computed_is_kept_when_its_worker_ends_afterwards(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, node_root: Path
) -> None:
    run = RunStore(settings).create(small_config)
    state, nodes = relay(settings, run, fail_at("close", RunLostError("the worker has ended")))
    assert state is RunState.FINISHED
    assert nodes.workers[0].ended
    assert not nodes.back


@pytest.mark.parametrize("method", ["wake", "open"])
def test_a_stop_is_obeyed_before_the_training_began(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, node_root: Path, method: str
) -> None:
    run = RunStore(settings).create(small_config)

    def fault(called: str) -> None:
        if called == method:
            RunStore(settings).request_stop(run.id)

    state, nodes = relay(settings, run, fault)
    assert state is RunState.STOPPED
    assert nodes.workers[0].ended
    assert "begin" not in nodes.workers[0].called


def test_a_stop_in_the_middle_keeps_the_best_weights(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, node_root: Path
) -> None:
    run = RunStore(settings).create(small_config.variant(epochs=900))
    ended: list[RunState] = []
    thread = threading.Thread(target=lambda: ended.append(relay(settings, run)[0]))
    thread.start()
    wait_for(lambda: len(run.history().epochs) > 2, 30)
    RunStore(settings).request_stop(run.id)
    thread.join(10)
    assert ended == [RunState.STOPPED]
    assert (run.checkpoints / BEST_WEIGHTS).exists()


def test_pictures_that_vanish_from_the_node_while_they_arrive_are_sent_again(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, node_root: Path
) -> None:
    run = RunStore(settings).create(small_config)

    def vanish(method: str) -> None:
        if method == "begin" and not vanished:
            vanished.append(True)
            shutil.rmtree(home_of(node_root, drawn.fingerprint) / "datasets")
            raise NodeLostError("lab-3 is lost")

    vanished: list[bool] = []
    assert relay(settings, run, vanish)[0] is RunState.QUEUED
    state, nodes = relay(settings, run)
    assert state is RunState.FINISHED
    assert "receive" in nodes.workers[0].called
