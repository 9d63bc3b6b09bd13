"""The training worker: one process, one run.

    python -m core.jobs.workers.worker RUN_DIR              train and evaluate
    python -m core.jobs.workers.worker RUN_DIR --evaluate   only evaluate the checkpoint of a stopped or interrupted run

It takes the run's lock before anything slow and writes `result.json` last; what happens between is logged (`held_run`).
A `computation` may stop responding, as the main thread does not: at a stop request or SIGTERM (a shutdown, which queues
the run again) one that does not end by itself is ended with the process. Checkpoints on disk are always whole.
"""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import Timeout

from core.config.events import Message
from core.errors import RunError
from core.formatting import format_count
from core.jobs.launchers import NICENESS, log_to_stderr, process_facts, step_back
from core.jobs.states import PAUSED, TAKEN, is_closing
from core.jobs.watchdog import memory_kills
from core.jobs.workers.computation import Computation, LocalComputation
from core.jobs.workers.held_run import HeldRun
from core.quotas import is_full
from core.runs.attempts import Attempts, last_begun, read_attempts, write_attempts
from core.runs.run import Run, RunResult, RunState
from core.runs.run_files import SNAPSHOT, STALLED, STARTED, STOP
from core.runs.run_lock import hold
from core.settings import Settings
from core.steps import Request
from core.storage import write_json

LOCK_SECONDS = 10.0

log = logging.getLogger("tunemypets.worker")


class Worker:
    """Owns one run while it holds the run's lock.

    Args:
        computed_by: what computes the run.

    Attributes:
        signal: ends the computation; a stop request in the run's folder sets it, too.
    """

    def __init__(
        self, settings: Settings, run: Run, computed_by: Callable[[HeldRun], Computation] = LocalComputation
    ) -> None:
        self.settings, self.run = settings, run
        self.held = HeldRun(settings, run)
        self.signal = self.held.signal
        self._computation = computed_by(self.held)

    def work(self, *, evaluate_only: bool = False) -> RunState:
        """Train (or only evaluate) the run; returns its final state."""
        earlier = self.run.result()
        begun = (self.run.folder / STARTED).exists()
        if evaluate_only and earlier is None and not begun:
            log.info("nothing to evaluate yet: this run is queued again")
            return RunState.QUEUED
        if evaluate_only:
            (self.run.folder / STOP).unlink(missing_ok=True)
        elif earlier is not None or begun:
            log.info("nothing to do: this run was taken before")
            return self.run.state()
        elif not self._begin():
            return RunState.QUEUED
        (self.run.folder / STALLED).unlink(missing_ok=True)
        outcome = self._computation.compute(evaluate_only=evaluate_only)
        problem = outcome.problem
        if problem is not None and earlier is None:
            return self._end(RunState.FAILED, problem, cause=outcome.cause)
        if evaluate_only:
            return self._end_evaluation(earlier, problem)
        if self.signal.asked and not self._is_evaluated():
            if self.signal.request is Request.PAUSE:
                return self._pause()
            return self._end(RunState.STOPPED, self._stopped_text())
        return self._end(RunState.FINISHED, "Finished.")

    def _begin(self) -> bool:
        """Note that this process has the run; whether it may begin."""
        facts = {**process_facts(), "time": time.time(), "memory_kills": memory_kills()}
        try:
            write_json(self.run.folder / STARTED, facts)
        except OSError as error:
            if not is_full(error):
                raise
            log.warning("the disk is full: the run stays in the queue")
            return False
        if is_closing(self.settings):  # asked after the note is written: a shutdown sees one or the other
            self._pause()
            return False
        return True

    def _is_evaluated(self) -> bool:
        """Whether the test was complete before the request came."""
        history = self.run.history()
        if self.held.curve_plan is not None:
            return len(history.points) >= self.held.curve_plan.points
        return history.tested is not None

    def _pause(self) -> RunState:
        """Queue the run again."""
        self._remove_temporary()
        with suppress(OSError):  # a full disk: its owner's next turn may come too early
            attempts = read_attempts(self.run.folder)
            write_attempts(self.run.folder, Attempts(attempts.automatic, last_begun(self.run.folder)))
        with suppress(OSError):
            (self.run.folder / STARTED).unlink()
        return RunState.QUEUED

    def _end_evaluation(self, earlier: RunResult | None, problem: str | None) -> RunState:
        """End a later evaluation: the run keeps its state, whether it has a test result now or not."""
        if self._is_evaluated():
            if earlier is None:
                return self._end(RunState.INTERRUPTED, "Interrupted, tested afterwards.")
            return self._end(earlier.state, earlier.text, cause=earlier.cause, seconds=earlier.seconds)
        if earlier is None and self.signal.request is Request.STOP:
            return self._end(RunState.STOPPED, self._stopped_text())
        if problem is not None:
            with suppress(OSError):
                self.held.append(Message("warning", problem))
        return RunState.INTERRUPTED if earlier is None else earlier.state

    def _end(self, state: RunState, text: str, *, cause: str | None = None, seconds: float | None = None) -> RunState:
        """Write the result, if need be when there is space for it again."""
        self._remove_temporary()
        snapshot = self.run.checkpoints / SNAPSHOT
        if state is not RunState.FINISHED:
            snapshot.unlink(missing_ok=True)
        if seconds is None:
            seconds = self.held.log.seconds
        while True:
            try:
                self.run.write_result(state, text, seconds, cause)
                snapshot.unlink(missing_ok=True)  # not before: without a result, the run resumes from it
                return state
            except OSError as error:
                log.exception("the result could not be written")
                if not is_full(error) or not self.held.wait_for_space():
                    return state  # the scheduler resumes the run, or ends it where a stop was requested

    def _remove_temporary(self) -> None:
        for leftover in self.run.folder.rglob(".*.tmp"):
            leftover.unlink(missing_ok=True)

    def _stopped_text(self) -> str:
        history = self.run.history()
        if self.held.curve_plan is not None:
            return f"Stopped after {len(history.points)} of {self.held.curve_plan.points} points; they were kept."
        done = len(history.epochs)
        text = "Stopped before the first epoch was complete."
        if done:
            text = f"Stopped after {format_count(done, 'epoch')}; the best weights so far were kept."
        return f"{self.run.stop_reason} {text}".lstrip()


def take(folder: Path, *, evaluate_only: bool = False) -> int:
    """Do the run of a folder, and end this process with status 0, or PAUSED for a run that is queued again.

    Returns:
        TAKEN, if there is nothing to do.
    """
    log_to_stderr()
    run = Run(folder)
    try:
        with hold(run, LOCK_SECONDS):
            worker = Worker(Settings.from_environment(), run)
            signal.signal(signal.SIGTERM, lambda *_: worker.signal.ask(Request.PAUSE))
            state = worker.work(evaluate_only=evaluate_only)
            log.info("ended: %s", state.value)
            logging.shutdown()
            # the only way to end a computation that is under way; the lock is given back with the process
            os._exit(PAUSED if state is RunState.QUEUED else 0)
    except Timeout:
        log.info("another worker has this run")
        return TAKEN
    except RunError as error:
        log.info("%s", error)
        return TAKEN


def main(arguments: list[str] | None = None) -> int:
    """Run the worker in a process of its own: to evaluate, and where nothing can be preloaded."""
    parser = argparse.ArgumentParser(prog="python -m core.jobs.workers.worker", description="Train one run.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--evaluate", action="store_true", help="only evaluate its best checkpoint")
    parser.add_argument("--judge", action="store_true", dest="evaluate", help=argparse.SUPPRESS)  # its earlier name
    options = parser.parse_args(arguments)
    step_back(NICENESS)
    return take(options.folder, evaluate_only=options.evaluate)


if __name__ == "__main__":
    sys.exit(main())
