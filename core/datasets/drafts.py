"""Drafts: a dataset that is being made lies in a hidden folder until it is complete, so it is whole or absent."""

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from core.errors import DatasetError
from core.locks import is_held
from core.settings import Settings
from core.storage import sync_folder

DRAFT = ".importing-"  # a dataset that is not complete yet: its folder's name begins so
DRAFT_LOCK = "import.lock"  # held by the process that fills a draft
YOUNG_SECONDS = 5.0  # a folder without a lock file may be a moment old


class Draft:
    """A hidden folder among the datasets, held by this process."""

    def __init__(self, settings: Settings) -> None:
        settings.datasets_dir.mkdir(parents=True, exist_ok=True)
        self.folder = settings.datasets_dir / f"{DRAFT}{secrets.token_hex(6)}"
        self.folder.mkdir()
        self._lock = FileLock(self.folder / DRAFT_LOCK)
        self._lock.acquire()

    def publish(self, target: Path) -> None:
        """Turn the finished draft into a dataset.

        Raises:
            DatasetError: the name is taken by now.
        """
        self._lock.release()  # first: some systems rename no folder with an open file
        (self.folder / DRAFT_LOCK).unlink(missing_ok=True)
        refuse_taken(target)
        try:
            self.folder.replace(target)
        except OSError:
            refuse_taken(target)
            raise
        sync_folder(target.parent)

    def remove(self) -> None:
        """Remove the folder, if it was not published."""
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def open_draft(settings: Settings) -> Iterator[Draft]:
    """A draft that is removed at the end unless it was published."""
    draft = Draft(settings)
    try:
        yield draft
    finally:
        draft.remove()


def refuse_taken(target: Path) -> None:
    """Refuse the name of a dataset that is there.

    Raises:
        DatasetError: it is there.
    """
    if target.exists():
        raise DatasetError(f"There is a dataset called {target.name} already: choose another name.")


def sweep_drafts(folder: Path) -> None:
    """Remove the drafts of killed processes: their lock is no longer held."""
    for path in folder.glob(f"{DRAFT}*"):
        old = time.time() - path.stat().st_mtime > YOUNG_SECONDS
        if old and not is_held(path / DRAFT_LOCK):
            shutil.rmtree(path, ignore_errors=True)
