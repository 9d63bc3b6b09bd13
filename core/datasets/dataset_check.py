"""Whether a dataset on disk is whole: its files, its table, every image by its hash, every thumbnail by decoding it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from PIL import Image

from core.datasets.dataset import (
    FILES,
    SOME_HAVE,
    Dataset,
    ImageRow,
    ImportReport,
    load_dataset,
    thumbnail_of,
)
from core.datasets.pictures.decoder import Limits, decode, write_thumbnail
from core.datasets.splits import fingerprint
from core.errors import DatasetError, ImageError
from core.settings import Settings
from core.storage import atomic_open
from core.verification import (
    SET_ASIDE,
    Count,
    Damage,
    Kind,
    Problem,
    Repair,
    ignore,
    irregular,
    is_file,
    is_folder,
    listed,
    read_object,
    reason,
    sha256_of,
    verify_names,
)
from models.entry import GreyRanges

MAX_PROBLEMS = 20  # of images of one dataset: the rest is counted
PIECE_IMAGES = 32  # for one thread at a time
MAX_THUMBNAIL_PX = 1024


def verify_dataset(
    settings: Settings, folder: Path, count: Count = ignore, *, hostile: bool = False
) -> Iterator[Problem]:
    """Look at everything in a dataset's folder.

    Args:
        hostile: it was made elsewhere: decode every image, too, under the limits of an import.
    """
    yield from verify_names(folder, {*FILES, *SOME_HAVE, "images", "thumbs"}, count)
    if irregular(folder, {*FILES, *SOME_HAVE}):
        return
    try:
        dataset, report = _read(folder, count)
    except Damage as error:
        file, _, text = str(error).partition(" ")
        text = f"This file of the dataset {folder.name} {text}: import the dataset again."
        yield Problem(Kind.DAMAGED, folder / file, text, SET_ASIDE, folder)
        return
    there = set(_files_in(folder))
    problems = list(_verify_images(settings, dataset, there, count, hostile=hostile))
    yield from problems[:MAX_PROBLEMS]
    if further := problems[MAX_PROBLEMS:]:
        text = f"{len(further)} more pictures and thumbnails of the dataset {folder.name} are damaged."
        repair = SET_ASIDE if any(item.repair is SET_ASIDE for item in further) else None
        yield Problem(Kind.DAMAGED, folder / "images", text, repair, folder)
    own = {row.path for row in dataset.rows} | {thumbnail_of(row.sha256) for row in dataset.rows}
    excluded = {thumbnail for group in report.contradictory for _, _, thumbnail in group}
    for place in sorted(excluded - own):
        try:
            _verify_thumbnail(folder / place, count)
        except (Damage, OSError) as error:
            text = f"This thumbnail of a contradictory picture {reason(error)}: only a new import makes it again."
            yield Problem(Kind.DAMAGED, folder / place, text)
    for place in sorted(there - own - excluded):
        text = f"This file is not in the table of the dataset {folder.name}."
        yield Problem(Kind.ORPHANED, folder / place, text, SET_ASIDE)


def _read(folder: Path, count: Count) -> tuple[Dataset, ImportReport]:
    """A dataset and its report, with every check that needs no image.

    Raises:
        Damage: the file's name and what is wrong with it.
    """
    try:
        for file in ("dataset.json", "report.json"):
            read_object(folder / file, count)
        file = "pictures.csv"
        count((folder / file).stat().st_size)
        dataset = load_dataset(folder)
        file = "report.json"
        report = dataset.report()
    except (Damage, OSError) as error:
        raise Damage(f"{file} {reason(error)}") from error
    except DatasetError as error:
        named = next((item for item in ("dataset.json", "pictures.csv") if item in str(error)), file)
        raise Damage(f"{named} is damaged") from error
    if len({row.path for row in dataset.rows}) != len(dataset.rows):
        raise Damage("pictures.csv names a picture twice")
    found = fingerprint((row.pixel_hash, dataset.classes[row.label], row.split) for row in dataset.rows)
    if len(set(dataset.classes)) != len(dataset.classes) or found != dataset.fingerprint:
        raise Damage("dataset.json has a fingerprint that does not fit the table of pictures")
    return dataset, report


def _files_in(folder: Path) -> Iterator[str]:
    """Everything below `images` and `thumbs`: files, and what should not be there."""
    for top in ("images", "thumbs"):
        for entry in listed(folder / top):
            if entry.is_dir(follow_symlinks=False):
                yield from (f"{top}/{entry.name}/{file.name}" for file in listed(Path(entry.path)))
            else:
                yield f"{top}/{entry.name}"


def _verify_images(
    settings: Settings, dataset: Dataset, there: set[str], count: Count, *, hostile: bool
) -> Iterator[Problem]:
    limits = Limits.from_settings(settings)
    rows = dataset.rows

    def look(piece: tuple[ImageRow, ...]) -> list[Problem]:
        return [
            problem for row in piece for problem in _verify_image(dataset, row, there, limits, count, hostile=hostile)
        ]

    with ThreadPoolExecutor(settings.threads) as pool:
        pieces = (rows[first : first + PIECE_IMAGES] for first in range(0, len(rows), PIECE_IMAGES))
        yield from chain.from_iterable(pool.map(look, pieces))


def _verify_image(
    dataset: Dataset, row: ImageRow, there: set[str], limits: Limits, count: Count, *, hostile: bool
) -> Iterator[Problem]:
    path, small = dataset.image_path(row), dataset.thumbnail_path(row)
    try:
        if row.path not in there:
            raise FileNotFoundError
        if not is_file(path):
            raise Damage("is not a file")
        if path.stat().st_size != row.bytes or sha256_of(path, count) != row.sha256:
            raise Damage("is not what was imported")
        if hostile:
            _decode(path, row, limits)
    except (Damage, OSError) as error:
        text = f"This picture of the dataset {dataset.id} {reason(error)}: import the dataset again."
        yield Problem(Kind.DAMAGED, path, text, SET_ASIDE, dataset.folder)
        return
    try:
        if thumbnail_of(row.sha256) not in there:
            raise FileNotFoundError
        _verify_thumbnail(small, count)
    except (Damage, OSError) as error:
        redraw = Repair(
            "draws it again from its picture",
            "move" if irregular(small.parent, {small.name}) else None,
            partial(_redraw, image=path, limits=limits, greys=dataset.greys),
        )
        yield Problem(Kind.DAMAGED, small, f"This thumbnail {reason(error)}.", redraw)


def _decode(path: Path, row: ImageRow, limits: Limits) -> None:
    try:
        found = decode(path, limits, row.name)
    except ImageError as error:
        raise Damage("cannot be used as a picture") from error
    if (found.width_px, found.height_px) != (row.width, row.height):
        raise Damage("has another size than the table says")


def _verify_thumbnail(path: Path, count: Count) -> None:
    """Decode a thumbnail in an eighth of its size: all its data is read, little is computed.

    Raises:
        Damage: it cannot be decoded.
        OSError: it cannot be read.
    """
    if not is_file(path):
        raise FileNotFoundError if not is_folder(path) else Damage("is not a file")
    count(path.stat().st_size)
    with path.open("rb") as file:
        try:
            with Image.open(file, formats=("JPEG",)) as image:
                if max(image.size) > MAX_THUMBNAIL_PX:
                    raise Damage("is far too large")
                image.draft("RGB", (1, 1))
                image.load()
        except Damage:
            raise
        except Exception as error:  # decoders raise many kinds for damaged data
            raise Damage("is damaged") from error


def _redraw(path: Path, *, image: Path, limits: Limits, greys: GreyRanges) -> None:
    """Draw a thumbnail from its image."""
    found = decode(image, limits, image.name, greys=greys).image
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(path) as file:
        write_thumbnail(found, cast("BinaryIO", file))
