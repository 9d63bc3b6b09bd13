"""Shutting down a data root without losing anything: trainings are paused and resume later."""

import time
from contextlib import suppress

import psutil

from core.actor import Actor
from core.jobs.launchers import recorded_process
from core.jobs.states import closing_path
from core.jobs.watchdog import worker_process
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.scheduling.scheduler import facts_path
from core.settings import Settings

PATIENCE_SECONDS = 8.0  # a worker pauses its training within five


def shut_down(settings: Settings, by: Actor) -> int:
    """End the workers and the scheduler; runs are queued again and resume when the app is next started.

    Returns:
        How many trainings were paused.

    Raises:
        RightsError: unless `by` is the presenter.
    """
    by.check_presenter("Shutting down")
    settings.home.mkdir(parents=True, exist_ok=True)
    closing_path(settings).touch()
    asked: dict[int, psutil.Process] = {}
    until = time.monotonic() + PATIENCE_SECONDS
    while living := _workers(settings):
        # look again: a worker that was waiting for another one's lock takes its run only now
        for process in living:
            if process.pid not in asked:
                asked[process.pid] = process
                with suppress(psutil.Error):
                    process.terminate()
        if time.monotonic() > until:
            for process in living:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(living, timeout=PATIENCE_SECONDS)
            break
        psutil.wait_procs(living, timeout=0.5)
    closing_path(settings).touch()  # waiting has taken its time
    _end_scheduler(settings)
    return len(asked)


def _workers(settings: Settings) -> list[psutil.Process]:
    """The processes that train."""
    running = [run for run in RunStore(settings).all() if run.state() is RunState.RUNNING]
    return [process for process in map(worker_process, running) if process is not None]


def reopen(settings: Settings) -> None:
    """Undo a shutdown: the app starts again."""
    closing_path(settings).unlink(missing_ok=True)


def _end_scheduler(settings: Settings) -> None:
    process = recorded_process(facts_path(settings))
    if process is not None:
        with suppress(psutil.Error):
            process.terminate()
            process.wait(3.0)
