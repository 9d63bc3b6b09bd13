"""Which column of a table names the files, which holds the labels, and which the splits: decided by evidence.

Nothing here touches a file system: the names of the pictures are given.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from core.datasets.labels.label_tables import LabelTable
from core.datasets.labels.words import SPLIT_WORDS, resolve_eval, split_in_path, split_of
from core.datasets.pictures.picture_formats import SUFFIX_FORMATS

ONE_HOT = "one-hot"  # stands for one column a class, with a 1 in that of the picture's class
MAX_CLASSES = 1000
FILE_WORDS = ("file_name", "filename", "file", "image", "img", "picture", "photo", "path", "filepath", "id")
LABEL_WORDS = (
    "label",
    "class",
    "category",
    "categories",
    "breed",
    "species",
    "target",
    "y",
    "variety",
    "diagnosis",
    "dx",
)
SPLIT_COLUMNS = {"split", "set", "fold", "subset", "partition", "data_set", "dataset", "usage", "phase"}
YES = {"1", "1.0", "true", "yes"}
NO = {"0", "0.0", "false", "no"}
IMAGE_FOLDERS = {"images", "image", "imgs", "img", "pictures", "photos", "jpegimages", "jpg", "jpeg"}
MIN_ROWS_PER_CLASS = 2  # of a column whose name does not speak of labels, on average
MAX_ROWS_PER_FILE = 3  # of a column of bare numbers or words: a file 1.jpg for each of 900 ones is no file name
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class FileColumn:
    """The column that names files.

    Attributes:
        name: of the column.
        files: place of a row -> file; several rows may name one file.
        ambiguous: rows that fit several files equally well, and so none.
    """

    name: str
    files: Mapping[int, str]
    ambiguous: int = 0

    @property
    def rows(self) -> int:
        """How many rows name a file that is there."""
        return len(self.files)

    @property
    def distinct(self) -> int:
        """How many files are named."""
        return len(set(self.files.values()))


def match_files(table: LabelTable, names: Collection[str]) -> FileColumn | None:
    """The column whose values name the most of these files; None where none names any.

    A value is a path relative to the table's folder, or the end of a path below any folder, with or without its
    ending; capitals count only where they tell two files apart.

    Args:
        names: of the pictures, as paths in the source.
    """
    index = _FileIndex(names, table.name)
    best: tuple[tuple[float, int], FileColumn] | None = None
    for column in table.columns:
        values = table.column(column)
        found, ambiguous = index.match(set(values))
        files = {row: found[value] for row, value in enumerate(values) if value in found}
        candidate = FileColumn(column, files, sum(value in ambiguous for value in values))
        if not files and not candidate.ambiguous:
            continue
        named = sum(_has_ending(value) for value in (*found, *ambiguous))
        bare = named * 2 < len(found) + len(ambiguous)
        if bare and candidate.rows > MAX_ROWS_PER_FILE * len(found):
            continue
        # a running number fits 1.jpg as well as the file name beside it does
        score = (candidate.distinct + len(ambiguous)) * (1 if bare else 2)
        rank = (score, -_rank(column, FILE_WORDS))
        if best is None or rank > best[0]:
            best = rank, candidate
    return best[1] if best else None


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
        min(same, key=lambda column: (column not in in_words, _rank(column, LABEL_WORDS), order[column]))
        for same in twins.values()
    ]
    speaking = [column for column in chosen if column in in_words or is_label_name(column)]
    return sorted(speaking or chosen, key=lambda column: (_rank(column, LABEL_WORDS), order[column]))


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


def is_label_name(column: str) -> bool:
    """Whether a column's name speaks of labels: `label`, `breed_name`, `true_class`."""
    return _rank(column, LABEL_WORDS) < len(LABEL_WORDS)


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
    flag = SPLIT_WORDS.get(_plain(column).removeprefix("is_")) if _plain(column).startswith("is_") else None
    if flag is None:
        return split_of(text)
    plain = text.strip().casefold()
    if plain in YES:
        return resolve_eval((), flag)
    return ("test" if flag == "train" else "train") if plain in NO else None


def is_split_name(column: str) -> bool:
    """Whether a column's name speaks of splits: `split`, `data set`, `partition`."""
    return _plain(column) in SPLIT_COLUMNS


def _plain(column: str) -> str:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    return re.sub(r"[\W_]+", "_", spaced).strip("_").casefold()


def _rank(column: str, words: Sequence[str]) -> int:
    """Place of the first word that is the column's name, or a part of it; the number of words where none is."""
    plain = _plain(column)
    parts = {plain, *(part for part in plain.split("_") if len(part) > 1)}
    parts |= {part.removesuffix(end) for part in parts for end in ("s", "es")}
    return next((place for place, word in enumerate(words) if word in parts), len(words))


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


class _FileIndex:
    """Files by the end of their path."""

    def __init__(self, names: Collection[str], table_name: str) -> None:
        self._folder = _parts(table_name)[:-1]
        self._split = split_in_path(PurePosixPath(table_name).stem)
        self._paths = {name: _parts(name) for name in names}
        self._files: dict[str, list[str]] = defaultdict(list)
        for name, parts in self._paths.items():
            key = _key(parts[-1])
            self._files[key].append(name)
            if _has_ending(key):
                self._files[_stem(key)].append(name)

    def match(self, values: Collection[str]) -> tuple[dict[str, str], set[str]]:
        """Value -> file, and the values that fit several."""
        paths = {value: parts for value in values if (parts := _parts(value))}
        fitting = {value: fits for value, parts in paths.items() if (fits := self._fitting(parts))}
        if not fitting:  # folders that all values begin with may be those of another machine
            shared = _shared(list(paths.values()))
            paths = {value: parts[shared:] for value, parts in paths.items()} if shared else {}
            fitting = {value: fits for value, parts in paths.items() if (fits := self._fitting(parts))}
        coverage: Counter[tuple[str, ...]] = Counter()
        for value, fits in fitting.items():
            coverage.update({self._base(name, paths[value]) for name in fits})
        found: dict[str, str] = {}
        ambiguous: set[str] = set()
        for value, fits in fitting.items():
            if len(fits) == 1:
                found[value] = fits[0]
                continue
            merits = {name: self._merit(self._base(name, paths[value]), coverage) for name in fits}
            best = max(merits.values())
            chosen = [name for name, merit in merits.items() if merit == best]
            if len(chosen) == 1:
                found[value] = chosen[0]
            else:
                ambiguous.add(value)
        return found, ambiguous

    def _fitting(self, value: tuple[str, ...]) -> list[str]:
        """The files that a value may name: of its very name, else in other capitals, else with another ending."""
        key = _key(value[-1])
        for end in (key, _stem(key)) if _has_ending(key) else (key,):
            fits = [name for name in self._files.get(end, ()) if _agree(self._paths[name][:-1], value[:-1])]
            if fits:
                return [name for name in fits if self._paths[name][-1] == value[-1]] or fits
        return []

    def _base(self, name: str, value: tuple[str, ...]) -> tuple[str, ...]:
        """The folder that a value is relative to, where it names this file."""
        parts = self._paths[name]
        return parts[: max(0, len(parts) - len(value))]

    def _merit(self, base: tuple[str, ...], coverage: Counter[tuple[str, ...]]) -> tuple[bool, bool, bool, int, bool]:
        split = split_in_path("/".join(base))
        return (
            base == self._folder,
            base[: len(self._folder)] == self._folder,
            split is not None and split == self._split,
            coverage[base],
            bool(base) and base[-1].casefold() in IMAGE_FOLDERS,
        )


def _agree(folders: Sequence[str], others: Sequence[str]) -> bool:
    """Whether one of two paths of folders ends with the other."""
    return all(_key(one) == _key(other) for one, other in zip(reversed(folders), reversed(others), strict=False))


def _shared(paths: Sequence[tuple[str, ...]]) -> int:
    """How many folders all paths begin with."""
    levels = zip(*(path[:-1] for path in paths), strict=False)
    return next(
        (depth for depth, level in enumerate(levels) if len(set(level)) > 1),
        min((len(path) - 1 for path in paths), default=0),
    )


def _parts(path: str) -> tuple[str, ...]:
    parts = [part for part in path.strip().replace("\\", "/").split("/") if part not in ("", ".")]
    climbs = len(parts) - parts[::-1].index("..") if ".." in parts else 0
    return tuple(parts[climbs:])


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _has_ending(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIX_FORMATS


def _stem(name: str) -> str:
    return name[: -len(PurePosixPath(name).suffix)]
