"""Corrections: what people want changed in a dataset, which itself never changes. A revision then holds them.

    datasets/<id>/corrections.jsonl     one line for each correction or undo, in order, with who made it and when

The file is only appended to, under a lock. A line that a killed process left half is cut off by the next one.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from core.actor import OPERATOR, Actor
from core.datasets.dataset import CORRECTIONS, Dataset
from core.datasets.labels.class_names import MAX_CLASS_NAME, clean_class_name
from core.errors import DatasetError
from core.formatting import format_count
from core.locks import hold_lock
from core.storage import Stamp, stamp_of

LOCK = "corrections.lock"
LOCK_SECONDS = 10.0
MAX_BYTES = 64 * 2**20

Name = Annotated[str, Field(max_length=MAX_CLASS_NAME)]


@dataclass(frozen=True)
class Correction:
    """One change, or the undoing of the last one that stands.

    Attributes:
        kind: give pictures another class, drop pictures, rename a class (to a name that is there: merge both), add the
            pictures of another dataset, or undo.
        rows: places of pictures in the dataset's table.
        label: the class that is renamed.
        to: the new class, or the id of the other dataset.
        by, at: who made it, and when, in seconds since 1970.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: Literal["relabel", "drop", "rename", "add", "undo"]
    rows: tuple[Annotated[int, Field(ge=0)], ...] = ()
    label: Name = ""
    to: Name = ""
    by: str = ""
    at: float = 0.0

    def describe(self) -> str:
        """Such as `3 pictures to cat`."""
        pictures = format_count(len(self.rows), "picture")
        return {
            "relabel": f"{pictures} to {self.to}",
            "drop": f"{pictures} dropped",
            "rename": f"{self.label} renamed to {self.to}",
            "add": f"pictures of {self.to} added",
            "undo": "undo",
        }[self.kind]


@dataclass(frozen=True)
class Corrected:
    """A dataset's pictures as its corrections leave them.

    Attributes:
        standing: the corrections that were not undone, in order.
        labels: the class of each row; None for a dropped one.
        added: ids of datasets whose pictures are added.
        renamed: old class -> new class, for the pictures of added datasets.
    """

    standing: tuple[Correction, ...]
    labels: tuple[str | None, ...]
    added: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]

    @property
    def classes(self) -> dict[str, int]:
        """Class -> number of pictures, without those that are added."""
        return dict(Counter(label for label in self.labels if label is not None))

    def changed(self, dataset: Dataset) -> list[int]:
        """Rows that have another class than in the dataset, or none."""
        return [
            row.index for row, label in zip(dataset.rows, self.labels, strict=True)
            if label != dataset.classes[row.label]
        ]  # fmt: skip


_LINE = TypeAdapter(Correction)


def read_corrections(folder: Path) -> tuple[Correction, ...]:
    """Everything in the log, undos included.

    Raises:
        DatasetError: it is damaged.
    """
    return _read(folder / CORRECTIONS, stamp_of(folder / CORRECTIONS))


@lru_cache(maxsize=16)
def _read(path: Path, _: Stamp | None) -> tuple[Correction, ...]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("too large")
        lines = path.read_bytes().splitlines(keepends=True)
        return tuple(_LINE.validate_json(line) for line in lines if line.endswith(b"\n"))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise DatasetError(_damaged(path.parent)) from error


def _damaged(folder: Path) -> str:
    return f"The corrections of {folder.name} are damaged ({CORRECTIONS}): run `python -m core fsck --repair`."


def standing(log: Iterable[Correction]) -> tuple[Correction, ...]:
    """The corrections of a log that were not undone."""
    found: list[Correction] = []
    for item in log:
        if item.kind != "undo":
            found.append(item)
        elif found:
            found.pop()
    return tuple(found)


def apply(dataset: Dataset, log: Iterable[Correction]) -> Corrected:
    """What a log makes of a dataset."""
    found = standing(log)
    labels: list[str | None] = [dataset.classes[row.label] for row in dataset.rows]
    added, renamed = [], []
    for item in found:
        match item.kind:
            case "relabel":
                for row in item.rows:
                    labels[row] = item.to
            case "drop":
                for row in item.rows:
                    labels[row] = None
            case "rename":
                labels = [item.to if label == item.label else label for label in labels]
                renamed.append((item.label, item.to))
            case "add":
                added.append(item.to)
    return Corrected(found, tuple(labels), tuple(added), tuple(renamed))


def corrected(dataset: Dataset) -> Corrected:
    """A dataset as its pending corrections leave it.

    Raises:
        DatasetError: they are damaged.
    """
    log = read_corrections(dataset.folder)
    if any(row >= len(dataset.rows) for item in log for row in item.rows):
        raise DatasetError(_damaged(dataset.folder))
    return apply(dataset, log)


def relabel(dataset: Dataset, rows: Sequence[int], to: str, *, by: Actor = OPERATOR) -> Correction:
    """Give pictures another class, which may be a new one.

    Raises:
        DatasetError: there is no such picture, or the name is empty.
        RightsError: the dataset belongs to another person.
    """
    return _append(dataset, Correction("relabel", _known(dataset, rows), to=_name(to)), by)


def drop(dataset: Dataset, rows: Sequence[int], *, by: Actor = OPERATOR) -> Correction:
    """Leave pictures out.

    Raises:
        as `relabel`.
    """
    return _append(dataset, Correction("drop", _known(dataset, rows)), by)


def rename_class(dataset: Dataset, label: str, to: str, *, by: Actor = OPERATOR) -> Correction:
    """Give a class another name; with that of another class both become one.

    Raises:
        DatasetError: there is no such class, or the new name is empty or the same.
        RightsError: the dataset belongs to another person.
    """
    if label not in corrected(dataset).classes:
        raise DatasetError(f"There is no class {label[:60]!r} in {dataset.title}: choose one that it has.")
    if _name(to) == label:
        raise DatasetError(f"The class {label!r} has this name already: write another one.")
    return _append(dataset, Correction("rename", label=label, to=_name(to)), by)


def add_pictures(dataset: Dataset, other: Dataset, *, by: Actor = OPERATOR) -> Correction:
    """Add the pictures of another dataset.

    Raises:
        DatasetError: it is the same dataset, or was added already.
        RightsError: the dataset belongs to another person.
    """
    if other.id == dataset.id or other.id in corrected(dataset).added:
        raise DatasetError(f"The pictures of {other.title} are there already: choose another dataset.")
    return _append(dataset, Correction("add", to=other.id), by)


def undo(dataset: Dataset, *, by: Actor = OPERATOR) -> Correction:
    """Undo the last correction that stands, whoever made it; returns it.

    Raises:
        DatasetError: there is none.
        RightsError: the dataset belongs to another person.
    """
    with _alone(dataset, by):
        left = standing(read_corrections(dataset.folder))
        if not left:
            raise DatasetError(f"There is no correction of {dataset.title} to undo.")
        _write(dataset.folder, Correction("undo", by=by.id, at=time.time()))
        return left[-1]


def forget(folder: Path) -> None:
    """Remove the log of corrections that a revision holds by now."""
    (folder / CORRECTIONS).unlink(missing_ok=True)


def _append(dataset: Dataset, item: Correction, by: Actor) -> Correction:
    made = Correction(**{**asdict(item), "by": by.id, "at": time.time()})
    with _alone(dataset, by):
        _write(dataset.folder, made)
    return made


@contextmanager
def _alone(dataset: Dataset, by: Actor) -> Iterator[None]:
    """Hold the log of a dataset that `by` may change."""
    by.check_may_change(dataset.summary.owner, f"The dataset {dataset.title}")
    busy = DatasetError("Many corrections are being made: try again in a few seconds.")
    with hold_lock(dataset.folder / LOCK, LOCK_SECONDS, busy):
        yield


def _write(folder: Path, item: Correction) -> None:
    """Append a line, after removing what a killed process left of one."""
    path = folder / CORRECTIONS
    with suppress(FileNotFoundError), path.open("rb+") as file:
        if not (content := file.read()).endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)
    with path.open("ab") as file:
        file.write(json.dumps(asdict(item), ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _known(dataset: Dataset, rows: Sequence[int]) -> tuple[int, ...]:
    wanted = tuple(sorted(set(rows)))
    most = len(dataset.rows) - 1
    if not wanted or wanted[0] < 0 or wanted[-1] > most:
        raise DatasetError(f"Choose at least one picture of {dataset.title}, by its number from 0 to {most}.")
    return wanted


def _name(text: str) -> str:
    name = " ".join(clean_class_name(text).split())[:MAX_CLASS_NAME]
    if not name:
        raise DatasetError("The name of the class is empty: write at least one letter.")
    return name
