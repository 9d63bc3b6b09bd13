"""Imports, each in a process of its own, so that decoding never slows down the pages.

    python -m core.jobs.import_jobs JOB_DIR

A job is a folder: `request.json`, the uploaded archive, `progress.json` (replaced several times a second), and
`result.json` (written last). The process holds `importer.lock` while it lives: a job with neither result nor lock was
interrupted, and nothing of it was saved.

Where the files can be read in several ways the process writes `question.json` and small pictures and ends; the answer
goes into the request, and the job starts again.
"""

import argparse
import dataclasses
import logging
import shutil
import sys
import time
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from filelock import FileLock
from pydantic import TypeAdapter

from core.actor import LOCAL_OWNER, OPERATOR, Actor
from core.collection.collection_source import CollectionSource
from core.collection.collection_store import CollectionStore
from core.datasets.dataset_store import DatasetStore
from core.datasets.drawn_sample import SAMPLE_TITLE, draw_sample
from core.datasets.splits import SplitPlan
from core.errors import DatasetError, ImageError, TuneMyPetsError
from core.jobs.launchers import start_detached, step_back
from core.locks import hold_lock, is_held
from core.quotas import check_datasets, check_room, check_space
from core.room.board import check_uploads
from core.settings import Settings
from core.steps import run_step
from core.storage import is_id, new_id, read_json, remove_folder, write_json

if TYPE_CHECKING:
    from core.datasets.layouts.placing import Choice
    from core.datasets.sources.source import Source

COPY_BYTES = 2**20
KEEP_SECONDS = 24 * 3600.0
START_SECONDS = 20.0
LOCK_SECONDS = 20.0
SAMPLES = "samples"
SAMPLE_PX = 128

log = logging.getLogger("tunemypets.importer")


@dataclass(frozen=True)
class ImportRequest:
    """What to import: `path` of a folder or archive, None for a collection or the built-in sample.

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

    state: Literal["running", "asking", "finished", "failed", "interrupted"]
    text: str
    done: int = 0
    total: int = 0
    eta_seconds: float | None = None
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
            DatasetError: if the split cannot be used.
            QuotaError: if `by` has too many datasets, uploads are locked, or there is no room; the archive is then
                removed.
        """
        request = dataclasses.replace(request, owner=by.id)
        try:
            SplitPlan.parse(request.plan)
            if archive is not None or request.path is not None:
                check_uploads(self.settings, by)
            check_space(self.settings)
            check_room(self.settings)
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
        start_detached(self.settings, "core.jobs.import_jobs", [str(folder)], folder / "importer.log")
        return job_id

    def receive_zip(self, upload: BinaryIO) -> Path:
        """Copy an uploaded archive to disk in pieces."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f".{new_id('upload-')}.zip"
        upload.seek(0)
        with path.open("wb") as file:
            shutil.copyfileobj(upload, file, COPY_BYTES)
        return path

    def receive_files(self, uploads: Iterable[tuple[str, BinaryIO]]) -> Path:
        """Pack an uploaded folder (names with paths, never used as paths here) into an archive without compression."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f".{new_id('upload-')}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for name, upload in uploads:
                upload.seek(0)
                with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as entry:
                    shutil.copyfileobj(upload, entry, COPY_BYTES)
        return path

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
        start_detached(self.settings, "core.jobs.import_jobs", [str(folder)], folder / "importer.log")

    def discard(self, job_id: str, *, by: Actor = OPERATOR) -> None:
        """Give up an import that asks, with its upload.

        Raises:
            DatasetError: if it does not ask.
            RightsError: if it belongs to another person.
        """
        self.choices(job_id)
        by.check_may_change(read_json(self.folder / job_id / "request.json").get("owner", LOCAL_OWNER), "This import")
        remove_folder(self.folder / job_id)

    def active(self) -> list[str]:
        """Jobs that are running."""
        try:
            # without its request, another session is creating the job
            made = [path for path in self.folder.iterdir() if is_id(path.name) and (path / "request.json").exists()]
        except FileNotFoundError:
            return []
        names = sorted(path.name for path in made)
        return [name for name in names if self.status(name).state == "running"]

    def _importing(self, by: Actor) -> int:
        """How many imports of one person are running."""
        owners = [read_json(self.folder / name / "request.json").get("owner") for name in self.active()]
        return owners.count(by.id)

    def _sweep(self) -> None:
        """Remove finished jobs and uploads that are older than a day."""
        try:
            paths = list(self.folder.iterdir())
        except FileNotFoundError:
            return
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


def sample_source() -> "Source":
    """The built-in drawn pictures as a source."""
    from core.datasets.sources.source import MemorySource

    return MemorySource(SAMPLE_TITLE, list(draw_sample()), drawn=True)


def _open(settings: Settings, request: ImportRequest) -> "Source":
    if request.collection:
        store = CollectionStore(settings)
        folder = store.place(request.collection)
        return CollectionSource(folder, store.view(request.collection))
    if request.path is None:
        return sample_source()
    from core.datasets.sources.opening import open_source

    return open_source(
        Path(request.path),
        request.title,
        settings.max_images,
        encoding=request.names,
        max_bytes=settings.max_dataset_bytes,
        scratch=settings.imports_dir,
    )


def run_job(settings: Settings, folder: Path) -> None:
    """Carry out the import of a job folder; its result file holds how it ended."""
    # here and not above: the pages import this module, and must start fast
    from core.datasets.importing import ImportProgress, import_dataset
    from core.datasets.layouts.placing import LayoutQuestionError

    def write_progress(progress: ImportProgress) -> None:
        values = _progress(progress.phase, progress.done, progress.total, progress.eta_seconds)
        write_json(folder / "progress.json", values)

    request = ImportRequest(**read_json(folder / "request.json"))
    try:
        write_json(
            folder / "progress.json",
            _progress("Reading" if request.path or request.collection else "Drawing pictures", 0, 0),
        )
        source = _open(settings, request)
        try:
            dataset = run_step(
                import_dataset(
                    settings,
                    source,
                    name=request.name,
                    plan=SplitPlan.parse(request.plan),
                    seed=request.seed,
                    owner=request.owner,
                    layout=request.layout,
                    label_column=request.label_column,
                    group_pattern=request.group_pattern,
                ),
                write_progress,
            )
            result = ImportStatus("finished", "Imported.", dataset=dataset)
        except LayoutQuestionError as question:
            _write_question(settings, folder, question.choices)
            result = ImportStatus("asking", "The pictures can be read in more than one way.")
        finally:
            source.close()
    except TuneMyPetsError as error:
        result = ImportStatus("failed", str(error))
    except Exception as error:  # a job must always leave a result
        log.exception("the import failed")
        full = isinstance(error, OSError) and error.errno == 28
        result = ImportStatus(
            "failed",
            "The disk is full and nothing was saved: free some space and import again."
            if full
            else f"The import failed unexpectedly ({type(error).__name__}): see importer.log.",
        )
    write_json(folder / "result.json", dataclasses.asdict(result))
    if result.state != "asking":
        (folder / "upload.zip").unlink(missing_ok=True)


def _write_question(settings: Settings, folder: Path, choices: Sequence["Choice"]) -> None:
    """Write the choices of a question, with a few small pictures for each."""
    from core.datasets.pictures.decoder import Limits, render_preview

    limits = Limits.from_settings(settings)
    (folder / SAMPLES).mkdir(exist_ok=True)
    written: dict[str, str] = {}

    def write_sample(name: str, data: bytes) -> str | None:
        if name not in written:
            try:
                small = render_preview(data, limits, name, SAMPLE_PX)
            except ImageError:
                return None  # the import will name it
            written[name] = f"{len(written)}.jpg"
            (folder / SAMPLES / written[name]).write_bytes(small)
        return written[name]

    question = []
    for choice in choices:
        samples = {
            label: [found for name, data in files if (found := write_sample(name, data))]
            for label, files in choice.samples.items()
        }
        question.append(dataclasses.asdict(ImportChoice(choice.key, choice.title, choice.counts, samples)))
    write_json(folder / "question.json", question)


def _progress(text: str, done: int, total: int, eta_seconds: float | None = None) -> dict[str, object]:
    return {"text": text, "done": done, "total": total, "eta_seconds": eta_seconds}


def main(arguments: list[str] | None = None) -> int:
    """Run one import job."""
    parser = argparse.ArgumentParser(prog="python -m core.jobs.import_jobs", description="Run one import.")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    with FileLock(options.folder / "importer.lock").acquire(timeout=5):
        step_back(5)
        run_job(Settings.from_environment(), options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
