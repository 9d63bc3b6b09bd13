"""From names alone to labels and splits: class folders, wrapped or under train/val/test."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from core.datasets.decoder import SUFFIX_FORMATS
from core.errors import DatasetError

SPLIT_WORDS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
MAX_CLASSES = 1000
MAX_CLASS_NAME = 100
WANTED = "put the pictures of each class into a folder of its own, such as pets/cat/one.jpg and pets/dog/two.jpg."


@dataclass(frozen=True)
class Placed:
    """A file with the label and split that its name gives; `problem` is why it has none."""

    name: str
    label: str
    split: str | None
    problem: str | None = None


@dataclass(frozen=True)
class Layout:
    """All files, placed; whether splits were given; notes for the report."""

    placed: list[Placed]
    splits_given: bool
    notes: list[str]


def read_layout(names: Sequence[str], where: str = "here") -> Layout:
    """Find labels and splits in names.

    Args:
        where: how the sentences name the place of the files, such as `in pets.zip`.
    Raises:
        DatasetError: if there are not at least two classes; it explains the wanted layout.
    """
    paths = [(name, _parts(name)) for name in names]  # a name may be there twice
    pictures = [parts for name, parts in paths if PurePosixPath(name).suffix.lower() in SUFFIX_FORMATS]
    if not pictures:
        raise DatasetError(f"There are no pictures {where}: {WANTED}")
    depth = _wrapping(pictures)
    below = [parts[depth:] for parts in pictures]
    firsts = {parts[0].lower() for parts in below if len(parts) > 2}
    splits_given = len({SPLIT_WORDS[first] for first in firsts if first in SPLIT_WORDS}) > 1 and "train" in {
        SPLIT_WORDS.get(first) for first in firsts
    }
    placed = []
    notes: list[str] = []
    if depth:
        notes.append(
            f"The folder {'/'.join(pictures[0][:depth])} wraps the class folders and was left out of the labels."
        )
    for name, parts in paths:
        placed.append(_place(readable(name), parts, depth, splits_given, pictures[0][:depth]))
    cleaned = _clean_labels([item.label for item in placed if item.problem is None], notes)
    placed = [item if item.problem else Placed(item.name, cleaned[item.label], item.split) for item in placed]
    with_images = {
        item.label
        for item in placed
        if item.problem is None and PurePosixPath(item.name).suffix.lower() in SUFFIX_FORMATS
    }
    if len(with_images) < 2:
        only = f"only the class {next(iter(with_images))!r}" if with_images else "no class folder"
        raise DatasetError(f"There is {only} {where}, and a classifier needs at least two: {WANTED}")
    if len(with_images) > MAX_CLASSES:
        raise DatasetError(
            f"There are {len(with_images):,} class folders {where}, and at most {MAX_CLASSES:,} are possible: "
            "import a part."
        )
    return Layout(placed, splits_given, notes)


def readable(text: str) -> str:
    """Text that can be written as UTF-8: file names of older systems hold bytes that cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.split("/") if part not in ("", "."))


def _wrapping(pictures: Sequence[tuple[str, ...]]) -> int:
    """How many top folders only wrap the rest: all pictures share them, and class folders are left below."""
    depth = 0
    while all(len(parts) >= depth + 3 for parts in pictures) and len({parts[depth] for parts in pictures}) == 1:
        depth += 1
    return depth


def _place(name: str, parts: tuple[str, ...], depth: int, splits_given: bool, wrapping: tuple[str, ...]) -> Placed:
    if parts[:depth] != wrapping or len(parts) < depth + 2:
        return Placed(name, "", None, "lies outside any class folder: move it into one, or leave it out.")
    rest = parts[depth:]
    if not splits_given:
        return Placed(name, rest[0], None)
    split = SPLIT_WORDS.get(rest[0].lower())
    if split is None:
        return Placed(name, "", None, "lies outside the train, val and test folders: move it into one.")
    if len(rest) < 3:
        return Placed(name, "", None, "lies outside any class folder: move it into one, or leave it out.")
    return Placed(name, rest[1], split)


def _clean_labels(labels: Sequence[str], notes: list[str]) -> dict[str, str]:
    """Folder names as class names: NFC, without control characters, of bounded length, all different."""
    cleaned: dict[str, str] = {}
    taken: Counter[str] = Counter()
    for label in sorted(set(labels)):
        text = "".join(c for c in unicodedata.normalize("NFC", label) if unicodedata.category(c)[0] != "C").strip()
        text = text[:MAX_CLASS_NAME] or "unnamed"
        taken[text] += 1
        if taken[text] > 1:
            notes.append(f"Two class folders would both be called {text!r}: one is now {text} ({taken[text]}).")
            text = f"{text} ({taken[text]})"
        cleaned[label] = text
    folded = Counter(text.casefold() for text in cleaned.values())
    for text, count in folded.items():
        if count > 1:
            notes.append(f"Class folders differ only in capital letters ({text!r}): they are kept as separate classes.")
    return cleaned
