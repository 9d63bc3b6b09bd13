"""The scheduler: how many at once, in which order, and what its death does to the runs."""

import threading
import time

import psutil
import pytest

from core.datasets.dataset import Dataset
from core.datasets.store import DatasetStore
from core.jobs.scheduler import ensure_scheduler, lock_path, queue_position, serve
from core.locks import is_held
from core.runs.run import Run, RunState
from core.runs.store import RunStore
from core.settings import Settings
from core.storage import read_json
from core.training.config import TrainConfig
from tests.conftest import wait_for


def processes_of(settings: Settings, module: str = "-m") -> list[psutil.Process]:
    """The live processes of this data root that run a module."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ", "status"]):
        command, environment = process.info["cmdline"] or [], process.info["environ"] or {}
        own = module in command and environment.get("TUNEMYPETS_HOME") == str(settings.home)
        if own and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def logs_to(process: psutil.Process, run: Run) -> bool:
    """Whether a process is this run's worker, however it was started."""
    return str(run.folder / "worker.log") in (file.path for file in process.open_files())


def states(runs: list[Run]) -> list[RunState]:
    return [run.state() for run in runs]


def stop_all(settings: Settings, runs: list[Run]) -> None:
    for run in runs:
        RunStore(settings).request_stop(run.id)
    wait_for(lambda: states(runs) == [RunState.STOPPED] * len(runs), 10)


def test_runs_go_one_at_a_time_in_the_order_of_their_creation(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, ended_processes: None
) -> None:
    store = RunStore(settings)
    runs = [store.create(small_config) for _ in range(3)]
    assert [queue_position(settings, run) for run in runs] == [0, 1, 2]
    DatasetStore(settings).delete("drawn")  # each run then ends quickly by itself
    ensure_scheduler(settings)
    wait_for(lambda: states(runs) == [RunState.FAILED] * 3)
    started = [read_json(run.folder / "started.json")["time"] for run in runs]
    ended = [read_json(run.folder / "result.json")["ended"] for run in runs]
    assert ended[0] <= started[1]
    assert ended[1] <= started[2]


def test_as_many_run_at_once_as_the_settings_say(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    drawn: Dataset,
    small_config: TrainConfig,
    ended_processes: None,
) -> None:
    monkeypatch.setenv("TUNEMYPETS_WORKERS", "2")
    two = Settings.from_environment()
    runs = [RunStore(two).create(small_config.model_copy(update={"epochs": 1000})) for _ in range(3)]
    ensure_scheduler(two)
    wait_for(lambda: states(runs)[:2] == [RunState.RUNNING] * 2)
    time.sleep(1)  # four looks of the scheduler
    assert states(runs) == [RunState.RUNNING, RunState.RUNNING, RunState.QUEUED]
    RunStore(two).request_stop(runs[0].id)
    wait_for(lambda: runs[2].state() is RunState.RUNNING, 15)
    assert runs[0].state() is RunState.STOPPED
    stop_all(two, runs[1:])


def test_a_run_outlives_its_scheduler_and_the_next_one_does_not_start_it_again(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, ended_processes: None
) -> None:
    store = RunStore(settings)
    run = store.create(small_config.model_copy(update={"epochs": 1000}))
    ensure_scheduler(settings)
    wait_for(lambda: run.state() is RunState.RUNNING)
    (scheduler,) = processes_of(settings, "core.jobs.scheduler")
    scheduler.kill()
    wait_for(lambda: not is_held(lock_path(settings)))
    assert run.state() is RunState.RUNNING

    behind = store.create(small_config)
    ensure_scheduler(settings)
    wait_for(lambda: is_held(lock_path(settings)))
    wait_for(lambda: len(run.history().epochs) >= 1)
    assert behind.state() is RunState.QUEUED
    assert queue_position(settings, behind) == 1
    (worker,) = (item for item in processes_of(settings) if logs_to(item, run))
    assert worker.pid == read_json(run.folder / "started.json")["pid"]
    assert [record["kind"] for record in run.records()].count("described") == 1
    stop_all(settings, [behind, run])


def test_only_one_scheduler_lives_however_often_it_is_asked_for(
    settings: Settings, drawn: Dataset, ended_processes: None
) -> None:
    for _ in range(4):
        ensure_scheduler(settings)
    wait_for(lambda: is_held(lock_path(settings)))
    wait_for(lambda: len(processes_of(settings, "core.jobs.scheduler")) == 1, 20)
    assert is_held(lock_path(settings))


def test_an_idle_scheduler_leaves(settings: Settings) -> None:
    settings.home.mkdir(parents=True)
    first = threading.Thread(target=serve, args=(settings, 4.0))
    started = time.monotonic()
    first.start()
    wait_for(lambda: is_held(lock_path(settings)), 5)
    second_started = time.monotonic()
    serve(settings, idle_seconds=60)  # another one is there
    assert time.monotonic() - second_started < 3
    first.join(15)
    assert not first.is_alive()
    assert 4.0 <= time.monotonic() - started < 12
    assert not is_held(lock_path(settings))


def test_a_worker_that_dies_before_it_takes_its_run_is_not_started_for_ever(
    settings: Settings,
    drawn: Dataset,
    small_config: TrainConfig,
    monkeypatch: pytest.MonkeyPatch,
    ended_processes: None,
) -> None:
    run = RunStore(settings).create(small_config)
    monkeypatch.setenv("TUNEMYPETS_DEVICE", "abacus")  # the worker's settings are refused
    serve(settings, idle_seconds=0.5)
    result = run.result()
    assert result is not None
    assert result.state is RunState.FAILED
    assert result.text.endswith("worker.log tells why.")
    assert not (run.folder / "started.json").exists()
    assert (run.folder / "worker.log").read_text().count("Traceback") == 1


def test_a_run_that_was_stopped_in_the_queue_is_passed_over(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, ended_processes: None
) -> None:
    store = RunStore(settings)
    run = store.create(small_config)
    store.request_stop(run.id)
    serve(settings, idle_seconds=0.5)
    assert run.state() is RunState.STOPPED
    assert not (run.folder / "worker.log").exists()
