"""The training worker: one process, one run.

    python -m core.jobs.worker RUN_DIR            train and test
    python -m core.jobs.worker RUN_DIR --judge    only test the checkpoint of a stopped or interrupted run

It takes the run's lock before anything slow, appends every event to `events.jsonl`, and writes `result.json` last. A
stop request is obeyed within two seconds even in the middle of a long computation: checkpoints on disk are always
whole, so a watcher thread may end the process. SIGTERM (a shutdown) puts the training aside and the run back into the
queue within five. While the disk is full it waits, and then goes on from the last snapshot, or writes the result.
"""

import argparse
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path

import psutil
from filelock import Timeout

from core.config.events import Event, Message
from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import DivergedError, RunError, TuneMyPetsError
from core.formatting import format_count
from core.jobs.event_log import EventLog
from core.jobs.launchers import NICENESS, step_back
from core.jobs.states import PUT_ASIDE, TAKEN, is_closing
from core.jobs.watchdog import STALLED, memory_kills
from core.quotas import is_disk_full, is_full
from core.runs.attempts import Attempts, last_begun, read_attempts, write_attempts
from core.runs.failures import DIVERGED, MEMORY, failure_sentence, is_out_of_memory, memory_sentence
from core.runs.history import bytes_to_last_point
from core.runs.run import Run, RunResult, RunState
from core.runs.run_lock import hold
from core.settings import Settings
from core.storage import write_json

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 1.2  # from a stop request until the process ends itself
LEAVE_SECONDS = 4.0  # to put the training aside
LOCK_SECONDS = 10.0
SPACE_SECONDS = (1.0, 2.0, 4.0, 8.0)  # between two looks whether the disk has space again; then always the last
MAX_SURPRISES = 3  # writes that fail for want of space although there seems to be enough

log = logging.getLogger("tunemypets.worker")


class Worker:
    """Owns one run while it holds the run's lock.

    Args:
        signals: where the number of each signal can be read as soon as it comes: the interpreter tells of one only
            between two steps of the main thread, and a step of a large network takes longer than there is time.
    """

    def __init__(self, settings: Settings, run: Run, signals: int | None = None) -> None:
        self.settings = settings
        self.run = run
        self.log = EventLog(run)
        self._signals = signals
        self._ended = threading.Lock()
        self._stop = threading.Event()
        self._leave = threading.Event()

    def leave(self) -> None:
        """Put the training aside and the run back into the queue, within five seconds."""
        self._leave.set()

    def work(self, *, judge_only: bool) -> RunState:
        """Train (or only test) the run; returns its final state."""
        earlier = self.run.result()
        begun = (self.run.folder / "started.json").exists()
        if judge_only and earlier is None and not begun:
            log.info("nothing to test yet: this run is queued again")
            return RunState.QUEUED
        if judge_only:
            (self.run.folder / "stop").unlink(missing_ok=True)
        elif earlier is not None or begun:
            log.info("nothing to do: this run was taken before")
            return self.run.state()
        elif not self._begin():
            return RunState.QUEUED
        (self.run.folder / STALLED).unlink(missing_ok=True)
        threading.Thread(target=self._watch, args=(judge_only, earlier), daemon=True).start()
        try:
            self._follow(judge_only)
        except DivergedError as error:
            return self._end(RunState.FAILED, str(error), cause=DIVERGED)
        except TuneMyPetsError as error:
            log.exception("the run failed")
            if earlier is not None:
                return self._end_test(earlier, str(error))
            return self._end(RunState.FAILED, str(error))
        except Exception as error:  # a worker must always leave a state behind
            log.exception("the run failed")
            out_of_memory = is_out_of_memory(error)
            text = memory_sentence(self.run.config()) if out_of_memory else failure_sentence(error)
            if earlier is not None:
                return self._end_test(earlier, text)
            return self._end(RunState.FAILED, text, cause=MEMORY if out_of_memory else None)
        if judge_only:
            return self._end_test(earlier)
        if self._stop.is_set() and not self._judged():
            return self._end(RunState.STOPPED, self._stopped_text())
        if self._leave.is_set() and not self._judged():
            return self._put_aside()
        return self._end(RunState.FINISHED, "Finished.")

    def _begin(self) -> bool:
        """Say that this process has the run; whether it may begin."""
        born = psutil.Process().create_time()
        facts = {"pid": os.getpid(), "born": born, "time": time.time(), "memory_kills": memory_kills()}
        try:
            write_json(self.run.folder / "started.json", facts)
        except OSError as error:
            if not is_full(error):
                raise
            log.warning("the disk is full: the run stays in the queue")
            return False
        if is_closing(self.settings):  # asked after it was said: whoever shuts down sees one or the other
            self._put_aside()
            return False
        return True

    def _end_test(self, earlier: RunResult | None, problem: str = "", *, leave: bool = False) -> RunState:
        """End a test that came later: the run keeps its state, whatever became of the test."""
        if self._judged():
            if earlier is None:
                return self._end(RunState.INTERRUPTED, "Interrupted, tested afterwards.", leave=leave)
            return self._end(earlier.state, earlier.text, leave=leave, cause=earlier.cause, seconds=earlier.seconds)
        if earlier is None and self._stop.is_set():
            return self._end(RunState.STOPPED, self._stopped_text(), leave=leave)
        if problem:
            with suppress(OSError):
                self._append(Message("warning", problem))
        if leave:
            logging.shutdown()
            os._exit(PUT_ASIDE)
        return RunState.INTERRUPTED if earlier is None else earlier.state

    def _follow(self, judge_only: bool) -> None:
        """Write down what the training says; when the disk was full, take it up again from the last snapshot."""
        surprises = 0
        while True:
            try:
                for event in self._events(judge_only):
                    self._append(event)
                return
            except Exception as error:
                if self.log.tested:
                    log.exception("the run was tested; what comes after that failed")
                    return
                if not isinstance(error, OSError) or not is_full(error):
                    raise
                log.warning("the disk is full: waiting for space")
            if not is_disk_full(self.settings):
                surprises += 1
                if surprises > MAX_SURPRISES:
                    raise RunError(
                        "This training needs more space than the disk has: free some space, and train it again."
                    )
            if not self._wait_for_space():
                return

    def _wait_for_space(self) -> bool:
        """Sleep until there is space on the disk again; False if the run has to end before."""
        for seconds in chain(SPACE_SECONDS, repeat(SPACE_SECONDS[-1])):
            self._leave.wait(seconds)
            if self._asked_to_end():
                return False
            with suppress(OSError):
                os.utime(self.run.lock_path)  # a sign of life that needs no space
            if not is_disk_full(self.settings):
                return True
        raise AssertionError("the seconds never end")

    def _asked_to_end(self) -> bool:
        return self._stop.is_set() or self._leave.is_set()

    def _events(self, judge_only: bool) -> Iterator[Event]:
        config = self.run.config()
        dataset = DatasetStore(self.settings).get(config.dataset)
        if dataset.fingerprint != self.run.meta().dataset_fingerprint:
            raise RunError(
                f"The dataset {dataset.id} is not the one this run was made for: start a new run on the new pictures."
            )
        # torch costs seconds to import, so the lock is taken and the stop watched before it
        from core.training import evaluation, session

        if self._asked_to_end():
            return
        if judge_only:
            yield from evaluation.judge(dataset, self.settings, self.run.folder, self._asked_to_end)
        elif self._plan is not None:
            yield from self._series(config, dataset, self._plan)
        else:
            resume = session.resumable(config, dataset, self.run.folder)
            self.log.rewind(resume.events_bytes if resume else 0)
            yield from session.train(
                config, dataset, self.settings, self.run.folder, self._stop.is_set, resume, self._leave.is_set
            )

    @cached_property
    def _plan(self) -> RacePlan | None:
        """The plan of a learning curve's run; None of a training."""
        with suppress(RunError):  # whoever reads a damaged file to train it says so
            plan = self.run.meta().plan
            return plan if plan is not None and plan.kind == "curve" else None
        return None

    def _series(self, config: TrainConfig, dataset: Dataset, plan: RacePlan) -> Iterator[Event]:
        """Train the points of a learning curve that are not in the event log yet."""
        from core.training.series import train_series

        self.log.rewind(bytes_to_last_point(self.run.event_log))
        history = self.run.history()
        yield from train_series(
            config,
            dataset,
            self.settings,
            plan,
            self._stop.is_set,
            done=history.points,
            earlier=history.described.hardware if history.described else None,
            leave=self._leave.is_set,
        )

    def _append(self, event: Event) -> None:
        self.log.append(event)

    def _watch(self, judge_only: bool, earlier: RunResult | None) -> None:
        """Set the stop flag when asked; end the process when the training does not react in time."""
        while not self.run.stop_requested and not self._leave.is_set():
            self._listen()
        if self.run.stop_requested:
            self._stop.set()
            time.sleep(PATIENCE_SECONDS)
            if judge_only:
                self._end_test(earlier, leave=True)
            if self._judged():
                self._end(RunState.FINISHED, "Finished.", leave=True)
            self._end(RunState.STOPPED, self._stopped_text(), leave=True)
        time.sleep(LEAVE_SECONDS)
        if judge_only:
            self._end_test(earlier, leave=True)
        if self._judged():
            self._end(RunState.FINISHED, "Finished.", leave=True)
        self._put_aside(leave=True)

    def _listen(self) -> None:
        """Wait a moment for a signal."""
        if self._signals is None:
            time.sleep(POLL_SECONDS)
        elif select.select([self._signals], [], [], POLL_SECONDS)[0] and signal.SIGTERM in os.read(self._signals, 64):
            self._leave.set()

    def _put_aside(self, *, leave: bool = False) -> RunState:
        """Queue the run again; with `leave`, end the process."""
        if not self._ended.acquire(blocking=False):
            if not leave:
                time.sleep(60)  # the watcher is ending this process
            return RunState.QUEUED
        self._remove_temporary()
        with suppress(OSError):  # a full disk: its owner's next turn may come too early
            attempts = read_attempts(self.run.folder)
            write_attempts(self.run.folder, Attempts(attempts.automatic, last_begun(self.run.folder)))
        with suppress(OSError):
            (self.run.folder / "started.json").unlink()
        if leave:
            logging.shutdown()
            os._exit(PUT_ASIDE)
        return RunState.QUEUED

    def _remove_temporary(self) -> None:
        for leftover in self.run.folder.rglob(".*.tmp"):
            leftover.unlink(missing_ok=True)

    def _judged(self) -> bool:
        """Whether everything was tested before the stop came."""
        history = self.run.history()
        if self._plan is not None:
            return len(history.points) >= self._plan.points
        return history.tested is not None

    def _end(
        self,
        state: RunState,
        text: str,
        *,
        leave: bool = False,
        cause: str | None = None,
        seconds: float | None = None,
    ) -> RunState:
        """Write the result exactly once, whichever thread comes first; with `leave`, end the process."""
        if not self._ended.acquire(blocking=False):
            if not leave:
                time.sleep(60)  # the watcher is ending this process
            return state
        self._remove_temporary()
        snapshot = self.run.checkpoints / "last.safetensors"
        if state is not RunState.FINISHED:
            snapshot.unlink(missing_ok=True)
        if seconds is None:
            seconds = self.log.seconds
        while True:
            try:
                self.run.write_result(state, text, seconds, cause)
                snapshot.unlink(missing_ok=True)  # not before: it is what a training that ended goes on from
                break
            except OSError as error:
                log.exception("the result could not be written")
                if leave or not is_full(error) or not self._wait_for_space():
                    break  # the scheduler takes it up, or ends it where a stop was asked for
        if leave:
            logging.shutdown()
            os._exit(0)
        return state

    def _stopped_text(self) -> str:
        history = self.run.history()
        if self._plan is not None:
            return f"Stopped after {len(history.points)} of {self._plan.points} points; they were kept."
        done = len(history.epochs)
        if done:
            return f"Stopped after {format_count(done, 'epoch')}; the best weights so far were kept."
        return "Stopped before the first epoch was complete."


def take(folder: Path, *, judge_only: bool = False) -> int:
    """Do the run of a folder in this process; 0, or PUT_ASIDE, unless the run could not be taken at all."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    run = Run(folder)
    try:
        with hold(run, LOCK_SECONDS):
            worker = Worker(Settings.from_environment(), run, _hear())
            signal.signal(signal.SIGTERM, lambda *_: worker.leave())
            state = worker.work(judge_only=judge_only)
            log.info("ended: %s", state.value)
    except Timeout:
        log.info("another worker has this run")
        return TAKEN
    except RunError as error:
        log.info("%s", error)
        return TAKEN
    return PUT_ASIDE if state is RunState.QUEUED else 0


def _hear() -> int | None:
    """Where this process's signals can be read; None where signals end a process at once (Windows)."""
    if os.name != "posix":
        return None
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    return read_end


def main(arguments: list[str] | None = None) -> int:
    """Run the worker in a process of its own: to judge, and where nothing can be preloaded."""
    parser = argparse.ArgumentParser(prog="python -m core.jobs.worker", description="Train one run.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--judge", action="store_true")
    options = parser.parse_args(arguments)
    step_back(NICENESS)
    return take(options.folder, judge_only=options.judge)


if __name__ == "__main__":
    sys.exit(main())
