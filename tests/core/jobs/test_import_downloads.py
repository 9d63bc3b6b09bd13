"""Downloads as jobs: who may start them, cancel, what a killed one leaves, and trying again."""

import dataclasses
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.actor import Actor
from core.datasets import importing
from core.datasets.dataset_store import DatasetStore
from core.datasets.downloads.ready_made import find_set
from core.errors import DatasetError, ExtraMissingError, QuotaError, RightsError
from core.jobs import import_job, import_jobs
from core.jobs.import_jobs import ImportJobs, ImportRequest, is_download, may_download
from core.room.board import lock_uploads
from core.settings import Settings
from tests.support.images import class_files
from tests.support.processes import processes_of, wait_for
from tests.support.small_hub import serve_dataset
from tests.support.small_sets import serve_set
from tests.support.web_server import WebServer, serve

LAND = ImportRequest("catalogue:eurosat", "land", "60/20/20", 0)
PRESENTER, ATTENDEE = Actor("p-1", "Grace", presenter=True), Actor("p-2", "Ada")


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as server:
        yield server


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run in this process, where the catalogue knows the small sets."""

    def run(settings: Settings, module: str, arguments: list[str], log_file: Path) -> None:
        import_job.run_job(settings, Path(arguments[0]))

    monkeypatch.setattr(import_jobs, "start_detached", run)


def leftovers(settings: Settings) -> list[str]:
    """What lies among datasets and downloads."""
    folders = [settings.datasets_dir, settings.imports_dir / "downloads"]
    return [path.name for folder in folders if folder.exists() for path in folder.iterdir()]


def test_a_set_is_downloaded_and_imported_by_a_job(
    home: Path, web: WebServer, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_set(web, "eurosat", monkeypatch)
    settings = Settings.from_environment()
    jobs = ImportJobs(settings)
    job = jobs.start(LAND)
    assert (jobs.status(job).state, jobs.status(job).dataset) == ("finished", "land")
    assert leftovers(settings) == ["land"]


@pytest.mark.parametrize("address", ["catalogue:eurosat", "hf://ada/pets"])
def test_a_running_download_that_is_cancelled_leaves_nothing(
    home: Path, web: WebServer, ended_processes: None, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    web.seconds = 0.05
    web.files["/eurosat/EuroSAT.zip"] = bytes(2**24)
    serve_dataset(web, "ada/pets", {"a.zip": bytes(2**24)}, monkeypatch)
    monkeypatch.setenv("TUNEMYPETS_SETS_URL", web.url)
    settings = Settings.from_environment()
    jobs = ImportJobs(settings)
    job = jobs.start(dataclasses.replace(LAND, path=address))
    wait_for(lambda: bool(list(settings.imports_dir.glob("downloads/*/*.part"))))
    with pytest.raises(RightsError):
        jobs.cancel(job, by=ATTENDEE)
    wait_for(lambda: jobs.status(job).unit == "MB")
    jobs.cancel(job)
    wait_for(lambda: jobs.status(job).state != "running", 10)
    assert jobs.status(job).state == "cancelled"
    assert leftovers(settings) == []
    with pytest.raises(DatasetError, match="there is nothing to cancel"):
        jobs.cancel(job)


def test_a_running_import_that_is_cancelled_leaves_nothing(settings: Settings, ended_processes: None) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in class_files({"a": 20, "b": 20}):
            for copy in range(200):
                archive.writestr(f"{name}-{copy}.png", data)
    jobs = ImportJobs(settings)
    job = jobs.start(ImportRequest(None, "mine", "60/20/20", 0), jobs.receive_zip(buffer))
    wait_for(lambda: jobs.status(job).done > 0)
    jobs.cancel(job)
    wait_for(lambda: jobs.status(job).state != "running", 10)
    assert jobs.status(job).state == "cancelled"
    assert leftovers(settings) == []
    wait_for(lambda: not (settings.imports_dir / job / "upload.zip").exists(), 5)


def test_a_request_that_comes_too_late_for_the_last_step_still_leaves_nothing(
    settings: Settings, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancel_then_choose(*given: Any) -> list[str]:
        for request in settings.imports_dir.glob("*/request.json"):
            (request.parent / "cancel").touch()
        return choose_splits(*given)

    choose_splits = importing.choose_splits
    monkeypatch.setattr(importing, "choose_splits", cancel_then_choose)
    jobs = ImportJobs(settings)
    files = [(name, io.BytesIO(data)) for name, data in class_files({"a": 8, "b": 8})]
    job = jobs.start(ImportRequest(None, "mine", "60/20/20", 0), jobs.receive_files(files))
    assert jobs.status(job).state == "cancelled"
    assert leftovers(settings) == []


def test_a_killed_download_resumes_where_it_was(
    home: Path, web: WebServer, ended_processes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = serve_set(web, "eurosat", monkeypatch)
    whole = web.files["/eurosat/EuroSAT.zip"]
    web.seconds = 1.0
    settings = Settings.from_environment()
    jobs = ImportJobs(settings)
    job = jobs.start(LAND)
    part = settings.imports_dir / "downloads" / item.key / "EuroSAT.zip.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 0)
    (process,) = processes_of(settings.home, "core.jobs.import_job")
    process.kill()
    wait_for(lambda: jobs.status(job).state == "interrupted", 10)
    there = part.stat().st_size
    assert 0 < there < len(whole)
    web.seconds = 0.0
    web.asked.clear()
    with monkeypatch.context() as patch:
        patch.setattr(
            import_jobs, "start_detached", lambda _s, _m, given, _l: import_job.run_job(settings, Path(*given))
        )
        again = jobs.again(job)
    assert jobs.status(again).state == "finished"
    assert web.asked == [("/eurosat/EuroSAT.zip", f"bytes={there}-")]
    assert leftovers(settings) == ["land"]


def test_only_the_presenter_downloads_unless_the_setting_says_otherwise(settings: Settings, here: None) -> None:
    jobs = ImportJobs(settings)
    assert may_download(settings, PRESENTER)
    assert not may_download(settings, ATTENDEE)
    for address in ("catalogue:eurosat", "hf://ada/pets"):
        with pytest.raises(RightsError, match="Only the presenter downloads datasets"):
            jobs.start(dataclasses.replace(LAND, path=address), by=ATTENDEE)
    assert jobs.active() == []
    assert may_download(dataclasses.replace(settings, downloads_for_all=True), ATTENDEE)
    lock_uploads(settings, True, PRESENTER)
    with pytest.raises(QuotaError, match="locked uploads"):
        ImportJobs(dataclasses.replace(settings, downloads_for_all=True)).start(LAND, by=ATTENDEE)


def test_what_would_fill_the_disk_or_the_room_is_not_begun(settings: Settings, here: None) -> None:
    needed = find_set("eurosat").needed_bytes
    assert needed > 4 * 10**8
    tight = dataclasses.replace(settings, min_free_bytes=2**60)
    with pytest.raises(QuotaError, match="The disk is too full"):
        ImportJobs(tight).start(LAND)
    with pytest.raises(QuotaError, match="This room uses"):
        ImportJobs(dataclasses.replace(settings, room_bytes=needed // 2)).start(LAND)
    assert not settings.imports_dir.exists()


def test_what_names_nothing_or_wants_a_package_is_refused_at_once(
    settings: Settings, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = ImportJobs(settings)
    with pytest.raises(DatasetError, match="no ready-made set 'cats'"):
        jobs.start(dataclasses.replace(LAND, path="catalogue:cats"))
    with pytest.raises(DatasetError, match="names no dataset on Hugging Face"):
        jobs.start(dataclasses.replace(LAND, path="hf://pets"))
    monkeypatch.setattr("core.datasets.downloads.hub.find_spec", lambda _: None)
    with pytest.raises(ExtraMissingError, match="requirements-hub"):
        jobs.start(dataclasses.replace(LAND, path="hf://ada/pets"))


def test_a_failed_download_is_tried_again_with_the_same_request(
    home: Path, web: WebServer, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = serve_set(web, "eurosat", monkeypatch)
    whole = web.files.pop(f"/{item.key}/EuroSAT.zip")
    jobs = ImportJobs(Settings.from_environment())
    job = jobs.start(LAND)
    assert jobs.status(job).state == "failed"
    assert "refused EuroSAT.zip (answered 404)" in jobs.status(job).text
    assert is_download(jobs.request(job).path)
    with pytest.raises(RightsError):
        jobs.again(job, by=ATTENDEE)
    web.files[f"/{item.key}/EuroSAT.zip"] = whole
    again = jobs.again(job)
    assert jobs.status(again).dataset == "land"
    with pytest.raises(DatasetError, match="cannot be started again"):
        jobs.again(again)
    assert DatasetStore(jobs.settings).ids() == ["land"]


def test_a_question_about_a_download_that_is_given_up_takes_the_download_with_it(
    settings: Settings, web: WebServer, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {}
    for place, (name, data) in enumerate(class_files({"cat": 8, "dog": 8})):
        label, _, file = name.partition("/")
        files[f"{label}/{'ab'[place % 2]}{label}/{file}"] = data
    serve_dataset(web, "ada/pets", files, monkeypatch)
    jobs = ImportJobs(settings)
    job = jobs.start(dataclasses.replace(LAND, path="hf://ada/pets"))
    assert jobs.status(job).state == "asking"
    assert leftovers(settings) != []
    web.asked.clear()
    jobs.discard(job)
    assert leftovers(settings) == []

    job = jobs.start(dataclasses.replace(LAND, path="hf://ada/pets"))
    web.asked.clear()
    jobs.answer(job, "level-1")
    assert jobs.status(job).state == "finished"
    assert [path for path, _ in web.asked] == ["/api/datasets/ada/pets"], "what was downloaded is used"
