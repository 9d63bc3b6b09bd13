"""What `python -m core fsck`, `export-room` and `import-room` do."""

from collections.abc import Sequence

from core.commands import Outcome
from core.settings import Settings
from core.upkeep.check import check
from core.upkeep.findings import Finding, Mending
from core.upkeep.names import shown
from core.upkeep.repair import repair
from core.waiting import left, say


def _tell(word: str, done: int, total: int, eta_seconds: float | None) -> None:
    say(f"{word} {done / 1e6:,.0f} of {total / 1e6:,.0f} MB{left(eta_seconds)}", transient=True)


def _tell_checked(done: int, total: int, eta_seconds: float | None) -> None:
    _tell("checked", done, total, eta_seconds)


def fsck(settings: Settings, *, mend: bool) -> Outcome:
    """Look at everything under the data root, and repair it if asked to."""
    mended: list[Finding] = []
    if mend:
        done = repair(settings, _tell_checked)
        mended, found = done.mended, done.left
    else:
        found = list(check(settings, _tell_checked))
    say("", transient=True)
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
    raise NotImplementedError


def take_in(settings: Settings, file: str) -> Outcome:
    raise NotImplementedError
