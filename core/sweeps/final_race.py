"""The end of a sweep: its best settings and the base are trained again, side by side, and evaluated once.

The best of many trials owes part of its validation accuracy to luck, because it was chosen for it. So both are trained
again with three seeds each, in a race like any other, and the test pictures decide.
"""

from dataclasses import dataclass

from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.errors import RunError, SweepError
from core.races.presets import budget_of
from core.races.race import find_race
from core.races.run_comparison import compare_race
from core.runs.run_store import Arm, RunStore
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from core.statistics.metrics import Interval, difference_interval
from core.statistics.race_comparison import RaceComparison
from core.storage import new_id
from core.sweeps.sweep import Sweep, read_sweep
from core.sweeps.sweep_store import FinalRace, SweepFolder

BASE, BEST = "Base", "Best of the sweep"
SEEDS = 3


@dataclass(frozen=True)
class Luck:
    """How much of a sweep's gain on the validation pictures did not last.

    Attributes:
        validation: accuracy of the best trial, as a fraction.
        test: mean accuracy of its settings, trained again.
        interval: of validation minus test; the pictures of both are chance.
    """

    validation: float
    test: float
    interval: Interval
    validation_pictures: int
    test_pictures: int

    @property
    def difference(self) -> float:
        return self.validation - self.test


def start_final_race(settings: Settings, folder: SweepFolder) -> str | None:
    """Queue the race of the best settings against the base, unless it is there; returns its id.

    Raises:
        ConfigError, DatasetError: a configuration does not fit the dataset any more.
        QuotaError: the owner has too many runs in the queue, or the disk is too full: try again later.
        SweepError: no trial has finished.
    """
    with folder.hold():
        sweep = read_sweep(folder)
        if sweep.best is None:
            raise SweepError(f"No trial of sweep {sweep.id} has finished: there is nothing to train again.")
        best = sweep.plan.config_of(sweep.best.values)
        if best == sweep.plan.base:
            return None
        races = [item for item in sweep.races if item.trial == sweep.best.number]
        race = races[0].race if races else new_id("race-")
        if not races:  # written first: a killed process continues with the same race
            folder.write_races((*sweep.races, FinalRace(race, sweep.best.number)))
        store = RunStore(settings)
        there = {(run.meta().arm, run.config().seed) for run in store.all() if run.meta().race == race}
        plan, arms = _plan(sweep, best)
        missing = [arm for arm in arms if (arm.name, arm.config.seed) not in there]
        if missing:
            store.create_race(plan, missing, by=folder.actor(), race=race)
    ensure_scheduler(settings)
    return race


def _plan(sweep: Sweep, best: TrainConfig) -> tuple[RacePlan, list[Arm]]:
    base = sweep.plan.base
    seeds = tuple(range(base.seed, base.seed + SEEDS))
    arms = [Arm(name, config.variant(seed=seed)) for seed in seeds for name, config in ((BASE, base), (BEST, best))]
    budget, amount = budget_of(base)
    return RacePlan("race", (BASE, BEST), seeds, budget, amount, (), sweep.title[:80]), arms


def measure_luck(settings: Settings, sweep: Sweep, validation_pictures: int) -> Luck | None:
    """How much of the best trial's accuracy was luck; None before its race has a result."""
    if sweep.final_race is None:
        return None
    try:
        race = find_race(RunStore(settings).summaries(), sweep.final_race.race)
    except RunError:  # deleted
        return None
    return find_luck(sweep, compare_race(settings, race).comparison, validation_pictures)


def find_luck(sweep: Sweep, found: RaceComparison | None, validation_pictures: int) -> Luck | None:
    """How much of the best trial's accuracy was luck, by the comparison of its race; None where that has no result."""
    arm = next((item for item in found.arms if item.name == BEST), None) if found is not None else None
    if arm is None or sweep.best is None or sweep.best.accuracy is None:
        return None
    interval = difference_interval(sweep.best.accuracy, validation_pictures, arm.mean, arm.interval)
    return Luck(sweep.best.accuracy, arm.mean, interval, validation_pictures, arm.n)
