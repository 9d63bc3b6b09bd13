"""The scheduler: how many at once, in which order, and what its death does to the runs."""

import threading
import time

import psutil
import pytest

from core.actor import OPERATOR, Actor
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import RightsError
from core.jobs.watchdog import worker_process
from core.locks import is_held
from core.runs.attempts import read_attempts
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.scheduling.run_queue import pause_queue, put_first, read_queue
from core.scheduling.scheduler import ensure_scheduler, facts_path, lock_path, needs_scheduler, queue_position, serve
from core.scheduling.shutdown import reopen, shut_down
from core.settings import Settings
from core.storage import read_json
from tests.support.processes import processes_of, wait_for


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
    (scheduler,) = processes_of(settings.home, "core.scheduling.scheduler")
    scheduler.kill()
    wait_for(lambda: not is_held(lock_path(settings)))
    assert run.state() is RunState.RUNNING

    behind = store.create(small_config)
    ensure_scheduler(settings)
    wait_for(lambda: is_held(lock_path(settings)))
    wait_for(lambda: len(run.history().epochs) >= 1)
    wait_for(lambda: queue_position(settings, behind) == 1)
    assert behind.state() is RunState.QUEUED
    (worker,) = (item for item in processes_of(settings.home) if logs_to(item, run))
    assert worker.pid == read_json(run.folder / "started.json")["pid"]
    assert [record["kind"] for record in run.records()].count("described") == 1
    stop_all(settings, [behind, run])


def test_only_one_scheduler_lives_however_often_it_is_asked_for(
    settings: Settings, drawn: Dataset, ended_processes: None
) -> None:
    for _ in range(4):
        ensure_scheduler(settings)
    wait_for(lambda: is_held(lock_path(settings)))
    wait_for(lambda: len(processes_of(settings.home, "core.scheduling.scheduler")) == 1, 20)
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
    assert result.text.endswith("see worker.log.")
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


def test_the_scheduler_shows_who_is_next_and_a_pause_holds_the_rest(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, ended_processes: None
) -> None:
    store, long = RunStore(settings), small_config.model_copy(update={"epochs": 1000})
    ada, bert = Actor("p-ada", "Ada"), Actor("p-bert", "Bert")
    first = store.create(long, by=ada)
    ensure_scheduler(settings)
    wait_for(lambda: first.state() is RunState.RUNNING)
    pause_queue(settings, True, OPERATOR)
    queued = [store.create(long, by=ada), store.create(long, by=ada), store.create(long, by=bert)]
    fair = [queued[2].id, queued[0].id, queued[1].id]
    wait_for(lambda: [turn.id for turn in read_queue(settings).turns] == fair)
    assert [turn.before for turn in read_queue(settings).turns] == [1, 2, 3]
    assert read_queue(settings).held == "paused"
    store.request_stop(first.id)
    wait_for(lambda: first.state() is RunState.STOPPED, 10)
    time.sleep(1)  # four looks of the scheduler
    assert states(queued) == [RunState.QUEUED] * 3
    put_first(settings, [queued[1].id], OPERATOR)
    pause_queue(settings, False, OPERATOR)
    wait_for(lambda: queued[1].state() is RunState.RUNNING)
    wait_for(lambda: [queue_position(settings, run) for run in (queued[2], queued[0])] == [1, 2])
    stop_all(settings, queued)


def test_a_run_resumes_automatically_twice_after_a_crash_and_then_waits_for_a_person(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, ended_processes: None
) -> None:
    run = RunStore(settings).create(small_config.model_copy(update={"epochs": 1000}))
    ensure_scheduler(settings)
    seen: set[int] = set()

    def began_again() -> bool:
        process = worker_process(run)
        return process is not None and process.pid not in seen

    for _ in range(3):
        wait_for(began_again)
        process = worker_process(run)
        assert process is not None
        seen.add(process.pid)
        process.kill()
    wait_for(lambda: run.state() is RunState.INTERRUPTED)
    time.sleep(1)  # four looks of the scheduler
    assert run.state() is RunState.INTERRUPTED
    assert read_attempts(run.folder).automatic == 2
    assert not needs_scheduler(run)
    RunStore(settings).resume(run.id)
    assert needs_scheduler(run)
    wait_for(began_again)
    assert read_attempts(run.folder).automatic == 0
    stop_all(settings, [run])


def test_a_silent_scheduler_is_ended_and_another_takes_its_place(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, drawn: Dataset, ended_processes: None
) -> None:
    monkeypatch.setattr("core.scheduling.scheduler.SILENT_SECONDS", 2.0)
    ensure_scheduler(settings)
    wait_for(lambda: facts_path(settings).exists())
    stuck = read_json(facts_path(settings))["pid"]
    psutil.Process(stuck).suspend()

    def another() -> bool:
        ensure_scheduler(settings)
        time.sleep(0.5)
        return bool(read_json(facts_path(settings))["pid"] != stuck and is_held(lock_path(settings)))

    wait_for(another)
    assert not psutil.pid_exists(stuck) or psutil.Process(stuck).status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_shutting_down_pauses_trainings_and_they_resume_when_the_app_starts_again(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, ended_processes: None
) -> None:
    run = RunStore(settings).create(small_config.model_copy(update={"epochs": 1000}))
    ensure_scheduler(settings)
    wait_for(lambda: len(run.history().epochs) >= 3)
    with pytest.raises(RightsError, match="for the presenter only"):
        shut_down(settings, Actor("p-ada", "Ada"))
    asked = time.monotonic()
    assert shut_down(settings, OPERATOR) == 1
    assert time.monotonic() - asked < 8
    assert run.state() is RunState.QUEUED
    done = len(run.history().epochs)
    assert not is_held(lock_path(settings))
    ensure_scheduler(settings)
    assert not is_held(lock_path(settings))
    reopen(settings)
    ensure_scheduler(settings)
    wait_for(lambda: len(run.history().epochs) > done + 1)
    epochs = [epoch.epoch for epoch in run.history().epochs]
    assert epochs == list(range(1, len(epochs) + 1))
    assert read_attempts(run.folder).automatic == 0
    stop_all(settings, [run])


def test_a_scheduler_without_the_cluster_makes_way_for_one_that_has_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, ended_processes: None
) -> None:
    ensure_scheduler(settings)
    wait_for(lambda: is_held(lock_path(settings)) and facts_path(settings).exists())
    first = read_json(facts_path(settings))
    monkeypatch.setenv("TUNEMYPETS_CLUSTER", "127.0.0.1:9")
    chosen = Settings.from_environment()

    def replaced() -> bool:
        ensure_scheduler(chosen)
        facts = read_json(facts_path(settings))
        return facts["pid"] != first["pid"] and facts["cluster"] == "127.0.0.1:9"

    wait_for(replaced)
    second = read_json(facts_path(settings))
    ensure_scheduler(settings)  # a page without the cluster lets it live
    assert read_json(facts_path(settings)) == second
