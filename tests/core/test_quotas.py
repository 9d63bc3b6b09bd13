"""How much one person may have, and how full the disk may be."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.actor import OPERATOR, Actor
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import DatasetError, QuotaError, RightsError
from core.jobs.import_jobs import ImportJobs, ImportRequest
from core.quotas import MB, check_datasets, check_room, check_space, free_bytes, is_disk_full, room_usage
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import read_json, write_json

ADA = Actor("p-ada", "Ada")
BERT = Actor("p-bert", "Bert")


@pytest.fixture
def tight(settings: Settings) -> Settings:
    return dataclasses.replace(settings, max_queued=3, max_datasets=1)


@pytest.fixture
def full(settings: Settings) -> Settings:
    return dataclasses.replace(settings, min_free_bytes=2**60)


def test_one_person_may_queue_so_many_runs_and_others_are_not_concerned(
    tight: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    store = RunStore(tight)
    runs = [store.create(small_config, by=ADA) for _ in range(3)]
    with pytest.raises(QuotaError, match=r"You have 3 runs in the queue \(limit 3\)"):
        store.create(small_config, by=ADA)
    store.create(small_config, by=BERT)
    for _ in range(4):
        store.create(small_config, by=OPERATOR)
    store.request_stop(runs[0].id, by=ADA)
    store.create(small_config, by=ADA)


def test_thirty_starts_at_once_do_not_slip_past_the_limit(
    tight: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    def start(_: int) -> bool:
        try:
            RunStore(tight).create(small_config, by=ADA)
        except QuotaError:
            return False
        return True

    with ThreadPoolExecutor(30) as pool:
        assert sum(pool.map(start, range(30))) == 3
    assert len(RunStore(tight).all()) == 3


def test_a_race_that_would_pass_the_limit_leaves_no_half_of_it(
    tight: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    from core.races.presets import plan_pair

    store = RunStore(tight)
    for _ in range(2):
        store.create(small_config, by=ADA)
    with pytest.raises(QuotaError, match=r"2 runs in the queue and would add 2 \(limit 3\): choose fewer"):
        store.create_race(*plan_pair(small_config), by=ADA)
    assert len(store.all()) == 2


def test_one_person_may_have_so_many_datasets(tight: Settings, drawn: Dataset) -> None:
    write_json(drawn.folder / "dataset.json", {**read_json(drawn.folder / "dataset.json"), "owner": ADA.id})
    upload = tight.home / "upload.zip"
    upload.write_bytes(b"PK")
    with pytest.raises(QuotaError, match=r"You have 1 dataset \(limit 1\)"):
        ImportJobs(tight).start(ImportRequest("x", "more", "70/15/15", 0), upload, by=ADA)
    assert not upload.exists()
    assert not list(tight.imports_dir.glob("*"))
    check_datasets(tight, 1, OPERATOR)


def test_nothing_begins_on_a_full_disk(full: Settings, drawn: Dataset, small_config: TrainConfig) -> None:
    assert is_disk_full(full)
    for begin in (
        lambda: RunStore(full).create(small_config),
        lambda: ImportJobs(full).start(ImportRequest(None, "more", "70/15/15", 0)),
        lambda: check_space(full),
    ):
        with pytest.raises(QuotaError, match=r"The disk is too full: .* MB are free and .* MB are needed"):
            begin()
    assert RunStore(full).all() == []


def test_what_a_job_will_write_counts(settings: Settings) -> None:
    check_space(settings, 1)
    with pytest.raises(QuotaError, match="too full"):
        check_space(settings, free_bytes(settings))


def test_a_room_has_a_size_without_what_can_be_computed_again(settings: Settings, drawn: Dataset) -> None:
    used = room_usage(settings)
    assert used == sum(path.stat().st_size for path in drawn.folder.rglob("*") if path.is_file())
    settings.cache_dir.mkdir(exist_ok=True)
    (settings.cache_dir / "big").write_bytes(bytes(MB))
    assert room_usage(settings) == used
    small = dataclasses.replace(settings, room_bytes=used)
    check_room(small)
    with pytest.raises(QuotaError, match="delete datasets or runs"):
        check_room(small, 1)
    check_room(settings, 2**50)  # without a limit


def test_free_space_can_be_told_before_the_data_folder_is_there(settings: Settings, tmp_path: Path) -> None:
    assert free_bytes(dataclasses.replace(settings, home=tmp_path / "not" / "yet")) > 0


def test_a_dataset_in_use_is_not_deleted(settings: Settings, drawn: Dataset, small_config: TrainConfig) -> None:
    store = RunStore(settings)
    run = store.create(small_config, by=ADA)
    with pytest.raises(DatasetError, match=f"in use by 1 queued or running run \\({run.id}\\)"):
        store.delete_dataset("drawn")
    store.request_stop(run.id)
    with pytest.raises(RightsError, match="The dataset drawn belongs to another person"):
        store.delete_dataset("drawn", by=ADA)
    store.delete_dataset("drawn")
    assert DatasetStore(settings).ids() == []


def test_rights_are_checked_where_something_is_changed(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    store = RunStore(settings)
    run = store.create(small_config, by=ADA)
    for change in (
        lambda: store.request_stop(run.id, by=BERT),
        lambda: store.rename(run.id, "mine", by=BERT),
        lambda: store.delete(run.id, by=BERT),
        lambda: store.resume(run.id, by=BERT),
        lambda: DatasetStore(settings).rename("drawn", "mine", by=BERT),
    ):
        with pytest.raises(RightsError, match="belongs to another person"):
            change()
    store.rename(run.id, "  with <b>\u202eflips  ", by=ADA)
    assert store.summaries()[0].title.endswith(" · with <b>flips")
    store.request_stop(run.id, by=ADA)
    store.delete(run.id, by=ADA)
