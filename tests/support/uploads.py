"""Imports as a page starts them, done in this process: the way is the same but for the process."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pytest

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.jobs import import_job, import_jobs
from core.jobs.import_jobs import ImportJobs, ImportRequest, ImportStatus
from core.settings import Settings

Files = Sequence[tuple[str, bytes]]
TITLE = "my pets.zip"


def upload(settings: Settings, given: Path | Files, name: str = "pets") -> ImportStatus:
    """Bring an archive, or the files of a folder, and wait for the end of the import."""
    jobs = ImportJobs(settings)
    if isinstance(given, Path):
        with given.open("rb") as file:
            archive = jobs.receive_zip(file)
    else:
        archive = jobs.receive_files([(file, BytesIO(data)) for file, data in given])

    def here(settings: Settings, module: str, arguments: Sequence[str], log_file: Path) -> None:
        import_job.run_job(settings, Path(arguments[0]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_jobs, "start_detached", here)
        job = jobs.start(ImportRequest(None, name, "60/20/20", 0, TITLE), archive)
    assert not (settings.imports_dir / job / "upload.zip").exists()
    return jobs.status(job)


def imported(settings: Settings, given: Path | Files, name: str = "pets") -> Dataset:
    """The dataset that an upload becomes."""
    status = upload(settings, given, name)
    assert (status.state, status.text) == ("finished", "Imported.")
    return DatasetStore(settings).get(str(status.dataset))
