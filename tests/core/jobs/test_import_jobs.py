"""Imports in a process of their own: finished, failed, or killed without a trace."""

import dataclasses
import io
import os
import time
import zipfile
from pathlib import Path

import pytest

from core.actor import Actor
from core.datasets.dataset_store import DatasetStore
from core.datasets.drawn_sample import draw_sample
from core.errors import DatasetError, QuotaError, RightsError
from core.jobs.import_job import run_job
from core.jobs.import_jobs import ImportJobs, ImportRequest
from core.room.board import lock_uploads
from core.settings import Settings
from core.storage import read_json, write_json
from tests.support.processes import processes_of, wait_for

REQUEST = ImportRequest(None, "mine", "60/20/20", 0)


def zip_of(count_per_class: int, size_px: int = 64, copies: int = 1) -> io.BytesIO:
    """An archive of the drawn pictures in class folders; more copies make it longer to import, not to draw."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in draw_sample(count_per_class=count_per_class, size_px=size_px):
            for copy in range(copies):
                archive.writestr(name.replace(".jpg", f"-{copy}.jpg"), data)
    return buffer


def leftovers(settings: Settings) -> list[str]:
    """What is left among the datasets without being one."""
    return [path.name for path in settings.datasets_dir.iterdir() if path.name.startswith(".")]


def folder_of(settings: Settings, job: str) -> Path:
    return settings.imports_dir / job


def test_an_uploaded_zip_becomes_a_dataset(settings: Settings, ended_processes: None) -> None:
    jobs = ImportJobs(settings)
    job = jobs.start(REQUEST, jobs.receive_zip(zip_of(15)))
    assert jobs.status(job).state == "running"
    assert jobs.active() == [job]
    wait_for(lambda: jobs.status(job).state != "running")
    status = jobs.status(job)
    assert (status.state, status.dataset) == ("finished", "mine")
    assert jobs.active() == []
    dataset = DatasetStore(settings).get("mine")
    assert dataset.classes == ("cat", "dog")
    assert len(dataset.rows) == 30
    wait_for(lambda: not (folder_of(settings, job) / "upload.zip").exists(), 5)
    assert [path.name for path in settings.imports_dir.iterdir()] == [job]
    assert leftovers(settings) == []


def test_an_import_reports_its_progress(settings: Settings, ended_processes: None) -> None:
    jobs = ImportJobs(settings)
    job = jobs.start(REQUEST, jobs.receive_zip(zip_of(10, size_px=480, copies=10)))
    seen = []

    def ended() -> bool:
        status = jobs.status(job)
        seen.append((status.done, status.total))
        return status.state != "running"

    wait_for(ended)
    assert jobs.status(job).state == "finished"
    counts = [done for done, total in seen if total]
    assert counts, "no progress was reported"
    assert all(0 <= done <= total for done, total in seen)
    assert len(DatasetStore(settings).get("mine").rows) == 20  # each copy is kept once


def test_a_folder_of_uploads_becomes_a_dataset(settings: Settings, ended_processes: None) -> None:
    jobs = ImportJobs(settings)
    files = [(f"pets/{name}", io.BytesIO(data)) for name, data in draw_sample(12, size_px=64)]
    job = jobs.start(REQUEST, jobs.receive_files(files))
    wait_for(lambda: jobs.status(job).state != "running")
    assert jobs.status(job).state == "finished"
    assert len(DatasetStore(settings).get("mine").rows) == 24


def test_a_bad_zip_fails_with_a_sentence_and_leaves_nothing(settings: Settings, ended_processes: None) -> None:
    jobs = ImportJobs(settings)
    cut = zip_of(3).getvalue()[:-100]
    job = jobs.start(REQUEST, jobs.receive_zip(io.BytesIO(cut)))
    wait_for(lambda: jobs.status(job).state != "running")
    status = jobs.status(job)
    assert status.state == "failed"
    assert "not a readable zip" in status.text
    assert status.text.endswith(".")
    assert "Traceback" not in (folder_of(settings, job) / "importer.log").read_text()
    assert DatasetStore(settings).ids() == []
    wait_for(lambda: not (folder_of(settings, job) / "upload.zip").exists(), 5)


def test_a_killed_import_is_interrupted_and_the_next_one_clears_up(settings: Settings, ended_processes: None) -> None:
    jobs = ImportJobs(settings)
    job = jobs.start(REQUEST, jobs.receive_zip(zip_of(10, size_px=480, copies=100)))
    wait_for(lambda: jobs.status(job).done > 0 and bool(leftovers(settings)))
    (process,) = processes_of(settings.home, "core.jobs.import_job")
    process.kill()
    wait_for(lambda: jobs.status(job).state != "running", 10)
    assert jobs.status(job).state == "interrupted"
    assert DatasetStore(settings).ids() == []
    assert jobs.active() == []
    for name in leftovers(settings):  # what is younger than a few seconds might belong to a living import
        a_minute_ago = time.time() - 60
        os.utime(settings.datasets_dir / name, (a_minute_ago, a_minute_ago))

    again = jobs.start(REQUEST, jobs.receive_zip(zip_of(12)))
    wait_for(lambda: jobs.status(again).state != "running")
    assert jobs.status(again).state == "finished"
    assert jobs.status(job).state == "interrupted"
    assert DatasetStore(settings).ids() == ["mine"]
    assert leftovers(settings) == []


@pytest.mark.parametrize("job", ["../x", "", "nobody", "A"])
def test_an_unknown_import_is_named(settings: Settings, job: str) -> None:
    with pytest.raises(DatasetError, match="There is no import"):
        ImportJobs(settings).status(job)


def test_a_name_that_is_taken_fails_with_a_sentence(settings: Settings, ended_processes: None) -> None:
    jobs = ImportJobs(settings)
    for expected in ("finished", "failed"):
        job = jobs.start(REQUEST, jobs.receive_zip(zip_of(12)))
        wait_for(lambda job=job: jobs.status(job).state != "running")
        assert jobs.status(job).state == expected
    assert "mine" in jobs.status(job).text
    assert len(DatasetStore(settings).get("mine").rows) == 24


def test_locked_uploads_are_refused_and_the_sample_is_not(settings: Settings, tmp_path: Path) -> None:
    jobs, presenter, attendee = ImportJobs(settings), Actor("p-1", "Grace", presenter=True), Actor("p-2", "Ada")
    lock_uploads(settings, True, presenter)
    archive = jobs.receive_files([("cat/one.jpg", io.BytesIO(b"x"))])
    with pytest.raises(QuotaError, match="locked uploads"):
        jobs.start(ImportRequest(None, "pets", "70/15/15", 0), archive, by=attendee)
    assert not archive.exists()
    with pytest.raises(QuotaError, match="locked uploads"):
        jobs.start(ImportRequest(str(tmp_path), "pets", "70/15/15", 0), by=attendee)
    job = jobs.start(ImportRequest(None, "drawn", "70/15/15", 0), by=attendee)
    wait_for(lambda: jobs.status(job).state == "finished")


def test_a_job_that_another_session_is_creating_harms_no_import(settings: Settings, ended_processes: None) -> None:
    jobs = ImportJobs(settings)
    half_made = folder_of(settings, "20260101-000000-abcdef")
    half_made.mkdir(parents=True)
    job = jobs.start(REQUEST, jobs.receive_zip(zip_of(10)))
    wait_for(lambda: jobs.status(job).state != "running")
    assert jobs.status(job).state == "finished"
    assert half_made.exists()


def grouped_zip() -> io.BytesIO:
    """An archive whose classes may be the outer or the inner folders."""
    buffer = io.BytesIO()
    inner = {"cat": ("persian", "siamese"), "dog": ("husky", "poodle")}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for place, (name, data) in enumerate(draw_sample(count_per_class=8, size_px=64)):
            outer, _, file = name.partition("/")
            archive.writestr(f"{outer}/{inner[outer][place // 2 % 2]}/{file}", data)
    return buffer


def test_an_import_that_can_be_read_in_two_ways_asks_and_goes_on_with_the_answer(
    settings: Settings, ended_processes: None
) -> None:
    jobs, ada, grace = ImportJobs(settings), Actor("p-1", "Ada"), Actor("p-2", "Grace")
    job = jobs.start(REQUEST, jobs.receive_zip(grouped_zip()), by=ada)
    wait_for(lambda: jobs.status(job).state != "running")
    assert jobs.status(job).state == "asking"
    assert jobs.active() == []
    assert leftovers(settings) == []
    choices = {choice.key: choice for choice in jobs.choices(job)}
    assert choices["level-1"].counts == {"cat": 8, "dog": 8}
    assert set(choices["level-2"].counts) == {"persian", "siamese", "husky", "poodle"}
    assert {label: len(names) for label, names in choices["level-1"].samples.items()} == {"cat": 3, "dog": 3}
    assert all(jobs.sample(job, name).read_bytes()[:3] == b"\xff\xd8\xff" for name in choices["level-1"].samples["cat"])
    assert not jobs.sample(job, "../request.json").exists()
    with pytest.raises(DatasetError, match="does not offer"):
        jobs.answer(job, "level-9", by=ada)
    with pytest.raises(RightsError):
        jobs.answer(job, "level-2", by=grace)
    jobs._sweep()
    assert (folder_of(settings, job) / "upload.zip").exists()
    jobs.answer(job, "level-2", by=ada)
    wait_for(lambda: jobs.status(job).state != "running")
    assert jobs.status(job).dataset == "mine"
    assert len(DatasetStore(settings).get("mine").classes) == 4
    with pytest.raises(DatasetError, match="asks nothing"):
        jobs.answer(job, "level-1", by=ada)


@pytest.mark.parametrize(
    ("names", "state", "found"), [(None, "finished", "Кот"), ("cp437", "finished", "è«Γ"), ("no", "failed", "")]
)
def test_an_import_reads_names_in_the_code_page_that_was_asked_for(
    settings: Settings, tmp_path: Path, names: str | None, state: str, found: str
) -> None:
    path = tmp_path / "pets.zip"
    path.write_bytes(zip_of(5).getvalue().replace(b"cat/", "Кот/".encode("cp866")))
    (tmp_path / "job").mkdir()
    request = ImportRequest(str(path), "mine", "60/20/20", 0, names=names)
    write_json(tmp_path / "job" / "request.json", dataclasses.asdict(request))
    run_job(settings, tmp_path / "job")
    result = read_json(tmp_path / "job" / "result.json")
    assert result["state"] == state
    if state == "finished":
        assert found in DatasetStore(settings).get("mine").classes
    else:
        assert "'no' is not a code page of file names" in result["text"]


def test_an_import_that_asks_can_be_given_up_by_its_owner(settings: Settings, tmp_path: Path) -> None:
    jobs, ada, grace = ImportJobs(settings), Actor("p-1", "Ada"), Actor("p-2", "Grace")
    folder = settings.imports_dir / "20260101-000000-abcdef"
    folder.mkdir(parents=True)
    archive = tmp_path / "pets.zip"
    archive.write_bytes(grouped_zip().getvalue())
    request = ImportRequest(str(archive), "mine", "60/20/20", 0, owner=ada.id)
    write_json(folder / "request.json", dataclasses.asdict(request))
    run_job(settings, folder)
    assert jobs.status(folder.name).state == "asking"
    with pytest.raises(RightsError):
        jobs.discard(folder.name, by=grace)
    jobs.discard(folder.name, by=ada)
    assert not folder.exists()
    assert archive.exists()
