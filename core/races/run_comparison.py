"""Comparisons of runs that were evaluated: of two runs, and of all arms of a race."""

from dataclasses import dataclass

from core.races.race import Race
from core.runs.run import Run
from core.runs.run_store import RunStore
from core.runs.summary import RunSummary
from core.settings import Settings
from core.statistics.comparison import Comparison, compare
from core.statistics.race_comparison import ArmTables, RaceComparison, compare_arms


@dataclass(frozen=True)
class RaceResult:
    """A comparison of as much of a race as can be compared fairly.

    Attributes:
        comparison: None while fewer than two arms have a result with the same seed.
        seeds: those with which every compared arm has a result.
        missing: one sentence for each arm or seed that is left out.
    """

    comparison: RaceComparison | None
    seeds: tuple[int, ...]
    missing: tuple[str, ...]


def compare_race(settings: Settings, race: Race) -> RaceResult:
    """Compare the arms of a race on the seeds that all of them have finished.

    Arms without any result are left out; so are seeds that an arm has not finished, because the same number of
    trainings must stand behind every arm.

    Raises:
        ComparisonError: if the runs were not evaluated on the same images.
        RunError: if the predictions of a run cannot be read.
    """
    tested = {arm: {run.config.seed: run for run in race.arm(arm) if run.tested is not None} for arm in race.plan.arms}
    arms = [arm for arm in race.plan.arms if tested[arm]]
    missing = [f"The arm {arm} has no test result yet." for arm in race.plan.arms if not tested[arm]]
    if len(arms) < 2:
        return RaceResult(None, (), tuple(missing))
    seeds = tuple(seed for seed in race.plan.seeds if all(seed in tested[arm] for arm in arms))
    left = [str(seed) for seed in race.plan.seeds if seed not in seeds]
    if left:
        missing.append(
            f"Not every arm has a result with the {'seed' if len(left) == 1 else 'seeds'} {', '.join(left)}."
        )
    if not seeds:
        return RaceResult(None, (), tuple(missing))
    store = RunStore(settings)
    found = [_read(store, arm, [tested[arm][seed] for seed in seeds]) for arm in arms]
    return RaceResult(compare_arms(found), seeds, tuple(missing))


def _read(store: RunStore, arm: str, runs: list[RunSummary]) -> ArmTables:
    folders = [store.get(run.id) for run in runs]
    seconds = [_training_seconds(run) for run in folders]
    known = tuple(value for value in seconds if value is not None)
    return ArmTables(arm, tuple(run.predictions() for run in folders), known if len(known) == len(seconds) else ())


def _training_seconds(run: Run) -> float | None:
    """Seconds of training of a run, its validation and frozen part included; None before its first epoch."""
    epochs = run.history().epochs
    return epochs[-1].seconds if epochs else None


def compare_runs(first: Run, second: Run) -> Comparison:
    """Compare two runs on the same images, second minus first.

    Raises:
        ComparisonError: if the runs were not evaluated on the same images.
        RunError: if one has no test result.
    """
    name_a, name_b = _name_in_verdict(first), _name_in_verdict(second)
    seed_a, seed_b = first.config().seed, second.config().seed
    if name_a == name_b and seed_a != seed_b:
        name_a, name_b = f"{name_a}, seed {seed_a}", f"{name_b}, seed {seed_b}"
    if name_a == name_b:
        name_a, name_b = f"{name_a}, run {first.id}", f"{name_b}, run {second.id}"
    return compare(first.predictions(), second.predictions(), name_a, name_b)


def _name_in_verdict(run: Run) -> str:
    config = run.config()
    word = "scratch" if config.strategy == "scratch" else "transfer"
    detail = config.model if config.strategy == "scratch" else f"{config.model}, {config.strategy}"
    return f"{word} ({detail})"
