"""Pictures inside Parquet files, as Hugging Face stores them: the bytes in a column, the class names in the schema.

A Parquet file is never read whole: its row groups are streamed, and a picture that was handed out is forgotten.
pyarrow is imported when it is needed: pages import this file's users, and must start fast.
"""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from core.datasets.labels.column_names import is_split_name
from core.datasets.labels.file_columns import FileColumn
from core.datasets.labels.label_columns import ONE_HOT, label_columns, read_labels, split_column
from core.datasets.labels.label_tables import LabelTable
from core.datasets.labels.parquet_columns import class_names, is_text_like, readable_parquet
from core.datasets.labels.parquet_images import (
    ImageRows,
    ParquetImages,
    Place,
    mean_bytes,
    open_parquet,
    read_column,
    read_paths,
)
from core.datasets.labels.words import split_in_path, split_of
from core.datasets.sources.archive import ZipSource
from core.datasets.sources.folder import FolderSource
from core.datasets.sources.source import MAX_FILES, Source, SourceEntry
from core.errors import DatasetError, ImageError, LabelColumnError
from core.formatting import format_count, format_limit, join_names

MAX_PARQUET_BYTES = 64 * 2**30  # of all files together
LONG_TEXT = 200  # bytes a row on average: captions are no labels


def find_parquet_images(
    source: Source,
    label_column: str | None = None,
    *,
    max_files: int = MAX_FILES,
    max_bytes: int = MAX_PARQUET_BYTES,
    spool: Path | None = None,
) -> "ParquetSource | None":
    """The pictures inside a source's Parquet files; None where no such file holds any.

    Args:
        label_column: which column holds the labels, where several could.
        max_files: so many pictures at most.
        max_bytes: of the Parquet files together.
        spool: folder for Parquet files out of archives meanwhile (default: the system's for temporary files).
    Raises:
        LabelColumnError: several columns could hold the labels; holds their names.
        DatasetError: one sentence: a file is damaged, there is too much, or no such column, or none at all.
    """
    entries = [entry for entry in source.entries() if PurePosixPath(entry.name).suffix.lower() == ".parquet"]
    if not entries:
        return None
    if sum(max(0, entry.bytes_claimed) for entry in entries) > max_bytes:
        raise DatasetError(
            f"The Parquet files in {source.title} take more than {format_limit(max_bytes)}: import a part, "
            "or raise TUNEMYPETS_MAX_DATASET_MB."
        )
    with ExitStack() as stack:
        if not isinstance(source, FolderSource):
            spool = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tunemypets-", dir=spool)))
        opened = (open_parquet(entry.name, _local_path(source, entry, max_bytes, spool)) for entry in entries)
        files = [file for file in opened if file is not None]
        rows = sum(file.metadata.num_rows for file in files)
        if rows > max_files:
            raise DatasetError(
                f"There are {rows:,} pictures in {source.title}, and at most {max_files:,} are taken: import a part, "
                "or raise TUNEMYPETS_MAX_PICTURES."
            )
        if not files:
            return None
        found = ParquetSource(source, files, label_column)
        found.spooled = stack.pop_all()
        return found


class ParquetSource:
    """A source whose entries are the rows of Parquet files; each knows its label, and its split where the files do.

    Attributes:
        label_column: the column that holds the labels.
        notes: sentences about the whole: which columns were taken, what was left out.
    """

    def __init__(self, source: Source, files: Sequence[ParquetImages], label_column: str | None) -> None:
        self.title = source.title
        self.drawn = source.drawn
        self.empty_folders: Sequence[str] = ()
        self.spooled = ExitStack()  # closed with this source
        self._source = source
        _refuse_configurations(self.title, files)
        table = _read_columns(files, label_column)
        rows = FileColumn("", {row: str(row) for row in range(len(table.rows))})
        self.label_column = label_column or _choose_label_column(self.title, files, table, rows)
        self._places: dict[str, Place] = {}
        self._entries: list[SourceEntry] = []
        self._list(files, read_labels(table, rows, self.label_column), _splits(files, table, rows))
        self._rows = ImageRows(files, set(self._places.values()))
        self.notes = self._describe(files, len(table.rows) - len(self._entries))

    @property
    def ignored(self) -> int:
        return self._source.ignored

    def entries(self) -> Sequence[SourceEntry]:
        return self._entries

    def head(self, entry: SourceEntry, count: int) -> bytes:
        try:
            return self.read(entry, MAX_PARQUET_BYTES)[:count]
        except ImageError:
            return b""

    def read(self, entry: SourceEntry, max_bytes: int) -> bytes:
        data = self._rows.take(self._places[entry.name])
        if data is None:
            raise ImageError(f"{entry.name} cannot be read because its Parquet file is damaged: download it again.")
        if not data:
            raise ImageError(f"{entry.name} has no picture in its Parquet file: leave it out.")
        if len(data) > max_bytes:
            raise ImageError(f"{entry.name} is larger than {format_limit(max_bytes)}: save it smaller.")
        return data

    def close(self) -> None:
        self._rows.close()
        self.spooled.close()
        self._source.close()

    def _list(self, files: Sequence[ParquetImages], labels: dict[int, str], splits: Sequence[str | None]) -> None:
        """Fill the entries: every row that has a label."""
        total = 0
        for number, file in enumerate(files):
            with readable_parquet(file.name):
                paths = read_paths(file)
            first = total
            for group in range(file.metadata.num_row_groups):
                claimed = mean_bytes(file, file.leaf, group)
                for row in range(file.metadata.row_group(group).num_rows):
                    if labels[total]:
                        name = f"{file.name}/{total - first}{paths[total - first]}"
                        self._places[name] = Place(number, group, row)
                        self._entries.append(SourceEntry(name, claimed, labels[total], splits[total]))
                    total += 1

    def _describe(self, files: Sequence[ParquetImages], unlabelled: int) -> Sequence[str]:
        notes = [f"The labels are those of the column {self.label_column!r}."]
        images = files[0].images
        if len(images) > 1:
            others = join_names([repr(name) for name in images[1:]])
            notes.append(f"The pictures are those of the column {images[0]!r}, and not those of {others}.")
        if unlabelled:
            verb = "has" if unlabelled == 1 else "have"
            notes.append(f"{format_count(unlabelled, 'row')} of the Parquet files {verb} no label: left out.")
        return tuple(notes)


def _local_path(source: Source, entry: SourceEntry, max_bytes: int, spool: Path | None) -> Path:
    """Where an entry lies on this machine; out of an archive it is written to `spool` first."""
    if isinstance(source, FolderSource):
        return source.path / entry.name
    assert spool is not None
    path = spool / f"{len(list(spool.iterdir()))}.parquet"
    try:
        with path.open("wb") as file:
            if isinstance(source, ZipSource):
                for piece in source.stream(entry, max_bytes):
                    file.write(piece)
            else:
                file.write(source.read(entry, max_bytes))
    except ImageError as error:
        raise DatasetError(str(error)) from error
    except OSError as error:
        raise DatasetError(
            f"{entry.name} cannot be unpacked ({error.strerror or type(error).__name__}): make room on the disk."
        ) from error
    return path


def _read_columns(files: Sequence[ParquetImages], wanted: str | None) -> LabelTable:
    """The columns that may hold labels, over all files; a file that lacks one is empty there.

    Raises:
        DatasetError: there is no column `wanted`, or no column at all.
    """
    there = {field.name: None for file in files for field in file.schema if is_text_like(field.type)}
    if wanted not in (None, ONE_HOT, *there):
        known = f"there are {', '.join(there)}" if there else "there is none"
        raise DatasetError(f"{files[0].name} has no column {wanted!r} for the labels ({known}): choose one of them.")
    short = [name for name in there if all(mean_bytes(file, name) <= LONG_TEXT for file in files)]
    chosen = [wanted] if wanted in there else _named_classes(files) or short
    columns = tuple(dict.fromkeys((*chosen, *filter(is_split_name, there))))
    rows: list[tuple[str, ...]] = []
    for file in files:
        with readable_parquet(file.name):
            rows += zip(*(read_column(file, name) for name in columns), strict=True) if columns else ()
    if not rows:
        raise DatasetError(
            f"{files[0].name} has pictures and no column for the labels: add one, such as label, and save it again."
        )
    return LabelTable(files[0].name, columns, tuple(rows))


def _named_classes(files: Sequence[ParquetImages]) -> list[str]:
    """The columns whose class names stand in the schema."""
    found = (name for file in files for name in class_names(file.schema) if not is_split_name(name))
    return list(dict.fromkeys(found))


def _choose_label_column(title: str, files: Sequence[ParquetImages], table: LabelTable, rows: FileColumn) -> str:
    candidates = _named_classes(files) or label_columns(table, rows)
    if len(candidates) > 1:
        raise LabelColumnError(title, candidates)
    if not candidates:
        raise DatasetError(
            f"No column of {files[0].name} looks like labels (there are {', '.join(table.columns)}): "
            "choose one with --label-column."
        )
    return candidates[0]


def _splits(files: Sequence[ParquetImages], table: LabelTable, rows: FileColumn) -> list[str | None]:
    """A split for each row, by the files' names, else by a column; one split alone is none."""
    found: list[str | None] = [split for file in files for split in [split_in_path(file.name)] * file.metadata.num_rows]
    column = split_column(table, rows)
    if set(found) == {None} and column is not None:
        found = [split_of(text) for text in table.column(column)]
    return found if len(set(found) - {None}) > 1 else [None] * len(found)


def _refuse_configurations(title: str, files: Sequence[ParquetImages]) -> None:
    """Folders next to each other that hold a dataset each are variants of one, and never one together."""
    folders: dict[str, None] = {}
    for file in files:
        parts = PurePosixPath(file.name).parts[:-1]
        folders["/".join(part for part in parts if split_of(part) is None and part != "data")] = None
    if len(folders) > 1:
        names = ", ".join(name or "the top" for name in list(folders)[:5])
        raise DatasetError(f"{title} holds several sets of Parquet files ({names}): import one of these folders.")
