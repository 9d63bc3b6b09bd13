"""The commands `export` and `export-dataset`. They import what they need when they run, for a quick start of others."""

import shutil
from pathlib import Path

import click

from core.cli.commands.run_commands import run_argument
from core.cli.shared.command import Outcome, command
from core.cli.shared.output_file import choose_output, open_output
from core.cli.shared.status_line import describe_job, format_progress, show_step
from core.datasets.dataset_store import DatasetStore
from core.errors import ExportError
from core.export.formats import FORMATS, get_format
from core.formatting import format_bytes, format_count
from core.settings import Settings


@command("export")
@run_argument
@click.option("--format", "name", required=True, metavar="FORMAT", help=f"One of {', '.join(FORMATS)}.")
@click.option("--output", required=True, metavar="FILE", help="The file to write, such as network.zip or network.onnx.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def export(settings: Settings, run: str, name: str, output: str, force: bool) -> Outcome:
    """Write a run as a file that other programs open, checked against the run on its test pictures."""
    from core.export.exports import folder_of, wait_for_export
    from core.runs.run_store import RunStore

    kind = get_format(name)
    target = choose_output(output, ExportError, force=force, example=f"network{kind.endings[0]}")
    if target.suffix not in kind.endings:
        raise ExportError(f"{target.name} cannot be {kind.title}: let its name end in {' or '.join(kind.endings)}.")
    manifest = show_step(wait_for_export(settings, run, name), describe_job)
    kept = next(file for file in manifest.files if Path(file).suffix == target.suffix)
    folder = folder_of(RunStore(settings).get(run), kind)
    with (folder / kept).open("rb") as source, open_output(target, ExportError) as file:
        shutil.copyfileobj(source, file)
    size = manifest.files[kept]
    text = f"Wrote {target.name} ({format_bytes(size)}). {manifest.describe()}"
    return Outcome({"file": str(target), "bytes": size, **manifest.to_json()}, "\n".join([text, *manifest.notes]))


@command("export-dataset")
@click.argument("dataset")
@click.argument("folder", metavar="FOLDER")
def export_dataset(settings: Settings, dataset: str, folder: str) -> Outcome:
    """Write a dataset as a Hugging Face image folder: its splits, class names, original files and a card."""
    from core.datasets import hugging_face_export

    target = Path(folder).expanduser()
    found = DatasetStore(settings).get(dataset)
    steps = hugging_face_export.export_dataset(found, target)
    exported = show_step(steps, lambda at: format_progress("exported", at.done, at.total))
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
