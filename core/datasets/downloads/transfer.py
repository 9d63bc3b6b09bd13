"""Several downloads side by side, in a folder of their own that one process at a time fills.

imports/downloads/KEY/          what has arrived; removed after the import, on cancel, and a day after a failure
imports/downloads/KEY.lock      held by the process at work there
"""

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from core.datasets.downloads.remote_file import RemoteFile, fetch
from core.datasets.importing import PROGRESS_SECONDS, ImportProgress
from core.errors import DatasetError
from core.locks import is_held
from core.settings import Settings
from core.storage import remove_folder
from core.verification import REMOVE, Kind, Problem

FOLDER = "downloads"  # below imports/
KEEP_SECONDS = 24 * 3600.0
AT_ONCE = 6
MB = 1e6


@contextmanager
def download_folder(settings: Settings, key: str, title: str) -> Iterator[Path]:
    """The folder of a download, held until the block ends.

    Args:
        key: an id; two downloads that share files have the same one.
        title: what people call it.
    Raises:
        DatasetError: another process is at work there.
    """
    folder = settings.imports_dir / FOLDER / key
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f"{key}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DatasetError(
            f"Another import downloads {title} right now: wait for it, and use its dataset or start again."
        ) from error
    try:
        yield folder
    finally:
        if not any(path.is_file() for path in folder.rglob("*")):  # nothing to resume
            clear(folder)
        lock.release()
        if not folder.exists():
            _remove_lock(folder)


def fetch_all(files: Sequence[RemoteFile], folder: Path, title: str) -> Generator[ImportProgress, None, list[Path]]:
    """Download files, unless they are there; returns where they lie.

    Yields:
        progress in MB.
    Raises:
        DatasetError: one of them cannot be had; what has arrived stays.
    """
    done = dict.fromkeys(range(len(files)), 0)
    total = sum(file.bytes for file in files)
    stop = threading.Event()
    phase = f"Downloading {title}"

    def fetch_one(place: int) -> Path:
        with closing(fetch(files[place], folder)) as steps:
            while not stop.is_set():
                try:
                    done[place] = next(steps)
                except StopIteration as end:
                    return Path(end.value)
        raise DatasetError(f"The download of {title} was stopped.")

    started, first = time.monotonic(), None
    with ThreadPoolExecutor(min(AT_ONCE, len(files))) as pool:
        futures = [pool.submit(fetch_one, place) for place in range(len(files))]
        try:
            pending = set(futures)
            while pending:
                ended, pending = wait(pending, PROGRESS_SECONDS, FIRST_EXCEPTION)
                for future in ended:
                    future.result()
                here = sum(done.values())
                first = here if first is None else first  # what an earlier download brought took no time now
                rate = (here - first) / (time.monotonic() - started)
                left = max(0, total - here) / rate if rate > 0 else None
                yield ImportProgress(phase, round(min(here, total) / MB), max(1, round(total / MB)), left, "MB")
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
    return [future.result() for future in futures]


def remove_downloads(settings: Settings, key: str) -> None:
    """Remove what has arrived of a download, unless a process is at work there."""
    folder = settings.imports_dir / FOLDER / key
    if not is_held(folder.with_name(f"{key}.lock")):
        clear(folder)
        _remove_lock(folder)


def _remove_lock(folder: Path) -> None:
    folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)
    with suppress(OSError):  # others are in it
        folder.parent.rmdir()


def clear(folder: Path) -> None:
    """Remove the folder of a download, whose lock the caller holds."""
    if folder.is_dir():
        remove_folder(folder)


def sweep_downloads(settings: Settings) -> None:
    """Remove downloads that broke off more than a day ago."""
    for folder in _broken_off(settings.imports_dir / FOLDER):
        remove_downloads(settings, folder.name)


def verify_downloads(root: Path) -> Iterator[Problem]:
    """What is left of downloads that nobody resumed."""
    for folder in _broken_off(root):
        text = "This download broke off more than a day ago."
        yield Problem(Kind.LEFT_OVER, folder, text, REMOVE, lock=folder.with_name(f"{folder.name}.lock"))


def _broken_off(root: Path) -> Iterator[Path]:
    folders = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    for folder in folders:
        newest = max((path.stat().st_mtime for path in (folder, *folder.rglob("*"))), default=0.0)
        if time.time() - newest > KEEP_SECONDS and not is_held(folder.with_name(f"{folder.name}.lock")):
            yield folder
