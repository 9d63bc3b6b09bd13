"""A run of two workers on one machine: what is killed, stopped or paused ends clearly and leaves no process."""

import time
from collections.abc import Iterator

import psutil
import pytest

from core.cli.main import main
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.jobs.launchers import start_detached
from core.jobs.workers.worker import Worker
from core.runs.run import Run, RunState
from core.runs.run_files import LOG, SNAPSHOT
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.processes import end_processes, kill, processes_of, wait_for

pytestmark = pytest.mark.timeout(240)

FOLLOWER, WORKER = "core.jobs.workers.local_followers", "core.jobs.workers.worker"
TOGETHER, LOST = "2 workers compute each step together", "A worker was lost"


@pytest.fixture
def run(settings: Settings, drawn: Dataset, small_config: TrainConfig) -> Iterator[Run]:
    """A long training of two workers."""
    yield RunStore(settings).create(small_config.variant(workers=2, epochs=1000, schedule="constant"))
    end_processes(settings.home)


def begin(settings: Settings, run: Run) -> psutil.Process:
    """Start the run's worker, and wait until its follower takes part."""
    began = time.time()
    start_detached(settings, WORKER, [str(run.folder)], run.folder / LOG)
    wait_for(lambda: said(run, TOGETHER, began), 120)
    (worker,) = processes_of(settings.home, WORKER)
    return worker


def said(run: Run, text: str, since: float = 0.0) -> bool:
    return any(text in str(record.get("text")) and record["time"] >= since for record in run.records())


def test_a_short_run_ends_without_waiting_for_its_followers_and_says_how_many_workers_it_has(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunStore(settings).create(small_config.variant(workers=2))
    run.lock_path.touch()
    assert Worker(settings, run).work() is RunState.FINISHED
    assert not processes_of(settings.home)
    assert main(["show", run.id]) == 0
    assert "Workers: 2; batch norm normalises each part of a batch on its own" in capsys.readouterr().out


@pytest.mark.slow
def test_a_killed_follower_costs_nothing_a_killed_worker_leaves_no_follower_and_the_run_resumes_and_stops(
    settings: Settings, run: Run
) -> None:
    worker = begin(settings, run)
    (follower,) = processes_of(settings.home, FOLLOWER)
    kill(follower)
    wait_for(lambda: said(run, LOST))
    done = len(run.history().epochs)
    wait_for(lambda: len(run.history().epochs) > done)
    wait_for((run.checkpoints / SNAPSHOT).exists, 30)
    kill(worker)
    assert run.state() is RunState.INTERRUPTED

    RunStore(settings).resume(run.id)
    worker = begin(settings, run)
    kill(worker)
    wait_for(lambda: not processes_of(settings.home, FOLLOWER), 10)
    assert run.state() is RunState.INTERRUPTED

    RunStore(settings).resume(run.id)
    worker = begin(settings, run)
    RunStore(settings).request_stop(run.id)
    wait_for(lambda: not processes_of(settings.home), 15)
    assert run.state() is RunState.STOPPED
    numbers = [epoch.epoch for epoch in run.history().epochs]
    assert numbers == list(range(1, len(numbers) + 1))
