"""A race or a learning curve, put together from its runs: it has no file of its own that could disagree with them."""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.config.arm_names import name_arms
from core.config.race_plan import RacePlan
from core.errors import RunError
from core.runs.run import RunMeta, RunState
from core.runs.summary import RunSummary


class RaceState(enum.StrEnum):
    """A race is in exactly one of these."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    INCOMPLETE = "incomplete"  # nothing queued or running, and some runs have no result

    @property
    def active(self) -> bool:
        """Whether a run is queued or running."""
        return self in (RaceState.QUEUED, RaceState.RUNNING)


@dataclass(frozen=True)
class Entry:
    """One arm with one seed (of a curve: with all seeds); `run` is None where it was deleted.

    Attributes:
        arm: the name under which it is shown.
    """

    arm: str
    seed: int | None
    run: RunSummary | None


@dataclass(frozen=True)
class Race:
    """A race and its runs.

    Attributes:
        plan: calls the arms by the names that the command line takes.
        arms: the names under which they are shown, in the plan's order.
        entries: arm by arm, seed by seed.
    """

    id: str
    plan: RacePlan
    meta: RunMeta  # of its first run: owner, dataset, classes, when
    dataset: str
    arms: tuple[str, ...]
    entries: tuple[Entry, ...]

    @property
    def runs(self) -> tuple[RunSummary, ...]:
        """Those that exist."""
        return tuple(entry.run for entry in self.entries if entry.run is not None)

    @property
    def state(self) -> RaceState:
        states = [run.state for run in self.runs]
        if RunState.RUNNING in states:
            return RaceState.RUNNING
        if RunState.QUEUED in states:
            begun = any(state is not RunState.QUEUED for state in states)
            return RaceState.RUNNING if begun else RaceState.QUEUED
        whole = len(states) == len(self.entries) and all(state is RunState.FINISHED for state in states)
        return RaceState.FINISHED if whole else RaceState.INCOMPLETE

    @property
    def title(self) -> str:
        """Its title, or its arms where it has none."""
        return self.plan.title or " vs. ".join(self.arms)

    def name_of(self, run: RunSummary) -> str:
        """The name of the arm to which a run belongs."""
        return next((entry.arm for entry in self.entries if entry.run is not None and entry.run.id == run.id), "")

    def arm(self, name: str) -> tuple[RunSummary, ...]:
        """The existing runs of an arm, seed by seed."""
        return tuple(entry.run for entry in self.entries if entry.arm == name and entry.run is not None)


def find_race(summaries: Iterable[RunSummary], race_id: str) -> Race:
    """One race among all runs.

    Raises:
        RunError: if no run belongs to it.
    """
    found = [item for item in summaries if item.meta.race == race_id]
    if not found:
        raise RunError(f"There is no race {race_id[:64]!r}: start one on the Train page.")
    return _gather(race_id, found)


def list_races(summaries: Iterable[RunSummary]) -> list[Race]:
    """Every race and curve, newest first."""
    groups: dict[str, list[RunSummary]] = {}
    for item in summaries:
        if item.meta.race:
            groups.setdefault(item.meta.race, []).append(item)
    races = [_gather(race_id, found) for race_id, found in groups.items()]
    return sorted(races, key=lambda race: (race.meta.created, race.id), reverse=True)


def _gather(race_id: str, found: Sequence[RunSummary]) -> Race:
    runs = sorted(found, key=lambda item: (item.meta.created, item.id))
    plan = runs[0].meta.plan or _plan_of(runs)
    seeds = (None,) if plan.kind == "curve" else plan.seeds
    configs = {item.meta.arm: item.config for item in reversed(runs)}
    names = name_arms({arm: configs.get(arm) for arm in plan.arms})
    places = {(item.meta.arm, None if plan.kind == "curve" else item.config.seed): item for item in runs}
    entries = tuple(Entry(names[arm], seed, places.get((arm, seed))) for arm in plan.arms for seed in seeds)
    return Race(race_id, plan, runs[0].meta, runs[0].config.dataset, tuple(names.values()), entries)


def _plan_of(runs: Sequence[RunSummary]) -> RacePlan:
    """The plan of a race that was started before plans were stored."""
    arms = tuple(dict.fromkeys(item.meta.arm or item.config.title() for item in runs))
    seeds = tuple(sorted({item.config.seed for item in runs}))
    return RacePlan("race", arms, seeds, "epochs", max(item.config.epochs for item in runs))
