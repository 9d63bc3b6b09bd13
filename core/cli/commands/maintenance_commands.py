"""The commands `fsck`, `export-room` and `import-room`.

They import what they need when they run, so that every other command starts sooner.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from core.cli.shared.command import Outcome, Several, command
from core.cli.shared.status_line import format_bytes_done, status_line
from core.formatting import format_bytes, format_count, join_names
from core.maintenance.findings import Finding, printable
from core.maintenance.meter import Report
from core.settings import Settings


@contextmanager
def _meter_line(word: str) -> Iterator[Report]:
    """Shows how many bytes are done, such as `checked 1.2 MB of 23 MB, about 20 s left`."""
    with status_line() as show:
        yield lambda at: show(format_bytes_done(word, at.done, at.total, at.eta_seconds))


@command("fsck")
@click.option("--repair", "wanted", is_flag=True, help="Repair what can be repaired; damaged files go to set-aside/.")
def fsck(settings: Settings, wanted: bool) -> Outcome:
    """Check everything under the data root for damaged, orphaned and left-over files."""
    from core.maintenance.check import check
    from core.maintenance.repair import Repaired, repair

    with _meter_line("checked") as report:
        done = repair(settings, report) if wanted else Repaired([], list(check(settings, report)))
    repaired, found = done.repaired, done.left
    value = {
        "clean": not found,
        "findings": [item.to_json() for item in found],
        "repaired": [item.to_json() for item in repaired],
    }
    lines = [*(f"repaired: {_line(item)}" for item in repaired), *map(_line, found)]
    repairable = [item for item in found if item.repair is not None]
    failure = None
    if found and not wanted:
        count = len(repairable)
        remedy = f"`python -m core fsck --repair` repairs {count} of them" if count else "none of them can be repaired"
        failure = f"{format_count(len(found), 'problem')}: {remedy}."
    elif repairable:
        failure = (
            f"{format_count(len(repairable), 'problem')} could not be repaired because another process uses the files: "
            "stop it and try again."
        )
    return Outcome(value, "\n".join(lines) or "No problems found.", failure)


def _line(item: Finding) -> str:
    remedy = f" (--repair {item.remedy})" if item.remedy else ""
    return f"{item.kind.value}: {printable(item.thing)}: {printable(item.text)}{remedy}"


@command("export-room")
@click.argument("file", metavar="FILE.zip")
@click.option("--runs", type=click.Choice(("all", "finished")), default="all", help="Which runs (default: all).")
@click.option("--datasets", cls=Several, metavar="DATASET...", help="Only these datasets, and the runs on them.")
def export_room(settings: Settings, file: str, runs: str, datasets: Sequence[str]) -> Outcome:
    """Export datasets, runs and collections as one .zip, for another machine."""
    from core.maintenance import export_archive

    target = Path(file).expanduser()
    with _meter_line("exported") as report:
        exported = export_archive.export_room(settings, target, runs=runs, datasets=datasets or None, report=report)
    value = {
        "file": str(target),
        "bytes": exported.size,
        "datasets": exported.datasets,
        "runs": exported.runs,
        "collections": exported.collections,
        "left_out": exported.left_out,
    }
    counts = [(exported.datasets, "dataset"), (exported.runs, "run")]
    counts += [(exported.collections, "collection")] if exported.collections else []
    what = join_names([format_count(len(found), noun) for found, noun in counts])
    text = f"Exported {what} to {target.name} ({format_bytes(exported.size)})."
    return Outcome(value, text, "\n".join(exported.left_out.values()) or None)


@command("import-room")
@click.argument("file", metavar="FILE.zip")
def import_room(settings: Settings, file: str) -> Outcome:
    """Import a .zip that export-room wrote."""
    from core.maintenance import import_archive

    with _meter_line("imported") as report:
        result = import_archive.import_room(settings, Path(file).expanduser(), report)
    value = {"taken": result.taken, "there_already": result.there, "refused": result.refused}
    text = f"Imported {len(result.taken)}; nothing starts by itself. {len(result.there)} were here already."
    return Outcome(value, "\n".join([*result.taken, text]), "\n".join(result.refused.values()) or None)
