"""The commands `import`, `sample`, `catalogue`, `imports`, `cancel-import`, `datasets` and `delete-dataset`."""

import dataclasses
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from core.cli.shared.command import Outcome, command
from core.cli.shared.status_line import format_progress, print_status, show_step
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.downloads.download_address import parse_address
from core.datasets.downloads.origin import import_from
from core.datasets.downloads.ready_made import SETS
from core.datasets.importing import ImportProgress
from core.datasets.splits import SplitPlan
from core.errors import ConfigError
from core.formatting import format_bytes
from core.jobs.import_jobs import ImportJobs
from core.runs.run_store import RunStore
from core.settings import Settings

SHOWN_CLASSES = 40
SHOWN_REASONS = 10

split_option = click.option(
    "--split", default="70/15/15", metavar="A/B/C", help="Train/validation/test in per cent (default: 70/15/15)."
)
seed_option = click.option("--seed", type=int, default=0, metavar="N", help="Seed of the split (default: 0).")


@command("import")
@click.argument("path")
@click.option("--name", metavar="NAME", help="Name of the dataset (default: that of the folder, file or set).")
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
    """Import labelled pictures: a folder, .zip or .tm, `catalogue:NAME` or `hf://OWNER/NAME`."""
    remote = parse_address(path)
    own = Path(path).expanduser().resolve().stem if remote is None else remote.name
    return _import(
        settings, path, name or own, split, seed, layout=layout, label_column=label_column, names=names,
        group_pattern=group_pattern,
    )  # fmt: skip


@command("sample")
@click.option("--name", default="drawn", metavar="NAME", help="Name of the dataset (default: drawn).")
@split_option
@seed_option
def make_sample(settings: Settings, name: str, split: str, seed: int) -> Outcome:
    """Make the built-in dataset: cats and dogs drawn by the program."""
    return _import(settings, None, name, split, seed)


@command("catalogue")
def list_catalogue(settings: Settings) -> Outcome:
    """List the ready-made sets that `import catalogue:NAME` downloads."""
    del settings
    width = max(len(item.name) for item in SETS)
    found = [
        {
            "name": item.name,
            "title": item.title,
            "text": item.text,
            "classes": item.classes,
            "images": item.images,
            "bytes": item.bytes,
            "licence": item.licence,
            "page": item.page,
        }
        for item in SETS
    ]
    lines = [
        f"{item.name:{width}}  {format_bytes(item.bytes):>7}  {item.images:>6,} pictures  {item.classes:>3} classes  "
        f"{item.text} Licence: {item.licence}."
        for item in SETS
    ]
    return Outcome(found, "\n".join([*lines, "Import one with `python -m core import catalogue:NAME`."]))


def describe_import(at: ImportProgress) -> str:
    """How far an import or a revision is, as a line."""
    return format_progress(at.phase, at.done, at.total, at.eta_seconds, at.unit)


def _import(settings: Settings, address: str | None, name: str, split: str, seed: int, **chosen: Any) -> Outcome:
    if seed < 0:
        raise ConfigError({"seed": f"--seed is {seed}: choose a whole number from 0."})
    steps = import_from(settings, address, name=name, plan=SplitPlan.parse(split), seed=seed, **chosen)
    try:
        with closing(steps):
            dataset_id = show_step(steps, describe_import)
    except KeyboardInterrupt:
        print_status("The import was cancelled, and nothing of it was kept.")
        raise
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


@command("imports")
def list_imports(settings: Settings) -> Outcome:
    """List the imports that a page started and that are running."""
    jobs = ImportJobs(settings)
    found = [{"import": job, **dataclasses.asdict(jobs.status(job))} for job in jobs.active()]
    lines = [f"{item['import']}  {item['text']} {item['done']:,}/{item['total']:,} {item['unit']}" for item in found]
    return Outcome(found, "\n".join(line.rstrip() for line in lines) or "No import is running.")


@command("cancel-import")
@click.argument("import_id", metavar="IMPORT")
def cancel_import(settings: Settings, import_id: str) -> Outcome:
    """Cancel a running import or download; nothing of it is kept."""
    ImportJobs(settings).cancel(import_id)
    return Outcome({"cancelled": import_id}, f"Cancelled the import {import_id}: it ends in a few seconds.")


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
