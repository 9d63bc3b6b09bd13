"""Creating, listing, stopping and deleting runs."""

import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import ConfigError, DatasetError, RunError
from core.jobs.launchers import start_module
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import write_json
from tests.core.runs.test_run import held
from tests.support.finished_runs import create_pair

NOT_IDS = ["../x", "..", "", ".", "a/b", "a\\b", "Upper", "-x", "x" * 65, "a\x00b", "a\n", "/etc", "ü"]


@pytest.fixture
def store(settings: Settings, drawn: Dataset) -> RunStore:
    return RunStore(settings)


def test_a_run_of_an_unknown_dataset_is_refused(store: RunStore, small_config: TrainConfig) -> None:
    with pytest.raises(DatasetError, match="nowhere"):
        store.create(small_config.model_copy(update={"dataset": "nowhere"}))
    assert store.all() == []


def test_runs_and_summaries_come_newest_first(store: RunStore, small_config: TrainConfig) -> None:
    created = [store.create(small_config.model_copy(update={"note": str(i)})) for i in range(5)]
    newest_first = [run.id for run in reversed(created)]
    assert [run.id for run in store.all()] == newest_first
    assert [summary.id for summary in store.summaries()] == newest_first
    assert [summary.config.note for summary in store.summaries()] == ["4", "3", "2", "1", "0"]


def test_unreadable_runs_and_half_made_folders_do_not_spoil_the_list(
    store: RunStore, small_config: TrainConfig
) -> None:
    whole, damaged = store.create(small_config), store.create(small_config)
    (damaged.folder / "config.json").write_text("{")
    (store.folder / ".draft-20260101-000000-abcdef-123456").mkdir()
    (store.folder / "empty").mkdir()
    (store.folder / "notes.txt").write_text("mine")
    assert [summary.id for summary in store.summaries()] == [whole.id]
    assert {run.id for run in store.all()} == {whole.id, damaged.id}


def test_an_empty_data_root_has_no_runs(settings: Settings) -> None:
    assert RunStore(settings).all() == []
    assert RunStore(settings).summaries() == []


@pytest.mark.parametrize("run_id", NOT_IDS)
def test_what_is_no_id_is_refused_everywhere(settings: Settings, run_id: str) -> None:
    store = RunStore(settings)
    outside = store.settings.home / "x"
    outside.mkdir(parents=True)
    (outside / "config.json").write_text("{}")
    for action in (store.get, store.request_stop, store.delete):
        with pytest.raises(RunError, match="There is no run"):
            action(run_id)
    assert (outside / "config.json").exists()


def test_an_unknown_run_is_named(store: RunStore) -> None:
    with pytest.raises(RunError, match="'nobody'"):
        store.get("nobody")


def test_a_stopped_queued_run_ends_at_once_and_no_worker_takes_it(
    store: RunStore, small_config: TrainConfig, ended_processes: None
) -> None:
    run = store.create(small_config)
    started = time.monotonic()
    assert store.request_stop(run.id) is RunState.STOPPED
    assert time.monotonic() - started < 1
    worker = start_module(store.settings, "core.jobs.workers.worker", [str(run.folder)], run.folder / "worker.log")
    assert worker.wait(60) == 0
    assert run.state() is RunState.STOPPED
    assert not (run.folder / "started.json").exists()
    assert run.records() == []
    with pytest.raises(RunError, match="already stopped"):
        store.request_stop(run.id)


def test_many_who_stop_a_queued_run_leave_one_result(store: RunStore, small_config: TrainConfig) -> None:
    run = store.create(small_config)

    def ask(_: int) -> str:
        with contextlib.suppress(RunError):  # another one was first
            store.request_stop(run.id)
        return (run.folder / "result.json").read_text() if (run.folder / "result.json").exists() else ""

    with ThreadPoolExecutor(8) as pool:
        texts = set(pool.map(ask, range(32))) - {""}
    assert len(texts) == 1
    assert json.loads(texts.pop())["state"] == "stopped"
    assert run.state() is RunState.STOPPED


def test_active_runs_are_not_deleted_and_ended_ones_are(store: RunStore, small_config: TrainConfig) -> None:
    run = store.create(small_config)
    with pytest.raises(RunError, match="queued: stop it before"):
        store.delete(run.id)
    write_json(run.folder / "started.json", {"pid": 1, "time": 0.0})
    with held(run.lock_path), pytest.raises(RunError, match="running: stop it before"):
        store.delete(run.id)
    assert Run(run.folder).state() is RunState.INTERRUPTED
    store.delete(run.id)
    assert not run.folder.exists()
    assert list(store.folder.iterdir()) == []
    assert store.all() == []


@pytest.mark.parametrize(("field", "other"), [("seed", 7), ("dataset", "other")])
def test_the_arms_of_a_race_share_dataset_and_seed(
    store: RunStore, small_config: TrainConfig, field: str, other: object
) -> None:
    odd = small_config.model_copy(update={field: other})
    with pytest.raises(ConfigError) as caught:
        create_pair(store, small_config, odd)
    assert list(caught.value.problems) == [field]
    assert store.all() == []


def test_a_race_lists_its_runs_in_the_order_of_its_arms(store: RunStore, small_config: TrainConfig) -> None:
    alone = store.create(small_config)
    runs = create_pair(store, small_config, small_config.model_copy(update={"epochs": 3}))
    race = str(runs[0].meta().race)
    assert [run.id for run in store.race(race)] == [run.id for run in runs]
    assert [run.meta().arm for run in runs] == ["scratch", "transfer"]
    assert alone.meta().race is None
    with pytest.raises(RunError, match="There is no race"):
        store.race("../race")
