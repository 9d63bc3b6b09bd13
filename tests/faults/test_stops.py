"""Whoever stops, resumes, deletes, kills or takes a run, in whatever order: it ends in exactly one state, once."""

import atexit
import os
import random
import secrets
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.config.train_config import TrainConfig
from core.errors import RunError, TuneMyPetsError
from core.jobs.nodes import Node
from core.jobs.states import PAUSED
from core.jobs.workers.preloader import ForkedWorker
from core.jobs.workers.worker import Worker
from core.runs.attempts import MAX_AUTOMATIC, read_attempts
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.scheduling.dispatcher import Dispatcher
from core.settings import Settings
from core.storage import read_json, write_json
from tests.faults.test_crashes import reach
from tests.support.desk import Desk, desk, files  # noqa: F401
from tests.support.drawn_dataset import import_drawn
from tests.support.small_runs import SMALL_SCRATCH

pytestmark = pytest.mark.slow

FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None  # in memory: nothing here depends on a disk
FINAL = (RunState.FINISHED, RunState.STOPPED, RunState.FAILED)


def a_dataset(root: Path) -> Path:
    home = root / "workspace"
    environment = {**os.environ, "TUNEMYPETS_HOME": str(home), "TUNEMYPETS_MIN_FREE_MB": "1"}
    import_drawn(Settings.from_environment(environment), 10, size_px=32)
    return home


@dataclass
class Acting:
    """A worker without a training: it holds the real lock and writes the real files."""

    worker: Worker
    lock: FileLock
    process: ForkedWorker

    def leave(self, status: int) -> None:
        self.lock.release()
        self.process.returncode = status


class Life(RuleBasedStateMachine):
    """One run and all that can happen to it, one thing after the other in any order."""

    template: Path | None = None

    @classmethod
    def forget(cls) -> None:
        """Remove what all examples share."""
        if cls.template is not None:
            shutil.rmtree(cls.template.parent, ignore_errors=True)

    @initialize()
    def begin(self) -> None:
        if Life.template is None:
            atexit.register(Life.forget)
            Life.template = a_dataset(Path(tempfile.mkdtemp(prefix="tunemypets-stops-", dir=FAST)))
        self.home = Life.template.parent / secrets.token_hex(4)
        shutil.copytree(Life.template, self.home)
        environment = {**os.environ, "TUNEMYPETS_HOME": str(self.home), "TUNEMYPETS_MIN_FREE_MB": "1"}
        self.settings = Settings.from_environment(environment)
        self.store = RunStore(self.settings)
        self.run = self.store.create(TrainConfig.model_validate(SMALL_SCRATCH))
        self.acting: list[Acting] = []
        self.final: tuple[RunState, float] | None = None
        self.deleted = self.asked = False
        self.new_scheduler()

    def teardown(self) -> None:
        for acting in getattr(self, "acting", []):
            acting.lock.release()
        shutil.rmtree(getattr(self, "home", Path("/nonexistent")), ignore_errors=True)

    def new_scheduler(self) -> None:
        self.dispatcher = Dispatcher(self.settings)
        self.dispatcher.workers._preloaders_left = 0
        self.dispatcher.workers._start = self.take  # type: ignore[method-assign]

    def take(self, run: Run, threads: int, node: Node | None) -> ForkedWorker:
        """What a forked worker does until it trains; the lock may be somebody else's."""
        del threads, node
        process, worker, lock = ForkedWorker(), Worker(self.settings, run), FileLock(run.lock_path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            process.returncode = 1
            return process
        assert not self.acting, "two workers have one run"
        if run.result() is None and not (run.folder / "started.json").exists() and worker._begin():
            self.acting.append(Acting(worker, lock, process))
        else:
            lock.release()
            process.returncode = PAUSED
        return process

    def end(self, status: int) -> None:
        self.acting.pop().leave(status)

    @rule()
    def scheduler_looks(self) -> None:
        self.dispatcher.step()

    @rule()
    def scheduler_dies(self) -> None:
        self.new_scheduler()

    @precondition(lambda self: self.acting)
    @rule()
    def worker_trains(self) -> None:
        run = self.acting[-1].worker.run
        run.checkpoints.mkdir(exist_ok=True)
        (run.checkpoints / "last.safetensors").touch()

    @precondition(lambda self: self.acting)
    @rule(failed=st.booleans())
    def worker_ends(self, failed: bool) -> None:
        worker = self.acting[-1].worker
        if worker.run.stop_requested:
            worker._end(RunState.STOPPED, worker._stopped_text())
        elif failed:
            worker._end(RunState.FAILED, "It failed.")
        else:
            worker._end(RunState.FINISHED, "Finished.")
        self.end(0)

    @precondition(lambda self: self.acting)
    @rule()
    def worker_is_killed(self) -> None:
        self.end(-9)

    @precondition(lambda self: self.acting)
    @rule()
    def worker_is_killed_before_it_tidies_up(self) -> None:
        worker = self.acting[-1].worker
        worker.run.write_result(RunState.FINISHED, "Finished.", 1.0)
        self.end(-9)

    @precondition(lambda self: self.acting)
    @rule()
    def worker_pauses(self) -> None:
        assert self.acting[-1].worker._pause() is RunState.QUEUED
        self.end(PAUSED)

    @rule()
    def somebody_stops(self) -> None:
        with suppress(RunError):
            self.store.request_stop(self.run.id)
            self.asked = True

    @rule()
    def somebody_resumes(self) -> None:
        before = self.state()
        try:
            self.store.resume(self.run.id)
            assert before is RunState.INTERRUPTED
            self.asked = False
        except RunError:
            assert before is not RunState.INTERRUPTED

    @rule(title=st.text(max_size=20))
    def somebody_renames(self, title: str) -> None:
        with suppress(RunError):
            self.store.rename(self.run.id, title)

    @rule()
    def somebody_deletes(self) -> None:
        before = self.state()
        try:
            self.store.delete(self.run.id)
            assert before is not None
            assert not before.active
            self.deleted = True
        except RunError:
            assert before is None or before.active

    def state(self) -> RunState | None:
        return None if self.deleted else self.run.state()

    @invariant()
    def a_final_state_stays(self) -> None:
        if not hasattr(self, "run") or self.deleted:
            return
        path = self.run.folder / "result.json"
        if path.exists():
            now = RunState(read_json(path)["state"]), float(read_json(path)["ended"])
            assert now[0] in FINAL
            self.final = self.final or now
            assert now == self.final, "a result was written twice"
        else:
            assert self.final is None, "a result has gone"

    @invariant()
    def what_is_seen_fits_what_is(self) -> None:
        if not hasattr(self, "run"):
            return
        if self.deleted:
            assert not self.run.folder.exists()
            assert self.store.all() == []
            return
        state = self.run.state()
        if self.final:
            assert state is self.final[0]
        elif self.acting:
            assert state is RunState.RUNNING
        else:
            assert state in (RunState.QUEUED, RunState.INTERRUPTED)
        assert read_attempts(self.run.folder).automatic <= MAX_AUTOMATIC
        assert len(self.acting) <= 1

    @invariant()
    def what_was_asked_for_comes_true(self) -> None:
        """Two looks later, nothing more than a live worker stands between a request and its fulfilment."""
        if not hasattr(self, "run") or self.deleted or self.acting or not self.asked:
            return
        self.dispatcher.step()
        self.dispatcher.step()
        assert self.run.state() in FINAL


Life.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestARunEndsInExactlyOneState = Life.TestCase


def test_a_queued_run_ends_as_stopped_and_no_worker_takes_it(desk: Desk) -> None:
    run = desk.queue()
    assert desk.store.request_stop(run.id) is RunState.STOPPED
    result = run.result()
    assert result is not None
    assert result.text == "Stopped while queued."
    with pytest.raises(RunError, match="is already stopped: there is nothing to stop"):
        desk.store.request_stop(run.id)
    for _ in range(10):
        desk.dispatcher.step()
    assert "started.json" not in files(run)


def test_a_run_stopped_while_its_worker_takes_it_ends_once(desk: Desk) -> None:
    desk.finish(desk.queue())
    for delay in (0.0, 0.005, 0.01, 0.02, 0.04, 0.06, 0.1):
        run = desk.queue()
        desk.dispatcher.step()
        time.sleep(delay)
        desk.store.request_stop(run.id)
        desk.until(lambda: run.state() is RunState.STOPPED, 10)  # noqa: B023
        before = (run.folder / "result.json").read_bytes()
        for _ in range(5):
            desk.dispatcher.step()
            time.sleep(0.02)
        assert (run.folder / "result.json").read_bytes() == before


def test_a_running_run_ends_as_stopped_once(desk: Desk) -> None:
    run = desk.queue(note="training")
    reach(desk, run, "training")
    asked = time.monotonic()
    assert desk.store.request_stop(run.id) in (RunState.RUNNING, RunState.STOPPED)
    desk.until(lambda: run.state() is RunState.STOPPED, 10)
    assert time.monotonic() - asked < 4  # two are promised; a busy machine gets as many again
    result = run.result()
    assert result is not None
    assert result.text == "Stopped after 2 epochs; the best weights so far were kept."


def test_a_run_stopped_while_it_finishes_ends_once(desk: Desk) -> None:
    desk.finish(desk.queue())
    run = desk.finish(desk.queue())
    ended = dict.fromkeys(FINAL, 0)
    dice = random.Random(11)
    for _ in range(12):
        run = desk.queue(epochs=2)
        desk.until(lambda: len(run.history().epochs) == 2)  # noqa: B023
        time.sleep(dice.uniform(0, 0.03))
        with suppress(RunError):
            desk.store.request_stop(run.id)
        desk.until(lambda: run.state() in FINAL, 10)  # noqa: B023
        result = (run.folder / "result.json").read_bytes()
        history = run.history()
        ended[run.state()] += 1
        # a finished run was tested; a stopped one was not, so that its owner may still open the test split
        assert (run.state() is RunState.FINISHED) is (history.tested is not None)
        for _ in range(3):
            desk.dispatcher.step()
            time.sleep(0.02)
        assert (run.folder / "result.json").read_bytes() == result
    print({state.value: count for state, count in ended.items()})
    assert ended[RunState.FAILED] == 0


def test_many_who_ask_for_different_things_at_once_leave_one_state(
    settings: Settings, drawn: object, small_config: TrainConfig
) -> None:
    """Threads, not rules: what the property test cannot interleave."""
    store, dice = RunStore(settings), random.Random(5)
    for _ in range(25):
        run = store.create(small_config)
        write_json(run.folder / "started.json", {"pid": 0, "born": 0.0, "time": time.time()})
        assert run.state() is RunState.INTERRUPTED
        deeds = [
            lambda: store.resume(run.id),  # noqa: B023
            lambda: store.resume(run.id, automatic=True),  # noqa: B023
            lambda: store.request_stop(run.id),  # noqa: B023
            lambda: store.delete(run.id),  # noqa: B023
            lambda: store.rename(run.id, "other"),  # noqa: B023
        ]
        problems: list[Exception] = []

        def act(deed: object, seconds: float, problems: list[Exception] = problems) -> None:
            time.sleep(seconds)
            try:
                deed()  # type: ignore[operator]
            except TuneMyPetsError:
                pass
            except Exception as error:
                problems.append(error)

        threads = [threading.Thread(target=act, args=(deed, dice.uniform(0, 0.004))) for deed in deeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        if (run.folder / "config.json").exists():
            assert run.state() in (RunState.QUEUED, RunState.INTERRUPTED, RunState.STOPPED)
            assert run in store.all()
        else:
            assert not run.folder.exists()
    assert not [path for path in settings.runs_dir.iterdir() if path.name.startswith(".")]
