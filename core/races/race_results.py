"""What a race shows so far: every arm and seed that has a test result, judged together."""

from dataclasses import dataclass

from core.races.race import Race
from core.runs.run import Run
from core.runs.run_store import RunStore
from core.runs.summary import RunSummary
from core.settings import Settings
from core.statistics.race_comparison import ArmTables, RaceJudgement, judge_race


@dataclass(frozen=True)
class RaceResult:
    """A judgement, on as much of the race as can be judged fairly.

    Attributes:
        judgement: None while fewer than two arms have a result with the same seed.
        seeds: those with which every judged arm has a result.
        missing: one sentence for each arm or seed that is left out.
    """

    judgement: RaceJudgement | None
    seeds: tuple[int, ...]
    missing: tuple[str, ...]


def judge(settings: Settings, race: Race) -> RaceResult:
    """Judge a race on the seeds that all of its arms have finished.

    Arms without any result are left out; so are seeds that an arm has not finished, for the same number of
    trainings must stand behind every arm.

    Raises:
        ComparisonError: if the runs were not tested on the same pictures.
        RunError: if the predictions of a run cannot be read.
    """
    tested = {arm: {run.config.seed: run for run in race.arm(arm) if run.tested is not None} for arm in race.plan.arms}
    arms = [arm for arm in race.plan.arms if tested[arm]]
    missing = [f"The arm {arm} has no test result yet." for arm in race.plan.arms if not tested[arm]]
    if len(arms) < 2:
        return RaceResult(None, (), tuple(missing))
    seeds = tuple(seed for seed in race.plan.seeds if all(seed in tested[arm] for arm in arms))
    left = [seed for seed in race.plan.seeds if seed not in seeds]
    if left:
        told = ", ".join(str(seed) for seed in left)
        missing.append(f"Not every arm has a result with the {'seed' if len(left) == 1 else 'seeds'} {told}.")
    if not seeds:
        return RaceResult(None, (), tuple(missing))
    store = RunStore(settings)
    found = [_read(store, arm, [tested[arm][seed] for seed in seeds]) for arm in arms]
    return RaceResult(judge_race(found), seeds, tuple(missing))


def training_seconds(run: Run) -> float | None:
    """Seconds of training of a run, its validation and frozen part included; None before its first epoch."""
    epochs = run.history().epochs
    return epochs[-1].seconds if epochs else None


def _read(store: RunStore, arm: str, runs: list[RunSummary]) -> ArmTables:
    folders = [store.get(run.id) for run in runs]
    seconds = [training_seconds(run) for run in folders]
    known = tuple(value for value in seconds if value is not None)
    return ArmTables(arm, tuple(run.predictions() for run in folders), known if len(known) == len(seconds) else ())
