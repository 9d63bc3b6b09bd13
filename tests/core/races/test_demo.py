"""The demonstration: a fair race on few drawn pictures, joined by whoever asks while it runs."""

import dataclasses
import time
from dataclasses import dataclass

import pytest

from core.config.events import EpochDone, Event, PhaseStarted
from core.config.seen_views import PLAIN, describe_views
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import DatasetError, RunError
from core.jobs.import_jobs import ImportJobs, ImportRequest
from core.locks import is_held
from core.races import demo
from core.races.presets import plan_pair
from core.runs.history import RunHistory
from core.runs.run import RunMeta, RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.statistics.caveats import FEW_EPOCHS
from core.storage import write_json
from tests.support.processes import wait_for


def test_both_sides_get_the_same_budget() -> None:
    scratch, transfer = (arm.config.model_dump() for arm in plan_pair(demo.demo_config("drawn", seed=2))[1])
    assert {name for name in scratch if scratch[name] != transfer[name]} == {"model", "strategy"}
    assert (scratch["strategy"], transfer["strategy"]) == ("scratch", "head")
    assert transfer["model"] == "petnet"
    assert scratch["seed"] == 2
    plan, _ = plan_pair(demo.demo_config("drawn", seconds=33.5))
    assert (plan.budget, plan.amount) == ("seconds", 33.5)


def test_both_sides_see_the_same_of_each_picture() -> None:
    configs = [arm.config for arm in plan_pair(demo.demo_config("drawn"))[1]]
    assert {describe_views(config) for config in configs} == {PLAIN}


def deadlines(settings: Settings, race: str) -> dict[str, tuple[float, float]]:
    """Arm -> its deadline and its seconds."""
    found = {}
    for run in RunStore(settings).race(race):
        meta, seconds = run.meta(), run.config().max_seconds
        assert meta.deadline is not None
        assert seconds is not None
        found[str(meta.arm)] = (meta.deadline, seconds)
    return found


def test_both_arms_get_what_a_minute_leaves_and_end_with_it(drawn: Dataset, settings: Settings) -> None:
    two = dataclasses.replace(settings, device="cpu", threads=2)
    began = time.time() - 20
    write_json(settings.home / "demo.json", {"began": began})  # the drawing took 20 s
    found = deadlines(two, demo.start_demo(two, drawn.id))
    assert found["scratch"] == found["transfer"]
    deadline, seconds = found["scratch"]
    assert deadline == pytest.approx(began + 60, abs=0.1)
    assert seconds == pytest.approx(40 - demo.AROUND_SECONDS, abs=1)
    assert not (settings.home / "demo.json").exists()


def test_arms_that_take_turns_share_the_minute(drawn: Dataset, settings: Settings) -> None:
    one = dataclasses.replace(settings, device="cpu", threads=1)
    found = deadlines(one, demo.start_demo(one, drawn.id))
    assert found["scratch"][0] == pytest.approx(time.time() + 60, abs=2)
    assert found["transfer"][0] == pytest.approx(time.time() + 30, abs=2)
    assert found["scratch"][1] == found["transfer"][1] == pytest.approx(30 - demo.AROUND_SECONDS, abs=1)


def test_a_drawing_that_took_more_than_the_minute_leaves_some_training(drawn: Dataset, settings: Settings) -> None:
    two = dataclasses.replace(settings, device="cpu", threads=2)
    write_json(settings.home / "demo.json", {"began": time.time() - 90})
    deadline, seconds = deadlines(two, demo.start_demo(two, drawn.id))["scratch"]
    assert seconds == demo.LEAST_SECONDS
    assert time.time() + demo.LEAST_SECONDS < deadline < time.time() + 30


@dataclass
class Arm:
    """A run of a demo as a page sees it."""

    config: TrainConfig
    state: RunState
    history: RunHistory
    meta: RunMeta


def arms_of(state: RunState, *events: Event) -> list[Arm]:
    found = []
    for arm in plan_pair(demo.demo_config("drawn"))[1]:
        history = RunHistory()
        for event in events:
            history.add(0.0, event)
        meta = RunMeta(100.0, "local", "race", arm.name, "Drawn", "f", ("cat", "dog"), deadline=160.0)
        found.append(Arm(arm.config, state, history, meta))
    return found


def epoch(number: int) -> EpochDone:
    return EpochDone(number, "scratch", 0.5, 0.5, 0.5, 0.5, 0.1, 2.0, 9.0, 96 * number, 8.0, True)


@pytest.mark.parametrize(
    ("state", "events", "phase"),
    [
        (RunState.QUEUED, [], "waiting"),
        (RunState.RUNNING, [], "starting"),
        (RunState.RUNNING, [PhaseStarted("preparing", "")], "starting"),
        (RunState.RUNNING, [PhaseStarted("training", "")], "training"),
        (RunState.RUNNING, [PhaseStarted("testing", "")], "evaluating"),
        (RunState.FINISHED, [PhaseStarted("testing", "")], "ended"),
    ],
)
def test_a_demo_has_a_countdown_and_a_phase(state: RunState, events: list[Event], phase: str) -> None:
    progress = demo.follow_race(arms_of(state, *events))
    assert (progress.phase, progress.began, progress.ends) == (phase, 100.0, 160.0)
    assert (progress.seconds_left(130.0), progress.seconds_left(170.0)) == (30.0, 0.0)


def test_a_scratch_arm_that_saw_little_is_reported_when_it_has_ended() -> None:
    few, enough = epoch(FEW_EPOCHS - 1), epoch(FEW_EPOCHS)
    assert demo.follow_race(arms_of(RunState.FINISHED, few)).note == (
        "This machine was busy: scratch saw 384 pictures only."
    )
    assert demo.follow_race(arms_of(RunState.RUNNING, few)).note == ""
    assert demo.follow_race(arms_of(RunState.FINISHED, enough)).note == ""


def test_whoever_asks_while_a_demo_waits_joins_it(drawn: Dataset, settings: Settings) -> None:
    first = demo.start_demo(settings, drawn.id)
    assert demo.start_demo(settings, drawn.id) == first
    store = RunStore(settings)
    assert len(store.race(first)) == 2
    for run in store.race(first):
        store.request_stop(run.id)
    assert {run.state() for run in store.race(first)} == {RunState.STOPPED}
    assert demo.start_demo(settings, drawn.id) != first


def test_a_demo_on_a_dataset_that_is_gone_is_refused(settings: Settings) -> None:
    with pytest.raises(DatasetError, match="There is no dataset 'gone'"):
        demo.start_demo(settings, "gone")


def test_the_pictures_are_drawn_once_for_all(settings: Settings, ended_processes: None) -> None:
    assert demo.demo_dataset(settings) is None
    job = demo.make_demo_dataset(settings)
    assert demo.follow_drawing(settings).phase == "drawing"
    assert demo.follow_drawing(settings).ends == pytest.approx(time.time() + 60, abs=5)
    assert demo.make_demo_dataset(settings) == job
    wait_for(lambda: ImportJobs(settings).status(job).state != "running")
    made = demo.demo_dataset(settings)
    assert made == ImportJobs(settings).status(job).dataset
    dataset = DatasetStore(settings).get(made or "")
    assert [len(dataset.rows_of(split)) for split in ("train", "val", "test")] == [48, 48, 144]
    assert not is_held(settings.home / "demo.lock")


def test_a_sample_with_another_split_does_not_take_the_demos_name(
    drawn: Dataset, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ImportRequest] = []
    monkeypatch.setattr(ImportJobs, "start", lambda _, request, **__: asked.append(request) or "job")
    monkeypatch.setattr(demo, "ensure_scheduler", lambda _: None)
    demo.make_demo_dataset(settings)
    assert [request.name for request in asked] == ["drawn 2"]


def test_drawn_pictures_with_another_split_are_not_the_demos(drawn: Dataset, settings: Settings) -> None:
    assert drawn.drawn
    assert demo.demo_dataset(settings) is None


def test_a_start_that_takes_too_long_is_an_error_of_one_sentence(
    settings: Settings, drawn: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    monkeypatch.setattr(demo, "LOCK_SECONDS", 0.05)
    with (
        FileLock(settings.home / "demo.lock", is_singleton=False),
        pytest.raises(RunError, match="try again in a few seconds"),
    ):
        demo.start_demo(settings, drawn.id)
