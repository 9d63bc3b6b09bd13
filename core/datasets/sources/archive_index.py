"""The index of a zip archive: opened only after it was counted, found to be whole, and without entries that overlap."""

import os
import zipfile
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from typing import BinaryIO

from core.datasets.sources.archive_faults import beginning_sentence, explain_no_zip, part_sentence, unreadable_sentence
from core.errors import DatasetError

TAIL_BYTES = 2**16 + 2**10  # of an archive: its end with the longest comment
PADDING_BYTES = 16 * 2**20  # what may stand behind it
WRAP = 2**32
LOCAL_BYTES = 30  # of the header before each file


def open_archive(stack: ExitStack, file: Path | BinaryIO, title: str, max_files: int) -> zipfile.ZipFile:
    """An archive whose names are decoded as Latin-1 where they are not marked as UTF-8, which keeps their bytes.

    Args:
        stack: closes what was opened.
        title: what people call it.
        max_files: it is not opened when it has more.
    Raises:
        DatasetError: the archive as a whole cannot be used.
    """
    try:
        with file.open("rb") if isinstance(file, Path) else nullcontext(file) as opened:
            shift, end = _check_index(opened, title, max_files)
        part = file if end is None else stack.enter_context(closing(_Cut(file, end)))
        try:
            archive = stack.enter_context(zipfile.ZipFile(part, metadata_encoding="latin-1"))
        except UnicodeDecodeError:  # names that are marked as UTF-8, and are not
            unmarked = stack.enter_context(closing(_Unmarked(file, end)))
            archive = stack.enter_context(zipfile.ZipFile(unmarked, metadata_encoding="latin-1"))
            unmarked.opening = False
    except NotImplementedError as error:
        raise DatasetError(
            f"{title} needs a newer way of unpacking: pack it again with the ordinary Deflate."
        ) from error
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DatasetError(unreadable_sentence(title)) from error
    if shift and shift % WRAP == 0:
        _unwrap_offsets(archive, shift)
    _check_overlap(archive, title)
    return archive


def too_many_sentence(title: str, max_files: int) -> str:
    """Of an archive with too many entries."""
    return f"{title} has more than {max_files:,} files: import a part, or raise TUNEMYPETS_MAX_PICTURES."


class _Cut:
    """A file without what stands behind its first bytes, for `zipfile`."""

    def __init__(self, file: Path | BinaryIO, end: int) -> None:
        self._file = file.open("rb") if isinstance(file, Path) else file
        self._end = end
        self.tell, self.close, self.seekable = self._file.tell, self._file.close, self._file.seekable

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(*(self._end + offset, os.SEEK_SET) if whence == os.SEEK_END else (offset, whence))

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._end - self._file.tell())
        return self._file.read(left if size < 0 else min(size, left))


class _Unmarked(_Cut):
    """A file whose entries are not marked as UTF-8, for an archive that marks other names so."""

    def __init__(self, file: Path | BinaryIO, end: int | None) -> None:
        super().__init__(file, 0 if end is None else end)
        if end is None:
            self._end = self._file.seek(0, os.SEEK_END)
        self.opening = True

    def read(self, size: int = -1) -> bytes:
        data = super().read(size)
        if self.opening and data.startswith(b"PK\x01\x02"):
            return _unmark_index(data)
        if size == LOCAL_BYTES and data.startswith(b"PK\x03\x04"):
            return data[:7] + bytes([data[7] & ~0x08]) + data[8:]
        return data


def _unmark_index(index: bytes) -> bytes:
    """The index of an archive without its UTF-8 flags."""
    found, place = bytearray(index), 0
    while index[place : place + 4] == b"PK\x01\x02" and place + 46 <= len(index):
        found[place + 9] &= ~0x08
        place += 46 + sum(int.from_bytes(index[place + at : place + at + 2], "little") for at in (28, 30, 32))
    return bytes(found)


def _check_index(file: BinaryIO, title: str, max_files: int) -> tuple[int, int | None]:
    """Count the entries of an archive before anything keeps them: an index of 1 GB would become 15 GB of objects.

    Returns:
        how many bytes lie before the archive (2**32 or a multiple where its offsets wrapped), and where it ends if
        much lies behind.
    Raises:
        DatasetError: there are more than `max_files`, or it is a part of a split archive, or none.
        OSError, ValueError: the archive cannot be read.
    """
    end = file.seek(0, os.SEEK_END)
    for reach in (TAIL_BYTES, PADDING_BYTES):
        file.seek(max(0, end - reach))
        tail = file.read()
        place = tail.rfind(b"PK\x05\x06")
        behind = tail[place + 22 + int.from_bytes(tail[place + 20 : place + 22], "little") :]
        if place >= 0:
            break
    # what is cut off may end with a whole archive that was packed into it
    if place < 0 or b"PK\x03\x04" in behind or (reach > TAIL_BYTES and behind.strip(b"\0")):
        raise DatasetError(explain_no_zip(file, title))
    record = tail[place : place + 22]
    if len(record) < 22:
        raise ValueError("no end of an archive")
    start = end - len(tail) + place
    size, offset = int.from_bytes(record[12:16], "little"), int.from_bytes(record[16:20], "little")
    parts = int.from_bytes(record[4:6], "little")
    wide = tail.rfind(b"PK\x06\x06", 0, place)
    if WRAP - 1 in (size, offset) and wide >= 0:
        size, offset = (int.from_bytes(tail[wide + at : wide + at + 8], "little") for at in (40, 48))
        start, parts = end - len(tail) + wide, int.from_bytes(tail[wide + 16 : wide + 20], "little")
    first = start - size
    cut = end - len(behind) if reach > TAIL_BYTES else None
    file.seek(max(0, first))
    if parts not in (0, 2**16 - 1):
        raise DatasetError(part_sentence(title))
    if first < offset and file.read(4) == b"PK\x01\x02":
        raise DatasetError(beginning_sentence(title))
    file.seek(max(0, first))
    for _ in range(max_files):
        head = file.read(46)
        if head[:4] != b"PK\x01\x02":
            return first - offset, cut
        lengths = (int.from_bytes(head[at : at + 2], "little") for at in (28, 30, 32))
        file.seek(sum(lengths), os.SEEK_CUR)
    if file.read(4) == b"PK\x01\x02":
        raise DatasetError(too_many_sentence(title, max_files))
    return first - offset, cut


def _unwrap_offsets(archive: zipfile.ZipFile, shift: int) -> None:
    """Mend the offsets of an archive of more than 4 GB by macOS, which writes them modulo 2**32, in their order."""
    base = end = 0
    for info in archive.infolist():
        info.header_offset += base - shift
        if info.header_offset < end:
            info.header_offset += WRAP
            base += WRAP
        end = info.header_offset + info.compress_size


def _check_overlap(archive: zipfile.ZipFile, title: str) -> None:
    end = 0
    for info in sorted(archive.infolist(), key=lambda item: item.header_offset):
        if info.header_offset < end:
            raise DatasetError(f"{title} has entries that overlap, as no program packs them: pack it again.")
        name_bytes = len(info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "latin-1"))
        end = info.header_offset + 30 + name_bytes + info.compress_size
    if end > archive.start_dir:
        raise DatasetError(f"{title} has entries that overlap its own index: pack it again.")
