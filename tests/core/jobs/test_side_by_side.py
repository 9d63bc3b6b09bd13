"""The arms of a race run side by side, each with its share of the threads, which a resumed run takes again."""

import psutil
import pytest

from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.runs.attempts import threads_of
from core.runs.run import Run, RunState
from core.runs.run_store import Arm, RunStore
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from core.storage import read_json
from tests.support.processes import wait_for

EPOCHS = 60


def losses(run: Run) -> list[tuple[float, float]]:
    return [(epoch.train_loss, epoch.val_loss) for epoch in run.history().epochs]


def test_two_arms_overlap_in_time_and_one_that_was_killed_gives_the_numbers_of_its_twin(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    drawn: Dataset,
    small_config: TrainConfig,
    ended_processes: None,
) -> None:
    monkeypatch.setenv("TUNEMYPETS_THREADS", "2")
    monkeypatch.setenv("TUNEMYPETS_DEVICE", "cpu")
    two = Settings.from_environment()
    config = small_config.model_copy(update={"epochs": EPOCHS})
    plan = RacePlan("race", ("one", "twin"), (config.seed,), "epochs", EPOCHS)
    _, (one, twin) = RunStore(two).create_race(plan, [Arm("one", config), Arm("twin", config)])
    ensure_scheduler(two)
    wait_for(lambda: min(len(one.history().epochs), len(twin.history().epochs)) >= 2, 60)
    assert (one.state(), twin.state()) == (RunState.RUNNING, RunState.RUNNING)
    psutil.Process(read_json(one.folder / "started.json")["pid"]).kill()
    wait_for(lambda: (one.state(), twin.state()) == (RunState.FINISHED, RunState.FINISHED), 120)
    assert read_json(one.folder / "attempts.json")["automatic"] == 1
    for run in (one, twin):
        described = run.history().described
        assert described is not None
        assert described.hardware["threads"] == threads_of(run.folder) == 1
    assert len(losses(twin)) == EPOCHS
    assert losses(one) == losses(twin)


def test_a_run_of_its_own_gets_all_threads(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    drawn: Dataset,
    small_config: TrainConfig,
    ended_processes: None,
) -> None:
    monkeypatch.setenv("TUNEMYPETS_THREADS", "2")
    run = RunStore(Settings.from_environment()).create(small_config.model_copy(update={"epochs": 1}))
    ensure_scheduler(settings)
    wait_for(lambda: run.state() is RunState.FINISHED, 60)
    described = run.history().described
    assert described is not None
    assert described.hardware["threads"] == 2
