"""The training worker: one process, one run.

    python -m core.jobs.worker RUN_DIR               train and evaluate
    python -m core.jobs.worker RUN_DIR --evaluate    only evaluate the checkpoint of a stopped or interrupted run

It takes the run's lock before anything slow, appends every event to `events.jsonl`, and writes `result.json` last.
The training computes in a thread of its own, so that the main thread can obey at any moment: a stop request within two
seconds, SIGTERM (a shutdown) within five, with the training paused and the run back in the queue. A computation that
does not end by itself is ended with the process: checkpoints on disk are always whole. While the disk is full, the
worker waits; then it resumes from the last snapshot, or writes the result.
"""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import Timeout

from core.config.events import Event, Message
from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import DivergedError, RunError, TuneMyPetsError
from core.formatting import format_count
from core.jobs.event_writer import EventWriter
from core.jobs.launchers import NICENESS, process_facts, step_back
from core.jobs.local_followers import LocalFollowers, share_threads
from core.jobs.short_waits import ShortWaits
from core.jobs.states import PAUSED, TAKEN, is_closing
from core.jobs.watchdog import memory_kills
from core.quotas import is_disk_full, is_full
from core.runs.attempts import Attempts, last_begun, read_attempts, write_attempts
from core.runs.failures import DIVERGED, MEMORY, failure_sentence, is_out_of_memory, memory_sentence
from core.runs.history import bytes_to_last_point
from core.runs.run import Run, RunResult, RunState
from core.runs.run_files import SNAPSHOT, STALLED, STARTED, STOP
from core.runs.run_lock import hold
from core.settings import Settings
from core.steps import Request, Stopped, StopSignal
from core.storage import write_json

if TYPE_CHECKING:
    from core.stores.pixels import Elsewhere
    from core.training.session import Sharing

POLL_SECONDS = 0.1
PATIENCE_SECONDS = {Request.STOP: 1.2, Request.PAUSE: 4.0}  # from a request until the process ends the computation
LOCK_SECONDS = 10.0
SPACE_SECONDS = (1.0, 2.0, 4.0, 8.0)  # between two looks whether the disk has space again; then always the last
MAX_SURPRISES = 3  # writes that fail for want of space although there seems to be enough
NO_SPACE = "This training needs more space than the disk has: free some space, and train it again."

log = logging.getLogger("tunemypets.worker")


class Computation(threading.Thread):
    """A piece of work in a thread of its own; `error` is what ended it, if anything did."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.error: BaseException | None = None
        self._work = work

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.error = error


@dataclass(frozen=True)
class Outcome:
    """How a computation ended.

    Attributes:
        problem: a sentence on what went wrong, where something did.
        cause: of it, as in `core.runs.failures`, where it is known.
    """

    problem: str | None = None
    cause: str | None = None


class Worker:
    """Owns one run while it holds the run's lock.

    Args:
        clock_ahead: seconds by which the presenter's clock is ahead of this machine's.
        elsewhere: what evaluates frozen parts, if not this process.
        sharing: lets machines of a cluster compute parts of each step; at home, processes of this machine do.

    Attributes:
        signal: ends the computation; a stop request in the run's folder sets it, too.
    """

    def __init__(
        self,
        settings: Settings,
        run: Run,
        clock_ahead: float = 0.0,
        elsewhere: "Elsewhere | None" = None,
        sharing: "Sharing | None" = None,
    ) -> None:
        self.settings = settings
        self.run = run
        self.log = EventWriter(run, clock_ahead)
        self._clock_ahead = clock_ahead
        self._elsewhere, self._sharing = elsewhere, sharing
        self._computation: Computation | None = None
        self.signal = StopSignal()

    @property
    def computing(self) -> bool:
        """Whether the computation continues, also after a request that it has not obeyed yet."""
        return self._computation is not None and self._computation.is_alive()

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
        outcome = self.compute(evaluate_only=evaluate_only)
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

    def compute(self, *, evaluate_only: bool) -> Outcome:
        """Do the work. Returns soon after a request, even while the computation continues."""
        self._computation = computation = Computation(partial(self._follow, evaluate_only))
        computation.start()
        while computation.is_alive() and not self._asked():
            computation.join(POLL_SECONDS)
        if self.signal.asked:
            computation.join(PATIENCE_SECONDS[self.signal.request])
        if computation.is_alive():
            self.log.close()
            return Outcome()
        error = computation.error
        if error is None:
            return Outcome()
        if not isinstance(error, Exception):
            raise error
        if isinstance(error, DivergedError):
            return Outcome(str(error), DIVERGED)
        log.error("the run failed", exc_info=error)  # a worker must always leave a state behind
        if isinstance(error, TuneMyPetsError):
            return Outcome(str(error))
        if is_out_of_memory(error):
            return Outcome(memory_sentence(self.run.config()), MEMORY)
        return Outcome(failure_sentence(error))

    def _follow(self, evaluate_only: bool) -> None:
        """Write down the events; when the disk was full, resume from the last snapshot."""
        surprises = 0
        while True:
            try:
                with ShortWaits(self.settings.threads):
                    for event in self._events(evaluate_only):
                        self._append(event)
                return
            except Stopped:
                return
            except Exception as error:
                if self.log.tested:
                    log.exception("the run has its test result; a later step failed")
                    return
                if not isinstance(error, OSError) or not is_full(error):
                    raise
                log.warning("the disk is full: waiting for space")
            if not is_disk_full(self.settings):
                surprises += 1
                if surprises > MAX_SURPRISES:
                    raise RunError(NO_SPACE)
            if not self._wait_for_space():
                return

    def _wait_for_space(self) -> bool:
        """Sleep until there is space on the disk again; False if the run has to end before."""
        for seconds in chain(SPACE_SECONDS, repeat(SPACE_SECONDS[-1])):
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                if self._asked():
                    return False
                time.sleep(POLL_SECONDS)
            with suppress(OSError):
                os.utime(self.run.lock_path)  # a sign of life that needs no space
            if not is_disk_full(self.settings):
                return True
        raise AssertionError("the seconds never end")

    def _asked(self) -> bool:
        """Whether the run has to end: by a request in its folder, or by a signal."""
        if self.run.stop_requested:
            self.signal.ask(Request.STOP)
        return self.signal.asked

    def _events(self, evaluate_only: bool) -> Iterator[Event]:
        config, dataset = self.run.config(), self._find_dataset()
        # torch costs seconds to import, so the lock is taken before it
        from core.training import evaluation, session

        self.signal.check()
        if evaluate_only:
            yield from evaluation.evaluate(dataset, self.settings, self.run.folder, self.signal)
        elif self._plan is not None:
            yield from self._series(config, dataset, self._plan)
        else:
            resume = session.resumable(config, dataset, self.run.folder)
            self.log.rewind(resume.events_bytes if resume else 0)
            deadline = self.run.meta().deadline
            if deadline is not None:
                deadline -= self._clock_ahead
            settings = self.settings
            opened: AbstractContextManager[Sharing | None] = nullcontext(self._sharing)
            if config.workers > 1 and not settings.cluster:
                settings = share_threads(settings, config)
                opened = LocalFollowers(settings, self.run, config)
            with opened as sharing:
                yield from session.train(
                    config, dataset, settings, self.run.folder, self.signal, resume, deadline,
                    test=self.run.meta().sweep is None, elsewhere=self._elsewhere, sharing=sharing,
                )  # fmt: skip

    def _find_dataset(self) -> Dataset:
        """The dataset that the run was made for.

        Raises:
            DatasetError, RunError: it is gone, damaged or another one by now.
        """
        dataset = DatasetStore(self.settings).get(self.run.config().dataset)
        if dataset.fingerprint != self.run.meta().dataset_fingerprint:
            raise RunError(
                f"The dataset {dataset.id} is not the one this run was made for: start a new run on the new pictures."
            )
        return dataset

    @cached_property
    def _plan(self) -> RacePlan | None:
        """The plan of a learning curve's run; None of a training."""
        with suppress(RunError):  # reading the damaged file for the training reports it
            plan = self.run.meta().plan
            return plan if plan is not None and plan.kind == "curve" else None
        return None

    def _series(self, config: TrainConfig, dataset: Dataset, plan: RacePlan) -> Iterator[Event]:
        """Train the points of a learning curve that are not in the event log yet."""
        from core.training.series import train_series

        self.log.rewind(bytes_to_last_point(self.run.event_log))
        history = self.run.history()
        yield from train_series(
            config, dataset, self.settings, plan, self.signal, done=history.points, earlier=history.described
        )

    def _append(self, event: Event) -> None:
        self.log.append(event)

    def _is_evaluated(self) -> bool:
        """Whether the test was complete before the request came."""
        history = self.run.history()
        if self._plan is not None:
            return len(history.points) >= self._plan.points
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
                self._append(Message("warning", problem))
        return RunState.INTERRUPTED if earlier is None else earlier.state

    def _end(self, state: RunState, text: str, *, cause: str | None = None, seconds: float | None = None) -> RunState:
        """Write the result, if need be when there is space for it again."""
        self._remove_temporary()
        snapshot = self.run.checkpoints / SNAPSHOT
        if state is not RunState.FINISHED:
            snapshot.unlink(missing_ok=True)
        if seconds is None:
            seconds = self.log.seconds
        while True:
            try:
                self.run.write_result(state, text, seconds, cause)
                snapshot.unlink(missing_ok=True)  # not before: without a result, the run resumes from it
                return state
            except OSError as error:
                log.exception("the result could not be written")
                if not is_full(error) or not self._wait_for_space():
                    return state  # the scheduler resumes the run, or ends it where a stop was requested

    def _remove_temporary(self) -> None:
        for leftover in self.run.folder.rglob(".*.tmp"):
            leftover.unlink(missing_ok=True)

    def _stopped_text(self) -> str:
        history = self.run.history()
        if self._plan is not None:
            return f"Stopped after {len(history.points)} of {self._plan.points} points; they were kept."
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
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
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
    parser = argparse.ArgumentParser(prog="python -m core.jobs.worker", description="Train one run.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--evaluate", action="store_true", help="only evaluate its best checkpoint")
    parser.add_argument("--judge", action="store_true", dest="evaluate", help=argparse.SUPPRESS)  # its earlier name
    options = parser.parse_args(arguments)
    step_back(NICENESS)
    return take(options.folder, evaluate_only=options.evaluate)


if __name__ == "__main__":
    sys.exit(main())
