"""The command `report`."""

import errno
from collections.abc import Sequence
from pathlib import Path

import click

from core.cli.command import Outcome, command
from core.errors import ReportError
from core.formatting import format_bytes
from core.report.documents import FORMATS, make_document
from core.settings import Settings
from core.storage import atomic_open

CANNOT = {
    errno.EACCES: "this folder is write-protected",
    errno.EPERM: "this folder is write-protected",
    errno.EROFS: "this folder is write-protected",
    errno.ENOSPC: "the disk is full",
    errno.ENAMETOOLONG: "the name is too long",
}


@command("report")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--output", required=True, metavar="FILE", help="The file to write.")
@click.option("--format", "form", type=click.Choice(tuple(FORMATS)), help="Default: the file's ending, or html.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def report(settings: Settings, ids: Sequence[str], output: str, form: str | None, force: bool) -> Outcome:
    """Write a report of a race, a learning curve or two to six runs: one file that opens offline."""
    target = Path(output).expanduser()
    if not target.name or target.is_dir():
        raise ReportError(f"{output} is a folder: name a file in it, such as report.html.")
    if not target.parent.is_dir():
        raise ReportError(f"The folder of {target.name} does not exist: make it first.")
    if target.exists() and not force:
        raise ReportError(f"{target.name} exists already: choose another name, or replace it with --force.")
    ending = target.suffix.lower().removeprefix(".")
    if form is None and ending == "csv":  # never HTML in a file that a spreadsheet opens
        raise ReportError(f"A report is HTML or JSON: name it {target.stem}.html or {target.stem}.json.")
    kind = form or (ending if ending in FORMATS else "html")
    document = make_document(settings, ids, kind)
    try:
        with atomic_open(target) as file:
            file.write(document.content)
    except OSError as error:
        why = CANNOT.get(error.errno or 0, "the disk refused it")
        raise ReportError(f"{target.name} cannot be written ({why}): choose another place.") from error
    value = {
        "file": str(target),
        "format": kind,
        "bytes": len(document.content),
        "kind": document.data.kind,
        "title": document.data.title,
        "verdict": document.data.verdict.sentence if document.data.verdict else None,
        "caveats": [item.sentence for item in document.data.verdict.caveats] if document.data.verdict else [],
        "notes": list(document.data.notes),
    }
    lines = [
        f"Wrote {target.name} ({format_bytes(len(document.content))}): {document.data.title}.",
        *document.data.notes,
    ]
    return Outcome(value, "\n".join(lines))
