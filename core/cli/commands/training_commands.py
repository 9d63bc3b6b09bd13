"""The commands that train, or change what trains: `train`, `estimate`, `stop`, `resume`, `evaluate`."""

import time

import click

from core.cli.commands.run_commands import run_argument, summarise_ended
from core.cli.shared.command import Outcome, cluster_option, command, config_options
from core.cli.shared.status_line import print_status
from core.cli.shared.waiting import WATCH_SECONDS, read_ahead, wait_for
from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.errors import RunError
from core.formatting import format_rough_duration
from core.jobs.benchmark_job import benchmark_and_wait
from core.jobs.workers.evaluation_job import start_evaluation
from core.locks import is_held
from core.runs.run_store import RunStore
from core.runs.summary import summarise
from core.scheduling.cluster_team import describe_place, find_team
from core.scheduling.durations import estimate_training as expect_seconds
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings

STOP_SECONDS = 5.0  # to wait for a run that was asked to stop
START_SECONDS = 30.0  # to wait for the process that evaluates

detach_option = click.option("--detach", is_flag=True, help="Queue the training and return at once.")


@command("train")
@cluster_option
@config_options()
@detach_option
def train(settings: Settings, config: TrainConfig, detach: bool) -> Outcome:
    """Train a network on a dataset, and evaluate it on the test split."""
    run = RunStore(settings).create(config)
    ensure_scheduler(settings)
    if detach:
        value = {"run": run.id, "state": run.state().value}
        return Outcome(value, f"Queued run {run.id}: `python -m core show {run.id}` shows its progress.")
    print_status(f"Run {run.id}")
    read_ahead(settings, run)
    return summarise_ended(wait_for(settings, run))


@command("estimate")
@config_options()
def estimate_training(settings: Settings, config: TrainConfig) -> Outcome:
    """Estimate how long a training takes on this machine; a network that is new here is measured first."""
    dataset = DatasetStore(settings).get(config.dataset)
    found = expect_seconds(settings, config, dataset)
    if found is None or found.outdated:
        print_status("Measuring this machine")
        benchmark_and_wait(settings, config)
        found = expect_seconds(settings, config, dataset)
    if found is None:
        raise RunError(
            f"{config.entry().title} could not be measured on this machine: download its weights with "
            f"`python -m core prefetch {config.model}`, or see logs/calibrator.log under the data root."
        )
    value = {"seconds": round(found.seconds, 2), "parts": {name: round(part, 2) for name, part in found.parts.items()}}
    parts = ", ".join(f"{name} {format_rough_duration(part)}" for name, part in found.parts.items() if part >= 0.5)
    place = describe_place(settings, find_team(settings, config, len(dataset.classes)))
    busy = " Other programs were busy during the measurement." if found.busy else ""
    return Outcome(value, f"About {format_rough_duration(found.seconds)} {place} ({parts}).{busy}")


@command("stop")
@run_argument
def stop_run(settings: Settings, run: str) -> Outcome:
    """Stop a run and keep its result so far."""
    store = RunStore(settings)
    state = store.request_stop(run)
    deadline = time.monotonic() + STOP_SECONDS
    found = store.get(run)
    while state.active and time.monotonic() < deadline:
        time.sleep(0.05)
        state = found.state()
    return Outcome({"run": run, "state": state.value}, f"Run {run}: {state.value}.")


@command("resume")
@cluster_option
@run_argument
def resume_run(settings: Settings, run: str) -> Outcome:
    """Resume an interrupted run from its last checkpoint, and wait for its end."""
    found = RunStore(settings).resume(run)
    ensure_scheduler(settings)
    return summarise_ended(wait_for(settings, found))


@command("evaluate")
@run_argument
def evaluate_run(settings: Settings, run: str) -> Outcome:
    """Evaluate the best weights of a stopped or interrupted run on the test split."""
    found = start_evaluation(settings, run)
    deadline = time.monotonic() + START_SECONDS
    while not is_held(found.lock_path) and found.history().tested is None and time.monotonic() < deadline:
        time.sleep(0.05)
    while is_held(found.lock_path):
        time.sleep(WATCH_SECONDS)
    outcome = summarise_ended(found)
    if summarise(found).tested is None:
        return Outcome(outcome.value, "", f"The evaluation of run {run} failed: see worker.log in the run's folder.")
    return Outcome(outcome.value, outcome.text)
