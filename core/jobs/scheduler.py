"""The scheduler: one process per data root, which starts queued runs as workers become free.

    python -m core.jobs.scheduler [--starter PID]

It holds `scheduler.lock` while it lives, is started on demand (`ensure_scheduler`) by whoever queues a run, outlives
the app, and leaves when nothing is queued or running. Workers outlive it too: a new scheduler counts the runs whose
lock is held, and never starts one twice. Where it can, it keeps a preloader, which forks workers at once; without one
each worker imports torch for itself.
"""

import argparse
import logging
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from core.jobs.launchers import start_detached, start_module
from core.jobs.preloader import POSSIBLE, ForkedWorker, Preloader
from core.locks import ASKER_SECONDS, is_held
from core.runs.run import Run, RunState
from core.runs.store import RunStore
from core.settings import Settings

POLL_SECONDS = 0.25
IDLE_SECONDS = 20.0
# so that the next run of somebody who thinks for a while starts at once. The price: a preloader's 385 MB, beside pages
# of libraries that the system can drop. Only while the starter (the app) lives: a restarted one may have other settings
WARM_SECONDS = 600.0
PRELOADERS = 3  # at most for one scheduler: whatever ends them, a run does not wait for the next one for ever

WARM_UP_SECONDS = 30.0  # between two attempts of one process: many sessions look at the same form

_warming = threading.Lock()
_warmed_up = -WARM_UP_SECONDS

log = logging.getLogger("tunemypets.scheduler")


def lock_path(settings: Settings) -> Path:
    """The lock that the scheduler of this data root holds."""
    return settings.home / "scheduler.lock"


def ensure_scheduler(settings: Settings) -> None:
    """Start the scheduler unless one lives. Cheap: call it after queueing, and from pages that watch."""
    settings.home.mkdir(parents=True, exist_ok=True)
    if not is_held(lock_path(settings)):
        starter = ["--starter", str(os.getpid())]
        start_detached(settings, "core.jobs.scheduler", starter, settings.logs_dir / "scheduler.log")


def warm_up(settings: Settings) -> None:
    """Let torch be loaded while somebody fills in a form: the run then begins at once. Cheap: call it at every look."""
    global _warmed_up
    with _warming:
        if not POSSIBLE or time.monotonic() - _warmed_up < WARM_UP_SECONDS:
            return
        _warmed_up = time.monotonic()
    ensure_scheduler(settings)


def queue_position(settings: Settings, run: Run) -> int:
    """How many active runs come before this queued one."""
    before = 0
    for other in reversed(RunStore(settings).all()):
        if other.id == run.id:
            break
        if other.state().active:
            before += 1
    return before


class WorkerProcess(Protocol):
    """What the scheduler knows of a worker: a `subprocess.Popen`, or one that a preloader forked."""

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None: ...


class Scheduler:
    """Starts the oldest queued run whenever fewer than `settings.workers` are running."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = RunStore(settings)
        self._children: dict[str, WorkerProcess] = {}
        self._ended: set[str] = set()
        self._preloader: Preloader | None = None
        self._preloaders_left = PRELOADERS if POSSIBLE else 0

    @property
    def warm(self) -> bool:
        """Whether the next worker needs no imports."""
        return self._preloader is not None

    def preload(self) -> None:
        """See to it that there is a preloader, if one is possible."""
        if self._preloader is not None or not self._preloaders_left:
            return
        self._preloaders_left -= 1
        try:
            self._preloader = Preloader(self.settings)
        except OSError:
            log.exception("a preloader could not be started")

    def close(self) -> None:
        """End the preloader; workers go on."""
        if self._preloader is not None:
            self._preloader.close()
            self._preloader = None

    def step(self) -> bool:
        """Start what can be started; whether anything is queued or running."""
        self._reap()
        queued: list[Run] = []
        running = 0
        for run in reversed(self.store.all()):
            if run.id in self._ended:
                continue
            state = run.state()
            if state is RunState.RUNNING or run.id in self._children:
                running += 1
            elif state is RunState.QUEUED:
                queued.append(run)
            elif state is not RunState.INTERRUPTED:  # that one may be taken up again
                self._ended.add(run.id)
        for run in queued[: max(0, self.settings.workers - running)]:
            self._start(run)
        return bool(queued or running)

    def _reap(self) -> None:
        """Collect ended workers; one that never took its run must not be started again and again."""
        if self._preloader is not None and not self._preloader.listen():
            log.warning("the preloader has gone: preloader.log may tell why")
            self.close()
            # nobody will tell how its workers end: their locks tell of those that live, the others start again
            for run_id, process in list(self._children.items()):
                if isinstance(process, ForkedWorker) and process.returncode is None:
                    del self._children[run_id]
        for run_id, process in list(self._children.items()):
            if process.poll() is None:
                continue
            del self._children[run_id]
            run = Run(self.store.folder / run_id)
            if run.folder.exists() and run.state() is RunState.QUEUED:
                log.error("worker of %s ended with %s before it began", run_id, process.returncode)
                _fail(run, "The training process ended before it began: worker.log tells why.")

    def _start(self, run: Run) -> None:
        log.info("starting %s", run.id)
        try:
            self._children[run.id] = self._worker(run)
        except OSError as error:
            log.exception("a worker could not be started")
            _fail(run, f"The training process could not be started ({error.strerror}).")

    def _worker(self, run: Run) -> WorkerProcess:
        """Start the process that does a run.

        Raises:
            OSError: if the system refuses.
        """
        self.preload()
        if self._preloader is not None:
            with suppress(OSError):  # it ended just now
                return self._preloader.start(run.folder)
        return start_module(
            self.settings,
            "core.jobs.worker",
            [str(run.folder)],
            run.folder / "worker.log",
            threads=self.settings.threads,
        )


def _fail(run: Run, text: str) -> None:
    """Record that a queued run failed, unless somebody else has it by now."""
    with suppress(Timeout), FileLock(run.lock_path).acquire(timeout=ASKER_SECONDS):
        if run.state() is RunState.QUEUED:
            run.write_result(RunState.FAILED, text, None)


def serve(
    settings: Settings,
    idle_seconds: float = IDLE_SECONDS,
    *,
    warm_seconds: float = 0.0,
    starter: int | None = None,
) -> None:
    """Schedule until nothing has been queued or running for a while.

    Args:
        idle_seconds: how long a while is.
        warm_seconds: how long it is while a preloader lives and so does the process that started this one.
        starter: the id of that process.
    """
    lock = FileLock(lock_path(settings))
    while True:
        try:
            lock.acquire(timeout=ASKER_SECONDS)
        except Timeout:
            return
        scheduler = Scheduler(settings)
        try:
            scheduler.preload()
            idle_since = time.monotonic()
            while (idle := time.monotonic() - idle_since) < idle_seconds or (
                idle < warm_seconds and scheduler.warm and os.getppid() == starter
            ):
                if scheduler.step():
                    idle_since = time.monotonic()
                time.sleep(POLL_SECONDS)
        finally:
            scheduler.close()
            lock.release()
        # a run queued between the last look and the release found the lock held: look once more
        if not any(run.state() is RunState.QUEUED for run in scheduler.store.all()):
            return


def main(arguments: list[str] | None = None) -> int:
    """Run the scheduler of the environment's data root."""
    parser = argparse.ArgumentParser(prog="python -m core.jobs.scheduler", description="Start queued runs.")
    parser.add_argument(
        "--starter", type=int, metavar="PID", help="the process to whom it matters that runs start fast"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    settings = Settings.from_environment()
    settings.home.mkdir(parents=True, exist_ok=True)
    log.info("scheduler of %s, %d at a time", settings.home, settings.workers)
    serve(settings, warm_seconds=WARM_SECONDS, starter=options.starter)
    return 0


if __name__ == "__main__":
    sys.exit(main())
