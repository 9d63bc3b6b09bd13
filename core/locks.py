"""Held file locks: the one sign that a process is alive. The system releases them when it dies, however it dies."""

import os
from pathlib import Path

from filelock import FileLock, Timeout

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
