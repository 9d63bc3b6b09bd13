"""The scheduler: one process per data root, which starts queued runs as workers become free.

    python -m core.scheduling.scheduler [--starter PID]

It holds `scheduler.lock` while it lives, is started on demand (`ensure_scheduler`) when a run is queued, outlives
the app, and ends when nothing is queued or running. Workers outlive it too: a new scheduler counts the runs whose
lock is held, and never starts one twice. `policy.py` decides, `dispatcher.py` carries it out.
"""

import argparse
import logging
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from core.jobs.launchers import log_to_stderr, process_facts, recorded_process, start_single
from core.jobs.states import is_closing
from core.locks import ASKER_SECONDS, is_held
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.scheduling.run_queue import read_queue
from core.settings import Settings
from core.storage import read_json, write_json

POLL_SECONDS = 0.25
IDLE_SECONDS = 20.0
# so that the next run starts at once. It costs a preloader's 385 MB, and pages of libraries that the system can drop.
# Only while the starter (the app) lives: a restarted one may have other settings
WARM_SECONDS = 600.0
WARM_UP_SECONDS = 30.0  # between two attempts of one process: many sessions show the same form
BEAT_SECONDS = 1.0
FAILED_LOOK_SECONDS = 5.0  # until the next one
SILENT_SECONDS = 30.0  # without a beat: the scheduler is stopped or stuck

_warming = threading.Lock()
_warmed_up = -WARM_UP_SECONDS

log = logging.getLogger("tunemypets.scheduler")


def lock_path(settings: Settings) -> Path:
    """The lock that the scheduler of this data root holds."""
    return settings.home / "scheduler.lock"


def facts_path(settings: Settings) -> Path:
    """Which process the scheduler is; touched about once a second while it works."""
    return settings.home / "scheduler.json"


def ensure_scheduler(settings: Settings) -> None:
    """Start the scheduler unless one is at work. Cheap: call it after queueing, and from pages that watch."""
    settings.home.mkdir(parents=True, exist_ok=True)
    if is_closing(settings):
        return
    if is_held(lock_path(settings)):
        if not _is_silent(settings) and not _knows_no_cluster(settings):
            return
        _end(settings)
    starter = ["--starter", str(os.getpid())]
    start_single(settings, "core.scheduling.scheduler", starter, settings.logs_dir / "scheduler.log")


def warm_up(settings: Settings) -> None:
    """Load torch while a person fills in a form: the run then begins at once. Cheap: call it on every redraw."""
    from core.jobs.workers.preloader import POSSIBLE

    global _warmed_up
    with _warming:
        if not POSSIBLE or time.monotonic() - _warmed_up < WARM_UP_SECONDS:
            return
        _warmed_up = time.monotonic()
    ensure_scheduler(settings)


def needs_scheduler(run: Run) -> bool:
    """Whether a scheduler has something to do about a run: start it, watch it, or resume it after a crash."""
    from core.runs.attempts import read_attempts

    state = run.state()
    if state is not RunState.INTERRUPTED or run.result() is not None:
        return state.active
    return run.stop_requested or read_attempts(run.folder).left


def queue_position(settings: Settings, run: Run) -> int:
    """How many runs come before this queued one, running ones included; 0 while unknown."""
    turn = read_queue(settings).turn(run.id)
    return turn.before if turn is not None else 0


def _is_silent(settings: Settings) -> bool:
    try:
        return time.time() - facts_path(settings).stat().st_mtime > SILENT_SECONDS
    except OSError:
        return False  # it has just started


def _knows_no_cluster(settings: Settings) -> bool:
    """Whether it was started without the cluster on which trainings shall run now."""
    if not settings.cluster:
        return False
    try:
        return not read_json(facts_path(settings)).get("cluster")
    except (OSError, ValueError, AttributeError):
        return False  # it has just started


def _end(settings: Settings) -> None:
    """End a scheduler that no longer does anything, or not what it should; its workers continue."""
    process = recorded_process(facts_path(settings))
    if process is not None:
        import psutil

        log.error("the scheduler does not move, or knows no cluster: it is ended")
        with suppress(psutil.Error):
            process.kill()
            process.wait(5)


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
    from core.scheduling.dispatcher import Dispatcher

    lock = FileLock(lock_path(settings))
    while True:
        try:
            lock.acquire(timeout=ASKER_SECONDS)
        except Timeout:
            return
        with suppress(OSError):  # a full disk
            write_json(facts_path(settings), {**process_facts(), "cluster": settings.cluster})
        dispatcher = Dispatcher(settings, lambda: is_closing(settings))
        beat = 0.0
        try:
            dispatcher.workers.preload()
            idle_since = time.monotonic()
            while (idle := time.monotonic() - idle_since) < idle_seconds or (
                idle < warm_seconds and dispatcher.workers.warm and os.getppid() == starter
            ):
                try:
                    if dispatcher.step():
                        idle_since = time.monotonic()
                except Exception:  # one bad file must not stop the queue
                    log.exception("a look at the runs failed")
                    time.sleep(FAILED_LOOK_SECONDS)
                if time.monotonic() - beat > BEAT_SECONDS:
                    beat = time.monotonic()
                    with suppress(OSError):
                        os.utime(facts_path(settings))
                time.sleep(POLL_SECONDS)
        finally:
            dispatcher.close()
            lock.release()
        # a run queued between the last look and the release found the lock held: look once more
        if not any(run.state() is RunState.QUEUED for run in RunStore(settings).all()):
            return


def main(arguments: list[str] | None = None) -> int:
    """Run the scheduler of the environment's data root."""
    parser = argparse.ArgumentParser(prog="python -m core.scheduling.scheduler", description="Start queued runs.")
    parser.add_argument("--starter", type=int, metavar="PID", help="the process for which runs shall start fast")
    options = parser.parse_args(arguments)
    log_to_stderr()
    settings = Settings.from_environment()
    settings.home.mkdir(parents=True, exist_ok=True)
    log.info("scheduler of %s", settings.home)
    serve(settings, warm_seconds=WARM_SECONDS, starter=options.starter)
    return 0


if __name__ == "__main__":
    sys.exit(main())
