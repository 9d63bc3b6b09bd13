"""Working on a run alone, and what a system says of its files, in words for people."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import FileLock

from core.errors import QuotaError, RunError
from core.quotas import FULL, is_full
from core.runs.run import Run


@contextmanager
def hold(run: Run, seconds: float) -> Iterator[None]:
    """Nobody else works on a run meanwhile.

    Raises:
        Timeout: if somebody does, for so long.
        RunError: if the run was deleted.
    """
    gone = RunError(f"There is no run {run.id!r} any more: somebody has deleted it.")
    if not run.folder.exists():
        raise gone
    lock = FileLock(run.lock_path)
    try:
        lock.acquire(timeout=seconds)
    except (FileNotFoundError, FileExistsError) as error:  # the folder went, came and went under the lock's hands
        raise gone from error
    try:
        if not (run.folder / "config.json").exists():  # deleted just now, and the lock has made the folder anew
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
def told(run: Run) -> Iterator[None]:
    """What a system says of files, in words for people."""
    try:
        yield
    except FileNotFoundError as error:  # somebody else was first
        raise RunError(f"There is no run {run.id!r} any more: somebody has deleted it.") from error
    except OSError as error:
        if is_full(error):
            raise QuotaError(FULL) from error
        raise
