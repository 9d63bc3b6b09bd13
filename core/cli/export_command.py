"""The command `export-dataset`. It imports what it needs when it runs, so that every other command starts sooner."""

from pathlib import Path

import click

from core.cli.command import Outcome, command
from core.cli.waiting import print_status
from core.datasets.dataset_store import DatasetStore
from core.formatting import format_bytes, format_count
from core.settings import Settings
from core.steps import run_step


@command("export-dataset")
@click.argument("dataset")
@click.argument("folder", metavar="FOLDER")
def export_dataset(settings: Settings, dataset: str, folder: str) -> Outcome:
    """Write a dataset as a Hugging Face image folder: its splits, class names, original files and a card."""
    from core.datasets import hugging_face_export

    target = Path(folder).expanduser()
    found = DatasetStore(settings).get(dataset)
    try:
        exported = run_step(
            hugging_face_export.export_dataset(found, target),
            lambda progress: print_status(f"exported {progress.done}/{progress.total}", transient=True),
        )
    finally:
        print_status("", transient=True)
    value = {
        "dataset": found.id,
        "folder": str(target),
        "images": sum(exported.images.values()),
        "classes": list(found.classes),
        "splits": exported.images,
        "bytes": exported.bytes_written,
        "fingerprint": found.fingerprint,
    }
    counts = exported.images
    text = (
        f"Exported {format_count(len(found.rows), 'picture')} of {len(found.classes)} classes to {target} "
        f"(train {counts['train']}, validation {counts['val']}, test {counts['test']}; "
        f"{format_bytes(exported.bytes_written)}). Its README.md shows how `datasets` opens it."
    )
    return Outcome(value, text)
