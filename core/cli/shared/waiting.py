"""Waiting for a run, with its progress on stderr."""

import sys
import time
from contextlib import suppress

from core.cli.shared import console
from core.config.events import Progress
from core.datasets.dataset_store import DatasetStore
from core.errors import TuneMyPetsError
from core.formatting import format_estimate, format_percent
from core.jobs.nodes import read_cluster
from core.runs.attempts import read_attempts
from core.runs.remaining import seconds_until
from core.runs.run import Run, RunState
from core.scheduling.run_queue import read_queue
from core.scheduling.scheduler import ensure_scheduler, queue_position
from core.settings import Settings
from core.steps import Stopped, StopSignal, run_step
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
            run_step(open_store(settings, dataset, preprocessing_of(config, dataset), signal), print_progress)


def print_progress(item: Progress) -> None:
    """A step of long work on stderr."""
    print_status(f"{item.text} {item.done}/{item.total}", transient=True)


def wait_for(settings: Settings, run: Run) -> Run:
    """Wait for a run's end, also where it is interrupted and resumes by itself."""
    shown = ""
    while (state := run.state()).active or _resumes(run, state):
        if state is RunState.INTERRUPTED:
            ensure_scheduler(settings)
            line = "interrupted, resumes in a moment"
        elif state is RunState.QUEUED:
            ensure_scheduler(settings)
            line = queue_line(settings, run)
        else:
            line = progress_line(run)
        if line != shown:
            shown = line
            print_status(line, transient=True)
        time.sleep(WATCH_SECONDS)
    print_status("", transient=True)
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
    left = format_left(seconds_until(history.expected_end, time.time()))
    if history.progress is not None and history.phase.phase != "training":
        item = history.progress
        return f"{history.phase.phase}: {item.text} {item.done}/{item.total}{left}"
    if history.batches:
        batch = history.batches[-1]
        last = f", validation {format_percent(history.epochs[-1].val_accuracy)}" if history.epochs else ""
        return (
            f"epoch {batch.epoch}: step {batch.step}/{batch.steps}, loss {batch.loss:.3f}{last},"
            f" {format_percent(batch.progress, 0)}{left}"
        )
    if history.progress is not None:
        item = history.progress
        return f"{item.text}: {item.done}/{item.total} points{left}"
    return history.phase.phase


def format_left(seconds: float | None) -> str:
    return "" if seconds is None else f", {format_estimate(seconds)} left"


def print_status(text: str, *, transient: bool = False) -> None:
    """Progress on stderr; a transient line replaces itself on a terminal and is left out elsewhere when empty."""
    if transient and sys.stderr is not None and sys.stderr.isatty():
        console.write_note(f"\r\x1b[2K{text}", end="")
    elif text:
        console.write_note(text)
