"""Tables of labels next to pictures: which of their columns label them, and which split a row is in."""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from core.datasets.labels.label_columns import are_numbers, is_called_label, label_columns, read_labels
from core.datasets.labels.label_tables import TABLE_SUFFIXES, LabelTable, read_table
from core.datasets.labels.labelled_files import JoinedTables, join_tables, label_files
from core.datasets.layouts.groups import groups_in_tables
from core.datasets.layouts.readings import TableLabels
from core.datasets.layouts.split_lists import FLAGS, PATHS, read_split_lists, splits_of_list, text_list
from core.datasets.sources.source import Source, SourceEntry
from core.errors import DatasetError, ImageError

MAX_TABLE_BYTES = 64 * 2**20
MAX_TABLES = 60
TEXT = ".txt"  # lists such as `1.jpg 0`, divided by blanks or tabs
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
        self._names = {number: "/".join(parts) for number, parts in paths.items()}
        self._numbers = {name: number for number, name in self._names.items()}
        self._entries = [
            (number, entry)
            for number, entry in enumerate(entries)
            if number not in paths and PurePosixPath(entry.name).suffix.lower() in (*TABLE_SUFFIXES, TEXT)
        ][:MAX_TABLES]
        self.used: set[int] = set()

    def readings(self, pictures: Sequence[int], least: float = MATCHED) -> list[TableLabels]:
        """Every column that labels at least a share of these pictures, the likeliest first.

        A picture whose row has no label counts as labelled where most have one: it is left out with a note.
        """
        wanted = set(pictures)
        found = []
        for whole in self._joined:
            named = {self._numbers[file] for file in whole.files.files.values()} & wanted
            columns = [self._column] if self._column in whole.table.columns else label_columns(whole.table, whole.files)
            for column in columns:
                by_file = label_files(whole, column)
                labels = {self._numbers[file]: label for file, label in by_file.labels.items()}
                labels = {number: label for number, label in labels.items() if number in wanted}
                given = read_labels(whole.table, whole.files, column)
                filled = {self._numbers[whole.files.files[row]] for row, label in given.items() if label} & wanted
                enough = len(labels) + len(named - filled) >= least * len(wanted) and 2 * len(labels) > len(filled)
                if enough and 2 * len(labels) >= least * len(wanted) and len(set(labels.values())) > 1:
                    splits = {self._numbers[file]: split for file, split in by_file.splits.items()}
                    called = is_called_label(whole.table, whole.files, column)
                    clear = called or len(whole.table.columns) <= 2 or not are_numbers(set(labels.values()))
                    found.append(TableLabels(by_file, labels, splits, called, clear, len(wanted - named)))
        return found

    def listed_splits(self, pictures: Collection[int], notes: list[str]) -> dict[int, str]:
        """The splits that lists of files next to the pictures give; `notes` gets a sentence on them."""
        lists = {}
        for _, entry in self._entries:
            stem = PurePosixPath(entry.name).stem.lower()
            if splits_of_list(entry.name) or stem in (FLAGS, PATHS):
                with contextlib.suppress(DatasetError, ImageError):
                    if entry.name.lower().endswith(TEXT):
                        data = self._source.read(entry, MAX_TABLE_BYTES)
                        lists[entry.name] = text_list(entry.name, data.decode("utf-8-sig", "replace"))
                    else:
                        lists[entry.name] = self._read(entry)
        labelled = [self._names[number] for number in pictures]
        found = read_split_lists(lists, list(self._numbers), labelled, notes) if lists else {}
        return {self._numbers[name]: split for name, split in found.items()}

    def groups(self, labels: Mapping[int, str], notes: list[str]) -> dict[int, str]:
        """Which pictures belong together by a column of a table; `notes` gets a sentence on it.

        Args:
            labels: of the pictures, by number.
        """
        by_name = {self._names[number]: label for number, label in labels.items()}
        found = groups_in_tables(self._joined, by_name, notes)
        return {self._numbers[name]: group for name, group in found.items()}

    @property
    def unused(self) -> list[str]:
        """Names of the tables, other than text lists, of which no row names a picture."""
        joined = self._joined
        names = {name for whole in joined for name in whole.tables}
        read = [entry.name for _, entry in self._entries if not entry.name.lower().endswith(TEXT)]
        return [name for name in read if name not in names]

    @cached_property
    def _joined(self) -> list[JoinedTables]:
        """The tables that name pictures; those with the same columns are one."""
        tables = {}
        for _, entry in self._entries:
            try:
                tables[entry.name] = self._read(entry)
            except (DatasetError, ImageError) as error:
                if not entry.name.lower().endswith(TEXT):
                    self.problems.append(str(error))
        joined = join_tables(list(tables.values()), self._numbers)
        names = {name for whole in joined for name in whole.tables}
        self.used = {number for number, entry in self._entries if entry.name in names}
        return joined

    def _read(self, entry: SourceEntry) -> LabelTable:
        data = self._source.read(entry, MAX_TABLE_BYTES)
        if entry.name.lower().endswith(TEXT):
            lines = [b"\t".join(line.split(b"\t" if b"\t" in line else None)) for line in data.splitlines()]
            data = b"\n".join(lines) if any(b"\t" in line for line in lines) else data
        return read_table(entry.name, data)
