"""Batches in a process of their own: the answers of `predict`, kills, cancels, resumes, bad files and archives."""

import io
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.actor import Actor
from core.batches.batch import Batch, BatchStatus
from core.batches.batch_job import run_batch
from core.batches.batch_rows import PIECE, read_rows
from core.batches.batch_store import BatchStore
from core.errors import BatchError, QuotaError, RightsError, RunError
from core.jobs.states import closing_path
from core.predict.predictor import Predictor
from core.room.board import lock_uploads
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.core.batches.conftest import CUT_OFF, LARGE, draw_pictures
from tests.support.processes import kill, processes_of, wait_for

End = Callable[[Batch], BatchStatus]
SOMEONE = Actor("someone", "Someone")
OTHER = Actor("other", "Other")


def names_of(batch: Batch) -> list[str]:
    return [row.file for row in read_rows(batch.rows_path)]


def zip_of(files: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return buffer


def upload(store: BatchStore, run_id: str, data: io.BytesIO, title: str = "pets.zip", by: Actor = SOMEONE) -> Batch:
    return store.start_upload(run_id, store.receive_zip(data), title, by=by)


def test_a_folder_gets_the_answers_of_predict_and_a_reason_for_each_bad_file(
    store: BatchStore, run_id: str, folder: Path, end: End
) -> None:
    batch = store.start(run_id, folder)
    assert batch.status().state == "running"
    status = end(batch)
    assert (status.state, status.done, status.total, status.problems) == ("finished", 42, 42, 2), status.text
    rows = list(read_rows(batch.rows_path))
    assert len({row.file for row in rows}) == 42
    settings = store.settings
    run = RunStore(settings).get(run_id)
    found = Predictor(settings).predict(run, [(row.file, folder / row.file) for row in rows], 2)
    for row, one in zip(rows, found, strict=True):
        assert (row.file, row.label) == (one.file, one.label)
        if row.label is None:
            assert row.problem == one.error
        else:
            assert dict(zip(run.meta().classes, row.probabilities, strict=True)) == pytest.approx(
                dict(one.top), abs=2e-6
            )
            assert one.not_sure is not None
            assert (row.p_value, row.may_be) == (pytest.approx(one.not_sure.p_value), one.not_sure.set_at())
            assert row.nearest is not None
            assert row.nearest[:2] == (one.not_sure.nearest[0].index, one.not_sure.nearest[0].label)
    assert {row.file for row in rows if row.problem} == {CUT_OFF, "notes.txt"}


def test_a_killed_batch_resumes_and_neither_loses_nor_repeats_a_row(
    store: BatchStore, run_id: str, large_folder: Path, end: End
) -> None:
    whole = store.start(run_id, large_folder)
    assert end(whole).state == "finished"
    batch = store.start(run_id, large_folder)
    wait_for(lambda: len(names_of(batch)) >= PIECE)
    (process,) = processes_of(store.settings.home, "core.batches.batch_job")
    kill(process)
    before = names_of(batch)
    assert batch.status().state == "interrupted"
    assert PIECE <= len(before) < LARGE
    with batch.rows_path.open("ab") as file:
        file.write(b'{"i": 9999, "file": "half of a li')
    (large_folder / "later.png").write_bytes(b"came meanwhile")
    store.resume(batch)
    status = end(batch)
    assert (status.state, status.total) == ("finished", LARGE)
    assert batch.rows_path.read_bytes() == whole.rows_path.read_bytes()


def test_a_cancelled_batch_keeps_its_rows_and_resumes(
    store: BatchStore, run_id: str, large_folder: Path, end: End
) -> None:
    batch = store.start(run_id, large_folder)
    wait_for(lambda: batch.status().done > 0)
    store.cancel(batch)
    status = end(batch)
    assert status.state == "cancelled"
    assert 0 < len(names_of(batch)) < LARGE
    store.resume(batch)
    assert end(batch).state == "finished"
    assert len(set(names_of(batch))) == len(names_of(batch)) == LARGE
    with pytest.raises(BatchError, match="nothing to resume"):
        store.resume(batch)


def test_a_shutdown_of_the_app_interrupts_a_batch_which_resumes(
    store: BatchStore, run_id: str, large_folder: Path, end: End
) -> None:
    batch = store.start(run_id, large_folder)
    wait_for(lambda: batch.status().done > 0)
    closing_path(store.settings).touch()
    assert end(batch).state == "interrupted"
    closing_path(store.settings).unlink()
    store.resume(batch)
    assert end(batch).state == "finished"
    assert len(set(names_of(batch))) == len(names_of(batch)) == LARGE


def test_two_batches_run_at_once_and_do_not_mix(
    store: BatchStore, run_id: str, folder: Path, large_folder: Path, end: End
) -> None:
    large = store.start(run_id, large_folder)
    small = store.start(run_id, folder)
    assert end(small).state == "finished"
    assert end(large).state == "finished"
    assert len(names_of(small)) == 42
    assert len(names_of(large)) == LARGE
    assert {batch.id for batch in store.all()} == {small.id, large.id}


def test_an_upload_belongs_to_who_sent_it(store: BatchStore, run_id: str, end: End) -> None:
    batch = upload(store, run_id, zip_of(draw_pictures(6)))
    assert end(batch).state == "finished"
    assert len(names_of(batch)) == 6
    assert [item.id for item in store.all(SOMEONE)] == [batch.id]
    assert store.all(OTHER) == []
    with pytest.raises(RightsError):
        store.delete(batch, by=OTHER)
    store.delete(batch, by=SOMEONE)
    with pytest.raises(BatchError, match="deleted"):
        store.get(batch.id)
    assert not list(store.folder.glob("*")), "nothing of it is left"


def test_many_uploaded_files_with_odd_names_are_packed_and_predicted(store: BatchStore, run_id: str, end: End) -> None:
    names = ["<b>bold</b>.jpg", "two\nlines.jpg", "=1+1.jpg", "../../out.jpg", "a.jpg", "a.jpg"]
    files = [(name, io.BytesIO(data)) for name, (_, data) in zip(names, draw_pictures(6), strict=True)]
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = store.receive_files(files)
    batch = store.start_upload(run_id, archive, "6 pictures", by=SOMEONE)
    assert end(batch).state == "finished"
    rows = list(read_rows(batch.rows_path))
    assert [row.file for row in rows] == names
    assert [row.problem is None for row in rows] == [True, True, True, False, True, False]


def test_a_zip_bomb_is_a_problem_of_its_row_and_ends_nothing(
    store: BatchStore, run_id: str, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [*draw_pictures(4), ("bomb.bmp", bytes(300 * 2**20))]
    batch = upload(store, run_id, zip_of(files, zipfile.ZIP_DEFLATED))
    status = end(batch)
    assert (status.state, status.problems) == ("finished", 1)
    assert any("bomb.bmp" in (row.problem or "") for row in read_rows(batch.rows_path))


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [("TUNEMYPETS_MAX_PICTURES", "10", "at most 10"), ("TUNEMYPETS_MAX_DATASET_MB", "1", "more than 1 MB")],
)
def test_an_archive_that_is_too_large_fails_with_the_limit(
    raced: Settings, run_id: str, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(BatchStore, "_launch", lambda *_: None)
    store = BatchStore(Settings.from_environment())
    noise = [(f"{number}.bin", os.urandom(2**17)) for number in range(12)]
    batch = upload(store, run_id, zip_of(noise))
    run_batch(store.settings, batch)
    status = batch.status()
    assert status.state == "failed"
    assert sentence in status.text


def test_a_damaged_archive_or_a_run_that_changed_fails_with_a_sentence(
    store: BatchStore, run_id: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BatchStore, "_launch", lambda *_: None)
    cut = upload(store, run_id, io.BytesIO(zip_of(draw_pictures(4)).getvalue()[:-60]))
    run_batch(store.settings, cut)
    assert "pets.zip" in cut.status().text
    trained = store.start(run_id, folder)
    sidecar = RunStore(store.settings).get(run_id).checkpoints / "best.json"
    os.utime(sidecar, (1, 1))
    run_batch(store.settings, trained)
    assert "trained further" in trained.status().text
    gone = store.start(run_id, folder)
    shutil.rmtree(folder)
    run_batch(store.settings, gone)
    assert "is not there" in gone.status().text
    assert {item.status().state for item in (cut, trained, gone)} == {"failed"}


def test_what_cannot_start_is_refused_with_a_sentence(store: BatchStore, run_id: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("text")
    for name, sentence in (("empty", "no files"), ("gone", "is not there"), ("text.txt", "neither a folder nor a zip")):
        with pytest.raises(BatchError, match=sentence):
            store.start(run_id, tmp_path / name)
    with pytest.raises(RunError):
        store.start("no-such-run", tmp_path)
    with pytest.raises(BatchError):
        store.get("../runs")


def test_an_attendee_has_three_batches_at_a_time_and_no_upload_while_these_are_locked(
    store: BatchStore, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BatchStore, "_launch", lambda *_: None)
    for _ in range(3):
        upload(store, run_id, zip_of(draw_pictures(2)))
    with pytest.raises(QuotaError, match="limit 3"):
        upload(store, run_id, zip_of(draw_pictures(2)))
    upload(store, run_id, zip_of(draw_pictures(2)), by=OTHER)
    monkeypatch.setattr("core.batches.batch_store.MAX_KEPT", 1)
    with pytest.raises(QuotaError, match="delete one"):
        upload(store, run_id, zip_of(draw_pictures(2)), by=OTHER)
    lock_uploads(store.settings, True, by=Actor("p", "P", presenter=True))
    with pytest.raises(QuotaError, match="locked uploads"):
        upload(store, run_id, zip_of(draw_pictures(2)), by=OTHER)
    assert not list(store.folder.glob(".upload-*")), "a refused upload is removed"


def test_batches_count_in_the_room_and_are_swept_after_a_week(
    store: BatchStore, run_id: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.quotas import room_usage

    monkeypatch.setattr(BatchStore, "_launch", lambda *_: None)
    before = room_usage(store.settings)
    old = upload(store, run_id, zip_of(draw_pictures(20)))
    assert room_usage(store.settings) - before > (old.folder / "upload.zip").stat().st_size
    os.utime(old.folder, (1, 1))
    new = store.start(run_id, folder)
    assert [item.id for item in store.all()] == [new.id]


def test_an_unchanged_folder_is_not_predicted_twice(store: BatchStore, run_id: str, folder: Path, end: End) -> None:
    batch = store.start(run_id, folder)
    end(batch)
    found = store.find_earlier(run_id, folder)
    assert found is not None
    assert found.id == batch.id
    assert store.find_earlier(RunStore(store.settings).all()[1].id, folder) is None
    picture = next(folder.rglob("*.jpg"))
    picture.write_bytes(picture.read_bytes())
    assert store.find_earlier(run_id, folder) is None
