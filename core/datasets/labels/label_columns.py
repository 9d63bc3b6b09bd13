"""Which column of a table holds the labels, and which the splits: decided by evidence."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence

from core.datasets.labels.column_names import LABEL_WORDS, is_label_name, is_split_name, plain_column, rank_column
from core.datasets.labels.file_columns import FileColumn
from core.datasets.labels.label_tables import LabelTable
from core.datasets.labels.words import SPLIT_WORDS, resolve_eval, split_of

ONE_HOT = "one-hot"  # stands for one column a class, with a 1 in that of the picture's class
MAX_CLASSES = 1000
YES = {"1", "1.0", "true", "yes"}
NO = {"0", "0.0", "false", "no"}
MIN_ROWS_PER_CLASS = 2  # of a column whose name does not speak of labels, on average
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def label_columns(table: LabelTable, file_column: FileColumn) -> list[str]:
    """The columns that may hold the labels, the likeliest first; `ONE_HOT` for one column a class.

    A column counts where few values repeat: between 2 and 1,000 of them, no fractions, not one for each row. Of two
    columns that say the same (`label` 0 and 1, `label_name` cat and dog) the one with words is taken; columns of
    numbers whose name says nothing (a width, an age) count only where nothing else is there.
    """
    rows = [table.rows[place] for place in file_column.files]
    hot = _one_hot_columns(table, rows)
    passed = {file_column.name, split_column(table, file_column), *hot}
    values_of = {column: [row[place].strip() for row in rows] for place, column in enumerate(table.columns)}
    values_of = {
        column: values
        for column, values in values_of.items()
        if column not in passed and _are_labels(column, [value for value in values if value])
    }
    if hot:
        values_of[ONE_HOT] = list(read_labels(table, file_column, ONE_HOT).values())
    order = {column: place for place, column in enumerate(values_of)}
    in_words = {column for column, values in values_of.items() if not all(map(_is_number, filter(None, values)))}
    twins: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for column, values in values_of.items():
        first: dict[str, int] = {}
        twins[tuple(first.setdefault(value, len(first)) for value in values)].append(column)
    chosen = [
        min(same, key=lambda column: (column not in in_words, rank_column(column, LABEL_WORDS), order[column]))
        for same in twins.values()
    ]
    speaking = [column for column in chosen if column in in_words or is_label_name(column)]
    return sorted(speaking or chosen, key=lambda column: (rank_column(column, LABEL_WORDS), order[column]))


def split_column(table: LabelTable, file_column: FileColumn) -> str | None:
    """The column that holds `train`, `val` and `test` in any of their words; None where there is none."""
    rows = [table.rows[place] for place in file_column.files]
    for place, column in enumerate(table.columns):
        if column == file_column.name:
            continue
        splits = [split_in_cell(column, word) for word in {row[place] for row in rows} if word.strip()]
        if None in splits or "train" not in splits:
            continue
        if is_split_name(column) or (len(set(splits)) > 1 and not is_label_name(column)):
            return column
    return None


def read_labels(table: LabelTable, file_column: FileColumn, column: str) -> dict[int, str]:
    """Place of a row -> label, for each row that names a file; empty where the row has none.

    Args:
        column: a column, or `ONE_HOT`.
    """
    rows = {place: table.rows[place] for place in file_column.files}
    if column == ONE_HOT:
        hot = {table.columns.index(name): name for name in _one_hot_columns(table, list(rows.values()))}
        return {place: next((name for at, name in hot.items() if _is_one(row[at])), "") for place, row in rows.items()}
    at = table.columns.index(column)
    return {place: row[at].strip() for place, row in rows.items()}


def is_called_label(table: LabelTable, file_column: FileColumn, column: str) -> bool:
    """Whether a column's name, or that of one which groups the files in the same way, speaks of labels."""
    if column == ONE_HOT:
        return True
    rows = [table.rows[place] for place in file_column.files]
    at = table.columns.index(column)
    for place, other in enumerate(table.columns):
        pairs = {(row[at], row[place]) for row in rows} if is_label_name(other) else set()
        if pairs and len(pairs) == len({one for one, _ in pairs}) == len({two for _, two in pairs}):
            return True
    return False


def are_numbers(texts: Collection[str]) -> bool:
    """Whether all texts are numbers."""
    return all(map(_is_number, texts))


def split_in_cell(column: str, text: str) -> str | None:
    """The split that a cell names: `train` in `split`, or yes in `is_valid`; None where it names none."""
    flag = SPLIT_WORDS.get(plain_column(column).removeprefix("is_")) if plain_column(column).startswith("is_") else None
    if flag is None:
        return split_of(text)
    plain = text.strip().casefold()
    if plain in YES:
        return resolve_eval((), flag)
    return ("test" if flag == "train" else "train") if plain in NO else None


def _are_labels(column: str, values: Sequence[str]) -> bool:
    distinct = set(values)
    if not 2 <= len(distinct) <= MAX_CLASSES or len(distinct) == len(values):
        return False
    if not is_label_name(column) and len(distinct) * MIN_ROWS_PER_CLASS > len(values):
        return False
    if any(value.startswith("[") and value.endswith("]") for value in distinct):  # lists of several labels
        return False
    numbers = are_numbers(distinct)
    if numbers and is_split_name(column):  # the number of a fold, or of a split
        return False
    return not (numbers and any(not float(value).is_integer() for value in distinct))


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def _is_one(text: str) -> bool:
    return _is_number(text.strip()) and float(text) == 1


def _one_hot_columns(table: LabelTable, rows: Sequence[Sequence[str]]) -> list[str]:
    """Neighbouring columns of 0 and 1 of which a row has at most one 1, and most have one; else none."""
    for places in _binary_runs(table, rows):
        ones = Counter(sum(_is_one(row[place]) for place in places) for row in rows)
        if len(places) > 1 and max(ones, default=2) <= 1 and ones[1] * 2 > len(rows):
            return [table.columns[place] for place in places]
    return []


def _binary_runs(table: LabelTable, rows: Sequence[Sequence[str]]) -> Iterator[list[int]]:
    run: list[int] = []
    for place in range(len(table.columns)):
        values = {row[place].strip() for row in rows}
        if values and all(_is_number(value) and float(value) in (0, 1) for value in values):
            run.append(place)
        elif run:
            yield run
            run = []
    yield run
