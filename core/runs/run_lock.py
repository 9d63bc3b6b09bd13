"""Exclusive access to a run, and plain sentences for what goes wrong with its files."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import FileLock

from core.errors import RunError
from core.quotas import plain_if_full
from core.runs.run import Run
from core.runs.run_files import CONFIG


@contextmanager
def hold(run: Run, seconds: float) -> Iterator[None]:
    """Hold the lock of a run: no other process works on it.

    Raises:
        Timeout: if another process holds it for longer than `seconds`.
        RunError: if the run was deleted.
    """
    gone = RunError(_deleted(run))
    if not run.folder.exists():
        raise gone
    lock = FileLock(run.lock_path)
    try:
        lock.acquire(timeout=seconds)
    except (FileNotFoundError, FileExistsError) as error:  # the folder was removed while the lock was taken
        raise gone from error
    try:
        if not (run.folder / CONFIG).exists():  # just deleted, and the lock has made the folder again
            remove_ghost(run)
            raise gone
        yield
    finally:
        lock.release()


def remove_ghost(run: Run) -> None:
    """Remove the empty folder of a run that was deleted: a lock makes the folder in which it lies."""
    run.lock_path.unlink(missing_ok=True)
    with suppress(OSError):
        run.folder.rmdir()


@contextmanager
def plain_errors(run: Run) -> Iterator[None]:
    """Raise a plain sentence where files of a run are gone or the disk is full.

    Raises:
        RunError: if the run was deleted.
        QuotaError: if the disk is full.
    """
    try:
        with plain_if_full():
            yield
    except FileNotFoundError as error:
        raise RunError(_deleted(run)) from error


def _deleted(run: Run) -> str:
    return f"There is no run {run.id!r}: it was deleted."
