"""What a report is about: the runs behind a race, a learning curve or a list of runs, read once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.errors import ComparisonError, RunError
from core.races.race import Race, find_race
from core.report.content import Kind
from core.runs.history import RunHistory
from core.runs.run import Run
from core.runs.run_store import RunStore
from core.runs.summary import RunSummary, summarise
from core.settings import Settings
from core.statistics.predictions import PredictionTable

MAX_RUNS = 6  # of a comparison; a race has arms x seeds
MAX_ARM_NAME = 64


@dataclass(frozen=True)
class LoadedRun:
    """A run with all that its files tell; the table is None where there is no test result."""

    run: Run
    arm: str
    summary: RunSummary
    history: RunHistory
    table: PredictionTable | None

    @property
    def id(self) -> str:
        return self.run.id

    @property
    def seed(self) -> int:
        return self.summary.config.seed

    @property
    def training_seconds(self) -> float | None:
        """How long the training phase took, validation included; None before the first epoch has ended."""
        return self.history.epochs[-1].seconds if self.history.epochs else None


@dataclass
class Subject:
    """The runs of a report, arm by arm, and what could not be read."""

    kind: Kind
    title: str
    state: str
    ids: tuple[str, ...]
    arms: tuple[str, ...]
    race: Race | None = None
    runs: list[LoadedRun] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def of(self, arm: str) -> list[LoadedRun]:
        """The runs of an arm, seed by seed."""
        return [item for item in self.runs if item.arm == arm]


def find_subject(settings: Settings, ids: Sequence[str]) -> Subject:
    """Read what a report was asked for: the id of one race or learning curve, or of two to six runs of one dataset.

    Raises:
        ComparisonError: the ids are not that.
        RunError: there is nothing of such an id, or nothing of it can be read.
    """
    store = RunStore(settings)
    given = list(dict.fromkeys(ids))
    if len(given) == 1:
        summaries = store.summaries()
        if not any(item.meta.race == given[0] for item in summaries):
            if any(item.id == given[0] for item in summaries):
                raise ComparisonError("One run is no comparison: name two to six runs, a race or a learning curve.")
            raise RunError(
                f"There is no race, learning curve or run {given[0][:64]!r}: `python -m core runs` lists the runs."
            )
        return _of_race(store, find_race(summaries, given[0]))
    if not 2 <= len(given) <= MAX_RUNS:
        raise ComparisonError(
            f"A report compares two to {MAX_RUNS} runs, and {len(given)} were named: choose among them."
        )
    return _of_runs(store, given)


def _of_race(store: RunStore, race: Race) -> Subject:
    subject = Subject(
        "curve" if race.plan.kind == "curve" else "race", race.title, race.state.value, (race.id,), race.plan.arms, race
    )
    for entry in race.entries:
        which = entry.arm if entry.seed is None else f"{entry.arm} with seed {entry.seed}"
        if entry.run is None:
            subject.notes.append(f"The run of {which} is not there any more: it was deleted, or cannot be read.")
            continue
        try:
            subject.runs.append(_load(subject, Run(store.folder / entry.run.id), entry.arm, entry.run))
        except (RunError, OSError):
            subject.notes.append(f"The run of {which} was deleted while the report was made.")
    waiting = sum(item.summary.state.active for item in subject.runs)
    if waiting:
        subject.notes.insert(0, f"{waiting} of {len(race.entries)} runs have not ended: make the report again later.")
    if not subject.runs:
        raise RunError(f"Nothing of {race.id} can be read any more: start it again.")
    return subject


def _of_runs(store: RunStore, ids: Sequence[str]) -> Subject:
    subject = Subject("comparison", "", "", tuple(ids), ())
    found: list[tuple[Run, RunSummary]] = []
    for run_id in ids:
        run = store.get(run_id)  # a name that was mistyped is told at once
        try:
            found.append((run, summarise(run)))
        except (RunError, OSError) as error:
            subject.notes.append(_told(run.id, error))
    if len(found) < 2:
        raise RunError(" ".join(["Fewer than two of these runs can be read.", *subject.notes]))
    datasets = {summary.config.dataset for _, summary in found}
    if len(datasets) > 1:
        raise ComparisonError(
            f"These runs are of different datasets ({', '.join(sorted(datasets))}): choose runs of one dataset."
        )
    names = arm_names([summary for _, summary in found])
    subject.arms = tuple(names)
    for (run, summary), name in zip(found, names, strict=True):
        try:
            subject.runs.append(_load(subject, run, name, summary))
        except (RunError, OSError) as error:
            subject.notes.append(_told(run.id, error))
    if not subject.runs:
        raise RunError("These runs were deleted just now: choose others.")
    subject.title = " against ".join(names)
    states = {item.summary.state.value for item in subject.runs}
    subject.state = states.pop() if len(states) == 1 else ", ".join(sorted(states))
    return subject


def arm_names(summaries: Sequence[RunSummary]) -> list[str]:
    """What tells runs apart: network and strategy, with the title or the end of the id where that is not enough."""
    short = [item.config.title() for item in summaries]
    titled = [item.title if len(item.title) <= MAX_ARM_NAME else item.config.title() for item in summaries]
    counts, titles = Counter(short), Counter(titled)
    return [
        name if counts[name] == 1 else title if titles[title] == 1 else f"{name} {item.id[-6:]}"
        for name, title, item in zip(short, titled, summaries, strict=True)
    ]


def _load(subject: Subject, run: Run, arm: str, summary: RunSummary) -> LoadedRun:
    history = run.history()
    table = None
    if summary.tested is not None or history.tested is not None:
        try:
            table = run.predictions()
        except RunError as error:
            subject.notes.append(str(error))
    return LoadedRun(run, arm, summary, history, table)


def _told(run_id: str, error: RunError | OSError) -> str:
    return str(error) if isinstance(error, RunError) else f"Run {run_id} was deleted while the report was made."
