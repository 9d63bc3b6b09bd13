"""The labels that tables give to files: the tables of all splits read together, as one.

A table alone may hold each class once, or one class only, and says little then; those with the same columns are one
table in parts (`train/metadata.csv`, `test/metadata.csv`).
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from core.datasets.labels.column_names import is_split_name
from core.datasets.labels.file_columns import FileColumn, match_files
from core.datasets.labels.label_columns import ONE_HOT, are_numbers, read_labels, split_column, split_in_cell
from core.datasets.labels.label_tables import LabelTable
from core.formatting import format_count, join_names


@dataclass(frozen=True)
class FileLabels:
    """What tables say of files.

    Attributes:
        tables: names of the tables.
        column: that holds the labels, or `one-hot`.
        labels: file -> label, for each file that has exactly one.
        splits: file -> train, val or test, where a column gives them.
        notes: sentences on the column, and on rows and files that were left out.
    """

    tables: tuple[str, ...]
    column: str
    labels: Mapping[str, str]
    splits: Mapping[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class JoinedTables:
    """Tables with the same columns, as one."""

    tables: tuple[str, ...]
    table: LabelTable
    files: FileColumn


def join_tables(tables: Sequence[LabelTable], names: Collection[str]) -> list[JoinedTables]:
    """Tables that name files, those with the same columns as one; the one with the most files first."""
    parts: dict[tuple[str, ...], list[tuple[LabelTable, FileColumn]]] = defaultdict(list)
    for table in tables:
        # a competition's form for answers names the test pictures, and gives all of them one answer
        if "submission" in PurePosixPath(table.name).stem.lower():
            continue
        found = match_files(table, names)
        if found is not None and found.rows:
            parts[(found.name, *table.columns)].append((table, found))
    wholes = []
    for (column, *columns), same in parts.items():
        rows: list[tuple[str, ...]] = []
        files: dict[int, str] = {}
        for table, found in same:
            files.update({len(rows) + row: file for row, file in found.files.items()})
            rows += table.rows
        joined = LabelTable(same[0][0].name, tuple(columns), tuple(rows))
        ambiguous = sum(found.ambiguous for _, found in same)
        wholes.append(
            JoinedTables(tuple(table.name for table, _ in same), joined, FileColumn(column, files, ambiguous))
        )
    return sorted(wholes, key=lambda whole: -whole.files.distinct)


def label_files(whole: JoinedTables, column: str) -> FileLabels:
    """The labels of files by one column, or `ONE_HOT`."""
    given: dict[str, set[str]] = defaultdict(set)
    for row, label in read_labels(whole.table, whole.files, column).items():
        given[whole.files.files[row]].update({label} - {""})
    labels = {file: next(iter(found)) for file, found in given.items() if len(found) == 1}
    splits: dict[str, str] = {}
    by = split_column(whole.table, whole.files)
    if by is not None:
        place = whole.table.columns.index(by)
        for row, file in whole.files.files.items():
            split = split_in_cell(by, whole.table.rows[row][place])
            if split is not None:
                splits.setdefault(file, split)
    unread = [
        name
        for name in whole.table.columns
        if name not in (by, column, whole.files.name)
        and is_split_name(name)
        and are_numbers({whole.table.rows[row][whole.table.columns.index(name)] for row in whole.files.files})
    ]
    several = sum(len(found) > 1 for found in given.values())
    empty = len(given) - len(labels) - several
    lost = len(whole.table.rows) - whole.files.rows - whole.files.ambiguous
    shown = join_names([*whole.tables[:3], *(["more"] if len(whole.tables) > 3 else [])])
    what = "columns of 0 and 1, one for each class," if column == ONE_HOT else f"column {column!r}"
    notes = [f"The labels are those of the {what} in {shown}."]
    if unread:
        notes.append(f"The column {unread[0]!r} holds numbers, which name no split, and was not used.")
    together = next((label for label in sorted(set(labels.values())) if _is_several(label, set(labels.values()))), None)
    if together is not None:
        notes.append(f"Some labels hold several classes, such as {together!r}: each such set is a class of its own.")
    for count, noun, sentence in (
        (lost, "row", f"of {shown} without a picture of that name here: left out."),
        (whole.files.ambiguous, "row", f"of {shown} with a name that several folders have: left out."),
        (empty, "picture", f"without a label in {shown}: left out."),
        (several, "picture", f"with several labels in {shown}: left out."),
    ):
        if count:
            notes.append(f"{format_count(count, noun)} {sentence}")
    return FileLabels(whole.tables, column, labels, splits, tuple(notes))


def _is_several(label: str, labels: Collection[str]) -> bool:
    """Whether a label is made of others: `Edema|Mass` where `Edema` and `Mass` are labels, too."""
    parts = [part.strip() for part in re.split(r"[|;,]|\s+", label) if part.strip()]
    return len(parts) > 1 and all(part in labels for part in parts)
