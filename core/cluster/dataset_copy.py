"""A dataset on its way to a node: packed in pieces here, unpacked there, kept under a limit.

Pictures go as they are, thumbnails stay at home. A node keeps what it received; when that is more than its limit, what
was used longest ago goes first.
"""

import os
import shutil
import tarfile
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from core.datasets.dataset import FILES, Dataset, load_summary
from core.errors import DatasetError
from core.settings import Settings
from core.storage import remove_folder

PIECE_BYTES = 8 * 2**20
SPARED_SECONDS = 24 * 3600.0  # what was used since then stays
ABANDONED_SECONDS = 3600.0  # a copy that has not grown since then was given up


@dataclass(frozen=True)
class Piece:
    """Some files of a dataset, as a tar archive."""

    data: bytes
    last: bool = False


def pack(dataset: Dataset) -> Iterator[Piece]:
    """A dataset in pieces of about PIECE_BYTES; `dataset.json` comes last."""
    names = deque([*(row.path for row in dataset.rows), *reversed(FILES)])
    while names:
        buffer = BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            while names and buffer.tell() < PIECE_BYTES:
                name = names.popleft()
                archive.add(dataset.folder / name, name, recursive=False)
        yield Piece(buffer.getvalue(), last=not names)


def has_dataset(settings: Settings, dataset_id: str, fingerprint: str) -> bool:
    """Whether this node has exactly these pictures, all of them."""
    folder = settings.datasets_dir / dataset_id
    return _is_whole(folder) and load_summary(folder).fingerprint == fingerprint


class Receiver:
    """Receives one dataset into a folder next to its place.

    Args:
        settings: of the node, whose data root is for this dataset alone.
    """

    def __init__(self, settings: Settings, dataset_id: str) -> None:
        settings.datasets_dir.mkdir(parents=True, exist_ok=True)
        remove_abandoned(settings.datasets_dir, f".{dataset_id}.*")
        self._place = settings.datasets_dir / dataset_id
        self._folder = Path(tempfile.mkdtemp(prefix=f".{dataset_id}.", dir=settings.datasets_dir))

    def add(self, data: bytes) -> None:
        """Unpack a piece."""
        os.utime(self._folder)  # fails if it was removed: half a dataset must never be finished
        with tarfile.open(fileobj=BytesIO(data)) as archive:
            archive.extractall(self._folder, filter="data")

    def finish(self) -> None:
        """Put the dataset into its place, unless another training has just received the same."""
        if self._place.exists() and not _is_whole(self._place):
            remove_folder(self._place)
        try:
            self._folder.replace(self._place)
        except OSError:
            if not _is_whole(self._place):
                raise
            shutil.rmtree(self._folder, ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    try:
        images = load_summary(folder).images
    except DatasetError:
        return False
    return sum(path.is_file() for path in (folder / "images").rglob("*")) == images


def remove_abandoned(place: Path, pattern: str) -> None:
    """Remove folders that were not touched for an hour: what a process that was killed has left."""
    for folder in place.glob(pattern):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def home_of(root: Path, fingerprint: str) -> Path:
    """Where a node keeps a dataset and what is computed from it: a data root of its own, below `root`."""
    return root / fingerprint[:20]


def drop_old(root: Path, limit_bytes: int, keep: Path) -> None:
    """Remove homes that were not touched for a day, the oldest first, until the rest is small enough.

    Args:
        root: of the node.
        keep: stays, however much it is.
    """
    now = time.time()
    found = []
    for home in root.iterdir():
        with suppress(OSError):
            found.append((home.stat().st_mtime, _bytes(home), home))
    total = sum(size for _, size, _ in found)
    for used, size, home in sorted(found):
        if total <= limit_bytes:
            return
        if home != keep and now - used > SPARED_SECONDS:
            with suppress(OSError):
                remove_folder(home)
                total -= size


def _bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # a training replaces its files
            total += path.stat().st_size
    return total
