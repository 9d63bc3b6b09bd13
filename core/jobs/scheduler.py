"""The scheduler: one process per data root, which starts queued runs as workers become free.

    python -m core.jobs.scheduler

It holds `scheduler.lock` while it lives, is started on demand (`ensure_scheduler`) by whoever queues a run, outlives
the app, and leaves when nothing is queued or running. Workers outlive it too: a new scheduler counts the runs whose
lock is held, and never starts one twice.
"""

import logging
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from core.jobs.launchers import start_detached, start_module
from core.locks import ASKER_SECONDS, is_held
from core.runs.run import Run, RunState
from core.runs.store import RunStore
from core.settings import Settings

POLL_SECONDS = 0.25
IDLE_SECONDS = 20.0

log = logging.getLogger("tunemypets.scheduler")


def lock_path(settings: Settings) -> Path:
    """The lock that the scheduler of this data root holds."""
    return settings.home / "scheduler.lock"


def ensure_scheduler(settings: Settings) -> None:
    """Start the scheduler unless one lives. Cheap: call it after queueing, and from pages that watch."""
    settings.home.mkdir(parents=True, exist_ok=True)
    if not is_held(lock_path(settings)):
        start_detached(settings, "core.jobs.scheduler", [], settings.logs_dir / "scheduler.log")


def queue_position(settings: Settings, run: Run) -> int:
    """How many active runs come before this queued one."""
    before = 0
    for other in reversed(RunStore(settings).all()):
        if other.id == run.id:
            break
        if other.state().active:
            before += 1
    return before


class Scheduler:
    """Starts the oldest queued run whenever fewer than `settings.workers` are running."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = RunStore(settings)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._ended: set[str] = set()

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
            self._children[run.id] = start_module(
                self.settings,
                "core.jobs.worker",
                [str(run.folder)],
                run.folder / "worker.log",
                threads=self.settings.threads,
            )
        except OSError as error:
            log.exception("a worker could not be started")
            _fail(run, f"The training process could not be started ({error.strerror}).")


def _fail(run: Run, text: str) -> None:
    """Record that a queued run failed, unless somebody else has it by now."""
    with suppress(Timeout), FileLock(run.lock_path).acquire(timeout=ASKER_SECONDS):
        if run.state() is RunState.QUEUED:
            run.write_result(RunState.FAILED, text, None)


def serve(settings: Settings, idle_seconds: float = IDLE_SECONDS) -> None:
    """Schedule until nothing has been queued or running for `idle_seconds`."""
    lock = FileLock(lock_path(settings))
    while True:
        try:
            lock.acquire(timeout=ASKER_SECONDS)
        except Timeout:
            return
        scheduler = Scheduler(settings)
        try:
            idle_since = time.monotonic()
            while time.monotonic() - idle_since < idle_seconds:
                if scheduler.step():
                    idle_since = time.monotonic()
                time.sleep(POLL_SECONDS)
        finally:
            lock.release()
        # a run queued between the last look and the release found the lock held: look once more
        if not any(run.state() is RunState.QUEUED for run in scheduler.store.all()):
            return


def main() -> int:
    """Run the scheduler of the environment's data root."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    settings = Settings.from_environment()
    settings.home.mkdir(parents=True, exist_ok=True)
    log.info("scheduler of %s, %d at a time", settings.home, settings.workers)
    serve(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
