"""A tar archive as a source, unpacked from gzip once: afterwards each file is read where it lies."""

import gzip
import shutil
import tarfile
import tempfile
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

from core.datasets.sources.source import COPY_BYTES, SourceEntry, is_junk, within
from core.errors import DatasetError


class TarSource:
    """A `.tar.gz` of this machine. Names are labels; links are passed over."""

    drawn = False
    empty_folders: Sequence[str] = ()
    notes: Sequence[str] = ()

    def __init__(self, path: Path, scratch: Path) -> None:
        """
        Args:
            scratch: folder for the unpacked archive, which has no name there, so that nothing is left of it.
        Raises:
            DatasetError: the archive is damaged.
        """
        self.title = path.name
        self.ignored = 0
        self._one_at_a_time = threading.Lock()
        self._places: dict[str, tuple[int, int]] = {}
        self._file = cast(BinaryIO, tempfile.TemporaryFile(dir=scratch))  # noqa: SIM115
        try:
            with gzip.open(path) as packed:
                shutil.copyfileobj(packed, self._file, COPY_BYTES)
            self._file.seek(0)
            with tarfile.open(fileobj=self._file, mode="r:") as archive:
                for member in archive:
                    if member.isreg() and is_junk(member.name):
                        self.ignored += 1
                    elif member.isreg():
                        self._places[member.name.removeprefix("./")] = member.offset_data, member.size
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            self._file.close()
            raise DatasetError(f"{path.name} is damaged: download it again.") from error
        except BaseException:
            self._file.close()
            raise

    def entries(self) -> Sequence[SourceEntry]:
        return [SourceEntry(name, size) for name, (_, size) in self._places.items()]

    def head(self, entry: SourceEntry, count: int) -> bytes:
        return self._take(entry.name, count)

    def read(self, entry: SourceEntry, max_bytes: int) -> bytes:
        return within(self._take(entry.name, max_bytes + 1), entry.name, max_bytes)

    def text(self, name: str) -> str:
        """A file of the archive as text.

        Raises:
            DatasetError: it is not there.
        """
        if name not in self._places:
            raise DatasetError(f"{self.title} has no {name}: download it again.")
        return self._take(name, self._places[name][1]).decode("utf-8", "replace")

    def _take(self, name: str, most: int) -> bytes:
        start, size = self._places[name]
        with self._one_at_a_time:
            self._file.seek(start)
            return self._file.read(min(size, most))

    def close(self) -> None:
        self._file.close()
