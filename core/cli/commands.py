"""What the commands of `python -m core` do. Each returns a value for `--json` and a text for people."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.cli.waiting import WATCH_SECONDS, left, print_status, read_ahead, wait_for
from core.coach.review import format_findings, review_run
from core.coach.run_facts import gather_facts, training_shares
from core.config.events import EpochDone
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import ImportFinished, ImportProgress, import_dataset
from core.datasets.sources import Source, open_source
from core.datasets.splits import SplitPlan
from core.errors import ConfigError, RunError, TuneMyPetsError
from core.jobs.benchmark_job import calibrate_and_wait
from core.jobs.evaluation_job import start_evaluation
from core.jobs.import_jobs import sample_source
from core.jobs.scheduler import ensure_scheduler
from core.locks import is_held
from core.races import run_comparison
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.runs.summary import RunSummary, summarise
from core.settings import Settings
from core.statistics.metrics import Accuracy
from core.training.estimate import estimate, format_seconds
from models import weights
from models.catalog import CATALOG, get_entry


@dataclass(frozen=True)
class Outcome:
    """A command's answer; `failure` is a sentence for stderr and makes the exit status 1."""

    value: Any
    text: str
    failure: str | None = None


def import_path(settings: Settings, path: str, name: str | None, split: str, seed: int) -> Outcome:
    """Import a folder or archive."""
    place = Path(path).expanduser()
    source = open_source(place, most_files=settings.max_images)
    return _import(settings, source, name or place.resolve().stem, split, seed)


def make_sample(settings: Settings, name: str, split: str, seed: int) -> Outcome:
    """Make the drawn dataset."""
    return _import(settings, sample_source(), name, split, seed)


def _import(settings: Settings, source: Source, name: str, split: str, seed: int) -> Outcome:
    if seed < 0:
        raise ConfigError({"seed": f"--seed is {seed}: choose a whole number from 0."})
    plan = SplitPlan.parse(split)
    try:
        dataset_id = ""
        for event in import_dataset(settings, source, name=name, plan=plan, seed=seed):
            if isinstance(event, ImportProgress):
                print_status(f"{event.phase} {event.done}/{event.total}{left(event.eta_seconds)}", transient=True)
            elif isinstance(event, ImportFinished):
                dataset_id = event.dataset_id
    finally:
        source.close()
        print_status("", transient=True)
    dataset = DatasetStore(settings).get(dataset_id)
    value = describe_dataset(dataset)
    text = (
        f"Imported {value['images']} pictures of {len(dataset.classes)} classes as {dataset.id}"
        f" (train {value['splits']['train']}, validation {value['splits']['val']}, test {value['splits']['test']});"
        f" rejected {value['rejected']}, converted {value['converted']}, copies {value['duplicates']},"
        f" contradictory {value['contradictory']}."
    )
    return Outcome(value, text)


def describe_dataset(dataset: Dataset) -> dict[str, Any]:
    """A dataset with its import report, as JSON."""
    report = dataset.report()
    return {
        "dataset": dataset.id,
        "title": dataset.title,
        "images": len(dataset.rows),
        "classes": list(dataset.classes),
        "splits": {split: len(dataset.rows_of(split)) for split in ("train", "val", "test")},
        "rejected": len(report.rejected),
        "converted": len(report.converted),
        "duplicates": len(report.duplicates),
        "contradictory": sum(len(group) for group in report.contradictory),
        "ignored": report.ignored,
        "fingerprint": dataset.fingerprint,
        "drawn": dataset.drawn,
        "report": report.to_json(),
    }


def list_datasets(settings: Settings) -> Outcome:
    """Every dataset."""
    summaries = DatasetStore(settings).summaries()
    found = [
        {"dataset": item.id, "title": item.title, "images": item.images, "classes": list(item.classes)}
        for item in summaries
    ]
    lines = [f"{item.id}  {item.images} pictures  {', '.join(item.classes)}" for item in summaries]
    return Outcome(
        found, "\n".join(lines) or "No dataset yet: `python -m core import PATH` or `python -m core sample`."
    )


def train(settings: Settings, config: TrainConfig, *, detach: bool) -> Outcome:
    """Queue a run, and wait for its end unless detached."""
    run = RunStore(settings).create(config)
    ensure_scheduler(settings)
    if detach:
        value = {"run": run.id, "state": run.state().value}
        return Outcome(value, f"Queued run {run.id}: `python -m core show {run.id}` tells how it goes.")
    print_status(f"Run {run.id}")
    read_ahead(settings, run)
    return ended(wait_for(settings, run))


def estimate_training(settings: Settings, config: TrainConfig) -> Outcome:
    """Tell how long a training would take; a network that is new to this machine is measured first."""
    dataset = DatasetStore(settings).get(config.dataset)
    if estimate(settings, config, dataset) is None:
        print_status("Measuring this machine")
        calibrate_and_wait(settings, config)
    found = estimate(settings, config, dataset)
    if found is None:
        raise RunError(
            f"{config.entry().title} could not be measured on this machine: fetch its weights with "
            f"`python -m core prefetch {config.model}`, or read why in logs/calibrator.log under the data root."
        )
    value = {"seconds": round(found.seconds, 2), "parts": {name: round(part, 2) for name, part in found.parts.items()}}
    parts = ", ".join(f"{name} {format_seconds(part)}" for name, part in found.parts.items() if part >= 0.5)
    return Outcome(value, f"About {format_seconds(found.seconds)} on this machine ({parts}).")


def ended(run: Run) -> Outcome:
    """The answer of a command that waited for a run."""
    summary = summarise(run)
    value = describe_summary(summary)
    accuracy = summary.accuracy
    result = f": {accuracy.text()} on {_SPLIT_WORDS[summary.tested.split]}" if accuracy and summary.tested else ""
    if summary.is_curve:
        result = f": {summary.points_text}"
    text = f"Run {run.id} {summary.state.value}{result}"
    if summary.state in (RunState.FAILED, RunState.INTERRUPTED):
        return Outcome(
            value,
            "",
            summary.text or f"The training process was interrupted: `python -m core resume {run.id}` lets it go on.",
        )
    return Outcome(value, text)


_SPLIT_WORDS = {"test": "the test split", "val": "the validation split (there is no test split)"}


def describe_summary(summary: RunSummary) -> dict[str, Any]:
    """A run in a list, as JSON. `test_accuracy` is null unless a test split was judged."""
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


def list_runs(settings: Settings) -> Outcome:
    """Every run, newest first."""
    summaries = RunStore(settings).summaries()
    lines = [
        f"{item.id}  {item.state.value:<11}  {item.config.dataset}  {item.title}"
        + (f"  {item.points_text}" if item.is_curve else f"  {item.accuracy.text()}" if item.accuracy else "")
        for item in summaries
    ]
    return Outcome([describe_summary(item) for item in summaries], "\n".join(lines) or "No runs yet.")


def show_run(settings: Settings, run_id: str) -> Outcome:
    """One run with everything known about it."""
    run = RunStore(settings).get(run_id)
    history, summary = run.history(), summarise(run)
    value = {
        **describe_summary(summary),
        "config": summary.config.model_dump(mode="json"),
        "classes": list(summary.meta.classes),
        "dataset_fingerprint": summary.meta.dataset_fingerprint,
        "hardware": history.described.hardware if history.described else None,
        "parameters": history.described.parameters if history.described else None,
        "stages": history.described.stages if history.described else None,
        "pictures": history.described.pictures if history.described else None,
        "augmentation": history.described.augmentation if history.described else None,
        "history": [_epoch(epoch) for epoch in history.epochs],
        "curve": [dataclasses.asdict(point) for point in history.points],
        "best_epoch": history.best.epoch if history.best else None,
    }
    lines = [
        f"{run.id}: {summary.title if summary.is_curve else summary.config.title()} on {summary.config.dataset},"
        f" {summary.state.value}. {summary.text}",
        *(
            f"epoch {e.epoch}: loss {e.train_loss:.4f} / {e.val_loss:.4f}, validation {100 * e.val_accuracy:.1f} %,"
            f" {e.epoch_seconds:.1f} s"
            for e in history.epochs
        ),
    ]
    lines += [
        f"{point.pictures_per_class} per class, seed {point.seed}: {Accuracy(point.correct, point.images).text()},"
        f" {point.seconds:.1f} s"
        for point in history.points
    ]
    if summary.accuracy and summary.tested:
        lines.append(f"{summary.accuracy.text()} on {_SPLIT_WORDS[summary.tested.split]}")
    return Outcome(value, "\n".join(lines))


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


def stop_run(settings: Settings, run_id: str) -> Outcome:
    """Ask a run to stop, and wait until it has."""
    store = RunStore(settings)
    state = store.request_stop(run_id)
    deadline = time.monotonic() + 5
    run = store.get(run_id)
    while state.active and time.monotonic() < deadline:
        time.sleep(0.05)
        state = run.state()
    return Outcome({"run": run_id, "state": state.value}, f"Run {run_id}: {state.value}.")


def resume_run(settings: Settings, run_id: str) -> Outcome:
    """Let an interrupted run go on, and wait for its end."""
    run = RunStore(settings).resume(run_id)
    ensure_scheduler(settings)
    return ended(wait_for(settings, run))


def judge_run(settings: Settings, run_id: str) -> Outcome:
    """Test the best weights of a stopped or interrupted run, and wait for it."""
    run = start_evaluation(settings, run_id)
    deadline = time.monotonic() + 30
    while not is_held(run.lock_path) and run.history().tested is None and time.monotonic() < deadline:
        time.sleep(0.05)
    while is_held(run.lock_path):
        time.sleep(WATCH_SECONDS)
    outcome = ended(run)
    if summarise(run).tested is None:
        return Outcome(outcome.value, "", "The test did not end well: worker.log in the run's folder tells why.")
    return Outcome(outcome.value, outcome.text)


def compare_runs(settings: Settings, first: str, second: str) -> Outcome:
    """The paired comparison of two runs."""
    store = RunStore(settings)
    found = run_comparison.compare_runs(store.get(first), store.get(second))
    return Outcome({"first": first, "second": second, **found.to_json()}, found.verdict)


def coach_run(settings: Settings, run_id: str) -> Outcome:
    """The coach's findings in a run."""
    run = RunStore(settings).get(run_id)
    findings = review_run(gather_facts(run, training_shares(settings, run)), limit=None)
    return Outcome({"run": run_id, "readings": [finding.to_json() for finding in findings]}, format_findings(findings))


def predict(settings: Settings, run_id: str, files: Sequence[str], top: int) -> Outcome:
    """Classify files; those that cannot be used get a sentence each."""
    if top < 1:
        raise ConfigError({"top": f"--top is {top}: choose a whole number from 1."})
    run = RunStore(settings).get(run_id)
    from core.predict.predictor import Predictor  # torch

    predictor = Predictor(settings)
    found = predictor.predict(run, [(file, Path(file)) for file in files], top)
    lines = [
        f"{item.file}: {item.label} {100 * item.probability:.1f} %" if item.probability is not None else str(item.error)
        for item in found
    ]
    bad = [item.error for item in found if item.error]
    failure = " ".join(str(sentence) for sentence in bad) if len(bad) == len(found) else None
    return Outcome([item.to_json() for item in found], "\n".join(lines) if not failure else "", failure)


def prefetch(networks: Sequence[str]) -> Outcome:
    """Download weights that are not there yet."""
    names = [name for name in CATALOG if CATALOG[name].weights] if "all" in networks else list(networks)
    done: list[dict[str, Any]] = []
    for name in names:
        entry = get_entry(name)
        if entry.weights is None:
            raise TuneMyPetsError(f"{entry.title} has no pretrained weights: it always starts from scratch.")
        there = weights.find(entry) is not None
        if not there:
            _download(weights.fetch(entry), entry.title)
        done.append({"network": name, "file": str(weights.find(entry)), "downloaded": not there})
    lines = [f"{item['network']}: {item['file']}{'' if item['downloaded'] else ' (was there)'}" for item in done]
    return Outcome(done, "\n".join(lines))


def _download(progress: Iterator[tuple[int, int]], title: str) -> None:
    started = last = time.monotonic()
    for done, total in progress:
        now = time.monotonic()
        if now - last > 0.2:
            last = now
            eta = (now - started) / done * (total - done) if done else None
            print_status(f"{title}: {done / 1e6:.1f} of {total / 1e6:.1f} MB{left(eta)}", transient=True)
    print_status("", transient=True)
