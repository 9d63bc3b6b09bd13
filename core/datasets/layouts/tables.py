"""Tables of labels next to pictures: which of their columns label them, and which split a row is in."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from core.datasets.label_columns import (
    ONE_HOT,
    FileColumn,
    is_label_name,
    label_columns,
    match_files,
    read_labels,
    split_column,
)
from core.datasets.label_tables import TABLE_SUFFIXES, LabelTable, read_table
from core.datasets.layouts.readings import TableLabels
from core.datasets.layouts.words import listed, split_name
from core.datasets.sources import Source, SourceEntry
from core.errors import DatasetError, ImageError

MAX_TABLE_BYTES = 64 * 2**20
MAX_TABLES = 60
MATCHED = 0.9  # of the pictures must have a label


class SourceTables:
    """The tables of a source, read when they are first asked for.

    Attributes:
        problems: why a table could not be read, one sentence each.
        used: numbers of the entries that are tables of pictures.
    """

    def __init__(
        self, source: Source, entries: Sequence[SourceEntry], paths: Mapping[int, tuple[str, ...]], column: str = ""
    ) -> None:
        self.problems: list[str] = []
        self._source = source
        self._column = column
        self._numbers = {"/".join(parts): number for number, parts in paths.items()}
        self._entries = [
            (number, entry)
            for number, entry in enumerate(entries)
            if number not in paths
            and PurePosixPath(entry.name).suffix.lower() in TABLE_SUFFIXES
            and "submission" not in entry.name.lower()
        ][:MAX_TABLES]
        self.used: set[int] = set()

    def readings(self, pictures: Sequence[int]) -> list[TableLabels]:
        """Every column that labels at least nine in ten of these pictures, the likeliest first.

        Tables with the same column, such as one in each split folder, are read as one.
        """
        wanted = set(pictures)
        labels: dict[str, dict[int, str]] = defaultdict(dict)
        splits: dict[str, dict[int, str]] = defaultdict(dict)
        used: dict[str, list[str]] = defaultdict(list)
        for table, files in self._matched:
            columns = label_columns(table, files)
            if self._column in table.columns:
                columns = [self._column]
            in_split = split_column(table, files)
            where = table.columns.index(in_split) if in_split else -1
            for column in columns:
                for row, label in read_labels(table, files, column).items():
                    number = self._numbers[files.files[row]]
                    if label and number in wanted:
                        labels[column][number] = label
                        split = split_name(table.rows[row][where]) if in_split else None
                        if split:
                            splits[column][number] = split.split if split.split in ("train", "val") else "test"
                used[column].append(table.name)
        return [
            TableLabels(listed(used[column]), column, found, splits[column], column == ONE_HOT or is_label_name(column))
            for column, found in labels.items()
            if len(found) >= MATCHED * len(wanted) and len(set(found.values())) > 1
        ]

    @cached_property
    def _matched(self) -> list[tuple[LabelTable, FileColumn]]:
        """The tables that name pictures, with the column that does."""
        out = []
        for number, entry in self._entries:
            try:
                table = read_table(entry.name, self._source.read(entry, MAX_TABLE_BYTES))
            except (DatasetError, ImageError) as error:
                self.problems.append(str(error))
                continue
            files = match_files(table, self._numbers)
            if files is not None and files.rows:
                self.used.add(number)
                out.append((table, files))
        return out
