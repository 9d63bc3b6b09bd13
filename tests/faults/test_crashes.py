"""Processes that are killed at any moment: what was saved is good, and nobody can tell it from the result."""

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from filelock import FileLock

from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.jobs.import_jobs import ImportJobs, ImportRequest
from core.jobs.watchdog import stalled_since, worker_process
from core.locks import is_held
from core.predict.predictor_answers import Prediction
from core.predict.predictor_client import PredictorClient
from core.predict.predictor_server import address_path
from core.runs.attempts import read_attempts
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.scheduling import policy
from core.scheduling.scheduler import ensure_scheduler, lock_path
from core.settings import Settings
from core.storage import read_json
from tests.core.scheduling.test_scheduler import states
from tests.support.desk import Desk, desk, figures, files  # noqa: F401
from tests.support.processes import kill, processes_of, wait_for
from tests.support.server import Server

pytestmark = pytest.mark.slow

LONG = os.environ.get("TUNEMYPETS_LONG") == "1"  # as often and as slowly as it is promised
MOMENTS = 100 if LONG else 20
# seconds until a worker that does not move is shown, and until it is ended; what is promised about it
SHOWN, ENDED = (policy.SHOWN_SECONDS, policy.ENDED_SECONDS) if LONG else (1.0, 3.0)
PROMISED_SHOWN, PROMISED_ENDED = (15.0, 60.0) if LONG else (4.0, 9.0)

TEMPORARY = ".*.tmp"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data root on a disk: saving in memory is over before a process that saves could be met."""
    with TemporaryDirectory(prefix="tunemypets-crashes-", ignore_cleanup_errors=True) as folder:
        root = Path(folder) / "workspace"
        monkeypatch.setenv("TUNEMYPETS_HOME", str(root))
        yield root


def assert_saved_is_good(run: Run) -> None:
    """The checkpoint and the snapshot are whole, or not there."""
    from core.checkpoints.checkpoint import load_network
    from core.checkpoints.snapshot import load_snapshot, read_facts

    if run.has_weights:
        network, checkpoint = load_network(run.checkpoints, "best")
        assert checkpoint.epoch >= 0
        assert not network.training
    facts = read_facts(run.checkpoints)
    if facts is not None:
        load_snapshot(run.checkpoints, facts)
        assert facts.events_bytes <= (run.folder / "events.jsonl").stat().st_size


def wait_for_saving(run: Run, process: psutil.Process, seconds: float) -> None:
    """Until a file is being written, or the process or the time ends."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.is_running() and not any(run.checkpoints.glob(TEMPORARY)):
        pass


def test_a_worker_killed_at_any_moment_loses_nothing_that_was_saved(desk: Desk) -> None:
    desk.finish(desk.queue())  # this one reads the pictures for all
    whole = desk.finish(desk.queue())
    started, ended = (read_json(whole.folder / name) for name in ("started.json", "result.json"))
    seconds = ended["ended"] - started["time"]
    expected, usual = figures(whole), files(whole)
    kills = saving = resumed = 0
    while kills < MOMENTS:
        run, process = desk.queue(), None
        for _ in range(2):  # as often as it goes on by itself
            process = desk.begin(run, process)
            time.sleep(desk.random.uniform(0, seconds))
            if kills % 2:
                wait_for_saving(run, process, seconds)
            kill(process)
            if run.result() is not None:
                break
            kills += 1
            saving += any(run.checkpoints.glob(TEMPORARY))
            assert run.state() is RunState.INTERRUPTED
            assert_saved_is_good(run)
        desk.finish(run)
        assert figures(run) == expected
        resumed += any("Resumed after" in message.text for _, message in run.history().messages)
        # one that was ended just after it wrote its result is tidied up as soon as the end of its process is known
        desk.until(lambda: set(files(run)) - set(usual) <= {"attempts.json"})  # noqa: B023
    print(f"{kills} kills, {saving} during saving; {resumed} runs went on from a snapshot")
    assert saving >= MOMENTS // 10
    assert resumed >= MOMENTS // 10


def test_a_worker_killed_before_it_began_is_started_again_but_not_for_ever(desk: Desk) -> None:
    desk.finish(desk.queue())
    run = desk.queue()

    def kill_all() -> bool:
        """End each worker while it waits for the lock that this test holds."""
        for process in processes_of(desk.settings.home):
            if process.name() == "jobs.worker":
                process.kill()
        return run.state() is not RunState.QUEUED

    with FileLock(run.lock_path):
        for attempts in (1, 2):
            desk.until(lambda: read_attempts(run.folder).automatic == attempts or kill_all())  # noqa: B023
            assert run.state() is RunState.QUEUED
    desk.until(lambda: run.state() is RunState.FINISHED)


def reach(desk: Desk, run: Run, place: str) -> psutil.Process:
    """The worker of a run, when it has come to the place where it waits."""
    process = desk.begin(run)
    if place in ("preparing", "testing"):
        desk.until(lambda: (phase := run.history().phase) is not None and phase.phase == place)
    elif place == "finishing":
        desk.until(lambda: run.history().tested is not None)
    elif place == "training":
        desk.until(lambda: any(batch.epoch == 3 for batch in run.history().batches))
    else:
        desk.until(lambda: (run.checkpoints / "last.safetensors").exists())
        time.sleep(0.5)  # into the step
    return process


@pytest.mark.parametrize("place", ["preparing", "training", "step", "testing"])
def test_a_worker_that_shall_leave_puts_its_run_aside_in_five_seconds(place: str, desk: Desk) -> None:
    run = desk.queue(note=place)
    process = reach(desk, run, place)
    asked = time.monotonic()
    process.terminate()
    process.wait(10)
    seconds = time.monotonic() - asked
    print(f"{place}: {seconds:.2f} s from SIGTERM to the end of the process")
    assert seconds < 5
    assert run.state() is RunState.QUEUED
    assert_saved_is_good(run)
    assert (run.checkpoints / "last.safetensors").exists() is (place != "preparing")
    assert not any(run.folder.rglob(TEMPORARY))
    done = len(run.history().epochs)
    desk.finish(run)
    assert read_attempts(run.folder).automatic == 0
    resumed = [message.text for _, message in run.history().messages if "Resumed after" in message.text]
    assert len(resumed) == (place != "preparing")
    if place == "training":
        assert f"after epoch {done}, " in resumed[0]
    assert figures(run) == figures(desk.finish(desk.queue()))


def test_a_worker_that_does_not_move_is_shown_then_ended_and_its_run_goes_on(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(policy, "SHOWN_SECONDS", SHOWN)
    monkeypatch.setattr(policy, "ENDED_SECONDS", ENDED)
    run = desk.queue(note="training")
    process = reach(desk, run, "training")
    stopped = time.time()
    process.suspend()
    shown = desk.until(lambda: stalled_since(run.folder) is not None, 30)
    since = stalled_since(run.folder)
    assert since is not None
    assert stopped - 3 < since < time.time()
    assert run.state() is RunState.RUNNING
    ended = shown + desk.until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, 90)
    print(f"shown after {shown:.1f} s, ended after {ended:.1f} s")
    assert shown < PROMISED_SHOWN
    assert ended < PROMISED_ENDED
    desk.finish(run)
    assert stalled_since(run.folder) is None
    assert read_attempts(run.folder).automatic == 1
    assert figures(run) == figures(desk.finish(desk.queue()))


def test_a_stopped_worker_that_is_asked_to_end_is_not_waited_for(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(policy, "SHOWN_SECONDS", SHOWN)
    run = desk.queue(note="training")
    reach(desk, run, "training").suspend()
    assert desk.store.request_stop(run.id) is RunState.RUNNING
    desk.until(lambda: run.state() is RunState.STOPPED, 30)
    result = run.result()
    assert result is not None
    assert result.text == "Stopped after an interruption; saved weights were kept."


def test_a_preloader_that_does_not_move_is_replaced(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk.finish(desk.queue())
    (stuck,) = processes_of(desk.settings.home, "tests.support.eager_preloader")
    monkeypatch.setattr(policy, "PRELOADER_SECONDS", 3.0)
    stuck.suspend()
    desk.finish(desk.queue())
    assert not stuck.is_running() or stuck.status() == psutil.STATUS_ZOMBIE


def test_never_more_trainings_than_allowed_however_often_the_scheduler_is_killed(
    settings: Settings,
    drawn: object,
    small_config: TrainConfig,
    ended_processes: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TUNEMYPETS_WORKERS", "2")
    monkeypatch.setenv("TUNEMYPETS_THREADS", "1")
    store, long = RunStore(settings), small_config.model_copy(update={"epochs": 1000})
    runs = [store.create(long) for _ in range(7)]
    most, over = 0, threading.Event()

    def count() -> None:
        nonlocal most
        while not over.wait(0.01):
            most = max(most, states(runs).count(RunState.RUNNING))

    counter = threading.Thread(target=count)
    counter.start()
    kills, dice = 0, random.Random(7)

    def kill_scheduler() -> None:
        nonlocal kills
        schedulers = processes_of(settings.home, "core.scheduling.scheduler")
        kill(*schedulers)
        kills += len(schedulers)
        ensure_scheduler(settings)

    try:
        ensure_scheduler(settings)
        for run in runs[:5]:
            wait_for(lambda: RunState.RUNNING in states(runs))
            time.sleep(dice.uniform(0, 1.5))
            kill_scheduler()
            wait_for(lambda: is_held(lock_path(settings)))
            store.request_stop(run.id)
            time.sleep(dice.uniform(0, 1.5))
            kill_scheduler()
        wait_for(lambda: states(runs) == [RunState.STOPPED] * 5 + [RunState.RUNNING] * 2)
        time.sleep(1)  # four looks of the scheduler
    finally:
        over.set()
        counter.join()
    print(f"{kills} schedulers were killed, at most {most} trainings at a time")
    assert kills >= 8
    assert most == 2
    for run in runs[5:]:
        assert [record["kind"] for record in run.records()].count("described") == 1


def test_a_run_goes_on_when_the_server_of_the_pages_is_killed(
    settings: Settings, drawn: object, small_config: TrainConfig, ended_processes: None
) -> None:
    server = Server(settings, environment={"TUNEMYPETS_THREADS": "1"})
    server.start()
    try:
        run = RunStore(settings).create(small_config.model_copy(update={"epochs": 100}))
        ensure_scheduler(settings)
        wait_for(lambda: len(run.history().epochs) >= 2)
        server.kill()
        done = len(run.history().epochs)
        wait_for(lambda: len(run.history().epochs) > done + 2)
        server.start()
        wait_for(lambda: run.state() is RunState.FINISHED, 120)
        assert len(run.history().epochs) == 100
        assert [record["kind"] for record in run.records()].count("described") == 1
        log = (settings.home.parent / "server.log").read_text()
        assert "Traceback" not in log
    finally:
        server.kill()


class Question(threading.Thread):
    """One question to the predictor, asked beside the test."""

    def __init__(self, settings: Settings, run: Run, pictures: list[tuple[str, bytes]]) -> None:
        super().__init__(daemon=True)
        self.asked = settings, run.id, pictures
        self.answer: list[Prediction] = []
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        settings, run_id, pictures = self.asked
        try:
            self.answer = PredictorClient(settings).predict(run_id, pictures)
        except Exception as error:
            self.error = error


def predictor_of(settings: Settings) -> psutil.Process:
    wait_for(address_path(settings).exists)
    return psutil.Process(read_json(address_path(settings))["pid"])


@pytest.mark.parametrize("ending", ["killed", "stopped"])
def test_a_predictor_that_dies_or_freezes_in_the_middle_of_a_question_still_answers(
    settings: Settings,
    drawn: object,
    small_config: TrainConfig,
    ended_processes: None,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
) -> None:
    from core.jobs.workers.worker import Worker

    run = RunStore(settings).create(small_config)
    Worker(settings, run).work()
    dataset = DatasetStore(settings).get("drawn")
    pictures = [(row.name, dataset.image_path(row).read_bytes()) for row in dataset.rows] * 20
    few = PredictorClient(settings).predict(run.id, pictures[:2])
    first = predictor_of(settings)
    monkeypatch.setattr("core.predict.predictor_client.PATIENCE_SECONDS", 2.0)
    monkeypatch.setattr("core.predict.predictor_client.SIGN_SECONDS", 6.0)
    question = Question(settings, run, pictures)
    time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL if ending == "killed" else signal.SIGSTOP)
    assert question.is_alive(), "it was answered before anything happened"
    question.join(60)
    assert not question.is_alive()
    assert question.error is None
    assert len(question.answer) == len(pictures)
    assert [item.top for item in question.answer[:2]] == [item.top for item in few]
    assert predictor_of(settings).pid != first.pid


def test_a_killed_import_says_so_and_leaves_nothing(settings: Settings, ended_processes: None) -> None:
    jobs, names = ImportJobs(settings), []
    for seconds in (0.0, 0.3, 0.6, 0.9, 1.2):
        job = jobs.start(ImportRequest(None, "mine", "60/20/20", 0))
        folder = settings.imports_dir / job
        wait_for((folder / "progress.json").exists)
        time.sleep(seconds)
        kill(*processes_of(settings.home, "core.jobs.import_job"))
        status = jobs.status(job)
        assert status.state in ("interrupted", "finished")
        if status.state == "interrupted":
            names.append(job)
            assert status.text == "The import was interrupted and nothing was saved: start it again."
            assert DatasetStore(settings).ids() == []
        else:
            DatasetStore(settings).delete("mine")
    assert names
    job = jobs.start(ImportRequest(None, "mine", "60/20/20", 0))
    wait_for(lambda: jobs.status(job).state == "finished")
    assert len(DatasetStore(settings).get("mine").rows) > 0


def test_a_run_that_was_deleted_at_the_last_moment_leaves_no_folder_behind(desk: Desk) -> None:
    run = desk.queue()
    desk.dispatcher.step()  # a worker was asked for, and the imports go on
    shutil.rmtree(run.folder)  # as bad as can be
    behind = desk.queue()
    desk.finish(behind)
    assert not run.folder.exists()
    assert [item.id for item in desk.store.all()] == [behind.id]
    assert worker_process(run) is None
    assert [path for path in desk.settings.runs_dir.iterdir() if path.name != behind.id] == []


def test_what_is_left_of_dead_workers_is_removed(desk: Desk) -> None:
    run = desk.queue()
    process = desk.begin(run)
    wait_for_saving(run, process, 5)
    process.kill()
    desk.finish(run)
    assert [path for path in Path(run.folder).rglob("*") if path.name.endswith(".tmp")] == []
