"""Whether a dataset is whole: its files, its table, every picture by its hash, every thumbnail by decoding it."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from PIL import Image

from core.datasets.dataset import Dataset, ImageRow, ImportReport, load_dataset, thumbnail_of
from core.datasets.decoder import Limits, decode
from core.errors import DatasetError, ImageError
from core.maintenance.data_root import RoomFolder, check_strangers, irregular, is_there, reason
from core.maintenance.file_reading import is_file, is_folder, listed, read_object, sha256_of
from core.maintenance.findings import Damage, Finding, Kind, Mending
from core.maintenance.path_names import DATASET_FILES

MAX_FINDINGS = 20  # of pictures of one dataset: the rest is counted
PIECE = 32  # pictures for one thread at a time
LARGEST_THUMBNAIL_PX = 1024


def check_dataset(room: RoomFolder, folder: Path, *, hostile: bool = False) -> Iterator[Finding]:
    """Look at everything in a dataset's folder.

    Args:
        hostile: it was made elsewhere: decode every picture, too, under the limits of an import.
    """
    found = list(_look(room, folder, hostile=hostile))
    if is_there(folder):  # else it was deleted meanwhile
        yield from found


def _look(room: RoomFolder, folder: Path, *, hostile: bool) -> Iterator[Finding]:
    name = room.name(folder)
    yield from check_strangers(room, folder, {*DATASET_FILES, "images", "thumbs"})
    if irregular(folder, set(DATASET_FILES)):
        return
    try:
        dataset, report = read_dataset(room, folder)
    except Damage as error:
        file, _, text = str(error).partition(" ")
        yield Finding(
            Kind.DAMAGED,
            f"{name}/{file}",
            f"This file of the dataset {folder.name} {text}: import the dataset again.",
            Mending.SET_ASIDE,
            name,
        )
        return
    there = set(_images_in(folder))
    problems = list(_check_images(room, dataset, there, hostile=hostile))
    yield from problems[:MAX_FINDINGS]
    if len(problems) > MAX_FINDINGS:
        further = problems[MAX_FINDINGS:]
        worst = next((item for item in further if item.mending is Mending.SET_ASIDE), further[0])
        mending = Mending.SET_ASIDE if worst.mending is Mending.SET_ASIDE else Mending.NOTHING
        text = f"{len(further)} more pictures and thumbnails of the dataset {folder.name} are damaged."
        yield Finding(Kind.DAMAGED, f"{name}/images", text, mending, name)
    own = {row.path for row in dataset.rows} | {thumbnail_of(row.sha256) for row in dataset.rows}
    aside = {thumbnail for group in report.contradictory for _, _, thumbnail in group}
    for place in sorted(aside - own):
        try:
            _check_thumbnail(room, folder / place)
        except (Damage, OSError) as error:
            text = f"This thumbnail of a contradictory picture {reason(error)}: only a new import makes it again."
            yield Finding(Kind.DAMAGED, f"{name}/{place}", text)
    for place in sorted(there - own - aside):
        text = f"The table of the dataset {folder.name} does not know this file."
        yield Finding(Kind.ORPHANED, f"{name}/{place}", text, Mending.SET_ASIDE)


def read_dataset(room: RoomFolder, folder: Path) -> tuple[Dataset, ImportReport]:
    """A dataset and its report, with every check that needs no picture.

    Raises:
        Damage: the file's name and what is wrong with it.
    """
    try:
        for file in ("dataset.json", "report.json"):
            read_object(folder / file, room.meter)
        file = "pictures.csv"
        room.meter.add((folder / file).stat().st_size)
        dataset = load_dataset(folder)
        file = "report.json"
        report = dataset.report()
    except (Damage, OSError) as error:
        raise Damage(f"{file} {reason(error)}") from error
    except (DatasetError, OverflowError) as error:
        named = next((item for item in ("dataset.json", "pictures.csv") if item in str(error)), file)
        raise Damage(f"{named} is damaged") from error
    if any(row.path[10:74] != row.sha256 or row.path[7:9] != row.sha256[:2] for row in dataset.rows):
        raise Damage("pictures.csv names pictures by wrong hashes")
    if len({row.path for row in dataset.rows}) != len(dataset.rows):
        raise Damage("pictures.csv names a picture twice")
    if len(set(dataset.classes)) != len(dataset.classes) or _fingerprint(dataset) != dataset.fingerprint:
        raise Damage("dataset.json has a fingerprint that does not fit the table of pictures")
    return dataset, report


def _fingerprint(dataset: Dataset) -> str:
    """As `selection.fingerprint_of`, which knows pictures before they have rows."""
    lines = sorted(json.dumps([row.pixel_hash, dataset.classes[row.label], row.split]) for row in dataset.rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _images_in(folder: Path) -> Iterator[str]:
    """Everything below `images` and `thumbs`: files, and what should not be there."""
    for top in ("images", "thumbs"):
        for entry in listed(folder / top):
            if entry.is_dir(follow_symlinks=False):
                yield from (f"{top}/{entry.name}/{file.name}" for file in listed(Path(entry.path)))
            else:
                yield f"{top}/{entry.name}"


def _check_images(room: RoomFolder, dataset: Dataset, there: set[str], *, hostile: bool) -> Iterator[Finding]:
    limits = Limits.from_settings(room.settings)
    rows = dataset.rows
    pieces = [rows[first : first + PIECE] for first in range(0, len(rows), PIECE)]

    def look(piece: tuple[ImageRow, ...]) -> list[Finding]:
        return [
            found for row in piece for found in _check_image(room, dataset, row, there, limits if hostile else None)
        ]

    with ThreadPoolExecutor(room.settings.threads) as pool:
        yield from chain.from_iterable(pool.map(look, pieces))


def _check_image(
    room: RoomFolder, dataset: Dataset, row: ImageRow, there: set[str], limits: Limits | None
) -> Iterator[Finding]:
    name = room.name(dataset.folder)
    try:
        if row.path not in there:
            raise FileNotFoundError
        path = dataset.image_path(row)
        if not is_file(path):
            raise Damage("is not a file")
        if path.stat().st_size != row.bytes or sha256_of(path, room.meter) != row.sha256:
            raise Damage("is not what was imported")
        if limits is not None:
            _decode(path, row, limits)
    except (Damage, OSError) as error:
        text = f"This picture of the dataset {dataset.id} {reason(error)}: import the dataset again."
        yield Finding(Kind.DAMAGED, f"{name}/{row.path}", text, Mending.SET_ASIDE, name)
        return
    place = thumbnail_of(row.sha256)
    try:
        if place not in there:
            raise FileNotFoundError
        _check_thumbnail(room, dataset.folder / place)
    except (Damage, OSError) as error:
        yield Finding(Kind.DAMAGED, f"{name}/{place}", f"This thumbnail {reason(error)}.", Mending.REDRAW)


def _decode(path: Path, row: ImageRow, limits: Limits) -> None:
    try:
        picture = decode(path, limits, row.name)
    except ImageError as error:
        raise Damage("cannot be used as a picture") from error
    if (picture.width_px, picture.height_px) != (row.width, row.height):
        raise Damage("has another size than the table says")


def _check_thumbnail(room: RoomFolder, path: Path) -> None:
    """Decode a thumbnail in an eighth of its size: all its data is read, little is computed.

    Raises:
        Damage: it cannot be decoded.
        OSError: it cannot be read.
    """
    if not is_file(path):
        raise FileNotFoundError if not is_folder(path) else Damage("is not a file")
    room.meter.add(path.stat().st_size)
    with path.open("rb") as file:
        try:
            with Image.open(file, formats=("JPEG",)) as image:
                if max(image.size) > LARGEST_THUMBNAIL_PX:
                    raise Damage("is far too large")
                image.draft("RGB", (1, 1))
                image.load()
        except Damage:
            raise
        except Exception as error:  # decoders raise many kinds for damaged data
            raise Damage("is damaged") from error
