"""Predicts one batch, in a process of its own.

    python -m core.batches.batch_job BATCH_DIR

It holds `batch.lock` while it lives and appends rows as they are made. Two batches of a data root compute at a time:
a small one does not wait for a large one.
"""

import dataclasses
import logging
import sys
import time
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from core.batches.batch import PROGRESS, RESULT, Batch, BatchRequest, BatchStatus, State
from core.batches.batch_rows import append_rows, keep_whole_pieces, read_rows
from core.batches.batch_store import stamp_weights
from core.config.events import Progress
from core.errors import BatchError, TuneMyPetsError
from core.formatting import format_count, format_limit
from core.jobs.launchers import NICENESS, step_back
from core.jobs.shared_job import read_arguments, take_turn
from core.jobs.states import is_closing
from core.locks import ASKER_SECONDS
from core.quotas import is_full
from core.runs.run_store import RunStore
from core.settings import Settings
from core.steps import Stopped, StopSignal, run_step
from core.storage import write_json

TURNS = 2  # batches that compute at a time
NOTE_SECONDS = 0.3
FULL = "The disk is full: free some space, then resume. What was predicted is kept."

log = logging.getLogger("tunemypets.batches")


def predict_batch(
    settings: Settings, batch: Batch, request: BatchRequest, signal: StopSignal
) -> Generator[Progress, None, BatchStatus]:
    """Predict what is left of a batch, and append it to its rows.

    Raises:
        BatchError: the run was trained further, the files are gone, or an archive is larger than is taken.
        DatasetError: an archive cannot be used.
        RunError: the run is gone or damaged.
        Stopped: `signal` was set.
    """
    run = RunStore(settings).get(request.run)
    if stamp_weights(run) != request.weights:
        raise BatchError("The run was trained further since this batch began: predict the pictures again.")
    yield Progress("preparing", "Reading the list of files", 0, 0, None)
    with closing(batch.open(settings, request)) as source:
        entries = batch.entries(source, request)
        total = len(entries)
        if not entries:
            raise BatchError(f"There are no files in {request.title}: choose one that holds pictures.")
        if request.kind == "archive" and total > settings.max_images:
            raise BatchError(
                f"There are {total:,} files in {request.title}, and at most {settings.max_images:,} are taken: "
                "predict a part, or raise TUNEMYPETS_MAX_PICTURES."
            )
        done = start = keep_whole_pieces(batch.rows_path, total)
        yield Progress("preparing", "Loading the network", done, total, None)
        from core.batches.piece_predictor import PiecePredictor  # torch
        from core.predict.strange_pictures import know_pictures

        predictor = PiecePredictor(settings, run, request.promise)
        if predictor.novelty is None:
            try:
                predictor.novelty = yield from know_pictures(settings, run, signal)
            except TuneMyPetsError as error:
                log.info("no picture can be called strange: %s", error)
        if predictor.loaded.checkpoint.classes != request.classes:
            raise BatchError("The classes of the run have changed: predict the pictures again.")
        began, bytes_read = time.monotonic(), 0
        with closing(predictor.predict(source, entries, start)) as pieces:
            for piece in pieces:
                signal.check()
                bytes_read += piece.bytes_read
                if request.kind == "archive" and bytes_read > settings.max_dataset_bytes:
                    raise BatchError(
                        f"The files in {request.title} take more than {format_limit(settings.max_dataset_bytes)}: "
                        "predict a part, or raise TUNEMYPETS_MAX_DATASET_MB."
                    )
                append_rows(batch.rows_path, piece.start, piece.rows)
                done += len(piece.rows)
                eta = (time.monotonic() - began) / (done - start) * (total - done)
                yield Progress("testing", "Predicting", done, total, eta)
    problems = sum(row.problem is not None for row in read_rows(batch.rows_path))
    text = f"Predicted {format_count(total - problems, 'picture')}."
    return BatchStatus("finished", text, total, total, None, problems)


def run_batch(settings: Settings, batch: Batch) -> None:
    """Predict a batch; its result file holds how it ended."""
    note = _Note(batch)
    signal = StopSignal(lambda: batch.cancelled or is_closing(settings))
    try:
        note(Progress("preparing", "Waiting for other batches", 0, 0, None))
        with take_turn([settings.cache_dir / f"batches-{number}.lock" for number in range(TURNS)], signal):
            result = run_step(predict_batch(settings, batch, batch.request(), signal), note)
    except Stopped:
        if not batch.cancelled:
            return  # the app was shut down: it counts as interrupted, and can be resumed
        result = note.end("cancelled", "Cancelled; what was predicted is kept.")
    except Exception as error:  # a job must always leave a result
        log.exception("the batch failed")
        result = note.end("failed", _explain(error))
    with suppress(OSError):  # without it, the batch counts as interrupted
        write_json(batch.folder / RESULT, dataclasses.asdict(result))


def _explain(error: Exception) -> str:
    if isinstance(error, TuneMyPetsError):
        return str(error)
    if isinstance(error, OSError) and is_full(error):
        return FULL
    if isinstance(error, MemoryError):
        return "There is not enough memory: close other programs, then resume."
    return f"The batch failed unexpectedly ({type(error).__name__}): see batch.log in its folder, then resume."


class _Note:
    """Writes progress to a file, now and then."""

    def __init__(self, batch: Batch) -> None:
        self._path = batch.folder / PROGRESS
        self._written, self._last = 0.0, Progress("preparing", "", 0, 0, None)

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        quiet = now - self._written < NOTE_SECONDS and progress.text == self._last.text
        self._last = progress
        if quiet:
            return
        self._written = now
        with suppress(OSError):  # a full disk ends the batch where it writes its rows
            write_json(self._path, vars(progress))

    def end(self, state: State, text: str) -> BatchStatus:
        """The status of a batch that ends before its last file."""
        return BatchStatus(state, text, self._last.done, self._last.total)


def main(arguments: list[str] | None = None) -> int:
    """Predict one batch."""
    batch = Batch(Path(*read_arguments("core.batches.batch_job", ("folder",), arguments)))
    try:
        with FileLock(batch.lock_path).acquire(timeout=ASKER_SECONDS):
            step_back(NICENESS)
            run_batch(Settings.from_environment(), batch)
    except Timeout:
        log.info("another process predicts this batch")
    return 0


if __name__ == "__main__":
    sys.exit(main())
