"""Race actions: start, stop, start again, evaluate, delete."""

import time
from contextlib import suppress
from dataclasses import dataclass

from core.actor import OPERATOR, Actor
from core.config.race_plan import RacePlan
from core.errors import RunError
from core.jobs.workers.evaluation_job import start_evaluation
from core.races.race import Race
from core.runs.run import Run, RunState
from core.runs.run_store import Arm, RunStore
from core.settings import Settings

EVALUATED_AT_ONCE = 4


@dataclass(frozen=True)
class Done:
    """How many runs of a race an action changed, and how many it did not."""

    changed: int
    left: int  # runs that had ended or changed meanwhile


def start_race(settings: Settings, plan: RacePlan, arms: list[Arm], *, by: Actor = OPERATOR) -> tuple[str, list[Run]]:
    """Queue all runs of a race, in the order of `arms`; returns its id and them.

    Raises:
        ConfigError: if a configuration does not fit the dataset.
        DatasetError: if the dataset is not there.
        QuotaError: if `by` would have too many runs in the queue, or the disk is too full.
    """
    return RunStore(settings).create_race(plan, arms, by=by)


def stop_race(settings: Settings, race: Race, *, by: Actor = OPERATOR) -> Done:
    """Ask every unfinished run of a race to stop; the results so far are kept.

    Raises:
        RightsError: if it belongs to someone else.
    """
    by.check_may_change(race.meta.owner, "This race")
    store, changed, left = RunStore(settings), 0, 0
    # last first: otherwise the next one would start as soon as one has stopped
    for run in sorted(race.runs, key=lambda item: item.meta.created, reverse=True):
        if not run.state.active and run.state is not RunState.INTERRUPTED:
            continue
        try:
            store.request_stop(run.id, by=by)
            changed += 1
        except RunError:
            left += 1
    return Done(changed, left)


def restart_race(settings: Settings, race: Race, *, by: Actor = OPERATOR) -> str:
    """Queue a new race with the plan and the configurations of this one; returns its id.

    Raises:
        RightsError: if it belongs to someone else.
        RunError: if all runs of an arm were deleted, so that its configuration is not known.
        ConfigError, DatasetError, QuotaError: as `start_race`.
    """
    by.check_may_change(race.meta.owner, "This race")
    configs = {run.meta.arm: run.config for run in race.runs}
    gone = [arm for arm in race.plan.arms if arm not in configs]
    if gone:
        raise RunError(f"The runs of {gone[0]!r} were deleted: start a new race on the Train page.")
    seeds = race.plan.seeds[:1] if race.plan.kind == "curve" else race.plan.seeds
    deadline = None if race.meta.deadline is None else time.time() + race.meta.deadline - race.meta.created
    arms = [Arm(arm, configs[arm].variant(seed=seed), deadline) for seed in seeds for arm in race.plan.arms]
    return start_race(settings, race.plan, arms, by=by)[0]


def evaluate_race(settings: Settings, race: Race, *, by: Actor = OPERATOR) -> Done:
    """Start to evaluate the stopped and interrupted runs of a race that have weights and no test result.

    At most `EVALUATED_AT_ONCE` are begun, because each takes a process.

    Raises:
        RightsError: if it belongs to someone else.
    """
    by.check_may_change(race.meta.owner, "This race")
    waiting = can_evaluate(settings, race)
    for run_id in waiting[:EVALUATED_AT_ONCE]:
        start_evaluation(settings, run_id, by=by)
    return Done(len(waiting[:EVALUATED_AT_ONCE]), len(waiting[EVALUATED_AT_ONCE:]))


def can_evaluate(settings: Settings, race: Race) -> list[str]:
    """The runs of a race that have ended with weights and without a test result."""
    ended = [run for run in race.runs if not run.state.active and not run.is_curve and run.tested is None]
    return [run.id for run in ended if Run(settings.runs_dir / run.id).has_weights]


def delete_race(settings: Settings, race: Race, *, by: Actor = OPERATOR) -> Done:
    """Delete every run of a finished race.

    Raises:
        RightsError: if it belongs to someone else.
        RunError: if one of its runs is queued or running.
    """
    by.check_may_change(race.meta.owner, "This race")
    if race.state.active:
        raise RunError(f"The race is {race.state.value}: stop it before you delete it.")
    store, changed, _left = RunStore(settings), 0, 0
    for run in race.runs:
        with suppress(RunError):
            store.delete(run.id, by=by)
            changed += 1
    return Done(changed, len(race.runs) - changed)
