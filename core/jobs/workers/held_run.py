"""A run under the lock of this process: its log, requests to end it, the dataset it was made for, waiting for space.

The worker begins and ends it, and whatever computes it, here or on a node (`computation`, `core.cluster.relay`), writes
down what happens.
"""

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from itertools import chain, repeat

from core.config.events import Event
from core.config.race_plan import RacePlan
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import RunError
from core.jobs.workers.event_writer import EventWriter
from core.quotas import is_disk_full, is_full
from core.runs.run import Run
from core.settings import Settings
from core.steps import Request, Stopped, StopSignal

POLL_SECONDS = 0.1
SPACE_SECONDS = (1.0, 2.0, 4.0, 8.0)  # between two looks whether the disk has space again; then always the last
MAX_SURPRISES = 3  # writes that fail for want of space although there seems to be enough
NO_SPACE = "This training needs more space than the disk has: free some space, and train it again."

log = logging.getLogger("tunemypets.worker")


class HeldRun:
    """A run that this process has to itself.

    Args:
        clock_ahead: seconds by which the presenter's clock is ahead of this machine's.

    Attributes:
        log: its events.
        signal: ends the computation; a stop request in the run's folder sets it, too.
    """

    def __init__(self, settings: Settings, run: Run, clock_ahead: float = 0.0) -> None:
        self.settings, self.run, self.clock_ahead = settings, run, clock_ahead
        self.log = EventWriter(run, clock_ahead)
        self.signal = StopSignal()

    @cached_property
    def curve_plan(self) -> RacePlan | None:
        """The plan of a learning curve's run; None of a training."""
        with suppress(RunError):  # reading the damaged file for the training reports it
            plan = self.run.meta().plan
            return plan if plan is not None and plan.kind == "curve" else None
        return None

    def asked(self) -> bool:
        """Whether the run has to end: by a request in its folder, or by a signal."""
        if self.run.stop_requested:
            self.signal.ask(Request.STOP)
        return self.signal.asked

    def append(self, event: Event) -> None:
        """Write an event to the log.

        Raises:
            Stopped, OSError: as `EventWriter.append`.
        """
        self.log.append(event)

    def find_dataset(self) -> Dataset:
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

    def write(self, work: Callable[[], None]) -> None:
        """Do what writes to the disk; when the disk was full, do it again once there is space.

        Raises:
            Stopped: the run has to end before there is space.
            RunError: the work needs more than the disk has.
        """
        surprises = 0
        while True:
            try:
                work()
                return
            except OSError as error:
                if not is_full(error):
                    raise
                log.warning("the disk is full: %s waits for space", self.run.id)
            if not is_disk_full(self.settings):
                surprises += 1
                if surprises > MAX_SURPRISES:
                    raise RunError(NO_SPACE)
            if not self.wait_for_space():
                raise Stopped

    def wait_for_space(self) -> bool:
        """Sleep until there is space on the disk again; False if the run has to end before."""
        for seconds in chain(SPACE_SECONDS, repeat(SPACE_SECONDS[-1])):
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                if self.asked():
                    return False
                time.sleep(POLL_SECONDS)
            with suppress(OSError):
                os.utime(self.run.lock_path)  # a sign of life that needs no space
            if not is_disk_full(self.settings):
                return True
        raise AssertionError("the seconds never end")
