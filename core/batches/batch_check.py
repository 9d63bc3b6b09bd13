"""What is wrong with the batches of a data root."""

from collections.abc import Iterator
from pathlib import Path

from core.batches.batch import CANCEL, FILES, LOG, PROGRESS, REQUEST, RESULT, ROWS, UPLOAD, Batch
from core.batches.batch_rows import read_rows
from core.batches.batch_store import UPLOAD_SECONDS
from core.errors import BatchError
from core.storage import DELETED, is_id
from core.verification import (
    REMOVE,
    SET_ASIDE,
    Count,
    Kind,
    Problem,
    age_seconds,
    held,
    ignore,
    is_file,
    is_folder,
    listed,
    unknown,
    verify_names,
)

PATIENCE_SECONDS = 30.0  # for what is renamed to its name, or away, within a moment
KNOWN = {REQUEST, UPLOAD, FILES, ROWS, PROGRESS, CANCEL, RESULT, LOG}


def verify_batches(root: Path, count: Count = ignore) -> Iterator[Problem]:
    """Look at every batch, and for what a killed process left next to them."""
    for entry in listed(root):
        path = root / entry.name
        is_dir = entry.is_dir(follow_symlinks=False)
        if is_dir and is_id(entry.name):
            found = list(_verify_batch(Batch(path), count))
            yield from found if is_folder(path) else ()  # it was deleted meanwhile
        elif entry.name.startswith(".upload-") and is_file(path):
            if age_seconds(path) > UPLOAD_SECONDS:
                yield Problem(Kind.LEFT_OVER, path, "This upload was never predicted.", REMOVE)
        elif is_dir and (entry.name.startswith(DELETED) or is_id(entry.name.removeprefix("."))):
            if age_seconds(path) > PATIENCE_SECONDS:
                yield Problem(Kind.LEFT_OVER, path, "The process that made or deleted this was killed.", REMOVE)
        else:
            yield unknown(path, "folder" if is_dir else "file")


def _verify_batch(batch: Batch, count: Count) -> Iterator[Problem]:
    lock = batch.lock_path
    live = held(lock)
    yield from verify_names(batch.folder, KNOWN, count, live=live, lock=lock)
    if live:
        return
    try:
        batch.request()
    except BatchError:
        text = "The request of this batch is missing or damaged."
        yield Problem(Kind.DAMAGED, batch.folder / REQUEST, text, SET_ASIDE, target=batch.folder, lock=lock)
        return
    if not is_file(batch.rows_path):
        return
    count(batch.rows_path.stat().st_size)
    status = batch.status()
    if status.state == "finished" and sum(1 for _ in read_rows(batch.rows_path)) != status.total and not held(lock):
        text = "The table of this batch is damaged: predict the pictures again."
        yield Problem(Kind.DAMAGED, batch.rows_path, text, SET_ASIDE, target=batch.folder, lock=lock)
