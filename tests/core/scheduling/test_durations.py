"""How long runs will take, as far as it is known."""

import dataclasses
import json
import time

import pytest

from core.config.events import BatchDone, Message, to_record
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.estimates.estimate import Estimate
from core.jobs.workers.worker import Worker
from core.races.presets import plan_pair
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.scheduling.durations import Durations, estimate_race, estimate_run
from core.settings import Settings
from core.storage import write_json


def test_a_run_takes_what_such_runs_took_for_an_epoch(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    store, durations = RunStore(settings), Durations(settings)
    first = store.create(small_config)
    other = store.create(small_config.model_copy(update={"epochs": 3}))
    assert durations.expect(Run(store.folder / "gone"), 1) is None
    assert Worker(settings, first).work() is RunState.FINISHED
    durations.learn(first)
    result = first.result()
    assert result is not None
    again = store.create(small_config.model_copy(update={"seed": 5, "note": "again"}))
    assert durations.expect(again, settings.threads) == pytest.approx(result.seconds)
    assert durations.expect(other, settings.threads) == pytest.approx(1.5 * result.seconds)


def test_a_stopped_run_teaches_nothing(settings: Settings, drawn: Dataset, small_config: TrainConfig) -> None:
    store, durations = RunStore(settings), Durations(settings)
    run = store.create(small_config)
    store.request_stop(run.id)
    durations.learn(run)
    assert durations.expect(store.create(small_config), settings.threads) is None


@pytest.mark.parametrize("tail", ["", "{half", "[]\n"])
def test_the_time_left_of_a_running_run_is_what_it_last_logged(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tail: str
) -> None:
    run = RunStore(settings).create(small_config)
    write_json(run.folder / "started.json", {"pid": 1, "time": time.time()})
    assert Durations(settings).left(run, settings.threads) is None
    events = [{"time": time.time() - 100, **to_record(Message("info", "Slow"))}] * 500
    batch = BatchDone(1, 2, 3, 4, 0.5, 0.5, 0.1, 10.0, 7.0, 30.0, 0.4)
    events.append({"time": time.time() - 5, **to_record(batch)})
    lines = "".join(json.dumps(event) + "\n" for event in events)
    (run.folder / "events.jsonl").write_text(lines + tail, encoding="utf-8")
    left = Durations(settings).left(run, settings.threads)
    assert left is not None
    assert 20 < left <= 25.1


def test_runs_with_a_budget_take_as_long_as_runs_with_the_same_budget(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    store, durations = RunStore(settings), Durations(settings)
    budget = small_config.model_copy(update={"epochs": 900, "max_images": 50})
    first = store.create(budget)
    assert Worker(settings, first).work() is RunState.FINISHED
    durations.learn(first)
    result = first.result()
    assert result is not None
    assert durations.expect(store.create(budget.model_copy(update={"seed": 3})), settings.threads) == pytest.approx(
        result.seconds
    )
    assert durations.expect(store.create(budget.model_copy(update={"max_images": 90})), settings.threads) is None
    assert durations.expect(store.create(small_config), settings.threads) is None


def test_a_race_takes_as_long_as_its_arms_side_by_side_or_in_turn(
    settings: Settings, drawn: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def known(given: Settings, config: TrainConfig, *_: object) -> Estimate | None:
        took = config.max_seconds or {"scratch": 40.0, "head": 20.0}[config.strategy]
        return Estimate({"training": took}) if given.threads == 2 else None

    monkeypatch.setattr("core.scheduling.durations.estimate", known)
    plan, arms = plan_pair(TrainConfig(dataset="drawn", model="petnet"))
    configs = [arm.config for arm in arms]
    shared = dataclasses.replace(settings, device="cpu", threads=2, workers=None)
    assert estimate_race(shared, configs, plan, drawn) == 80.0  # with one thread at most twice as long
    assert estimate_race(dataclasses.replace(shared, workers=1), configs, plan, drawn) == 60.0
    assert estimate_race(dataclasses.replace(shared, workers=2), configs, plan, drawn) == 40.0
    budget = [config.variant(max_seconds=30.0) for config in configs]
    assert estimate_race(shared, budget, plan, drawn) == 30.0
    assert estimate_race(dataclasses.replace(shared, threads=3), configs, plan, drawn) is None


@pytest.mark.parametrize(("busy", "seconds"), [((True, False), 20.0), ((True, True), 30.0), ((False, False), 30.0)])
def test_what_was_measured_beside_other_programs_counts_only_where_nothing_else_is_known(
    settings: Settings, drawn: Dataset, monkeypatch: pytest.MonkeyPatch, busy: tuple[bool, bool], seconds: float
) -> None:
    def known(given: Settings, config: TrainConfig, *_: object) -> Estimate:
        one = given.threads == 1
        return Estimate({"training": 30.0 if one else 10.0}, busy=busy[0 if one else 1])

    monkeypatch.setattr("core.scheduling.durations.estimate", known)
    config = TrainConfig(dataset="drawn", model="petnet")
    assert estimate_run(dataclasses.replace(settings, threads=2), config, drawn, 1) == seconds
