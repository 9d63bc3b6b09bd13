"""Waiting for a run, with its progress on stderr."""

import time
from contextlib import suppress

from core.cli.shared.status_line import describe_progress, format_left, format_progress, show_step, status_line
from core.datasets.dataset_store import DatasetStore
from core.errors import TuneMyPetsError
from core.formatting import format_percent
from core.jobs.nodes import read_cluster
from core.runs.attempts import read_attempts
from core.runs.remaining import seconds_until
from core.runs.run import Run, RunState
from core.scheduling.run_queue import read_queue
from core.scheduling.scheduler import ensure_scheduler, queue_position
from core.settings import Settings
from core.steps import Stopped, StopSignal
from core.stores.pixels import open_store, preprocessing_of

HELD = {
    "paused": "The queue is paused.",
    "disk": "The disk is full: nothing starts.",
    "closing": "Shutting down.",
    "cluster": "No node of the cluster can train: see python -m core nodes.",
}

WATCH_SECONDS = 0.25


def read_ahead(settings: Settings, run: Run) -> None:
    """Decode the pictures of a run that is next, while the process that will train it loads torch."""
    if queue_position(settings, run):
        return
    config = run.config()
    with suppress(TuneMyPetsError, OSError):  # the worker reports what is wrong
        dataset = DatasetStore(settings).get(config.dataset)
        signal = StopSignal(lambda: not run.state().active or run.stop_requested)
        with suppress(Stopped):
            show_step(open_store(settings, dataset, preprocessing_of(config, dataset), signal), describe_progress)


def wait_for(settings: Settings, run: Run) -> Run:
    """Wait for a run's end, also where it is interrupted and resumes by itself."""
    with status_line() as show:
        while (state := run.state()).active or _resumes(run, state):
            if state is RunState.INTERRUPTED:
                ensure_scheduler(settings)
                show("interrupted, resumes in a moment")
            elif state is RunState.QUEUED:
                ensure_scheduler(settings)
                show(queue_line(settings, run))
            else:
                show(progress_line(run))
            time.sleep(WATCH_SECONDS)
    return run


def queue_line(settings: Settings, run: Run) -> str:
    """Why a queued run has not started, in one line."""
    held = read_queue(settings).held
    if held == "cluster" and (obstacle := read_cluster(settings).obstacle):
        return f"queued: {obstacle}"
    if held in HELD:
        return f"queued: {HELD[held]}"
    before = queue_position(settings, run)
    return f"queued, {before} before it" if before else "starting"


def _resumes(run: Run, state: RunState) -> bool:
    return state is RunState.INTERRUPTED and not run.stop_requested and bool(read_attempts(run.folder).left)


def progress_line(run: Run) -> str:
    """The progress of a running run, in one line."""
    history = run.history()
    if history.phase is None:
        return "starting"
    seconds_left = seconds_until(history.expected_end, time.time())
    item = history.progress
    if item is not None and history.phase.phase != "training":
        return format_progress(f"{history.phase.phase}: {item.text}", item.done, item.total, seconds_left)
    if history.batches:
        batch = history.batches[-1]
        last = f", validation {format_percent(history.epochs[-1].val_accuracy)}" if history.epochs else ""
        return (
            f"epoch {batch.epoch}: step {batch.step}/{batch.steps}, loss {batch.loss:.3f}{last},"
            f" {format_percent(batch.progress, 0)}{format_left(seconds_left)}"
        )
    if item is not None:
        return format_progress(f"{item.text}:", item.done, item.total, seconds_left, "points")
    return history.phase.phase
