"""The commands `import`, `sample`, `datasets` and `delete-dataset`."""

import dataclasses
from pathlib import Path
from typing import Any

import click

from core.cli.command import Outcome, command
from core.cli.waiting import format_left, print_status
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import ImportProgress, import_dataset
from core.datasets.sources.opening import open_source
from core.datasets.sources.source import Source
from core.datasets.splits import SplitPlan
from core.errors import ConfigError
from core.jobs.import_jobs import sample_source
from core.runs.run_store import RunStore
from core.settings import Settings
from core.steps import run_step

SHOWN_CLASSES = 40
SHOWN_REASONS = 10

split_option = click.option(
    "--split", default="70/15/15", metavar="A/B/C", help="Train/validation/test in per cent (default: 70/15/15)."
)
seed_option = click.option("--seed", type=int, default=0, metavar="N", help="Seed of the split (default: 0).")


@command("import")
@click.argument("path")
@click.option("--name", metavar="NAME", help="Name of the dataset (default: that of the folder or file).")
@click.option(
    "--names",
    metavar="CODEPAGE",
    help="Code page of a .zip's names that are not Unicode, such as cp866 (default: guessed).",
)
@split_option
@seed_option
@click.option(
    "--layout", default="", metavar="KEY", help="Which reading of the folders is meant, where several are possible."
)
@click.option("--label-column", default="", metavar="NAME", help="The column of a table that holds the labels.")
@click.option(
    "--groups",
    "group_pattern",
    default="",
    metavar="REGEX",
    help="Finds in a file name what the picture belongs to, such as (person\\d+)_: a group stays in one split.",
)
def import_path(
    settings: Settings,
    path: str,
    name: str | None,
    names: str | None,
    split: str,
    seed: int,
    layout: str,
    label_column: str,
    group_pattern: str,
) -> Outcome:
    """Import a folder or a .zip of labelled pictures."""
    place = Path(path).expanduser()
    source = open_source(
        place,
        max_files=settings.max_images,
        encoding=names,
        max_bytes=settings.max_dataset_bytes,
        scratch=settings.imports_dir,
    )
    return _import(settings, source, name or place.resolve().stem, split, seed, layout, label_column, group_pattern)


@command("sample")
@click.option("--name", default="drawn", metavar="NAME", help="Name of the dataset (default: drawn).")
@split_option
@seed_option
def make_sample(settings: Settings, name: str, split: str, seed: int) -> Outcome:
    """Make the built-in dataset: cats and dogs drawn by the program."""
    return _import(settings, sample_source(), name, split, seed)


def _print_progress(progress: ImportProgress) -> None:
    line = f"{progress.phase} {progress.done}/{progress.total}{format_left(progress.eta_seconds)}"
    print_status(line, transient=True)


def _import(
    settings: Settings,
    source: Source,
    name: str,
    split: str,
    seed: int,
    layout: str = "",
    label_column: str = "",
    group_pattern: str = "",
) -> Outcome:
    if seed < 0:
        raise ConfigError({"seed": f"--seed is {seed}: choose a whole number from 0."})
    plan = SplitPlan.parse(split)
    try:
        steps = import_dataset(
            settings, source, name=name, plan=plan, seed=seed, layout=layout, label_column=label_column,
            group_pattern=group_pattern,
        )  # fmt: skip
        dataset_id = run_step(steps, _print_progress)
    finally:
        source.close()
        print_status("", transient=True)
    dataset = DatasetStore(settings).get(dataset_id)
    value = describe_dataset(dataset)
    splits = value["splits"]
    lines = [
        f"Imported {value['images']:,} pictures of {len(dataset.classes)} classes as {dataset.id}"
        f" (train {splits['train']:,}, validation {splits['val']:,}, test {splits['test']:,});"
        f" rejected {value['rejected']}, converted {value['converted']}, copies {value['duplicates']},"
        f" contradictory {value['contradictory']}, near-copies in other classes {value['contradictory_near']}.",
        *_describe_classes(dataset),
        *(f"Note: {note}" for note in dataset.report().notes),
        *(f"Rejected: {reason}" for _, reason in dataset.report().rejected[:SHOWN_REASONS]),
    ]
    return Outcome(value, "\n".join(lines))


def _describe_classes(dataset: Dataset) -> list[str]:
    """A line for each class: its pictures for training, validation and test."""
    counts = dataset.counts
    width = max(map(len, counts))
    lines = [
        f"  {name:{width}}  {count['train']:>6,} train {count['val']:>6,} validation {count['test']:>6,} test"
        for name, count in list(counts.items())[:SHOWN_CLASSES]
    ]
    return [*lines, f"  … and {len(counts) - SHOWN_CLASSES:,} more classes"] if len(counts) > SHOWN_CLASSES else lines


def describe_dataset(dataset: Dataset) -> dict[str, Any]:
    """A dataset with its import report, as JSON."""
    report = dataset.report()
    return {
        "dataset": dataset.id,
        "title": dataset.title,
        "images": len(dataset.rows),
        "groups": len({row.group for row in dataset.rows if row.group}),
        "classes": list(dataset.classes),
        "counts": dataset.counts,
        "splits": {split: len(dataset.rows_of(split)) for split in ("train", "val", "test")},
        "rejected": len(report.rejected),
        "converted": len(report.converted),
        "duplicates": len(report.duplicates),
        "contradictory": sum(len(group) for group in report.contradictory),
        "contradictory_near": sum(len(group) for group in report.contradictory_near),
        "ignored": report.ignored,
        "fingerprint": dataset.fingerprint,
        "drawn": dataset.drawn,
        "report": dataclasses.asdict(report),
    }


@command("datasets")
def list_datasets(settings: Settings) -> Outcome:
    """List the datasets."""
    summaries = DatasetStore(settings).summaries()
    found = [
        {"dataset": item.id, "title": item.title, "images": item.images, "classes": list(item.classes)}
        for item in summaries
    ]
    lines = [f"{item.id}  {item.images} pictures  {', '.join(item.classes)}" for item in summaries]
    return Outcome(
        found, "\n".join(lines) or "No datasets yet: run `python -m core import PATH` or `python -m core sample`."
    )


@command("delete-dataset")
@click.argument("dataset")
def delete_dataset(settings: Settings, dataset: str) -> Outcome:
    """Delete a dataset that no run needs."""
    RunStore(settings).delete_dataset(dataset)
    return Outcome({"deleted": dataset}, f"Deleted dataset {dataset}.")
