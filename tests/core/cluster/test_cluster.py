"""Trainings on a cluster of three nodes: the digits of home, and what happens when something is lost."""

import os
import time
from collections.abc import Callable, Iterator

import pytest

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.jobs.nodes import node_of, read_cluster
from core.jobs.run_queue import read_queue
from core.jobs.scheduler import ensure_scheduler
from core.runs.run import Run, RunState
from core.runs.run_files import BEST_WEIGHTS, PREDICTIONS, SNAPSHOT
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.core.cluster.conftest import Machines
from tests.support.processes import end_processes, kill, processes_of, wait_for
from tests.support.small_runs import SMALL_SCRATCH

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

TIMES = {"time", "seconds", "left", "images_per_second"}


@pytest.fixture
def tidy(settings: Settings) -> Iterator[None]:
    """End what the test started in its data root."""
    yield
    end_processes(settings.home)


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


def config(**values: object) -> TrainConfig:
    return TrainConfig.model_validate({**SMALL_SCRATCH, **values})


def test_nodes_train_as_home_does_stop_and_resume_elsewhere(
    drawn: Dataset, settings: Settings, tidy: None, clusters: Callable[[int], Machines], monkeypatch: pytest.MonkeyPatch
) -> None:
    del drawn, tidy
    monkeypatch.setenv("TUNEMYPETS_THREADS", "1")
    configs = [config(seed=seed) for seed in (0, 1)]
    configs.append(TrainConfig(dataset="drawn", model="petnet", strategy="head", epochs=2))
    at_home = [queue(each) for each in configs]
    finished(*at_home)
    end_processes(settings.home)

    machines = clusters(3)
    away = [queue(each) for each in configs]
    finished(*away)
    assert [digits(run) for run in away] == [digits(run) for run in at_home]
    assert {(node_of(run.folder) or {}).get("id") for run in away} == set(machines.nodes)
    assert all(node_of(run.folder) is None for run in at_home)

    # a stop obeys within seconds, and keeps the best weights
    long = queue(config(epochs=400))
    wait_for(lambda: bool(long.history().epochs), 60)
    asked = time.monotonic()
    RunStore(settings).request_stop(long.id)
    wait_for(lambda: long.state() is RunState.STOPPED, 20)
    assert time.monotonic() - asked < 10
    assert (long.checkpoints / BEST_WEIGHTS).exists()

    # a node that vanishes: the run continues elsewhere, from its last snapshot, with the digits of home
    lost = queue(config(epochs=300, seed=3))
    wait_for(lambda: (lost.checkpoints / SNAPSHOT).exists() and len(lost.history().epochs) > 5, 60)
    first = node_of(lost.folder)
    assert first is not None
    machines.remove(first["id"])
    finished(lost)
    assert node_of(lost.folder) != first
    # ... and when its worker here is killed
    killed = queue(config(epochs=300, seed=4))
    wait_for(lambda: (killed.checkpoints / SNAPSHOT).exists(), 60)
    kill(*processes_of(settings.home, "core.cluster.relay"))
    finished(killed)
    assert [epoch.epoch for epoch in killed.history().epochs] == list(range(1, 301))

    monkeypatch.delenv("TUNEMYPETS_CLUSTER")
    end_processes(settings.home)
    again = [queue(run.config()) for run in (lost, killed)]
    finished(*again)
    assert [digits(run) for run in again] == [digits(run) for run in (lost, killed)]


def test_without_a_head_the_queue_waits_and_says_why(
    drawn: Dataset, settings: Settings, tidy: None, clusters: Callable[[int], Machines]
) -> None:
    del drawn, tidy
    machines = clusters(1)
    run = queue(config(epochs=400))
    wait_for(lambda: (run.checkpoints / SNAPSHOT).exists(), 90)
    machines.kill_head()

    def held() -> bool:
        ensure_scheduler(Settings.from_environment())
        return run.state() is RunState.QUEUED and read_queue(settings).held == "cluster"

    wait_for(held, 120)
    assert "Ray cluster" in read_cluster(Settings.from_environment()).obstacle
    assert run.history().epochs
    del os.environ["TUNEMYPETS_CLUSTER"]
    end_processes(settings.home)
    ensure_scheduler(Settings.from_environment())
    wait_for(lambda: run.state() is RunState.RUNNING, 60)  # at home, where it continues
    RunStore(settings).request_stop(run.id)
    wait_for(lambda: run.state() is RunState.STOPPED, 30)
