"""The batches of a data root: started, followed, cancelled, resumed, deleted. Imports no torch: pages read it."""

import dataclasses
import secrets
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from core.actor import OPERATOR, Actor
from core.batches.batch import (
    ARCHIVE_ENDINGS,
    CANCEL,
    LOG,
    PROGRESS,
    REQUEST,
    RESULT,
    UPLOAD,
    Batch,
    BatchRequest,
    Listed,
    list_files,
    list_folder,
    stamp_archive,
)
from core.errors import BatchError, QuotaError
from core.jobs.import_jobs import receive_files, receive_zip
from core.jobs.launchers import start_detached
from core.locks import hold_lock, is_held
from core.novelty.conformal import DEFAULT_PROMISE
from core.quotas import check_room, check_space
from core.room.board import check_uploads
from core.runs.run import Run
from core.runs.run_files import BEST_SIDECAR, BEST_WEIGHTS
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import is_id, list_ids, new_id, remove_folder, write_json

KEEP_SECONDS = 7 * 24 * 3600.0  # after it has ended
UPLOAD_SECONDS = 3600.0  # that an upload may wait for its batch
LOCK_SECONDS = 20.0
# each thread works on a piece of its own: numpy's threads would only wait for each other (7.6 ms a picture, not 5.4)
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
MAX_RUNNING, MAX_KEPT = 3, 20  # of one attendee


class BatchStore:
    """The folder `batches/` of a data root."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.batches_dir

    def start(
        self, run_id: str, path: Path, title: str = "", *, promise: float = DEFAULT_PROMISE, by: Actor = OPERATOR
    ) -> Batch:
        """Start to predict all pictures of a folder or archive of this machine.

        Raises:
            BatchError: there is no such folder or archive, or it is empty.
            RunError: there is no such run, or it has no weights.
            QuotaError: the disk is too full, or too many batches run.
        """
        path, title = path.resolve(), title or path.name
        if path.is_dir():
            files = list_folder(path)
            if not files:
                raise BatchError(f"There are no files in {title}: choose the folder that holds the pictures.")
            return self._begin(run_id, BatchRequest("", "folder", str(path), title, (), (), promise=promise), files, by)
        if not path.exists():
            raise BatchError(f"{path} is not there: check the path.")
        if path.suffix.lower() not in ARCHIVE_ENDINGS:
            raise BatchError(f"{title} is neither a folder nor a zip: choose one of these.")
        stamp = stamp_archive(path)
        return self._begin(
            run_id, BatchRequest("", "archive", str(path), title, (), (), stamp, promise=promise), (), by
        )

    def start_files(
        self, run_id: str, names: Iterable[str], *, promise: float = DEFAULT_PROMISE, by: Actor = OPERATOR
    ) -> Batch:
        """Start to predict files of this machine, named as the shell does; one that is missing gets a row that says so.

        Raises:
            as `start`.
        """
        base = Path.cwd()
        files = list_files(names, base)
        return self._begin(
            run_id, BatchRequest("", "files", str(base), "the named files", (), (), promise=promise), files, by
        )

    def start_upload(self, run_id: str, archive: Path, title: str, *, by: Actor) -> Batch:
        """Start to predict an archive from `receive_zip` or `receive_files`, which the batch takes over.

        Raises:
            as `start`, and RightsError or QuotaError where uploads are locked or the room is full; the archive is then
            removed.
        """
        try:
            check_uploads(self.settings, by)
            check_room(self.settings)
            return self._begin(run_id, BatchRequest("", "archive", "", title, (), ()), (), by, archive)
        except BaseException:
            archive.unlink(missing_ok=True)
            raise

    def _begin(
        self, run_id: str, request: BatchRequest, files: Sequence[Listed], by: Actor, archive: Path | None = None
    ) -> Batch:
        run = RunStore(self.settings).get(run_id)
        request = dataclasses.replace(
            request,
            run=run.id,
            classes=run.meta().classes,
            weights=stamp_weights(run),
            owner=by.id,
            created=round(time.time(), 3),
            key=secrets.token_hex(16),
        )
        check_space(self.settings)
        busy = BatchError("Many batches are starting: try again in a few seconds.")
        with hold_lock(self.settings.home / "batches.lock", LOCK_SECONDS, busy):
            self._sweep()
            self._check_running(by)
            self._check_kept(by)
            batch = Batch(self.folder / new_id())
            draft = batch.folder.with_name(f".{batch.id}")
            draft.mkdir(parents=True)
            drafted = Batch(draft)
            if archive is not None:
                archive.replace(draft / UPLOAD)
                request = dataclasses.replace(request, path=str(batch.folder / UPLOAD))
            if files:
                drafted.write_listed(files)
            write_json(draft / REQUEST, dataclasses.asdict(request))
            draft.rename(batch.folder)
        self._launch(batch)
        return batch

    def _check_kept(self, by: Actor) -> None:
        if not by.presenter and len(self.all(by)) >= MAX_KEPT:
            raise QuotaError(f"You have {MAX_KEPT} batches (limit {MAX_KEPT}): delete one before you add another.")

    def _check_running(self, by: Actor) -> None:
        if by.presenter:
            return
        running = [item for item in self.all(by) if item.status().state == "running"]
        if len(running) >= MAX_RUNNING:
            raise QuotaError(f"{len(running)} of your batches are running (limit {MAX_RUNNING}): wait until one ends.")

    def _launch(self, batch: Batch) -> None:
        start_detached(self.settings, "core.batches.batch_job", [str(batch.folder)], batch.folder / LOG, ENVIRONMENT)

    def receive_zip(self, upload: BinaryIO) -> Path:
        """Copy an uploaded archive to disk in pieces."""
        return receive_zip(self.folder, upload)

    def receive_files(self, uploads: Iterable[tuple[str, BinaryIO]]) -> Path:
        """Pack uploaded pictures into an archive."""
        return receive_files(self.folder, uploads)

    def get(self, batch_id: str) -> Batch:
        """A batch.

        Raises:
            BatchError: there is none of this id.
        """
        batch = Batch(self.folder / batch_id)
        if not is_id(batch_id) or not (batch.folder / REQUEST).exists():
            raise BatchError("This batch was deleted: predict the pictures again.")
        return batch

    def all(self, by: Actor = OPERATOR) -> list[Batch]:
        """The batches that `by` may see, newest first: an attendee's own, for the presenter all."""
        found = [Batch(self.folder / name) for name in reversed(list_ids(self.folder))]
        return [batch for batch in found if self._may_see(batch, by)]

    def _may_see(self, batch: Batch, by: Actor) -> bool:
        try:
            return by.may_change(batch.request().owner)
        except BatchError:
            return False

    def cancel(self, batch: Batch, *, by: Actor = OPERATOR) -> None:
        """Ask a running batch to end; what it has predicted is kept.

        Raises:
            RightsError: it belongs to another person.
        """
        by.check_may_change(batch.request().owner, "This batch")
        if batch.status().state == "running":
            (batch.folder / CANCEL).touch()

    def resume(self, batch: Batch, *, by: Actor = OPERATOR) -> None:
        """Continue a batch that was interrupted or cancelled, or failed; its rows so far stay.

        Raises:
            BatchError: it is running or finished.
            RightsError: it belongs to another person.
            QuotaError: the disk is too full, or too many batches run.
        """
        request = batch.request()
        by.check_may_change(request.owner, "This batch")
        busy = BatchError("Many batches are starting: try again in a few seconds.")
        with hold_lock(self.settings.home / "batches.lock", LOCK_SECONDS, busy):
            if not batch.status().resumable:
                raise BatchError("This batch is running or finished: there is nothing to resume.")
            check_space(self.settings)
            self._check_running(by)
            for name in (RESULT, PROGRESS, CANCEL):
                (batch.folder / name).unlink(missing_ok=True)
            (batch.folder / REQUEST).touch()  # without progress and with a fresh request it is starting
        self._launch(batch)

    def delete(self, batch: Batch, *, by: Actor = OPERATOR) -> None:
        """Remove a batch that has ended, with its upload.

        Raises:
            BatchError: it is running.
            RightsError: it belongs to another person.
        """
        by.check_may_change(batch.request().owner, "This batch")
        if batch.status().state == "running":
            raise BatchError("This batch is running: cancel it first.")
        remove_folder(batch.folder)

    def find_earlier(self, run_id: str, path: Path, promise: float = DEFAULT_PROMISE) -> Batch | None:
        """The newest batch of the same run over the same, unchanged files of this machine.

        Args:
            path: of a folder or archive.
        """
        run, path = RunStore(self.settings).get(run_id), path.resolve()
        weights, files = stamp_weights(run), None
        for batch in self.all():
            request = batch.request()
            wanted = (run.id, str(path), weights, promise)
            if (request.run, request.path, request.weights, request.promise) != wanted or request.kind == "files":
                continue
            if request.kind == "archive":
                if request.stamp == stamp_archive(path):
                    return batch
                continue
            files = list_folder(path) if files is None else files
            with suppress(BatchError):
                if batch.listed() == files:
                    return batch
        return None

    def _sweep(self) -> None:
        """Remove batches that ended more than a week ago, and uploads that no batch took over."""
        for path in list(self.folder.iterdir()) if self.folder.exists() else []:
            with suppress(OSError):
                age = time.time() - path.stat().st_mtime
                if is_id(path.name):
                    if age > KEEP_SECONDS and not is_held(Batch(path).lock_path):
                        remove_folder(path)
                elif age > UPLOAD_SECONDS:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def stamp_weights(run: Run) -> tuple[int, ...]:
    """Differs when the checkpoint that predicts was replaced.

    Raises:
        BatchError: the run has none.
    """
    stamps: list[int] = []
    for name in (BEST_SIDECAR, BEST_WEIGHTS):
        try:
            facts = (run.checkpoints / name).stat()
        except OSError as error:
            raise BatchError(f"Run {run.id} has no saved weights: train it for at least one epoch.") from error
        stamps += [facts.st_size, facts.st_mtime_ns]
    return tuple(stamps)
