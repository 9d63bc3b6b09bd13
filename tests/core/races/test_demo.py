"""The demonstration: a fair race on few drawn pictures, joined by whoever asks while it goes on."""

import pytest

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import DatasetError, RunError
from core.jobs.import_jobs import ImportJobs
from core.locks import is_held
from core.races import demo
from core.races.presets import plan_pair
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.processes import wait_for


def test_both_sides_get_the_same_budget() -> None:
    scratch, transfer = (arm.config.model_dump() for arm in plan_pair(demo.demo_config("drawn", seed=2))[1])
    assert {name for name in scratch if scratch[name] != transfer[name]} == {"model", "strategy"}
    assert (scratch["strategy"], transfer["strategy"]) == ("scratch", "head")
    assert transfer["model"] == "petnet"
    assert scratch["seed"] == 2


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
    assert demo.make_demo_dataset(settings) == job
    wait_for(lambda: ImportJobs(settings).status(job).state != "running")
    made = demo.demo_dataset(settings)
    assert made == ImportJobs(settings).status(job).dataset
    dataset = DatasetStore(settings).get(made or "")
    assert [len(dataset.rows_of(split)) for split in ("train", "val", "test")] == [96, 48, 96]
    assert not is_held(settings.home / "demo.lock")


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
