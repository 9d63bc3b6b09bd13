"""Trainings on a cluster of three nodes: the digits of home, and what happens when something is lost."""

import time
from collections.abc import Callable

import pytest

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.jobs.nodes import node_of, read_cluster
from core.runs.run import Run, RunState
from core.runs.run_files import BEST_WEIGHTS, PREDICTIONS, SNAPSHOT
from core.runs.run_store import RunStore
from core.scheduling.run_queue import read_queue
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from tests.core.cluster.conftest import Machines
from tests.support.processes import end_processes, kill, processes_of, wait_for
from tests.support.small_runs import SMALL_SCRATCH

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LONG_SECONDS = 14.0  # of a training: its first snapshot comes after five
SHORT = 40  # epochs


def queue(config: TrainConfig) -> Run:
    """A queued run, and a scheduler that takes it."""
    settings = Settings.from_environment()
    run = RunStore(settings).create(config)
    ensure_scheduler(settings)
    return run


def finished(*runs: Run) -> None:
    """Wait until they have ended well."""
    settings = Settings.from_environment()

    def ended() -> bool:
        ensure_scheduler(settings)
        return not any(run.state().active or run.state() is RunState.INTERRUPTED for run in runs)

    wait_for(ended, 240)
    for run in runs:
        assert run.state() is RunState.FINISHED, run.result()


def digits(run: Run) -> list[object]:
    """What a training computed."""
    history = run.history()
    epochs = [(epoch.epoch, epoch.train_loss, epoch.val_loss, epoch.val_accuracy) for epoch in history.epochs]
    return [epochs, (run.folder / PREDICTIONS).read_bytes(), (run.checkpoints / BEST_WEIGHTS).read_bytes()[-4096:]]


def places() -> int:
    """How many trainings the cluster takes."""
    settings = Settings.from_environment()
    ensure_scheduler(settings)
    return read_cluster(settings).places(1)


def config(**values: object) -> TrainConfig:
    return TrainConfig.model_validate({**SMALL_SCRATCH, **values})


def test_a_cluster_trains_as_home_does_whatever_is_lost(
    drawn: Dataset, settings: Settings, tidy: None, clusters: Callable[[int], Machines], monkeypatch: pytest.MonkeyPatch
) -> None:
    del drawn, tidy
    monkeypatch.setenv("TUNEMYPETS_THREADS", "1")
    short = queue(config(epochs=SHORT))
    finished(short)
    epochs = min(1000, max(100, round(SHORT * LONG_SECONDS / short.history().epochs[-1].seconds)))
    long = config(epochs=epochs, seed=3)
    head = TrainConfig(dataset="drawn", model="petnet", strategy="head", epochs=2, precision="fp32")
    at_home = [queue(each) for each in (long, head)]
    finished(*at_home)
    end_processes(settings.home)
    expected = [digits(run) for run in at_home]

    # a node vanishes: its run continues on the other one, from its last snapshot
    machines = clusters(2)
    wait_for(lambda: places() == 2, 90)
    away = [queue(each) for each in (long, head)]
    wait_for(lambda: (away[0].checkpoints / SNAPSHOT).exists(), 60)
    nodes = [(node_of(run.folder) or {}).get("id", "") for run in away]
    assert set(nodes) == set(machines.nodes)
    machines.remove(nodes[0])
    finished(*away)
    assert (node_of(away[0].folder) or {}).get("id") == nodes[1]
    assert [digits(run) for run in away] == expected
    result = away[0].result()
    assert result is not None
    assert (result.seconds or 0) > away[0].history().epochs[-1].seconds  # both attempts count
    assert [epoch.epoch for epoch in away[0].history().epochs] == list(range(1, epochs + 1))

    # what relays runs is killed
    killed = queue(long)
    wait_for(lambda: (killed.checkpoints / SNAPSHOT).exists(), 60)
    kill(*processes_of(settings.home, "core.cluster.cluster_agent"))
    finished(killed)
    assert digits(killed) == expected[0]

    # a stop obeys within seconds, and keeps the best weights; so does a pause, which keeps the snapshot
    stopped = queue(long.variant(epochs=1000))
    wait_for(lambda: bool(stopped.history().epochs), 60)
    asked = time.monotonic()
    RunStore(settings).request_stop(stopped.id)
    wait_for(lambda: stopped.state() is RunState.STOPPED, 20)
    assert time.monotonic() - asked < 10
    assert (stopped.checkpoints / BEST_WEIGHTS).exists()

    # Ray's head is gone: the queue waits and shows why, and the run can continue at home
    waiting = queue(long.variant(epochs=1000))
    wait_for(lambda: (waiting.checkpoints / SNAPSHOT).exists(), 60)
    machines.kill_head()

    def held() -> bool:
        ensure_scheduler(Settings.from_environment())
        return waiting.state() is RunState.QUEUED and read_queue(settings).held == "cluster"

    wait_for(held, 120)
    assert "Ray cluster" in read_cluster(Settings.from_environment()).obstacle
    done = len(waiting.history().epochs)
    monkeypatch.delenv("TUNEMYPETS_CLUSTER")
    end_processes(settings.home)
    ensure_scheduler(Settings.from_environment())
    wait_for(lambda: waiting.state() is RunState.RUNNING and len(waiting.history().epochs) > done, 60)
    RunStore(settings).request_stop(waiting.id)
    wait_for(lambda: waiting.state() is RunState.STOPPED, 30)
