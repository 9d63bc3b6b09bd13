"""A dataset: imported, validated, immutable pictures with labels and splits.

datasets/<id>/
    dataset.json     what it is; written last, so that it is there exactly when everything else is
    pictures.csv     one row a picture
    report.json      what the import rejected, converted, found twice
    corrections.jsonl   what people want corrected (core/revisions)
    revision.json    of a revision: its corrections
    images/ab/ab….jpg   original bytes, named by their sha256
    thumbs/ab/ab….jpg   small JPEGs for galleries
"""

import csv
import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, TypeAdapter

from core.actor import LOCAL_OWNER
from core.datasets.splits import SPLITS
from core.errors import DatasetError
from core.storage import atomic_open, read_json
from models.entry import OWN_RANGES, GreyRanges

FORMAT = 1
COLUMNS = (
    "path", "name", "label", "split", "width", "height", "bytes", "sha256", "pixel_hash", "perceptual_hash", "flags",
    "group",
)  # fmt: skip
FILES = ("dataset.json", "pictures.csv", "report.json")
CORRECTIONS = "corrections.jsonl"  # wanted and not in any revision yet
REVISION = "revision.json"  # the corrections that a revision holds
SOME_HAVE = (CORRECTIONS, REVISION)
ADDED_LATER = ("contradictory_near", "straddling")  # older reports lack these
IMAGE_PATH = re.compile(r"images/([0-9a-f]{2})/(\1[0-9a-f]{62})\.(jpg|mpo|png|gif|bmp|webp|tif|avif|ppm|jp2|tga|heic)")
THUMBNAIL_PATH = re.compile(r"thumbs/([0-9a-f]{2})/\1[0-9a-f]{62}\.jpg")
FLAG_SEPARATOR = "; "
_HASH = re.compile(r"[0-9a-f]{64}")


def _thumbnail(path: str) -> str:
    if not THUMBNAIL_PATH.fullmatch(path):
        raise ValueError(path)
    return path


def _in_order(ranges: GreyRanges) -> GreyRanges:
    for found in (ranges.integers, ranges.floats):
        if found is not None and not -math.inf < found[0] <= found[1] < math.inf:
            raise ValueError(found)
    return ranges


Thumbnail = Annotated[str, AfterValidator(_thumbnail)]
Ranges = Annotated[GreyRanges, AfterValidator(_in_order)]


@dataclass(frozen=True)
class ImageRow:
    """One picture; `index` is its place in the table, `label` the index of its class, `group` what it belongs to."""

    index: int
    path: str
    name: str
    label: int
    split: str
    width: int
    height: int
    bytes: int
    sha256: str
    pixel_hash: str
    perceptual_hash: str
    flags: tuple[str, ...]
    group: str = ""


@dataclass(frozen=True)
class ImportReport:
    """What happened to the files on their way in; nothing is lost silently.

    Attributes:
        rejected: (name, reason).
        converted: (name, what was changed on reading).
        duplicates: (name, name of the copy that was kept).
        contradictory: groups of (name, label, thumbnail) that are the same picture in different classes; all were
            set aside. The thumbnail is a path below the dataset's folder.
        contradictory_near: the same of pictures that look almost the same. They were kept; each group is in one split
            unless the splits were given.
        straddling: val or test -> how many of its pictures look like copies of training pictures.
        ignored: number of system files passed over.
        notes: sentences about the whole.
    """

    rejected: list[tuple[str, str]] = field(default_factory=list)
    converted: list[tuple[str, str]] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    contradictory: list[list[tuple[str, str, Thumbnail]]] = field(default_factory=list)
    ignored: int = 0
    notes: list[str] = field(default_factory=list)
    contradictory_near: list[list[tuple[str, str, Thumbnail]]] = field(default_factory=list)
    straddling: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetSummary:
    """What `dataset.json` holds: everything but the table.

    Attributes:
        parent: the dataset that this one corrects; empty for one that was imported.
        root: the imported one from which the corrections began; empty for that one itself.
        revision: 1 for an imported one.
    """

    id: str
    title: str
    classes: tuple[str, ...]
    images: int
    fingerprint: str
    drawn: bool
    created: str
    split_plan: Annotated[str, Field(validation_alias="split")]
    seed: int
    source: str
    owner: str = LOCAL_OWNER
    grey_ranges: Ranges = OWN_RANGES
    parent: str = ""
    root: str = ""
    revision: int = 1


_REPORT = TypeAdapter(ImportReport)
_SUMMARY = TypeAdapter(DatasetSummary)


@dataclass(frozen=True)
class Dataset:
    """A dataset in memory."""

    folder: Path
    summary: DatasetSummary
    rows: tuple[ImageRow, ...]

    @property
    def id(self) -> str:
        return self.summary.id

    @property
    def title(self) -> str:
        return self.summary.title

    @property
    def classes(self) -> tuple[str, ...]:
        return self.summary.classes

    @property
    def fingerprint(self) -> str:
        return self.summary.fingerprint

    @property
    def drawn(self) -> bool:
        return self.summary.drawn

    @property
    def greys(self) -> GreyRanges:
        """The values of its 16-bit grey pictures that become black and white."""
        return self.summary.grey_ranges

    @property
    def root(self) -> str:
        """The id that all revisions of one imported dataset share."""
        return self.summary.root or self.id

    @property
    def created(self) -> str:
        """When it was imported: ISO 8601, UTC."""
        return self.summary.created

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Class name -> split -> number of pictures; every class and every split is there."""
        out = {name: dict.fromkeys(SPLITS, 0) for name in self.classes}
        for row in self.rows:
            out[self.classes[row.label]][row.split] += 1
        return out

    @cached_property
    def _by_split(self) -> dict[str, tuple[ImageRow, ...]]:
        return {split: tuple(row for row in self.rows if row.split == split) for split in SPLITS}

    def rows_of(self, split: str) -> tuple[ImageRow, ...]:
        """The pictures of `train`, `val` or `test`, in table order."""
        return self._by_split[split]

    def image_path(self, row: ImageRow) -> Path:
        """The picture's original bytes."""
        return self.folder / row.path

    def read_image(self, row: ImageRow) -> bytes:
        """The picture's original bytes, exactly as they were imported.

        Raises:
            DatasetError: names the picture, if its file is gone, cannot be read, or holds other bytes by now.
        """
        path = self.image_path(row)
        lost = f"The picture {row.name} of dataset {self.id}"
        try:
            whole = path.stat().st_size == row.bytes  # looked at first: whatever lies there now may be of any size
            data = path.read_bytes() if whole else b""
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DatasetError(f"{lost} is missing: import the dataset again.") from error
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DatasetError(f"{lost} cannot be read ({reason}): check the rights of the data folder.") from error
        if not whole or hashlib.sha256(data).hexdigest() != row.sha256:
            raise DatasetError(f"{lost} was changed after its import: import the dataset again.")
        return data

    def thumbnail_path(self, row: ImageRow) -> Path:
        """The picture's small JPEG."""
        return self.folder / thumbnail_of(row.sha256)

    def report(self) -> ImportReport:
        """What the import found.

        Raises:
            DatasetError: if the report is damaged.
        """
        try:
            # None is no value of a field
            required = dict.fromkeys(item.name for item in fields(ImportReport) if item.name not in ADDED_LATER)
            return _REPORT.validate_python({**required, **read_json(self.folder / "report.json")})
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise DatasetError(f"The import report of {self.id} is damaged: import the dataset again.") from error


def thumbnail_of(sha256: str) -> str:
    """Where the small JPEG of a file lies, below the dataset's folder."""
    return f"thumbs/{sha256[:2]}/{sha256}.jpg"


def load_summary(folder: Path) -> DatasetSummary:
    """Read `dataset.json`.

    Raises:
        DatasetError: if it is missing or damaged.
    """
    try:
        values = read_json(folder / "dataset.json")
        return _SUMMARY.validate_python({**values, "id": folder.name})
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DatasetError(f"The dataset {folder.name} is damaged (dataset.json): import it again.") from error


def load_dataset(folder: Path) -> Dataset:
    """Read a dataset, checking its table.

    Raises:
        DatasetError: if a file is missing, damaged or tampered with.
    """
    summary = load_summary(folder)
    try:
        with (folder / "pictures.csv").open(encoding="utf-8", newline="") as file:
            rows = tuple(
                _read_row(index, record, len(summary.classes)) for index, record in enumerate(csv.DictReader(file))
            )
    except (OSError, ValueError, KeyError, TypeError, OverflowError, csv.Error) as error:
        raise DatasetError(f"The table of dataset {folder.name} is damaged (pictures.csv): import it again.") from error
    if len(rows) != summary.images:
        raise DatasetError(f"The table of dataset {folder.name} is incomplete (pictures.csv): import it again.")
    return Dataset(folder, summary, rows)


def write_table(folder: Path, rows: Iterable[ImageRow]) -> None:
    """Write `pictures.csv`, atomically."""
    with atomic_open(folder / "pictures.csv", "w") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([
                row.path, row.name, row.label, row.split, row.width, row.height, row.bytes, row.sha256,
                row.pixel_hash, row.perceptual_hash, FLAG_SEPARATOR.join(row.flags), row.group,
            ])  # fmt: skip


def _read_row(index: int, record: dict[str, str], classes: int) -> ImageRow:
    row = ImageRow(
        index,
        record["path"],
        record["name"],
        int(record["label"]),
        record["split"],
        int(record["width"]),
        int(record["height"]),
        int(record["bytes"]),
        record["sha256"],
        record["pixel_hash"],
        record["perceptual_hash"],
        tuple(record["flags"].split(FLAG_SEPARATOR)) if record["flags"] else (),
        record.get("group") or "",  # older tables have none
    )
    place = IMAGE_PATH.fullmatch(row.path)
    whole = (
        place is not None
        and place[2] == row.sha256
        and _HASH.fullmatch(row.pixel_hash)
        and _HASH.fullmatch(row.perceptual_hash)
        and row.split in SPLITS
        and 0 <= row.label < classes
    )
    if not whole:
        raise ValueError(f"row {index}")
    return row
