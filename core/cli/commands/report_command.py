"""The command `report`."""

from collections.abc import Sequence

import click

from core.cli.shared.command import Outcome, command
from core.cli.shared.output_file import choose_output, open_output
from core.errors import ReportError
from core.formatting import format_bytes
from core.report.documents import FORMATS, make_document
from core.settings import Settings


@command("report")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--output", required=True, metavar="FILE", help="The file to write.")
@click.option("--format", "form", type=click.Choice(tuple(FORMATS)), help="Default: the file's ending, or html.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def report(settings: Settings, ids: Sequence[str], output: str, form: str | None, force: bool) -> Outcome:
    """Write a report of a race, a learning curve or two to six runs: one file that opens offline."""
    target = choose_output(output, ReportError, force=force, example="report.html")
    ending = target.suffix.lower().removeprefix(".")
    if form is None and ending == "csv":  # never HTML in a file that a spreadsheet opens
        raise ReportError(f"A report is HTML or JSON: name it {target.stem}.html or {target.stem}.json.")
    kind = form or (ending if ending in FORMATS else "html")
    document = make_document(settings, ids, kind)
    with open_output(target, ReportError) as file:
        file.write(document.content)
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
