"""From a source's files to labels and splits: the chosen reading, with clean class names that can all be learnt."""

import contextlib
import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import MappingProxyType

from core.datasets.labels.class_names import clean_labels
from core.datasets.labels.words import listed, name_key, word_set
from core.datasets.layouts.groups import groups_in_names
from core.datasets.layouts.levels import MAX_CLASSES
from core.datasets.layouts.readings import COLUMN, Reading, find_readings
from core.datasets.layouts.tables import SourceTables
from core.datasets.layouts.tree import OUTSIDE
from core.datasets.layouts.unusable import ARCHIVES, WANTED, why_no_labels, why_no_pictures
from core.datasets.pictures.picture_formats import RAW_SUFFIXES, SUFFIX_FORMATS, looks_like_picture
from core.datasets.sources.source import Source, SourceEntry
from core.errors import DatasetError, ImageError
from core.formatting import SPLIT_NAMES, format_count, readable

ACCOMPANYING = (
    "readme", "license", "licence", "citation", "dataset_infos", "data.yaml", "copying", "copyright", "credits",
    "attribution", "authors", "changelog", "notice", "checksums", "md5sums", "sha256sums", "metadata.json",
)  # fmt: skip
TEXT_SUFFIXES = word_set(
    ".txt .md .rst .csv .tsv .json .jsonl .ndjson .xml .yaml .yml .html .htm .py .ipynb .mat .parquet .pkl .npy "
    ".npz .h5 .hdf5 .zip .gz .tar .log .ini .cfg .toml .xlsx .xls .doc .docx .pdf .sh .m .r"
)
# of one picture, with its name: settings of photo programs, Google Takeout's facts, an iPhone's clip, boxes
COMPANION_SUFFIXES = word_set(".aae .json .mov .txt .xml .xmp")
FOREIGN_SUFFIXES = frozenset((*RAW_SUFFIXES, ".jxl", ".psd", ".dcm"))  # pictures that the decoder names and refuses
HEAD_BYTES = 64
ABSOLUTE = re.compile(r"/|[A-Za-z]:/")
SAMPLES = 3
SAMPLED_CLASSES = 6
SAMPLE_BYTES = 16 * 2**20
LIKE = 0.75
NAMED_FILES = 3


@dataclass(frozen=True)
class Placed:
    """A file with the label, split and group that its source gives it; `problem` is why it has none."""

    name: str
    label: str
    split: str | None
    problem: str | None = None
    group: str = ""


@dataclass(frozen=True)
class Layout:
    """All files that are read, placed; whether splits were given; notes for the report.

    Attributes:
        ignored: how many files that accompany every dataset, such as a README, were passed over.
    """

    files: list[tuple[SourceEntry, Placed]]
    splits_given: bool
    notes: list[str]
    ignored: int = 0


@dataclass(frozen=True)
class Choice:
    """A reading as a person chooses it: pictures per class, and for some classes a few files (name, bytes)."""

    key: str
    title: str
    counts: dict[str, int]
    samples: dict[str, list[tuple[str, bytes]]]


class LayoutQuestionError(DatasetError):
    """The files can be read in more than one way, and a person must say which."""

    def __init__(self, where: str, choices: Sequence[Choice]) -> None:
        ways = "; ".join(f"{item.title} ({_counted(item.counts)}): --layout {_quoted(item.key)}" for item in choices)
        only = "only be read with care" if len(choices) == 1 else f"be read in {len(choices)} ways"
        super().__init__(f"What is {where} can {only}, so choose one: {ways}.")
        self.choices = tuple(choices)


def read_layout(source: Source, *, layout: str = "", label_column: str = "", group_pattern: str = "") -> Layout:
    """Find the labels, splits and groups of a source's pictures.

    Args:
        layout: the key of the reading that a person chose.
        label_column: the column of a table that holds the labels.
        group_pattern: a regular expression that finds a picture's group in its name (see `groups`).
    Raises:
        LayoutQuestionError: several readings are plausible and none was chosen.
        DatasetError: there are not at least two classes; it explains the wanted layout.
    """
    entries = source.entries()
    where = f"in {readable(source.title)}"
    if any(entry.label is not None for entry in entries):
        labels = {number: entry.label for number, entry in enumerate(entries) if entry.label is not None}
        splits = {number: entry.split for number, entry in enumerate(entries) if entry.split is not None}
        groups = groups_in_names(entries, labels, group_pattern) if group_pattern else {}
        return _place(entries, Reading("labels", "", labels, splits), {}, where, groups=groups)
    pictures = _find_pictures(source, entries)
    if not pictures:
        raise DatasetError(why_no_pictures([readable(entry.name) for entry in entries], where))
    paths = {number: _parts(_without_query(entries[number].name)) for number in pictures}
    outside = {number for number, parts in paths.items() if ".." in parts or ABSOLUTE.match(entries[number].name)}
    paths = {number: parts for number, parts in paths.items() if number not in outside}
    sizes = {number: max(0, entries[number].bytes_claimed) for number in paths}
    tables = SourceTables(source, entries, paths, label_column)
    found = find_readings(paths, sizes, tables, layout or label_column)
    reading = _choose(found.found, layout, label_column, where)
    if reading is None and not found.found:
        raise DatasetError(why_no_labels(entries, paths, where, tables))
    if reading is None:
        if not found.certain:
            raise LayoutQuestionError(where, [choose(item, entries, source) for item in found.found])
        reading = found.found[0]
    problems = {**reading.problems, **dict.fromkeys(outside, OUTSIDE)}
    notes = list(reading.notes)
    in_lists = tables.listed_splits(reading.labels, notes) if len(set(reading.splits.values())) < 2 else {}
    if group_pattern:
        groups = groups_in_names(entries, reading.labels, group_pattern)
    else:
        groups = tables.groups(reading.labels, notes)
    reading = replace(reading, problems=problems, splits=in_lists or reading.splits, notes=tuple(notes))
    return _place(entries, reading, paths, where, tables, groups)


def _find_pictures(source: Source, entries: Sequence[SourceEntry]) -> list[int]:
    """Numbers of the entries that are pictures: by their ending, and by their first bytes where that says nothing."""
    found = []
    for number, entry in enumerate(entries):
        suffix = PurePosixPath(_without_query(entry.name)).suffix.lower()
        if (
            suffix in SUFFIX_FORMATS
            or suffix in FOREIGN_SUFFIXES
            or (suffix not in TEXT_SUFFIXES and looks_like_picture(source.head(entry, HEAD_BYTES)))
        ):
            found.append(number)
    return found


def _without_query(name: str) -> str:
    """`1.jpg?w=640` as `1.jpg`."""
    start, mark, _ = name.partition("?")
    return start if mark and PurePosixPath(start).suffix.lower() in SUFFIX_FORMATS else name


def _parts(name: str) -> tuple[str, ...]:
    return tuple(readable(part) for part in name.split("/") if part not in ("", "."))


def _choose(found: Sequence[Reading], layout: str, label_column: str, where: str) -> Reading | None:
    """The reading that a person asked for; None where nothing was asked.

    Raises:
        DatasetError: what was asked is not there.
    """
    by_key = {item.key: item for item in found}
    for column in [label_column] if label_column else []:
        for item in found:
            if item.key in (f"{COLUMN}{column}", "table") and f"column {column} of " in item.title:
                return item
        named = [key.removeprefix(COLUMN) for key in by_key if key.startswith(COLUMN)]
        known = f"columns of labels are {listed(named)}" if named else "no table of labels was found"
        raise DatasetError(f"No column {column!r} labels the pictures {where}: {known}.")
    if layout and layout not in by_key:
        known = listed([_quoted(key) for key in by_key], 8) or "none"
        raise DatasetError(f"The files {where} cannot be read with the layout {layout[:60]!r}: choose one of {known}.")
    return by_key[layout] if layout else None


def choose(reading: Reading, entries: Sequence[SourceEntry], source: Source) -> Choice:
    """A reading as a choice."""
    counts = reading.counts()
    samples: dict[str, list[tuple[str, bytes]]] = {label: [] for label in list(counts)[:SAMPLED_CLASSES]}
    for number, label in reading.labels.items():
        if label in samples and len(samples[label]) < SAMPLES:
            with contextlib.suppress(ImageError):  # the import will name it
                samples[label].append((entries[number].name, source.read(entries[number], SAMPLE_BYTES)))
    return Choice(reading.key, reading.title, counts, samples)


def _counted(counts: Mapping[str, int], most: int = 6) -> str:
    shown = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:most])
    return f"{len(counts)} classes: {shown}{' …' if len(counts) > most else ''}"


def _quoted(key: str) -> str:
    return f'"{key}"' if " " in key else key


def _place(
    entries: Sequence[SourceEntry],
    reading: Reading,
    paths: Mapping[int, tuple[str, ...]],
    where: str,
    tables: SourceTables | None = None,
    groups: Mapping[int, str] = MappingProxyType({}),
) -> Layout:
    notes = list(reading.notes)
    names = clean_labels(list(reading.labels.values()), notes)
    labels = {number: names[label] for number, label in reading.labels.items()}
    splits_given = len(set(reading.splits.values())) > 1
    splits: Mapping[int, str] = reading.splits if splits_given else {}
    if splits_given:
        _note_joined_names(labels, paths, notes)
        labels = _learnable(labels, splits, notes)
    classes = set(labels.values())
    if len(classes) < 2:
        only = f"only the class {next(iter(classes))!r}" if classes else "no class folder"
        raise DatasetError(f"There is {only} {where}, and a classifier needs at least two: {WANTED}")
    if len(classes) > MAX_CLASSES:
        raise DatasetError(
            f"There are {len(classes):,} classes {where}, and at most {MAX_CLASSES:,} are possible: import a part."
        )
    folder_labels = {entries[number].name.rpartition("/")[0]: label for number, label in labels.items()}
    files: list[tuple[SourceEntry, Placed]] = []
    others: list[str] = []
    archives: list[str] = []
    companions = {_start(entries[number].name) for number in labels}
    ignored = 0
    table_numbers = tables.used if tables else set()
    for number, entry in enumerate(entries):
        name = readable(entry.name)
        folder, suffix = entry.name.rpartition("/")[0], PurePosixPath(entry.name).suffix.lower()
        if number in labels:
            group = readable(groups.get(number, entry.group))
            files.append((entry, Placed(name, labels[number], splits.get(number), group=group)))
        elif number in reading.problems:
            files.append((entry, Placed(name, "", None, reading.problems[number])))
        elif number in paths or number in table_numbers:
            continue  # left out with a note, or used
        elif _accompanies(entry.name) or (suffix in COMPANION_SUFFIXES and _start(entry.name) in companions):
            ignored += 1
        elif folder and folder in folder_labels:
            files.append((entry, Placed(name, folder_labels[folder], None if not splits_given else "train")))
        elif suffix in ARCHIVES:
            archives.append(name)
        elif suffix in TEXT_SUFFIXES:
            ignored += 1
        else:
            others.append(name)
    if others:
        shown = listed(others, NAMED_FILES)
        notes.append(f"{format_count(len(others), 'file')} outside the classes left out, as no pictures: {shown}.")
    if archives:
        shown, count = listed(archives, NAMED_FILES), format_count(len(archives), "archive")
        notes.append(f"Not opened: {count} next to the pictures ({shown}). Unpack what belongs to the classes.")
    return Layout(files, splits_given, notes, ignored)


def _start(name: str) -> str:
    """A name up to the first dot after its folder: `cat/1.jpg.json` belongs to `cat/1.jpg`."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/{file.partition('.')[0].casefold()}"


def _accompanies(name: str) -> bool:
    return PurePosixPath(name).name.lower().startswith(ACCOMPANYING)


def _note_joined_names(labels: Mapping[int, str], paths: Mapping[int, tuple[str, ...]], notes: list[str]) -> None:
    """Note folders of one class whose names are written in several ways."""
    written: dict[str, set[str]] = defaultdict(set)
    for number, label in labels.items():
        key = name_key(label)
        written[label].update(part for part in paths.get(number, ())[:-1] if name_key(part) == key)
    for label, names in written.items():
        others = sorted(names - {label})
        if others:
            notes.append(f"The folders {listed([repr(name) for name in sorted(names)])} are one class: {label}.")


def _learnable(labels: dict[int, str], splits: Mapping[int, str], notes: list[str]) -> dict[int, str]:
    """The labels without classes that have no training picture.

    Raises:
        DatasetError: such a class looks like another one that is spelt differently.
    """
    held: dict[str, Counter[str]] = {split: Counter() for split in SPLIT_NAMES}
    for number, label in labels.items():
        held[splits.get(number, "train")][label] += 1
    trained = set(held["train"])
    strangers = sorted((set(held["val"]) | set(held["test"])) - trained)
    for label in strangers:
        split = "test" if label in held["test"] else "val"
        absent = sorted(trained - set(held[split]))
        near = difflib.get_close_matches(name_key(label), [name_key(name) for name in absent], 1, LIKE)
        if near:
            meant = next(name for name in absent if name_key(name) == near[0])
            raise DatasetError(
                f"The class {label!r} is in the {SPLIT_NAMES[split]} folder only, and {meant!r} is missing there: "
                "give the folders of one class the same name."
            )
    for label in strangers:
        count = held["val"][label] + held["test"][label]
        notes.append(
            f"The class {label!r} has no training picture, so nothing can learn it: "
            f"{format_count(count, 'picture')} elsewhere left out. Add some to the training folder."
        )
    return {number: label for number, label in labels.items() if label in trained}
