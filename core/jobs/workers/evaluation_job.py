"""Evaluates a stopped or interrupted run on its test split, in a worker process of its own."""

import time

from core.actor import OPERATOR, Actor
from core.errors import RunError
from core.jobs.launchers import start_detached
from core.locks import is_held
from core.runs.run import Run
from core.runs.run_files import LOG, PREDICTIONS
from core.runs.run_store import RunStore
from core.settings import Settings

UP_SECONDS = 10.0  # that a process may take to have the run, on a busy machine
POLL_SECONDS = 0.05


def start_evaluation(settings: Settings, run_id: str, *, by: Actor = OPERATOR) -> Run:
    """Start to evaluate a stopped or interrupted run in the background; returns when its process has the run.

    Raises:
        RightsError: if the run belongs to someone else.
        RunError: if the run is active, was evaluated already, or has no weights.
    """
    run = RunStore(settings).get(run_id)
    by.check_may_change(run.meta().owner, f"Run {run.id}")
    if run.state().active:
        raise RunError(f"Run {run.id} is {run.state().value}: it is evaluated when it ends.")
    if run.meta().sweep is not None:
        raise RunError(
            f"Run {run.id} is a trial of a sweep, and the best of many looks better than it is: train its settings "
            "again, and that run is evaluated."
        )
    if (run.folder / PREDICTIONS).exists():
        raise RunError(f"Run {run.id} was evaluated already: the test split is used once per run.")
    if not run.has_weights:
        raise RunError(f"Run {run.id} has no saved weights to evaluate: train it again.")
    process = start_detached(settings, "core.jobs.workers.worker", [str(run.folder), "--evaluate"], run.folder / LOG)
    until = time.monotonic() + UP_SECONDS
    while not is_held(run.lock_path) and process.returncode is None and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    return run
