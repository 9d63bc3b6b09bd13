"""Imports, each in a process of its own (`import_job.py`), so that decoding never slows down the pages.

A job is a folder: `request.json`, the uploaded archive, `progress.json` (replaced several times a second), `cancel`
where that was asked for, and `result.json` (written last). The process holds `importer.lock` while it lives: a job with
neither result nor lock was interrupted, and nothing of it was saved.

Where the files can be read in several ways the process writes `question.json` and small pictures and ends; the answer
goes into the request, and the job starts again.
"""

import dataclasses
import shutil
import time
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import TypeAdapter

from core.actor import LOCAL_OWNER, OPERATOR, Actor
from core.datasets.dataset_store import DatasetStore
from core.datasets.downloads.download_address import parse_address
from core.datasets.downloads.ready_made import ReadySet
from core.datasets.splits import SplitPlan
from core.errors import DatasetError, RightsError
from core.jobs.launchers import start_detached
from core.locks import hold_lock, is_held
from core.quotas import check_datasets, check_room, check_space
from core.room.board import check_uploads
from core.settings import Settings
from core.storage import is_id, list_ids, new_id, read_json, remove_folder, write_json

COPY_BYTES = 2**20
KEEP_SECONDS = 24 * 3600.0
START_SECONDS = 20.0
LOCK_SECONDS = 20.0
CANCEL = "cancel"
SAMPLES = "samples"


@dataclass(frozen=True)
class ImportRequest:
    """What to import: `path` of a folder or archive, or the address of a download.

    Without one it is the collection of that id, or else the built-in sample.

    `title` names it in sentences; an upload is stored under another name. `names` is the code page of an archive's
    names that are not Unicode, None to guess it. `collection` is the id of one.
    """

    path: str | None
    name: str
    plan: str
    seed: int
    title: str = ""
    owner: str = LOCAL_OWNER
    layout: str = ""
    label_column: str = ""
    group_pattern: str = ""
    names: str | None = None
    collection: str = ""


@dataclass(frozen=True)
class ImportStatus:
    """Where an import stands."""

    state: Literal["running", "asking", "finished", "failed", "interrupted", "cancelled"]
    text: str
    done: int = 0
    total: int = 0
    eta_seconds: float | None = None
    unit: str = ""
    dataset: str | None = None


@dataclass(frozen=True)
class ImportChoice:
    """One way to read the files: pictures per class, and for some classes a few small pictures.

    `samples` are names of files in the job's folder.
    """

    key: str
    title: str
    counts: dict[str, int]
    samples: dict[str, list[str]]


_CHOICES = TypeAdapter(list[ImportChoice])


class ImportJobs:
    """The folder `imports/` of a data root."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.imports_dir

    def start(self, request: ImportRequest, archive: Path | None = None, *, by: Actor = OPERATOR) -> str:
        """Start an import in the background; returns the job's id.

        Args:
            archive: an uploaded archive from `receive_*`, which the job takes over.

        Raises:
            DatasetError: if the split or the address cannot be used.
            ExtraMissingError: the address wants an optional package.
            QuotaError: if `by` has too many datasets, uploads are locked, or there is no room; the archive is then
                removed.
            RightsError: if `by` may not download.
        """
        request = dataclasses.replace(request, owner=by.id)
        try:
            SplitPlan.parse(request.plan)
            if archive is not None or request.path is not None:
                check_uploads(self.settings, by)
            needed = 0 if archive is not None or request.path is None else self._check_download(request.path, by)
            check_space(self.settings, needed)
            check_room(self.settings, needed)
            busy = DatasetError("Many imports are starting: try again in a few seconds.")
            # else many imports at once could exceed a person's quota
            with hold_lock(self.settings.home / "imports.lock", LOCK_SECONDS, busy):
                self._sweep()
                check_datasets(self.settings, len(DatasetStore(self.settings).owned(by.id)) + self._importing(by), by)
                job_id = new_id()
                folder = self.folder / job_id
                folder.mkdir(parents=True)
                if archive is not None:
                    archive.replace(folder / "upload.zip")
                    request = dataclasses.replace(request, path=str(folder / "upload.zip"))
                write_json(folder / "request.json", dataclasses.asdict(request))
        except BaseException:
            if archive is not None:
                archive.unlink(missing_ok=True)
            raise
        start_detached(self.settings, "core.jobs.import_job", [str(folder)], folder / "importer.log")
        return job_id

    def _check_download(self, address: str, by: Actor) -> int:
        """Bytes that the import of an address takes on the disk, as far as that is known before it is asked for.

        Raises:
            DatasetError: it names nothing.
            ExtraMissingError: it wants an optional package.
            RightsError: `by` may not download.
        """
        remote = parse_address(address)
        if remote is None:
            return 0
        if not may_download(self.settings, by):
            raise RightsError("Only the presenter downloads datasets: ask the presenter, or import photos of your own.")
        if isinstance(remote, ReadySet):
            return remote.needed_bytes
        from core.datasets.downloads.hub import check_hub_installed

        check_hub_installed()
        return 0

    def again(self, job_id: str, *, by: Actor = OPERATOR) -> str:
        """Start the download of a job that failed or was interrupted once more; returns the new job's id.

        Raises:
            DatasetError: it is no download, or is not over.
            RightsError: it belongs to another person.
            others: as `start`.
        """
        request = self.request(job_id)
        if self.status(job_id).state not in ("failed", "interrupted", "cancelled") or not is_download(request.path):
            raise DatasetError("This import cannot be started again: begin a new one on the Explore page.")
        by.check_may_change(request.owner, "This import")
        return self.start(dataclasses.replace(request, layout=""), by=by)

    def cancel(self, job_id: str, *, by: Actor = OPERATOR) -> None:
        """Ask a running import to end and to remove all that it has made or downloaded.

        Raises:
            DatasetError: there is no such import, or it is not running.
            RightsError: it belongs to another person.
        """
        if self.status(job_id).state != "running":
            raise DatasetError(f"The import {job_id} is not running: there is nothing to cancel.")
        by.check_may_change(self.request(job_id).owner, "This import")
        (self.folder / job_id / CANCEL).touch()

    def is_cancelled(self, job_id: str) -> bool:
        """Whether a job was asked to end."""
        return (self.folder / job_id / CANCEL).exists()

    def request(self, job_id: str) -> ImportRequest:
        """What a job imports.

        Raises:
            DatasetError: there is no such job.
        """
        self.status(job_id)
        return ImportRequest(**read_json(self.folder / job_id / "request.json"))

    def receive_zip(self, upload: BinaryIO) -> Path:
        """Copy an uploaded archive to disk in pieces."""
        return receive_zip(self.folder, upload)

    def receive_files(self, uploads: Iterable[tuple[str, BinaryIO]]) -> Path:
        """Pack an uploaded folder into an archive."""
        return receive_files(self.folder, uploads)

    def status(self, job_id: str) -> ImportStatus:
        """Where a job stands.

        Raises:
            DatasetError: if there is no such job.
        """
        folder = self.folder / job_id
        if not is_id(job_id) or not (folder / "request.json").exists():
            raise DatasetError(f"There is no import {job_id[:64]!r}: start it again on the Explore page.")
        held = is_held(folder / "importer.lock")
        try:
            return ImportStatus(**read_json(folder / "result.json"))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError):
            return ImportStatus("failed", "The result of this import is damaged: check whether its dataset is there.")
        starting = time.time() - (folder / "request.json").stat().st_mtime < START_SECONDS
        held = held or is_held(folder / "importer.lock")
        if not held and ((folder / "progress.json").exists() or not starting):
            return ImportStatus("interrupted", "The import was interrupted and nothing was saved: start it again.")
        try:
            return ImportStatus("running", **read_json(folder / "progress.json"))
        except (OSError, ValueError, TypeError):
            return ImportStatus("running", "Starting")

    def choices(self, job_id: str) -> list[ImportChoice]:
        """The ways to read the files of a job that asks.

        Raises:
            DatasetError: if it does not ask, or its question is damaged.
        """
        try:
            if self.status(job_id).state == "asking":
                return _CHOICES.validate_json((self.folder / job_id / "question.json").read_bytes())
        except (OSError, ValueError):
            pass
        raise DatasetError("This import asks nothing: start it again on the Explore page.")

    def sample(self, job_id: str, name: str) -> Path:
        """Where a small picture of a question lies."""
        return self.folder / job_id / SAMPLES / Path(name).name

    def answer(self, job_id: str, key: str, *, by: Actor = OPERATOR) -> None:
        """Start a job that asks once more, with the chosen way to read its files.

        Raises:
            DatasetError: if it does not ask, or offers no such choice.
            RightsError: if it belongs to another person.
        """
        if key not in {choice.key for choice in self.choices(job_id)}:
            raise DatasetError(f"This import does not offer the layout {key[:60]!r}: choose one that it shows.")
        folder = self.folder / job_id
        request = ImportRequest(**read_json(folder / "request.json"))
        by.check_may_change(request.owner, "This import")
        write_json(folder / "request.json", dataclasses.asdict(dataclasses.replace(request, layout=key)))
        for name in ("progress.json", "result.json"):  # without them, and with a fresh request, the job is starting
            (folder / name).unlink(missing_ok=True)
        start_detached(self.settings, "core.jobs.import_job", [str(folder)], folder / "importer.log")

    def discard(self, job_id: str, *, by: Actor = OPERATOR) -> None:
        """Give up an import that asks, with its upload.

        Raises:
            DatasetError: if it does not ask.
            RightsError: if it belongs to another person.
        """
        self.choices(job_id)
        request = self.request(job_id)
        by.check_may_change(request.owner, "This import")
        remove_folder(self.folder / job_id)
        if request.path is not None and (remote := parse_address(request.path)) is not None:
            from core.datasets.downloads.transfer import remove_downloads

            remove_downloads(self.settings, remote.key)

    def active(self) -> list[str]:
        """Jobs that are running."""
        # without its request, another session is creating the job
        return [name for name in list_ids(self.folder, "request.json") if self.status(name).state == "running"]

    def _importing(self, by: Actor) -> int:
        """How many imports of one person are running."""
        owners = [read_json(self.folder / name / "request.json").get("owner") for name in self.active()]
        return owners.count(by.id)

    def _sweep(self) -> None:
        """Remove finished jobs and uploads that are older than a day."""
        from core.datasets.downloads.transfer import FOLDER, sweep_downloads

        try:
            paths = [path for path in self.folder.iterdir() if path.name != FOLDER]
        except FileNotFoundError:
            return
        sweep_downloads(self.settings)
        for path in paths:
            made = (path / "request.json").exists()
            if made and is_id(path.name) and self.status(path.name).state not in ("running", "asking"):
                (path / "upload.zip").unlink(missing_ok=True)  # a killed import could not remove it
            if time.time() - path.stat().st_mtime < KEEP_SECONDS or is_held(path / "importer.lock"):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def receive_zip(folder: Path, upload: BinaryIO) -> Path:
    """Copy an uploaded archive to a file of its own, in pieces."""
    path = _new_upload(folder)
    upload.seek(0)
    with path.open("wb") as file:
        shutil.copyfileobj(upload, file, COPY_BYTES)
    return path


def receive_files(folder: Path, uploads: Iterable[tuple[str, BinaryIO]]) -> Path:
    """Pack uploaded files (names with paths, never used as paths here) into an archive without compression."""
    path = _new_upload(folder)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, upload in uploads:
            upload.seek(0)
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as entry:
                shutil.copyfileobj(upload, entry, COPY_BYTES)
    return path


def _new_upload(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f".{new_id('upload-')}.zip"


def may_download(settings: Settings, by: Actor) -> bool:
    """Whether a person may start downloads: they fill the presenter's disk over a line that all share."""
    return by.presenter or settings.downloads_for_all


def is_download(path: str | None) -> bool:
    """Whether the `path` of a request is the address of a download."""
    return path is not None and parse_address(path) is not None
