"""File locks. A held one is the only sign that a process is alive: the system releases it however the process ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import TuneMyPetsError

ASKER_SECONDS = 1.0  # to wait for a lock that may only be looked at: asking takes a shared lock for a moment


def is_held(path: Path) -> bool:
    """Whether some process holds the lock at `path`. Asking never disturbs another asker."""
    if not path.exists():
        return False
    if os.name == "posix":
        import fcntl

        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            # a shared lock goes together with other askers' shared locks, and only a holder refuses it
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


@contextmanager
def hold_lock(path: Path, seconds: float, busy: TuneMyPetsError) -> Iterator[None]:
    """Hold the lock at `path`, in a folder that is made if needed.

    Args:
        seconds: to wait for it.
        busy: raised if another process holds it for longer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=seconds, poll_interval=0.01)
    except Timeout as error:
        raise busy from error
    try:
        yield
    finally:
        lock.release()
