"""Comparisons of runs that were evaluated: of two runs, and of all arms of a race."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from core.config.arm_names import name_configs
from core.races.arm_facts import Trained, gather_arm, read_copies
from core.races.common_pictures import CommonTables, read_tables
from core.races.race import Race
from core.runs.history import RunHistory
from core.runs.run import Run
from core.runs.run_store import RunStore
from core.runs.summary import RunSummary, summarise
from core.settings import Settings
from core.statistics.caveats import ArmFacts, Caveat, find_caveats, find_missing
from core.statistics.comparison import Comparison, compare
from core.statistics.predictions import PredictionTable
from core.statistics.race_comparison import ArmTables, RaceComparison, compare_arms


@dataclass(frozen=True)
class RaceResult:
    """A comparison of as much of a race as can be compared fairly.

    Attributes:
        comparison: None while fewer than two arms have a result with the same seed.
        seeds: those with which every compared arm has a result.
        missing: the arms and seeds that are left out; also among the caveats of the comparison.
    """

    comparison: RaceComparison | None
    seeds: tuple[int, ...]
    missing: tuple[Caveat, ...]


def compare_race(settings: Settings, race: Race) -> RaceResult:
    """Compare the arms of a race on the seeds that all of them have finished.

    Arms without any result are left out; so are seeds that an arm has not finished, because the same number of
    trainings must stand behind every arm.

    Raises:
        ComparisonError: if the runs were not evaluated on the same images.
        RunError: if the predictions of a run cannot be read.
    """
    tested = {arm: {run.config.seed: run for run in race.arm(arm) if run.tested is not None} for arm in race.arms}
    arms = [arm for arm in race.arms if tested[arm]]
    missing = find_missing(tested, race.plan.seeds)
    seeds = tuple(seed for seed in race.plan.seeds if all(seed in tested[arm] for arm in arms))
    if len(arms) < 2 or not seeds:
        return RaceResult(None, (), missing)
    store = RunStore(settings)
    found = {arm: [_read(store, tested[arm][seed]) for seed in seeds] for arm in arms}
    common = read_tables(settings, [run for runs in found.values() for run, _, _ in runs])
    tables = iter(common.tables)
    comparison = compare_arms([_tables(arm, runs, tuple(islice(tables, len(runs)))) for arm, runs in found.items()])
    facts = [gather_arm(arm, [(summary, history) for _, summary, history in runs]) for arm, runs in found.items()]
    caveats = _find_caveats(settings, facts, comparison.split, race.runs[0], common)
    return RaceResult(replace(comparison, caveats=(*caveats, *missing)), seeds, missing)


Read = tuple[Run, RunSummary, RunHistory]


def _read(store: RunStore, summary: RunSummary) -> Read:
    run = store.get(summary.id)
    return run, summary, run.history()


def _tables(arm: str, runs: list[Read], tables: tuple[PredictionTable, ...]) -> ArmTables:
    seconds = [_training_seconds(history) for _, _, history in runs]
    known = tuple(value for value in seconds if value is not None)
    return ArmTables(arm, tables, known if len(known) == len(seconds) else ())


def _training_seconds(history: RunHistory) -> float | None:
    """Seconds of training of a run, its validation and frozen part included; None before its first epoch."""
    return history.epochs[-1].seconds if history.epochs else None


def compare_runs(settings: Settings, first: Run, second: Run) -> Comparison:
    """Compare two runs on the same images, second minus first.

    Raises:
        ComparisonError: if the runs were not evaluated on the same images.
        RunError: if one has no test result.
    """
    name_a, name_b = name_configs([first.config(), second.config()])
    common = read_tables(settings, [first, second])
    a, b = common.tables
    caveats = _caveats_of(settings, {name_a: first, name_b: second}, a.split, common)
    return compare(a, b, name_a, name_b, caveats=caveats)


def compare_many(settings: Settings, runs: Sequence[Run]) -> RaceComparison:
    """Compare two or more runs on the same images, each as an arm with one training.

    Raises:
        ComparisonError: if the runs were not evaluated on the same images.
        RunError: if one has no test result.
    """
    named = dict(zip(name_configs([run.config() for run in runs]), runs, strict=True))
    common = read_tables(settings, runs)
    comparison = compare_arms([ArmTables(name, (table,)) for name, table in zip(named, common.tables, strict=True)])
    return replace(comparison, caveats=_caveats_of(settings, named, comparison.split, common))


def _caveats_of(settings: Settings, named: Mapping[str, Run], split: str, common: CommonTables) -> tuple[Caveat, ...]:
    summaries = {name: summarise(run) for name, run in named.items()}
    facts = [gather_arm(name, [(summaries[name], run.history())]) for name, run in named.items()]
    return _find_caveats(settings, facts, split, next(iter(summaries.values())), common)


def _find_caveats(
    settings: Settings, facts: Sequence[ArmFacts], split: str, first: Trained, common: CommonTables
) -> tuple[Caveat, ...]:
    """What was unequal; of runs on revisions of one dataset, what they are compared on."""
    if common.caveat is not None:
        facts = [replace(item, fingerprint="") for item in facts]
    found = find_caveats(facts, split=split, copies=read_copies(settings, first))
    return (*found, common.caveat) if common.caveat else tuple(found)
