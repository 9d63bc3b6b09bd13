"""The commands `fsck`, `export-room` and `import-room`.

They import what they need when they run, so that every other command starts sooner.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from core.cli.command import Outcome, Several, command
from core.cli.waiting import format_left, print_status
from core.formatting import format_bytes, format_count
from core.maintenance.findings import Finding, Mending
from core.maintenance.path_names import shown
from core.settings import Settings


def _print_progress(word: str, done: int, total: int, eta_seconds: float | None) -> None:
    print_status(f"{word} {format_bytes(done)} of {format_bytes(total)}{format_left(eta_seconds)}", transient=True)


@command("fsck")
@click.option("--repair", "wanted", is_flag=True, help="Repair what can be repaired; damaged files go to set-aside/.")
def fsck(settings: Settings, wanted: bool) -> Outcome:
    """Check everything under the data root for damaged, orphaned and left-over files."""
    from core.maintenance.check import check
    from core.maintenance.repair import repair

    mended: list[Finding] = []
    tell = partial(_print_progress, "checked")
    if wanted:
        done = repair(settings, tell)
        mended, found = done.mended, done.left
    else:
        found = list(check(settings, tell))
    print_status("", transient=True)
    value = {
        "clean": not found,
        "findings": [item.to_json() for item in found],
        "repaired": [item.to_json() for item in mended],
    }
    lines = [*(f"repaired: {_line(item)}" for item in mended), *map(_line, found)]
    could = [item for item in found if item.mending is not Mending.NOTHING]
    failure = None
    if found and not wanted:
        remedy = (
            f"`python -m core fsck --repair` repairs {len(could)} of them" if could else "none of them can be repaired"
        )
        failure = f"{format_count(len(found), 'finding')}: {remedy}."
    elif could:
        failure = f"{format_count(len(could), 'finding')} could not be repaired because another process uses them: "
        failure += "stop it and try again."
    return Outcome(value, "\n".join(lines) or "No problems found.", failure)


def _line(item: Finding) -> str:
    remedy = f" (--repair {item.repair})" if item.repair else ""
    return f"{item.kind.value}: {shown(item.thing)}: {shown(item.text)}{remedy}"


@command("export-room")
@click.argument("file", metavar="FILE.zip")
@click.option("--runs", type=click.Choice(("all", "finished")), default="all", help="Which runs (default: all).")
@click.option("--datasets", cls=Several, metavar="DATASET...", help="Only these datasets, and the runs on them.")
def export_room(settings: Settings, file: str, runs: str, datasets: Sequence[str]) -> Outcome:
    """Pack datasets and runs into one .zip, for another machine."""
    from core.maintenance.export_archive import pack_room

    target = Path(file).expanduser()
    packed = pack_room(settings, target, runs=runs, datasets=datasets or None, tell=partial(_print_progress, "packed"))
    print_status("", transient=True)
    value = {
        "file": str(target),
        "bytes": packed.size,
        "datasets": packed.datasets,
        "runs": packed.runs,
        "left_out": packed.left_out,
    }
    text = (
        f"Packed {format_count(len(packed.datasets), 'dataset')} and {format_count(len(packed.runs), 'run')} "
        f"into {target.name} ({format_bytes(packed.size)})."
    )
    return Outcome(value, text, "\n".join(packed.left_out.values()) or None)


@command("import-room")
@click.argument("file", metavar="FILE.zip")
def import_room(settings: Settings, file: str) -> Outcome:
    """Import a .zip that export-room packed."""
    from core.maintenance.import_archive import take_in_room

    arrived = take_in_room(settings, Path(file).expanduser(), partial(_print_progress, "imported"))
    print_status("", transient=True)
    value = {"taken": arrived.taken, "there_already": arrived.there, "refused": arrived.refused}
    text = f"Imported {len(arrived.taken)}; nothing starts by itself. {len(arrived.there)} were here already."
    return Outcome(value, "\n".join([*arrived.taken, text]), "\n".join(arrived.refused.values()) or None)
