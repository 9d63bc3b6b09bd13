"""Lets the threads of a training wait for each other more briefly while other programs need the processors.

A thread of libgomp that waits for the others spins for a while before it sleeps (`GOMP_SPINCOUNT`): the fastest on an
idle machine, but next to other programs it keeps the core that the thread it waits for needs. libgomp spins a hundredth
as long while it has more threads than processors. A second team of threads, which sleeps, makes it do so, and its end
ends it: the computation keeps its number of threads, and so its digits. Decision 0028 has the figures.
"""

import logging
import os
import sys
import threading
from types import TracebackType
from typing import Self

from core.stores.measurements import OtherPrograms

log = logging.getLogger(__name__)

WATCH_SECONDS = 1.0
CROWDED_CORES = 0.4  # of what the training uses, taken by other programs
FREE_CORES = 0.25


class ShortWaits:
    """A context that watches other programs. It changes nothing where torch does not compute with libgomp.

    Args:
        threads: of the computation.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._follow, daemon=True, name="short waits")
        self._team: SleepingTeam | None = None

    @property
    def crowded(self) -> bool:
        """Whether the waits are short at present."""
        return self._team is not None

    def __enter__(self) -> Self:
        if self._threads > 1 and sys.platform == "linux":
            self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._watch.is_alive():
            self._watch.join()

    def _follow(self) -> None:
        processors = len(os.sched_getaffinity(0))
        others = OtherPrograms()
        while not self._ended.wait(WATCH_SECONDS):
            taken = others.cores() - (processors - self._threads)
            others = OtherPrograms()
            if self._team is None and taken > CROWDED_CORES:
                self._team = SleepingTeam(self._threads, processors)
                log.info("other programs compute: threads wait more briefly")
            elif self._team is not None and taken < FREE_CORES:
                self._team.end()
                self._team = None
                log.info("the processors are free again: threads wait longer")
        if self._team is not None:
            self._team.end()
            self._team = None


class SleepingTeam:
    """Threads of libgomp that do nothing, so many that it has more of them than processors.

    Args:
        threads: of the computation, at least 2: each thread that computes has a team of so many.
        processors: that this process may use.
    """

    def __init__(self, threads: int, processors: int) -> None:
        self._ended = threading.Event()
        masters = max(1, -(-processors // (threads - 1)) - 1)
        ready = threading.Barrier(masters + 1)
        self._masters = [threading.Thread(target=self._sleep, args=(ready,), daemon=True) for _ in range(masters)]
        for master in self._masters:
            master.start()
        try:
            ready.wait()
        except threading.BrokenBarrierError:
            self.end()
            raise

    def end(self) -> None:
        """Give the threads back."""
        self._ended.set()
        for master in self._masters:
            master.join()

    def _sleep(self, ready: threading.Barrier) -> None:
        import torch

        try:
            torch.zeros(1 << 20).add_(1)  # large enough for all threads: this makes the team
        except BaseException:
            ready.abort()
            raise
        ready.wait()
        self._ended.wait()
