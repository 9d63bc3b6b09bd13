"""What `python -m core fsck`, `export-room` and `import-room` do."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from core.cli.commands import Outcome
from core.cli.waiting import left, print_status
from core.maintenance.check import check
from core.maintenance.export_archive import pack_room
from core.maintenance.findings import Finding, Mending
from core.maintenance.import_archive import take_in_room
from core.maintenance.path_names import shown
from core.maintenance.repair import repair
from core.settings import Settings


def _tell(word: str, done: int, total: int, eta_seconds: float | None) -> None:
    print_status(f"{word} {done / 1e6:,.0f} of {total / 1e6:,.0f} MB{left(eta_seconds)}", transient=True)


def fsck(settings: Settings, *, mend: bool) -> Outcome:
    """Look at everything under the data root, and repair it if asked to."""
    mended: list[Finding] = []
    tell = partial(_tell, "checked")
    if mend:
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
    if found and not mend:
        remedy = (
            f"`python -m core fsck --repair` puts {len(could)} of them right" if could else "nothing can repair them"
        )
        failure = f"{_count(found)}: {remedy}."
    elif could:
        failure = f"{_count(could)} could not be repaired, because somebody holds them: stop what runs, and try again."
    return Outcome(value, "\n".join(lines) or "Everything is whole.", failure)


def _count(found: Sequence[Finding]) -> str:
    return "1 finding" if len(found) == 1 else f"{len(found)} findings"


def _line(item: Finding) -> str:
    remedy = f" (--repair {item.repair})" if item.repair else ""
    return f"{item.kind.value}: {shown(item.thing)}: {shown(item.text)}{remedy}"


def export(settings: Settings, file: str, *, runs: str, datasets: Sequence[str] | None) -> Outcome:
    """Pack datasets and runs into a zip."""
    target = Path(file).expanduser()
    packed = pack_room(settings, target, runs=runs, datasets=datasets, tell=partial(_tell, "packed"))
    print_status("", transient=True)
    value = {
        "file": str(target),
        "bytes": packed.size,
        "datasets": packed.datasets,
        "runs": packed.runs,
        "left_out": packed.left_out,
    }
    text = (
        f"Packed {_many(packed.datasets, 'dataset')} and {_many(packed.runs, 'run')} into {target.name}"
        f" ({packed.size / 1e6:,.1f} MB)."
    )
    return Outcome(value, text, "\n".join(packed.left_out.values()) or None)


def take_in(settings: Settings, file: str) -> Outcome:
    """Take in a packed room."""
    arrived = take_in_room(settings, Path(file).expanduser(), partial(_tell, "taken in"))
    print_status("", transient=True)
    value = {"taken": arrived.taken, "there_already": arrived.there, "refused": arrived.refused}
    text = f"Took in {len(arrived.taken)}, of which nothing begins by itself; {len(arrived.there)} were here already."
    return Outcome(value, "\n".join([*arrived.taken, text]), "\n".join(arrived.refused.values()) or None)


def _many(items: Sequence[str], noun: str) -> str:
    return f"1 {noun}" if len(items) == 1 else f"{len(items)} {noun}s"
