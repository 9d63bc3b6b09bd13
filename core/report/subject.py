"""The subject of a report: the runs behind a race, a learning curve or a list of runs, read once.

Everything comes off the disk here. The sections of the report take the subject, and so agree with each other
even if a run changes or disappears meanwhile.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from core.config.arm_names import name_configs
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import ComparisonError, DatasetError, RunError
from core.races.arm_facts import count_copies, gather_arm
from core.races.learning_curve import Curve, gather_curve
from core.races.race import Race, find_race
from core.report.content import Kind, Share
from core.runs.history import RunHistory
from core.runs.run import Run, RunResult
from core.runs.run_store import RunStore
from core.runs.summary import RunSummary, summarise
from core.settings import Settings
from core.statistics.caveats import ArmFacts, Caveat, find_caveats, find_missing
from core.statistics.predictions import PredictionTable
from core.statistics.race_comparison import ArmTables, RaceComparison, compare_arms

MAX_RUNS = 6  # of a comparison; a race has arms x seeds


@dataclass(frozen=True)
class ReportRun:
    """A run with everything that its files hold.

    Attributes:
        result: how it ended; None while it is active.
        table: its test result; None where there is none, or it cannot be read.
        validation: predictions on the validation split, of the first tested run of each arm; None where there are none.
    """

    arm: str
    summary: RunSummary
    history: RunHistory
    result: RunResult | None
    table: PredictionTable | None
    validation: PredictionTable | None = None

    @property
    def id(self) -> str:
        return self.summary.id

    @property
    def seed(self) -> int:
        return self.summary.config.seed

    @property
    def training_seconds(self) -> float | None:
        """How long the training phase took, validation included; None before the end of the first epoch."""
        return self.history.epochs[-1].seconds if self.history.epochs else None


TestedRuns = dict[str, list[tuple[ReportRun, PredictionTable]]]  # by arm, in the order of its seeds


@dataclass(frozen=True)
class Subject:
    """The runs of a report, arm by arm.

    Attributes:
        state: of the race, or of the runs.
        ids: what the report was asked for.
        race: None for a list of runs.
        dataset: of the runs; None where it is gone, or has changed since.
        tested: the runs that a comparison rests on: of a race, the seeds that every tested arm has finished.
        comparison: of the tested arms; None where there are fewer than two, and for a learning curve.
        curve: of a learning curve.
        notes: what could not be read or compared, a sentence each.
        settings: for the watts of this machine.
    """

    kind: Kind
    title: str
    state: str
    ids: tuple[str, ...]
    arms: tuple[str, ...]
    runs: tuple[ReportRun, ...]
    race: Race | None
    dataset: Dataset | None
    tested: TestedRuns
    comparison: RaceComparison | None
    curve: Curve | None
    notes: tuple[str, ...]
    settings: Settings

    def of(self, arm: str) -> list[ReportRun]:
        """The runs of an arm, seed by seed."""
        return [item for item in self.runs if item.arm == arm]

    @cached_property
    def representatives(self) -> tuple[ReportRun, ...]:
        """The first run of each arm that has trained: it stands for the arm where one run has to."""
        found = [next((item for item in self.of(arm) if item.history.epochs), None) for arm in self.arms]
        return tuple(item for item in found if item is not None)

    @cached_property
    def arm_facts(self) -> list[ArmFacts]:
        """What a comparison of the arms depends on; without the arms that have not trained."""
        begun = {arm: self.of(arm) for arm in self.arms}
        return [
            gather_arm(arm, [(run.summary, run.history) for run in runs])
            for arm, runs in begun.items()
            if any(run.history.epochs or run.history.points for run in runs)
        ]

    @cached_property
    def accuracies(self) -> dict[str, Share]:
        """The accuracy of each compared arm: a mean over seeds; of a learning curve, with all pictures."""
        if self.curve is not None:
            last = {arm.name: arm.points[-1] for arm in self.curve.arms if arm.points}
            return {
                name: Share(point.mean, point.interval.low, point.interval.high, self.curve.n)
                for name, point in last.items()
            }
        if self.comparison is None:
            return {}
        return {
            score.name: Share(score.mean, score.interval.low, score.interval.high, score.n)
            for score in self.comparison.arms
        }

    @cached_property
    def seeds_of(self) -> dict[str, int]:
        """How many seeds stand behind each of `accuracies`."""
        if self.curve is not None:
            return {arm.name: len(arm.points[-1].seeds) for arm in self.curve.arms if arm.points}
        return {} if self.comparison is None else dict.fromkeys(self.accuracies, self.comparison.seeds)


def read_subject(settings: Settings, ids: Sequence[str]) -> Subject:
    """Read what a report was asked for: one race or learning curve, or two to six runs of one dataset.

    Args:
        ids: the id of the race or learning curve, or of each run.
    Raises:
        ComparisonError: the ids are not that.
        RunError: nothing has such an id, or nothing of it can be read.
    """
    store = RunStore(settings)
    given = list(dict.fromkeys(ids))
    if len(given) == 1:
        summaries = store.summaries()
        if not any(item.meta.race == given[0] for item in summaries):
            if any(item.id == given[0] for item in summaries):
                raise ComparisonError("One run cannot be compared: name two to six runs, a race or a learning curve.")
            raise RunError(
                f"There is no race, learning curve or run {given[0][:64]!r}: `python -m core runs` lists the runs."
            )
        return read_race(settings, find_race(summaries, given[0]))
    if not 2 <= len(given) <= MAX_RUNS:
        raise ComparisonError(f"A report compares two to {MAX_RUNS} runs, not {len(given)}: name fewer, or a race.")
    return _read_runs(settings, given)


def read_race(settings: Settings, race: Race) -> Subject:
    """Read the runs of a race or learning curve.

    Raises:
        RunError: none of its runs can be read.
    """
    store = RunStore(settings)
    runs: list[ReportRun] = []
    notes: list[str] = []
    for entry in race.entries:
        which = entry.arm if entry.seed is None else f"{entry.arm} with seed {entry.seed}"
        if entry.run is None:
            notes.append(f"The run of {which} is missing: it was deleted, or cannot be read.")
            continue
        try:
            runs.append(_read_run(Run(store.folder / entry.run.id), entry.arm, entry.run, notes))
        except (RunError, OSError):
            notes.append(f"The run of {which} was deleted while the report was made.")
    waiting = sum(item.summary.state.active for item in runs)
    if waiting:
        notes.insert(0, f"{waiting} of {len(race.entries)} runs have not ended: make the report again later.")
    if not runs:
        raise RunError(f"No run of {race.id} can be read: start the race again.")
    kind: Kind = "curve" if race.plan.kind == "curve" else "race"
    return _complete(settings, kind, race.title, race.state.value, (race.id,), race.arms, runs, race, notes)


def _read_runs(settings: Settings, ids: Sequence[str]) -> Subject:
    store = RunStore(settings)
    found: list[tuple[Run, RunSummary]] = []
    notes: list[str] = []
    for run_id in ids:
        run = store.get(run_id)  # a mistyped name is an error at once
        try:
            found.append((run, summarise(run)))
        except (RunError, OSError) as error:
            notes.append(_note_on(run.id, error))
    if len(found) < 2:
        raise RunError(" ".join(["Fewer than two of these runs can be read.", *notes]))
    datasets = {summary.config.dataset for _, summary in found}
    if len(datasets) > 1:
        raise ComparisonError(
            f"These runs use different datasets ({', '.join(sorted(datasets))}): choose runs of one dataset."
        )
    names = name_configs([summary.config for _, summary in found])
    runs: list[ReportRun] = []
    for (run, summary), name in zip(found, names, strict=True):
        try:
            runs.append(_read_run(run, name, summary, notes))
        except (RunError, OSError) as error:
            notes.append(_note_on(run.id, error))
    if not runs:
        raise RunError("These runs were deleted just now: choose others.")
    states = ", ".join(sorted({item.summary.state.value for item in runs}))
    title = " vs. ".join(names)
    return _complete(settings, "comparison", title, states, tuple(ids), tuple(names), runs, None, notes)


def _read_run(run: Run, arm: str, summary: RunSummary, notes: list[str]) -> ReportRun:
    history, table = run.history(), None
    if summary.tested is not None or history.tested is not None:
        try:
            table = run.predictions()
        except RunError as error:
            notes.append(str(error))
    return ReportRun(arm, summary, history, run.result(), table)


def _note_on(run_id: str, error: RunError | OSError) -> str:
    return str(error) if isinstance(error, RunError) else f"Run {run_id} was deleted while the report was made."


def _complete(
    settings: Settings,
    kind: Kind,
    title: str,
    state: str,
    ids: tuple[str, ...],
    arms: tuple[str, ...],
    runs: list[ReportRun],
    race: Race | None,
    notes: list[str],
) -> Subject:
    """The subject with its dataset and what several sections rest on."""
    dataset = _read_dataset(settings, runs[0], notes)
    tested = _select_tested(kind, arms, runs, race, notes)
    store = RunStore(settings)
    for found in tested.values():
        first, table = found[0]
        found[0] = dataclasses.replace(first, validation=_read_validation(store, first.id, table)), table
    curve = None
    if race is not None and kind == "curve":
        curve = gather_curve(race, {item.id: item.history.points for item in runs}, count_copies(dataset))
    comparison = None if kind == "curve" else _compare(tested, notes)
    if comparison is not None:
        comparison = dataclasses.replace(comparison, caveats=_find_caveats(tested, race, dataset, comparison.split))
    if len({item.summary.meta.dataset_fingerprint for item in runs}) > 1:
        notes.append("These runs did not all use the same version of the dataset.")
    return Subject(
        kind, title, state, ids, arms, tuple(runs), race, dataset, tested, comparison, curve,
        tuple(dict.fromkeys(notes)), settings,
    )  # fmt: skip


def _read_dataset(settings: Settings, run: ReportRun, notes: list[str]) -> Dataset | None:
    name = run.summary.config.dataset
    try:
        dataset = DatasetStore(settings).get(name)
    except DatasetError:
        notes.append(f"The dataset {name} is missing or damaged: its pictures are left out.")
        return None
    if dataset.fingerprint != run.summary.meta.dataset_fingerprint:
        notes.append(f"The dataset {name} has changed since: its pictures are left out.")
        return None
    return dataset


def _read_validation(store: RunStore, run_id: str, table: PredictionTable) -> PredictionTable | None:
    if table.split == "val":  # a dataset without a test split
        return table
    try:
        return store.get(run_id).validation_predictions()
    except (RunError, OSError):  # older runs have none
        return None


def _select_tested(
    kind: Kind, arms: Sequence[str], runs: Sequence[ReportRun], race: Race | None, notes: list[str]
) -> TestedRuns:
    """The runs that a comparison rests on; nothing where no seed is common to all arms of a race."""
    tables: TestedRuns = {
        arm: [(item, item.table) for item in runs if item.arm == arm and item.table is not None] for arm in arms
    }
    if len(arms) > 2 and kind != "curve":
        notes.extend(f"{arm} has no test result." for arm, found in tables.items() if not found)
    tables = {arm: found for arm, found in tables.items() if found}
    if race is None or len(tables) < 2:
        return tables
    seeds = set.intersection(*({item.seed for item, _ in found} for found in tables.values()))
    left = {item.seed for found in tables.values() for item, _ in found} - seeds
    if left and seeds:
        numbers = ", ".join(map(str, sorted(left)))
        notes.append(f"The verdict leaves out seed {numbers}: not every arm has a test result with it.")
    kept = {arm: [pair for pair in found if pair[0].seed in seeds] for arm, found in tables.items()}
    return {arm: found for arm, found in kept.items() if found}


def _compare(tested: TestedRuns, notes: list[str]) -> RaceComparison | None:
    if len(tested) < 2:
        notes.append("There is no verdict: it needs test results of two arms with the same seed.")
        return None
    try:
        return compare_arms([_arm_tables(arm, found) for arm, found in tested.items()])
    except ComparisonError as error:
        notes.append(str(error))
        return None


def _find_caveats(tested: TestedRuns, race: Race | None, dataset: Dataset | None, split: str) -> tuple[Caveat, ...]:
    """The caveats of the comparison of these runs, and of a race the arms and seeds that it leaves out."""
    arms = [gather_arm(arm, [(run.summary, run.history) for run, _ in found]) for arm, found in tested.items()]
    caveats = find_caveats(arms, split=split, copies=count_copies(dataset))
    if race is None:
        return caveats
    results = {arm: {run.config.seed for run in race.arm(arm) if run.tested is not None} for arm in race.arms}
    return (*caveats, *find_missing(results, race.plan.seeds))


def _arm_tables(arm: str, tested: Sequence[tuple[ReportRun, PredictionTable]]) -> ArmTables:
    seconds = [item.training_seconds for item, _ in tested]
    known = tuple(value for value in seconds if value is not None)
    return ArmTables(arm, tuple(table for _, table in tested), known if len(known) == len(seconds) else ())
