"""Limits of one person's runs and datasets, of the room's data and of the disk. Checked where something is made."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.actor import Actor
from core.errors import QuotaError
from core.formatting import format_count, format_limit
from core.settings import Settings

MB = 2**20
FULL = "The disk is full: delete runs or datasets, or free space elsewhere, and try again."


def is_full(error: OSError) -> bool:
    """Whether a write failed because there is no space."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def plain_if_full() -> Iterator[None]:
    """Raise a plain sentence where there is no space for a write.

    Raises:
        QuotaError: if the disk is full.
    """
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise QuotaError(FULL) from error
        raise


def free_bytes(settings: Settings) -> int:
    """Free space where the data lies."""
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def is_disk_full(settings: Settings) -> bool:
    """Whether there is too little space for anything new."""
    return free_bytes(settings) < settings.min_free_bytes


def check_space(settings: Settings, needed_bytes: int = 0) -> None:
    """Refuse to start what would fill the disk.

    Args:
        needed_bytes: what it will write, as far as that is known.

    Raises:
        QuotaError: names how much is free and how much is needed.
    """
    free, needed = free_bytes(settings), settings.min_free_bytes + needed_bytes
    if free < needed:
        raise QuotaError(
            f"The disk is too full: {format_limit(free)} are free and {format_limit(needed)} are needed. "
            "Delete runs or datasets, or free space elsewhere."
        )


def check_queue(settings: Settings, active: int, new: int, by: Actor) -> None:
    """Refuse more runs than one person may have in the queue; the presenter may.

    Args:
        active: runs of theirs that wait or run.
        new: runs to be added.

    Raises:
        QuotaError: names the limit.
    """
    if by.presenter or active + new <= settings.max_queued:
        return
    active_runs, limit = format_count(active, "run"), f"limit {settings.max_queued}"
    if new == 1:
        raise QuotaError(f"You have {active_runs} in the queue ({limit}): wait until some have ended, or stop some.")
    raise QuotaError(
        f"You have {active_runs} in the queue and would add {new} ({limit}): "
        "choose fewer, or wait until some have ended."
    )


def check_datasets(settings: Settings, owned: int, by: Actor) -> None:
    """Refuse more datasets than one person may have; the presenter may.

    Raises:
        QuotaError: names the limit.
    """
    if not by.presenter and owned >= settings.max_datasets:
        raise QuotaError(
            f"You have {format_count(owned, 'dataset')} (limit {settings.max_datasets}): "
            "delete one before you add another."
        )


def check_room(settings: Settings, needed_bytes: int = 0) -> None:
    """Refuse to start what would exceed the limit of the room's data. Reads the size of every file: called seldom.

    Raises:
        QuotaError: names the limit.
    """
    if settings.room_bytes and (used := room_usage(settings)) + needed_bytes > settings.room_bytes:
        raise QuotaError(
            f"This room uses {format_limit(used)} of at most {format_limit(settings.room_bytes)}: "
            "delete datasets or runs, or ask the presenter for more."
        )


def room_usage(settings: Settings) -> int:
    """Bytes of all that cannot be computed again, uploads and batches too. A file with two names counts once."""
    folders = (
        settings.datasets_dir,
        settings.runs_dir,
        settings.imports_dir,
        settings.collections_dir,
        settings.batches_dir,
    )
    linked: set[tuple[int, int]] = set()
    return sum(size for folder in folders for size in _sizes(folder, linked))


def _sizes(folder: Path, linked: set[tuple[int, int]]) -> Iterator[int]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _sizes(Path(entry.path), linked)
                continue
            found = entry.stat(follow_symlinks=False)
            if found.st_nlink > 1:
                if (found.st_dev, found.st_ino) in linked:
                    continue
                linked.add((found.st_dev, found.st_ino))
            yield found.st_size
        except OSError:  # it was deleted meanwhile
            continue
