"""The commands about runs that exist: `runs`, `show`, `coach`, `compare`, `rename`, `delete`."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import click

from core.cli.shared.command import Outcome, command
from core.coach.picture_facts import pictures_of
from core.coach.review import format_findings, review_run
from core.coach.run_facts import gather_facts
from core.config.events import Described, EpochDone
from core.config.seen_views import sum_up_augmentation
from core.formatting import format_duration, format_percent
from core.races.run_comparison import compare_runs
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.runs.summary import RunSummary, summarise
from core.settings import Settings
from core.statistics.caveats import list_caveats
from core.statistics.metrics import Accuracy

SPLITS = {"test": "the test split", "val": "the validation split (there is no test split)"}

run_argument = click.argument("run", metavar="RUN")


def summarise_ended(run: Run) -> Outcome:
    """The answer of a command that waited for a run."""
    summary = summarise(run)
    value = describe_summary(summary)
    if summary.state in (RunState.FAILED, RunState.INTERRUPTED):
        resume = f"The training was interrupted: `python -m core resume {run.id}` continues it."
        return Outcome(value, "", summary.text or resume)
    result = f": {summary.points_text}" if summary.is_curve else ""
    if summary.accuracy and summary.tested and not summary.is_curve:
        result = f": {summary.accuracy.text()} on {SPLITS[summary.tested.split]}"
    return Outcome(value, f"Run {run.id} {summary.state.value}{result}")


def describe_summary(summary: RunSummary) -> dict[str, Any]:
    """A run in a list, as JSON. `test_accuracy` is null unless it was evaluated on a test split."""
    tested = summary.tested
    accuracy = summary.accuracy
    on_test = tested is not None and tested.split == "test"
    return {
        "run": summary.id,
        "state": summary.state.value,
        "text": summary.text,
        "dataset": summary.config.dataset,
        "model": summary.config.model,
        "strategy": summary.config.strategy,
        "seed": summary.config.seed,
        "note": summary.config.note,
        "race": summary.meta.race,
        "sweep": summary.meta.sweep,
        "created": summary.meta.created,
        "epochs": summary.epochs_done,
        "best_val_accuracy": summary.best_val_accuracy,
        "test_accuracy": tested.accuracy if tested and on_test else None,
        "test_images": tested.images if tested and on_test else None,
        "test_interval": [accuracy.interval.low, accuracy.interval.high]
        if accuracy and accuracy.interval and on_test
        else None,
        "test_loss": tested.loss if tested and on_test else None,
        "seconds": summary.seconds,
        "points": summary.points_done if summary.is_curve else None,
    }


@command("runs")
@click.option("--trials", is_flag=True, help="List the trials of sweeps too.")
def list_runs(settings: Settings, trials: bool = False) -> Outcome:
    """List the runs, newest first."""
    summaries = [item for item in RunStore(settings).summaries() if trials or item.meta.sweep is None]
    lines = [
        f"{item.id}  {item.state.value:<11}  {item.config.dataset}  {item.title}"
        + (f"  {item.points_text}" if item.is_curve else f"  {item.accuracy.text()}" if item.accuracy else "")
        for item in summaries
    ]
    return Outcome([describe_summary(item) for item in summaries], "\n".join(lines) or "No runs yet.")


@command("show")
@run_argument
def show_run(settings: Settings, run: str) -> Outcome:
    """Show a run: configuration, every epoch, test result, hardware."""
    found = RunStore(settings).get(run)
    history, summary = found.history(), summarise(found)
    value = {
        **describe_summary(summary),
        "config": summary.config.model_dump(mode="json"),
        "classes": list(summary.meta.classes),
        "dataset_fingerprint": summary.meta.dataset_fingerprint,
        "hardware": history.described.hardware if history.described else None,
        "parameters": history.described.parameters if history.described else None,
        "stages": history.described.stages if history.described else None,
        "pictures": history.described.pictures if history.described else None,
        "augmentation": sum_up_augmentation(summary.config),
        "history": [_epoch(epoch) for epoch in history.epochs],
        "curve": [dataclasses.asdict(point) for point in history.points],
        "best_epoch": history.best.epoch if history.best else None,
    }
    lines = [
        f"{found.id}: {summary.title if summary.is_curve else summary.config.title()} on {summary.config.dataset},"
        f" {summary.state.value}. {summary.text}",
        f"Augmentation: {sum_up_augmentation(summary.config)}",
        *_workers(history.described),
        *(
            f"epoch {e.epoch}: loss {e.train_loss:.4f} / {e.val_loss:.4f}, validation {format_percent(e.val_accuracy)},"
            f" {format_duration(e.epoch_seconds)}"
            for e in history.epochs
        ),
    ]
    lines += [
        f"{point.pictures_per_class} per class, seed {point.seed}: {Accuracy(point.correct, point.images).text()},"
        f" {format_duration(point.seconds)}"
        for point in history.points
    ]
    if summary.accuracy and summary.tested:
        lines.append(f"{summary.accuracy.text()} on {SPLITS[summary.tested.split]}")
    return Outcome(value, "\n".join(lines))


def _workers(described: Described | None) -> Iterator[str]:
    if described is not None and "workers" in described.hardware:
        yield f"Workers: {described.hardware['workers']}; {described.hardware['workers_note']}"


def _epoch(epoch: EpochDone) -> dict[str, Any]:
    return {
        "epoch": epoch.epoch,
        "stage": epoch.stage,
        "train_loss": epoch.train_loss,
        "train_accuracy": epoch.train_accuracy,
        "val_loss": epoch.val_loss,
        "val_accuracy": epoch.val_accuracy,
        "learning_rate": epoch.learning_rate,
        "seconds": epoch.epoch_seconds,
        "images_seen": epoch.images_seen,
        "images_per_second": epoch.images_per_second,
        "best": epoch.best,
    }


@command("coach")
@run_argument
def coach_run(settings: Settings, run: str) -> Outcome:
    """Explain a run's curves and results, with one thing to try."""
    found = RunStore(settings).get(run)
    findings = review_run(gather_facts(found, pictures_of(settings, found)), limit=None)
    return Outcome({"run": run, "readings": [finding.to_json() for finding in findings]}, format_findings(findings))


@command("compare")
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
def compare(settings: Settings, first: str, second: str) -> Outcome:
    """Compare two runs on the same test pictures: second minus first."""
    store = RunStore(settings)
    found = compare_runs(settings, store.get(first), store.get(second))
    text = "\n".join([found.verdict, *list_caveats(found.caveats)])
    return Outcome({"first": first, "second": second, **found.to_json()}, text)


@command("rename")
@click.argument("run", metavar="RUN")
@click.argument("title")
def rename(settings: Settings, run: str, title: str) -> Outcome:
    """Give a run, race or learning curve another title."""
    store = RunStore(settings)
    if run.startswith(("race-", "curve-")):
        store.rename_race(run, title)
        what = run.partition("-")[0]
        return Outcome({what: run, "title": title}, f"Renamed {what} {run} to {title!r}.")
    store.rename(run, title)
    return Outcome({"run": run, "title": title}, f"Renamed run {run} to {title!r}.")


@command("delete")
@run_argument
def delete_run(settings: Settings, run: str) -> Outcome:
    """Delete a run that has ended."""
    RunStore(settings).delete(run)
    return Outcome({"deleted": run}, f"Deleted run {run}.")
