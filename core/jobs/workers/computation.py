"""What a worker does with its run between its beginning and its end: train or evaluate it, in a thread of this process.

The thread lets the main one obey at any moment: a stop request within two seconds, a pause within five. While the disk
is full, the thread waits; then it resumes from the last snapshot.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from core.config.events import Event
from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import DivergedError, TuneMyPetsError
from core.jobs.workers.held_run import POLL_SECONDS, HeldRun
from core.jobs.workers.local_followers import LocalFollowers, share_threads
from core.jobs.workers.short_waits import ShortWaits
from core.runs.failures import DIVERGED, MEMORY, failure_sentence, is_out_of_memory, memory_sentence
from core.runs.history import bytes_to_last_point
from core.steps import Request, Stopped

if TYPE_CHECKING:
    from core.stores.pixels import Elsewhere
    from core.training.session import Sharing

PATIENCE_SECONDS = {Request.STOP: 1.2, Request.PAUSE: 4.0}  # from a request until the process ends the computation

log = logging.getLogger("tunemypets.worker")


@dataclass(frozen=True)
class Outcome:
    """How a computation ended.

    Attributes:
        problem: a sentence on what went wrong, where something did.
        cause: of it, as in `core.runs.failures`, where it is known.
    """

    problem: str | None = None
    cause: str | None = None


class Computation(Protocol):
    """Computes one run."""

    def compute(self, *, evaluate_only: bool) -> Outcome:
        """Do the work. Returns soon after a request, even while the computation continues."""


class LocalComputation:
    """The computation of a run in a thread of this process.

    Args:
        elsewhere: what evaluates frozen parts, if not this process.
        sharing: lets machines of a cluster compute parts of each step; at home, processes of this machine do.
    """

    def __init__(self, held: HeldRun, elsewhere: "Elsewhere | None" = None, sharing: "Sharing | None" = None) -> None:
        self._held, self._elsewhere, self._sharing = held, elsewhere, sharing
        self._thread: _Thread | None = None

    @property
    def computing(self) -> bool:
        """Whether the computation continues, also after a request that it has not obeyed yet."""
        return self._thread is not None and self._thread.is_alive()

    def compute(self, *, evaluate_only: bool) -> Outcome:
        """Do the work. Returns soon after a request, even while the computation continues."""
        held = self._held
        self._thread = thread = _Thread(partial(self._follow, evaluate_only))
        thread.start()
        while thread.is_alive() and not held.asked():
            thread.join(POLL_SECONDS)
        if held.signal.asked:
            thread.join(PATIENCE_SECONDS[held.signal.request])
        if thread.is_alive():
            held.log.close()
            return Outcome()
        error = thread.error
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
            return Outcome(memory_sentence(held.run.config()), MEMORY)
        return Outcome(failure_sentence(error))

    def _follow(self, evaluate_only: bool) -> None:
        """Write down the events; when the disk was full, resume from the last snapshot."""
        try:
            self._held.write(partial(self._attempt, evaluate_only))
        except Stopped:
            return

    def _attempt(self, evaluate_only: bool) -> None:
        held = self._held
        try:
            with ShortWaits(held.settings.threads):
                for event in self.events(evaluate_only=evaluate_only):
                    held.append(event)
        except Stopped:
            raise
        except Exception:
            if not held.log.tested:
                raise
            log.exception("the run has its test result; a later step failed")

    def events(self, *, evaluate_only: bool) -> Iterator[Event]:
        """Everything that happens from now on; the work is done while they are read."""
        held = self._held
        config, dataset = held.run.config(), held.find_dataset()
        # torch costs seconds to import, so the lock is taken before it
        from core.training import evaluation, session

        held.signal.check()
        if evaluate_only:
            yield from evaluation.evaluate(dataset, held.settings, held.run.folder, held.signal)
        elif held.curve_plan is not None:
            yield from self._series(config, dataset, held.curve_plan)
        else:
            resume = session.resumable(config, dataset, held.run.folder)
            held.log.rewind(resume.events_bytes if resume else 0)
            deadline = held.run.meta().deadline
            if deadline is not None:
                deadline -= held.clock_ahead
            settings = held.settings
            opened: AbstractContextManager[Sharing | None] = nullcontext(self._sharing)
            if config.workers > 1 and not settings.cluster:
                settings = share_threads(settings, config)
                opened = LocalFollowers(settings, held.run, config)
            with opened as sharing:
                yield from session.train(
                    config, dataset, settings, held.run.folder, held.signal, resume, deadline,
                    test=held.run.meta().sweep is None, elsewhere=self._elsewhere, sharing=sharing,
                )  # fmt: skip

    def _series(self, config: TrainConfig, dataset: Dataset, plan: RacePlan) -> Iterator[Event]:
        """Train the points of a learning curve that are not in the event log yet."""
        from core.training.series import train_series

        held = self._held
        held.log.rewind(bytes_to_last_point(held.run.event_log))
        history = held.run.history()
        yield from train_series(
            config, dataset, held.settings, plan, held.signal, done=history.points, earlier=history.described
        )


class _Thread(threading.Thread):
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
