"""When the bets on a race end, and what the race brought."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict

from core.errors import RunError
from core.races.race import Race, find_race
from core.races.run_comparison import compare_race
from core.runs.run_files import EVENTS
from core.runs.run_store import RunStore
from core.settings import Settings

# events that show how good an arm is: a training step, an epoch, answers to pictures, the test result
FIGURES = frozenset({"batch", "epoch", "strip", "tested"})


@dataclass(frozen=True)
class Outcome:
    """The result of the race: b minus a on the same test images, in points, with its 95 % interval."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    difference: float
    low: float
    high: float
    n: int
    split: str


def can_bet_on(settings: Settings, race: Race) -> bool:
    """Whether a race may be bet on: two arms or more, some run is active, and none has shown a figure."""
    two = race.plan.kind == "race" and len(race.arms) > 1
    return two and race.state.active and first_figure(settings, race.id, race) is None


def first_figure(settings: Settings, race_id: str, race: Race | None = None) -> float | None:
    """When the first figure of a race was in an event log, in seconds since 1970; None where there is none.

    Args:
        race: where it was looked up already.
    """
    try:
        race = race or find_race(RunStore(settings).summaries(), race_id)
    except RunError:  # deleted
        return None
    moments = [_first_figure_in(settings.runs_dir / run.id / EVENTS) for run in race.runs]
    return min((moment for moment in moments if moment is not None), default=None)


def find_outcome(settings: Settings, race_id: str, a: str, b: str) -> Outcome | None:
    """The result of a race that has ended; None while there is none, or the race was deleted.

    Args:
        a, b: the arms that are compared.
    Raises:
        ComparisonError, RunError: as `compare_race`.
    """
    try:
        race = find_race(RunStore(settings).summaries(), race_id)
    except RunError:
        return None
    comparison = None if race.state.active else compare_race(settings, race).comparison
    pairs = () if comparison is None else comparison.pairs
    pair = next((pair for pair in pairs if (pair.a, pair.b) == (a, b)), None)
    if pair is None or comparison is None:
        return None
    difference, low, high = (100 * value for value in (pair.difference, pair.interval.low, pair.interval.high))
    return Outcome(difference, low, high, comparison.n, comparison.split)


def _first_figure_in(path: Path) -> float | None:
    with suppress(OSError), path.open("rb") as file:
        for line in file:
            with suppress(ValueError, TypeError, KeyError, AttributeError):
                record = json.loads(line)
                if record.get("kind") in FIGURES:
                    return float(record["time"])
    return None
