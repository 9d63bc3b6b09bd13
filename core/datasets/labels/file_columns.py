"""Which column of a table names the files: the one whose values fit the most of them.

Nothing here touches a file system: the names of the pictures are given.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from core.datasets.labels.column_names import rank_column
from core.datasets.labels.label_tables import LabelTable
from core.datasets.labels.words import split_in_path
from core.datasets.pictures.picture_formats import SUFFIX_FORMATS

FILE_WORDS = ("file_name", "filename", "file", "image", "img", "picture", "photo", "path", "filepath", "id")
IMAGE_FOLDERS = {"images", "image", "imgs", "img", "pictures", "photos", "jpegimages", "jpg", "jpeg"}
MAX_ROWS_PER_FILE = 3  # of a column of bare numbers or words: a file 1.jpg for each of 900 ones is no file name


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
        # a running number fits 1.jpg as well as the file name next to it does
        score = (candidate.distinct + len(ambiguous)) * (1 if bare else 2)
        rank = (score, -rank_column(column, FILE_WORDS))
        if best is None or rank > best[0]:
            best = rank, candidate
    return best[1] if best else None


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
