"""The worker processes of one scheduler: forked from a preloader where that is possible, started afresh elsewhere."""

import logging
import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from core.jobs.launchers import start_module
from core.jobs.nodes import Node
from core.jobs.states import PAUSED
from core.jobs.watchdog import memory_kills
from core.jobs.workers.preloader import POSSIBLE, ForkedWorker, Preloader
from core.locks import is_held
from core.runs.run import Run
from core.runs.run_files import LOG
from core.settings import Settings

MAX_PRELOADERS = 3  # of one scheduler: whatever ends them, no run waits for the next one for ever
MOVED_SECONDS = 0.05  # of a processor: a preloader that used so much has moved

log = logging.getLogger("tunemypets.scheduler")


class WorkerProcess(Protocol):
    """What is known of a worker: a `subprocess.Popen`, or one that a preloader forked."""

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None: ...


@dataclass(frozen=True)
class Exit:
    """How a worker ended."""

    status: int
    memory_kills: int  # processes that the system killed for memory since this worker started


@dataclass
class _Child:
    process: WorkerProcess
    run: Run
    memory_kills: int  # of the system when it started
    alone_since: float  # since when the run's lock has not been held, as far as that was seen


class WorkerProcesses:
    """Starts workers, and collects them when they end."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._children: dict[str, _Child] = {}
        self._preloader: Preloader | None = None
        self._preloaders_left: float = MAX_PRELOADERS if POSSIBLE else 0
        if settings.cluster:
            self._preloaders_left = math.inf  # nothing else can take a run
        self._computed = 0.0  # seconds, by the preloader, when it last moved although an answer was due
        self._silent_since = time.monotonic()

    @property
    def warm(self) -> bool:
        """Whether the next worker needs no imports."""
        return self._preloader is not None

    @property
    def alive(self) -> set[str]:
        """The runs of workers that have not been collected."""
        return set(self._children)

    def preload(self) -> None:
        """Start a preloader if there is none and one is possible."""
        if self._preloader is not None or not self._preloaders_left:
            return
        self._preloaders_left -= 1
        try:
            module = "core.cluster.cluster_agent" if self.settings.cluster else "core.jobs.workers.preloader"
            self._preloader = Preloader(self.settings, module)
            self._computed, self._silent_since = 0.0, time.monotonic()
        except OSError:
            log.exception("a preloader could not be started")

    def close(self) -> None:
        """End the preloader; workers continue."""
        if self._preloader is not None:
            self._preloader.leave() if self.settings.cluster else self._preloader.close()
            self._preloader = None

    def start(self, run: Run, threads: int, node: Node | None = None) -> None:
        """Start the worker of a run, with so many processor threads.

        Args:
            node: that computes it, in place of this machine.

        Raises:
            OSError: if the system refuses.
        """
        kills = memory_kills()
        self._children[run.id] = _Child(self._start(run, threads, node), run, kills, time.monotonic())

    def _start(self, run: Run, threads: int, node: Node | None) -> WorkerProcess:
        self.preload()
        if self._preloader is not None:
            with suppress(OSError):  # it ended just now
                return self._preloader.start(run.folder, threads, node.id if node else "")
        if node is not None:
            return ForkedWorker(PAUSED)  # it was never asked for: the run is still queued
        return start_module(
            self.settings,
            "core.jobs.workers.worker",
            [str(run.folder)],
            run.folder / LOG,
            threads=threads,
        )

    def hears_preloader(self) -> bool:
        """Take in what the preloader reported; False if it has ended."""
        return self._preloader is None or self._preloader.listen()

    def collect(self) -> dict[str, Exit]:
        """The workers that have ended since the last call, by run."""
        exits = {}
        for run_id, child in list(self._children.items()):
            status = child.process.poll()
            if status is not None:
                del self._children[run_id]
                exits[run_id] = Exit(status, memory_kills() - child.memory_kills)
        return exits

    def drop_preloader(self) -> list[str]:
        """End the preloader, and forget the workers whose end only it would have reported; returns their runs.

        Locks show which of them live; the runs of the others start again.
        """
        if self._preloader is not None:
            self._preloader.close()
            self._preloader = None
        lost = [run_id for run_id, child in self._children.items() if _is_forked(child)]
        for run_id in lost:
            del self._children[run_id]
        return lost

    def preloader_silent_seconds(self) -> float:
        """How long the preloader has done nothing, although it should have forked or reported an end long ago."""
        if self._preloader is None:
            return 0.0
        now, silent = time.monotonic(), 0.0
        for child in filter(_is_forked, self._children.values()):
            if is_held(child.run.lock_path):
                child.alone_since = now
            silent = max(silent, now - child.alone_since)
        if silent < 1 or (computed := self._preloader.computed()) > self._computed + MOVED_SECONDS:
            self._silent_since = now
            if silent >= 1:
                self._computed = computed  # its imports may take long
        return now - self._silent_since


def _is_forked(child: _Child) -> bool:
    """Whether a preloader forked it and has not reported its end."""
    return isinstance(child.process, ForkedWorker) and child.process.returncode is None
