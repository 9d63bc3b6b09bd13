"""Run page, race page and queue show the same time that is left."""

import json
import time

from core.config.events import BatchDone, to_record
from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.runs.run import Run
from core.runs.run_store import Arm, RunStore
from core.scheduling.durations import Durations
from core.scheduling.run_queue import QueueView, Turn, write_queue
from core.settings import Settings
from core.storage import write_json
from pages.components.shared.snapshots.race_snapshot import forget_races, look_at_race
from pages.components.shared.snapshots.runs_snapshot import look_at
from tests.core.runs.test_run import held


def begin(run: Run, eta_seconds: float | None) -> None:
    """A run that has begun, and says how long it still takes."""
    write_json(run.folder / "started.json", {"pid": 1, "born": 0.0, "time": time.time()})
    batch = BatchDone(1, 2, 3, 4, 0.5, 0.5, 0.1, 10.0, 7.0, eta_seconds, 0.4)
    run.event_log.write_text(json.dumps({"time": time.time(), **to_record(batch)}) + "\n", encoding="utf-8")


def test_a_race_ends_with_its_last_run_as_its_runs_and_the_queue_expect(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    plan = RacePlan("race", ("scratch", "twin"), (small_config.seed,), "epochs", small_config.epochs)
    arms = [Arm(name, small_config) for name in plan.arms]
    race, (running, waiting) = RunStore(settings).create_race(plan, arms)
    begin(running, 100.0)
    turn = Turn(waiting.id, 1, time.time() + 100, time.time() + 250)
    write_queue(settings, QueueView((turn,)))
    forget_races()
    with held(running.lock_path):
        whole = look_at_race(settings, race).seconds_left
        runs = [look_at(settings, run.id).seconds_left for run in (running, waiting)]
        queue = Durations(settings).left(running, settings.threads)
    assert None not in (whole, queue, *runs)
    assert [round(seconds or 0, -1) for seconds in (*runs, queue)] == [100, 250, 100]
    assert round(whole or 0, -1) == 250


def test_nothing_is_shown_of_a_race_while_one_of_its_runs_cannot_say_when_it_ends(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    plan = RacePlan("race", ("scratch", "twin"), (small_config.seed,), "epochs", small_config.epochs)
    race, (one, other) = RunStore(settings).create_race(plan, [Arm(name, small_config) for name in plan.arms])
    begin(one, 100.0)
    begin(other, None)
    forget_races()
    with held(one.lock_path), held(other.lock_path):
        assert look_at_race(settings, race).seconds_left is None
        assert look_at(settings, one.id).seconds_left is not None
