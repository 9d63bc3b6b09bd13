"""What one does with a race as a whole."""

import pytest

from core.actor import Actor
from core.config.race_plan import RacePlan
from core.datasets.dataset import Dataset
from core.errors import RightsError, RunError
from core.races.race import Race, RaceState, find_race
from core.races.race_actions import can_evaluate, evaluate_race, restart_race, stop_race
from core.races.race_actions import start_race as start
from core.runs.run_files import BEST_SIDECAR, CHECKPOINTS
from core.runs.run_store import Arm, RunStore
from core.settings import Settings
from tests.support.finished_runs import configure, start_race

ADA, BOB = Actor("ada", "Ada"), Actor("bob", "Bob")


def find(settings: Settings, race_id: str) -> Race:
    return find_race(RunStore(settings).summaries(), race_id)


def test_a_race_that_is_started_again_has_the_same_plan_and_configurations(settings: Settings, drawn: Dataset) -> None:
    earlier, _ = start_race(settings, drawn, title="Friday")
    stop_race(settings, find(settings, earlier))
    first = find(settings, earlier)

    again = find(settings, restart_race(settings, first))

    assert again.id != earlier
    assert again.plan == first.plan
    assert [run.config for run in again.runs] == [run.config for run in first.runs]
    assert (first.state, again.state) == (RaceState.INCOMPLETE, RaceState.QUEUED)


def test_the_runs_of_an_arm_come_back_from_one_that_is_left(settings: Settings, drawn: Dataset) -> None:
    earlier, runs = start_race(settings, drawn)
    stop_race(settings, find(settings, earlier))
    RunStore(settings).delete(runs[0].id)

    again = find(settings, restart_race(settings, find(settings, earlier)))

    assert [(entry.run.config.strategy, entry.seed) for entry in again.entries if entry.run] == [
        ("scratch", 0), ("scratch", 1), ("head", 0), ("head", 1)
    ]  # fmt: skip


def test_a_race_without_any_run_of_an_arm_is_not_started_again(settings: Settings, drawn: Dataset) -> None:
    earlier, runs = start_race(settings, drawn, seeds=(0,))
    stop_race(settings, find(settings, earlier))
    RunStore(settings).delete(runs[1].id)

    with pytest.raises(RunError, match="'head' were deleted: start a new race"):
        restart_race(settings, find(settings, earlier))


def test_a_demo_that_is_started_again_has_its_minute_again(settings: Settings, drawn: Dataset) -> None:
    plan = RacePlan("race", ("scratch",), (0,), "epochs", 3)
    earlier, runs = start(settings, plan, [Arm("scratch", configure(drawn.id, "scratch"), 60.0)])
    first = find(settings, earlier)

    again = find(settings, restart_race(settings, first))

    assert again.meta.deadline is not None
    assert again.meta.deadline - again.meta.created == pytest.approx(60.0 - runs[0].meta().created, abs=1.0)


def test_only_its_owner_and_the_presenter_start_a_race_again(settings: Settings, drawn: Dataset) -> None:
    plan = RacePlan("race", ("scratch",), (0,), "epochs", 3)
    earlier, _ = start(settings, plan, [Arm("scratch", configure(drawn.id, "scratch"))], by=ADA)
    race = find(settings, earlier)

    with pytest.raises(RightsError, match="belongs to another person"):
        restart_race(settings, race, by=BOB)
    again = restart_race(settings, race, by=ADA)
    assert find(settings, again).meta.owner == "ada"


def test_a_stopped_run_can_be_evaluated_if_it_has_weights(settings: Settings, drawn: Dataset) -> None:
    earlier, runs = start_race(settings, drawn, seeds=(0,))
    stop_race(settings, find(settings, earlier))
    (runs[1].folder / CHECKPOINTS).mkdir()
    (runs[1].folder / CHECKPOINTS / BEST_SIDECAR).write_text("{}")

    assert can_evaluate(settings, find(settings, earlier)) == [runs[1].id]
    with pytest.raises(RightsError, match="belongs to another person"):
        evaluate_race(settings, find(settings, earlier), by=BOB)
