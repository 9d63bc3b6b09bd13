"""All plausible readings of a source's pictures: which folder, file name or table is the class.

The whole tree is read first and what holds no class is taken out of the way (`tree`, `splits_in_folders`); what is
left decides by its shape. One reading is used as it is; of several, a person chooses.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.datasets.labels.file_names import labels_in_names
from core.datasets.labels.label_columns import ONE_HOT
from core.datasets.labels.labelled_files import FileLabels
from core.datasets.labels.words import (
    are_cases,
    are_groups,
    are_numbered,
    are_parts,
    is_mask_folder,
    is_variant,
    listed,
    name_key,
    split_name,
)
from core.datasets.layouts.levels import MAX_CLASSES, MAX_LEVELS, chains_of, class_levels
from core.datasets.layouts.splits_in_folders import class_in_name, name_classes, take_splits
from core.datasets.layouts.tree import (
    OUTSIDE,
    Folder,
    Tidied,
    build_tree,
    describe,
    drop_documentation,
    drop_loose,
    drop_masks,
    drop_nested_copy,
    peel,
    shared_names,
)
from core.formatting import format_count

MAX_LAYERS = 12
MAX_VARIANTS = 6
SOME = 0.1  # of the pictures labelled by a table make a question
COLUMN = "column "  # the key of a reading by one of several columns begins so


@dataclass(frozen=True)
class TableLabels:
    """What one column of labels says of some pictures: labels and, where a column names them, splits by number."""

    said: FileLabels
    labels: Mapping[int, str]
    splits: Mapping[int, str]
    named: bool  # the column's name speaks of labels: `label`, `breed_name`
    clear: bool  # nothing speaks against labels, as it does for one of several columns of mere numbers
    rest: int  # pictures that no row names


class Tables(Protocol):
    """The tables of labels of a source."""

    def readings(self, pictures: Sequence[int], least: float = ...) -> list[TableLabels]:
        """Every column that labels at least a share of these pictures, nine in ten if none is given."""


@dataclass(frozen=True)
class Reading:
    """One way to read a source.

    Attributes:
        key: what names it on the command line.
        title: one sentence: what is the class.
        labels: the label of every picture that is used.
        splits: its split, where the source names one.
    """

    key: str
    title: str
    labels: Mapping[int, str]
    splits: Mapping[int, str]
    problems: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Pictures per label."""
        return dict(Counter(self.labels.values()))


@dataclass(frozen=True)
class Readings:
    """The plausible readings, the likeliest first; `certain` where the first needs no question."""

    found: list[Reading]
    certain: bool


def find_readings(
    paths: Mapping[int, tuple[str, ...]], sizes: Mapping[int, int], tables: Tables, wanted: str = ""
) -> Readings:
    """All plausible readings of pictures by their paths.

    Args:
        paths: the parts of each picture's name, by its number.
        sizes: bytes of each picture.
        wanted: the key of a reading that a person asks for: it is found even where it is not plausible.
    """
    search = _Search(paths, sizes, tables)
    root = search.tidy(drop_masks(build_tree(paths), paths, search.tidied))
    kids = [item for item in root.folders.values() if item.count()]
    if len(kids) < 2:
        pictures = list(root.all_pictures())
        return search.flat(pictures, [])
    if not any(peel(item).folders for item in kids) and are_parts([item.name for item in kids]):
        return search.flat(list(root.all_pictures()), search.by_level(root, [1]))
    return search.folders(root, kids, wanted)


class _Search:
    def __init__(self, paths: Mapping[int, tuple[str, ...]], sizes: Mapping[int, int], tables: Tables) -> None:
        self.paths, self.sizes, self.tables = paths, sizes, tables
        self.tidied = Tidied()
        self.splits: dict[int, str] = {}

    def tidy(self, root: Folder) -> Folder:
        """The tree without any layer above the classes."""
        for _ in range(MAX_LAYERS):
            before = root
            root = drop_loose(root, self.tidied)
            inner = peel(root)
            if inner is not root:
                root = inner
                continue
            root = drop_documentation(root, self.tidied)
            root = drop_nested_copy(root, self.paths, self.sizes, self.tidied)
            if not self.splits:
                root = take_splits(root, self.splits, self._labels_of, self._clean, self.tidied) or root
            if root is before:
                break
        return root

    def _clean(self, folder: Folder) -> Folder:
        """A split's folder without what wraps or repeats its classes."""
        return drop_nested_copy(drop_loose(peel(folder), self.tidied), self.paths, self.sizes, self.tidied)

    def _labels_of(self, pictures: Sequence[int], classes: Sequence[str]) -> dict[int, str]:
        """Labels of pictures that lie in no class folder; among the given classes, where there are some."""
        for found in self.tables.readings(pictures):
            labels = name_classes(found.labels, classes)
            if not classes or set(labels.values()) <= set(classes):
                return labels
        if not classes:
            return labels_in_names({number: self.paths[number][-1] for number in pictures})
        named = {number: class_in_name(self.paths[number][-1], classes) for number in pictures}
        return {number: label for number, label in named.items() if label is not None}

    def reading(self, key: str, title: str, labels: Mapping[int, str], notes: Sequence[str] = ()) -> Reading:
        return Reading(
            key,
            title,
            {number: label for number, label in labels.items() if number not in self.tidied.problems},
            {number: split for number, split in self.splits.items() if number in labels},
            self.tidied.problems,
            (*self.tidied.notes, *notes),
        )

    def by_table(self, pictures: Sequence[int], found: Sequence[TableLabels] | None = None) -> list[Reading]:
        """One reading for each column of labels; one alone where it is the only one that is called so."""
        found = self.tables.readings(pictures) if found is None else found
        also = []
        if len(found) > 1 and sum(item.named for item in found) == 1:
            chosen = next(item for item in found if item.named)
            others = listed([item.said.column for item in found if item is not chosen])
            also = [f"Other columns can be chosen instead: {others}."]
            found = [chosen]
        out = []
        for item in found:
            said = item.said
            labels = {number: label for number, label in item.labels.items() if number not in self.tidied.left_out}
            hot = said.column == ONE_HOT
            column = (
                f"columns of 0 and 1 in {listed(said.tables)} name"
                if hot
                else (f"column {said.column} of {listed(said.tables)} names")
            )
            without = [f"{format_count(item.rest, 'picture')} that no row there names left out."] if item.rest else []
            reading = self.reading(
                "table" if len(found) == 1 else f"{COLUMN}{said.column}",
                f"The {column} the classes",
                labels,
                [*said.notes, *without, *also],
            )
            splits = reading.splits or {number: split for number, split in item.splits.items() if number in labels}
            out.append(Reading(reading.key, reading.title, reading.labels, splits, reading.problems, reading.notes))
        return out

    def flat(self, pictures: Sequence[int], instead: list[Reading]) -> Readings:
        """Readings of pictures that lie in no class folder; `instead` is offered where nothing labels them."""
        found = self.tables.readings(pictures)
        by_table = self.by_table(pictures, found)
        if by_table:
            clear = len(found) > 1 or found[0].clear
            return Readings(by_table, certain=len(by_table) == 1 and clear)
        labels = labels_in_names({number: self.paths[number][-1] for number in pictures})
        if labels:
            some = next(iter(labels))
            example = f"{self.paths[some][-1]} is {labels[some]}"
            left = len(pictures) - len(labels)
            more = [f"{left:,} pictures have no such name and were left out."] if left else []
            note = f"The labels were read from the file names: {example}."
            return Readings(
                [self.reading("names", f"The file names begin with the class ({example})", labels, [note, *more])],
                certain=True,
            )
        some_labelled = self.by_table(pictures, self.tables.readings(pictures, SOME))
        return Readings([*some_labelled, *instead], certain=False)

    def by_level(self, root: Folder, levels: Sequence[int]) -> list[Reading]:
        """One reading for each level of folders: the names at that level are the classes."""
        chains = dict(chains_of(root))
        out = []
        for level in levels:
            labels = {number: chain[min(level, len(chain)) - 1] for number, chain in chains.items() if chain}
            names = sorted(set(labels.values()))
            out.append(self.reading(f"level-{level}", f"The folders {listed(names)} are the classes", labels))
        return out

    def folders(self, root: Folder, kids: Sequence[Folder], wanted: str) -> Readings:
        """Readings of a tree of at least two folders."""
        chains = {number: chain for number, chain in chains_of(root) if chain}
        loose = sorted(set(root.pictures))
        for number in loose:
            self.tidied.problems[number] = OUTSIDE
        names = [item.name for item in kids]
        structured = [item for item in kids if item.folders]
        shared = shared_names(kids)
        inner = {name_key(item.name) for kid in structured for item in kid.folders.values()}
        much_shared = len(structured) > 1 and len(shared) > 1 and 2 * len(shared) >= len(inner)
        variants = sum(is_variant(name) or is_mask_folder(name) for name in names) if any(map(is_variant, names)) else 0
        in_splits = are_parts(names) and all(split_name(item.name) for kid in kids for item in kid.folders.values())
        if (variants > 1 and 2 * variants >= len(names) and (much_shared or self._same_files(kids))) or (
            in_splits and structured
        ):
            return Readings([*self._variants(kids), *self.by_level(root, [1])], certain=False)
        levels = class_levels(chains)
        if much_shared:
            together = 2 in levels and (are_parts(names) or (are_numbered(names) and not _only_numbers(names)))
            if together:
                self.tidied.notes.append(
                    f"The folders {describe(kids)} each hold the class folders: they were put together."
                )
            found = self.by_level(root, [2] if together else sorted(levels, key=lambda level: (level != 2, level)))
            if not together and levels[:2] == [1, 2]:
                labels = {number: " ".join(chain[:2]) for number, chain in chains.items()}
                if len(set(labels.values())) <= MAX_CLASSES:
                    found.append(
                        self.reading(
                            "both",
                            f"Both names together are the classes, such as {next(iter(labels.values()))}",
                            labels,
                        )
                    )
        else:
            found = self.by_level(root, levels)
        found += self._tables_that_disagree(found[0], names)
        if wanted and wanted not in {item.key for item in found}:
            found += self.by_level(root, [level for level in range(1, MAX_LEVELS) if level not in levels])
            found += [item for item in self.by_table(list(chains)) if item.key not in {known.key for known in found}]
        spoken = [name.split for name in map(split_name, names) if name]
        if (
            "train" in spoken and len(set(spoken)) > 1 and 2 * len(spoken) >= len(names)
        ):  # too much lies next to the split folders to leave it out unasked
            return Readings([*self._only_splits(kids), *found], certain=False)
        by_key = {name_key(item.name): item for item in kids}
        repeated = any(by_key.get(name_key(item.name), kid) is not kid for kid in kids for item in kid.folders.values())
        return Readings(found, certain=len(found) == 1 and not are_cases(names) and not repeated)

    def _only_splits(self, kids: Sequence[Folder]) -> list[Reading]:
        """The reading of the split folders alone, if there is one."""
        used = [item for item in kids if split_name(item.name)]
        others = [item for item in kids if item not in used]
        note = f"Only the split folders {describe(used)} were used, without {describe(others)}."
        first = self._alone(used) if others else None
        if first is None:
            return []
        notes = (*self.tidied.notes, *first.notes, note)
        title = f"The folders {describe(used)} are the splits, and the others are left out"
        problems = {**self.tidied.problems, **first.problems}
        return [Reading("splits", title, first.labels, first.splits, problems, notes)]

    def _alone(self, folders: Sequence[Folder]) -> Reading | None:
        """The reading of some folders as if the others were not there, if it needs no question."""
        paths = {number: self.paths[number] for item in folders for number in item.all_pictures()}
        inner = find_readings(paths, self.sizes, self.tables)
        return inner.found[0] if inner.certain else None

    def _same_files(self, kids: Sequence[Folder]) -> bool:
        """Whether the folders hold files of the same names, as several processings of the same pictures do."""
        held = [{self.paths[number][-1].rsplit(".", 1)[0] for number in item.all_pictures()} for item in kids]
        smallest = min(len(names) for names in held)
        return len(set.intersection(*held)) >= 0.8 * smallest > 0

    def _variants(self, kids: Sequence[Folder]) -> list[Reading]:
        """One reading for each processing or fold that can be read alone, the others left out."""
        out = []
        for item in kids[:MAX_VARIANTS]:
            others = [kid for kid in kids if kid is not item]
            first = self._alone([item]) if item.folders else None
            if first:
                note = f"Only the pictures in {item.name} were used: {describe(others)} hold the same ones."
                notes = (*self.tidied.notes, *first.notes, note)
                title = f"Only the pictures in {item.name}"
                problems = {**self.tidied.problems, **first.problems}
                out.append(Reading(f"only {item.name}", title, first.labels, first.splits, problems, notes))
        return out

    def _tables_that_disagree(self, reading: Reading, names: Sequence[str]) -> list[Reading]:
        """Readings by tables next to class folders, where they say something else and may be meant."""
        out = []
        for found in self.by_table(list(reading.labels)):
            pairs = Counter(
                (reading.labels[number], label) for number, label in found.labels.items() if number in reading.labels
            )
            fits = len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
            if not fits and (are_groups(names) or "metadata." in found.title):
                out.append(found)
        return out


def _only_numbers(names: Sequence[str]) -> bool:
    return not any(c.isalpha() for name in names for c in name)
