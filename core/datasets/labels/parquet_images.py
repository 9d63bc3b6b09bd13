"""Parquet files with pictures: which column holds them, and their bytes, streamed row by row.

A file is never read whole: its row groups are streamed, and a picture that was handed out is forgotten. pyarrow is
imported when it is needed: pages import this file's users, and must start fast.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from core.datasets.labels.parquet_columns import (
    LFS_POINTER,
    class_names,
    hugging_face_features,
    is_bytes,
    read_texts,
    readable_parquet,
)
from core.errors import DatasetError

BATCH_ROWS = 32
BATCH_BYTES = 8 * 2**20
BUFFER_BYTES = 2**20  # read at a time
PENDING_BYTES = 192 * 2**20  # of pictures that were passed and not asked for yet
PASSED_ROWS = 1000  # that are kept before a row: threads ask a little out of order
OPEN_STREAMS = 8
MAX_NAME = 100
IMAGE_WORDS = ("image", "img", "picture", "photo", "pixel_values")
PICTURE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*", b"\0\0\0")  # last: AVIF


@dataclass(frozen=True)
class ParquetImages:
    """A Parquet file with pictures.

    Attributes:
        name: in the source.
        path: where it lies on this machine.
        metadata: pyarrow's, of the whole file.
        schema: pyarrow's.
        images: columns of pictures, the likeliest first.
    """

    name: str
    path: Path
    metadata: Any
    schema: Any
    images: tuple[str, ...]

    @property
    def leaf(self) -> str:
        """Where the bytes are."""
        return _leaf(self.schema, self.images[0])


class Place(NamedTuple):
    """Where a picture is."""

    file: int
    group: int
    row: int


def open_parquet(name: str, path: Path) -> ParquetImages | None:
    """A file with pictures; None where it has no such column."""
    import pyarrow.parquet as pq

    with readable_parquet(name):
        with path.open("rb") as start:
            if start.read(len(LFS_POINTER)) == LFS_POINTER:
                raise DatasetError(
                    f"{name} is a pointer of Git LFS, not the file itself: run `git lfs pull`, or download it again."
                )
        with closing(pq.ParquetFile(path)) as opened:
            metadata, schema = opened.metadata, opened.schema_arrow
        file = ParquetImages(name, path, metadata, schema, ())
        images = [field.name for field in schema if _holds_pictures(file, field)]
    if not images:
        return None
    images.sort(key=lambda column: IMAGE_WORDS.index(column.lower()) if column.lower() in IMAGE_WORDS else 99)
    return ParquetImages(name, path, metadata, schema, tuple(images))


def _holds_pictures(file: ParquetImages, field: Any) -> bool:
    """Whether a column holds pictures: `datasets` says so, or the first one there begins like one.

    Raises:
        DatasetError: it holds their paths only.
    """
    leaf = _leaf(file.schema, field.name)
    if not leaf:
        return False
    feature = hugging_face_features(file.schema).get(field.name)
    kind = feature.get("_type") if isinstance(feature, dict) else None
    if kind not in (None, "Image"):
        return False
    columns = (column for group in range(file.metadata.num_row_groups) for column in _stream(file, group, leaf))
    first = next((value.as_py() for column in columns for value in column if value.as_py()), None)
    if first is None and kind == "Image" and file.metadata.num_rows:
        raise DatasetError(
            f"{file.name} holds the paths of its pictures and not the pictures: write it again with "
            "`push_to_hub`, which puts them in, or import the folder of the pictures."
        )
    return first is not None and (kind == "Image" or first.startswith(PICTURE_STARTS))


def _leaf(schema: Any, column: str) -> str:
    """Where the bytes of a column are: `image.bytes` of a struct, the column itself where it is one; else nothing."""
    from pyarrow import types

    kind = schema.field(column).type
    if is_bytes(kind):
        return column
    if types.is_struct(kind) and kind.get_field_index("bytes") >= 0 and is_bytes(kind.field("bytes").type):
        return f"{column}.bytes"
    return ""


def _stream(file: ParquetImages, group: int, leaf: str) -> Iterator[Any]:
    """Arrays of a column, or of a part of one, in order."""
    import pyarrow.parquet as pq
    from pyarrow.types import is_struct

    rows = max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, mean_bytes(file, leaf, group))))
    # without pre_buffer and with a buffer, pages are read as they are needed, and not a group of gigabytes at once
    with closing(
        pq.ParquetFile(
            file.path,
            metadata=file.metadata,
            pre_buffer=False,
            buffer_size=BUFFER_BYTES,
            page_checksum_verification=True,
        )
    ) as opened:
        for batch in opened.iter_batches(rows, row_groups=[group], columns=[leaf], use_threads=False):
            column = batch.column(0)
            yield column.flatten()[0] if is_struct(column.type) else column


def read_paths(file: ParquetImages) -> list[str]:
    """For each row the file name that its picture had, with a dash before it; empty where that is not known."""
    kind = file.schema.field(file.images[0]).type
    if is_bytes(kind) or kind.get_field_index("path") < 0:
        return [""] * file.metadata.num_rows
    path = f"{file.images[0]}.path"
    found = []
    for group in range(file.metadata.num_row_groups):
        for column in _stream(file, group, path):
            for value in column.to_pylist():
                name = PurePosixPath(str(value or "").replace("\\", "/")).name[-MAX_NAME:]
                found.append(f"-{name}" if name else "")
    return found


def mean_bytes(file: ParquetImages, leaf: str, group: int | None = None) -> int:
    """What a value of a column takes on average, in one row group or in all."""
    size = rows = 0
    for place in range(file.metadata.num_row_groups) if group is None else (group,):
        part = file.metadata.row_group(place)
        columns = (part.column(at) for at in range(part.num_columns))
        size += sum(column.total_uncompressed_size for column in columns if column.path_in_schema == leaf)
        rows += part.num_rows
    return size // max(1, rows)


def read_column(file: ParquetImages, name: str) -> list[str]:
    """A column as texts, class numbers as names; all empty where the file has no such column."""
    import pyarrow.parquet as pq

    if name not in file.schema.names:
        return [""] * file.metadata.num_rows
    with closing(pq.ParquetFile(file.path, metadata=file.metadata)) as opened:
        column = opened.read(columns=[name], use_threads=False).column(name)
    return read_texts(column, class_names(file.schema).get(name, ()))


class ImageRows:
    """Pictures by their place, streamed in order; each is forgotten once it was taken."""

    def __init__(self, files: Sequence[ParquetImages], wanted: set[Place]) -> None:
        self._files = files
        self._wanted = wanted
        self._lock = threading.Lock()
        self._streams: OrderedDict[tuple[int, int], tuple[Iterator[Any], int]] = OrderedDict()  # and the next row
        self._pending: OrderedDict[Place, bytes] = OrderedDict()
        self._pending_bytes = 0
        self._damaged: dict[tuple[int, int], int] = {}  # row group -> its first row that cannot be read

    def take(self, place: Place) -> bytes | None:
        """A picture's bytes, empty where there are none; None where the file is damaged. Threads may call at once."""
        with self._lock:
            if place not in self._pending:
                return self._advance(place)
            data = self._pending.pop(place)
            self._pending_bytes -= len(data)
            return data

    def close(self) -> None:
        with self._lock:
            self._streams.clear()
            self._pending.clear()
            self._pending_bytes = 0

    def _advance(self, place: Place) -> bytes | None:
        """Stream the place's row group until that row is there, and keep what has passed."""
        import pyarrow as pa

        group = (place.file, place.group)
        if group in self._damaged and place.row >= self._damaged[group]:
            return None
        file = self._files[place.file]
        stream, row = self._streams.pop(group, (None, 0))
        found: bytes | None = None
        try:
            if stream is None or row > place.row:
                stream, row = _stream(file, place.group, file.leaf), 0
            while row <= place.row:
                column = next(stream)
                for here, value in enumerate(column, row):
                    at = Place(*group, here)
                    if at == place:
                        found = value.as_py() or b""
                    elif here >= place.row - PASSED_ROWS and at in self._wanted:
                        self._keep(at, value.as_py() or b"")
                row += len(column)
        except (StopIteration, pa.ArrowException, OSError, ValueError, MemoryError):
            self._damaged[group] = row
            return None
        self._streams[group] = stream, row
        while len(self._streams) > OPEN_STREAMS:
            self._streams.popitem(last=False)
        return found

    def _keep(self, place: Place, data: bytes) -> None:
        self._pending_bytes += len(data) - len(self._pending.pop(place, b""))
        self._pending[place] = data
        while self._pending_bytes > PENDING_BYTES:
            _, dropped = self._pending.popitem(last=False)
            self._pending_bytes -= len(dropped)
