"""The pixel store: every image of a dataset decoded and resized once, for all epochs, runs and sessions.

One `.npy` of (N, size, size, 3) uint8 per dataset fingerprint and size under `cache/pixels`. Its order
is that of the images' pixel hashes, so that equal datasets imported under other names share it. Imports no torch.
"""

import re
import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from core.config.events import Progress
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset, ImageRow
from core.datasets.pictures.decoder import TOO_HIGH, TOO_WIDE, Limits, decode
from core.datasets.pictures.resizing import fit_square
from core.errors import DatasetError, ImageError
from core.settings import Settings
from core.steps import StopSignal
from core.storage import atomic_open, write_json
from core.stores.array_cache import ArrayFile, find_or_write, make_room, note_path, noted_seconds, open_array
from core.stores.measurements import Measurements
from models.catalog import Preprocessing

FORMAT = 2  # of the store's files; that of the pixels is `Preprocessing.version`
# of a store: the dataset, the size, the interpolation; then, unless they are of version 1, fit, crop and version
STORE_STEM = re.compile(rf"(?P<dataset>[^-]+)-(?P<size>\d{{1,6}})-[a-z]+-{FORMAT}(-[a-z]+-\d{{1,6}}-v\d{{1,6}})?")
DECODE_MS = 1.0, 7.0  # on one thread: of an image, of a megapixel
SPARE = 4  # a JPEG may be decoded smaller where that leaves so many times the size
DECODING = {"what": "decoding"}

Pixels = npt.NDArray[np.uint8]


class PictureFiles:
    """The pictures of a dataset, decoded at each look: for those that are looked at once.

    Attributes:
        rows: in the order of a store, that of their pixel hashes.
    """

    def __init__(self, settings: Settings, dataset: Dataset, preprocessing: Preprocessing) -> None:
        self.dataset = dataset
        self.rows = sorted(dataset.rows, key=lambda row: row.pixel_hash)
        self.limits = Limits.from_settings(settings)
        self.preprocessing = replace(preprocessing, greys=dataset.greys)
        self._threads = settings.threads

    def positions(self) -> npt.NDArray[np.int64]:
        """(N,): where each picture of the dataset stands in `rows`."""
        positions = np.empty(len(self.rows), dtype=np.int64)
        for position, row in enumerate(self.rows):
            positions[row.index] = position
        return positions

    def decode(self, row: ImageRow) -> Pixels:
        """One picture: (size, size, 3).

        Raises:
            DatasetError: names the picture, if it is missing, changed, or can no longer be read.
        """
        return decode_file(self.dataset.read_image(row), row.name, self.dataset.id, self.limits, self.preprocessing)

    def take(self, places: npt.NDArray[np.int64]) -> Pixels:
        """The pictures at these places of `rows`: (B, size, size, 3)."""
        with ThreadPoolExecutor(self._threads) as pool:
            return np.stack(list(pool.map(self.decode, [self.rows[place] for place in places])))


class Elsewhere(Protocol):
    """Other machines that evaluate frozen parts.

    Attributes:
        device: that they compute with, as torch names its type.
    """

    device: str

    def outputs(
        self,
        prefix: Any,
        store: "PixelStore",
        ordered: npt.NDArray[np.int64],
        views: Any,
        augmentation: Any,
        signal: StopSignal,
    ) -> Iterator[npt.NDArray[Any]]:
        """What a frozen part gives for these images of the dataset, in their order, some at a time.

        Args:
            prefix, views, augmentation: of `core.stores.activations`, which imports this file and torch.
        """


@dataclass(frozen=True)
class PixelStore:
    """Decoded images of one dataset.

    Attributes:
        pixels: (N, size, size, 3) uint8, RGB, on disk; or the files, where nothing but a look at some is needed.
        positions: (N,) int64; `positions[row.index]` is the image's place in `pixels`.
        name: of the file: content and preprocessing.
        seconds: that it took to decode them, whoever did; None where that was not noted.
        reused: whether they were there already.
        files: that the pixels came from.
        elsewhere: what evaluates frozen parts, if not this process.
    """

    pixels: ArrayFile | PictureFiles
    positions: npt.NDArray[np.int64]
    name: str
    seconds: float | None = None
    reused: bool = False
    files: PictureFiles | None = None
    elsewhere: Elsewhere | None = None

    def take(self, indices: npt.NDArray[np.int64]) -> Pixels:
        """The images with these dataset indices, as a copy: (B, size, size, 3) uint8."""
        return self.pixels.take(self.positions[indices])


def read_square(
    data: bytes | Path, name: str, limits: Limits, preprocessing: Preprocessing
) -> tuple[Pixels, tuple[str, ...]]:
    """The one path from a file to pixels, for training and for prediction: (size, size, 3) uint8, and what was changed.

    Raises:
        ImageError: if the file cannot be used.
    """
    # a JPEG that is decoded smaller is not quite the picture resized (docs/decisions/0026)
    spare = 1 if preprocessing.version == 1 else SPARE
    decoded = decode(
        data,
        limits,
        name,
        at_least_px=spare * preprocessing.resize_px,
        greys=preprocessing.greys,
        version=preprocessing.version,
    )
    notes = decoded.notes
    if preprocessing.fit != "crop":
        notes = tuple(note for note in notes if note not in (TOO_WIDE, TOO_HIGH))
    return fit_square(decoded.image, preprocessing, decoded.box), notes


def square_pixels(data: bytes | Path, name: str, limits: Limits, preprocessing: Preprocessing) -> Pixels:
    """The pixels of `read_square`."""
    return read_square(data, name, limits, preprocessing)[0]


def decode_file(data: bytes, name: str, dataset_id: str, limits: Limits, preprocessing: Preprocessing) -> Pixels:
    """The pixels of a dataset's picture: (size, size, 3) uint8.

    Raises:
        DatasetError: names the picture, if it cannot be read.
    """
    try:
        return square_pixels(data, name, limits, preprocessing)
    except ImageError as error:
        raise DatasetError(f"Dataset {dataset_id}: {error}") from error


def preprocessing_of(config: TrainConfig, dataset: Dataset) -> Preprocessing:
    """The preprocessing with which a new run of this configuration is trained."""
    return replace(config.entry().preprocessing, greys=dataset.greys)


def store_path(settings: Settings, dataset: Dataset, preprocessing: Preprocessing) -> Path:
    """Where the store of a dataset lies for this preprocessing, built or not."""
    parts = [dataset.fingerprint[:24], preprocessing.resize_px, preprocessing.interpolation, FORMAT]
    if preprocessing.version > 1:
        # where the square lies may depend on its crop by a pixel
        parts += [preprocessing.fit, preprocessing.crop_px, f"v{preprocessing.version}"]
    return settings.cache_dir / "pixels" / ("-".join(map(str, parts)) + ".npy")


def open_store(
    settings: Settings, dataset: Dataset, preprocessing: Preprocessing, signal: StopSignal
) -> Generator[Progress, None, PixelStore]:
    """Find or build the store.

    Raises:
        DatasetError: names the image of the dataset that is missing, changed, or can no longer be read.
    """
    files = PictureFiles(settings, dataset, preprocessing)
    size_px = preprocessing.resize_px
    shape = (len(files.rows), size_px, size_px, 3)
    path = store_path(settings, dataset, preprocessing)
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = Progress("preparing", "Another run is reading the same pictures", 0, len(files.rows), None)
    read = partial(_open, path, shape)
    write = partial(_build, settings, files, path, shape, signal)
    pixels, reused = yield from find_or_write(path, read, write, waiting, signal)
    return PixelStore(pixels, files.positions(), path.stem, noted_seconds(path), reused, files)


def open_files(settings: Settings, dataset: Dataset, preprocessing: Preprocessing) -> PixelStore:
    """A store that decodes at each look: for a training that never sees most of the pixels itself."""
    files = PictureFiles(settings, dataset, preprocessing)
    return PixelStore(files, files.positions(), store_path(settings, dataset, preprocessing).stem, files=files)


def _open(path: Path, shape: tuple[int, ...]) -> ArrayFile | None:
    """The store at `path`, or None where it is missing or damaged."""
    pixels = open_array(path)
    if pixels is None:
        return None
    return pixels if pixels.shape == shape and pixels.dtype == np.uint8 else None


def _build(
    settings: Settings, files: PictureFiles, path: Path, shape: tuple[int, ...], signal: StopSignal
) -> Iterator[Progress]:
    rows = files.rows
    make_room(settings, int(np.prod(shape)), keep=path)
    started = last = time.monotonic()
    chunk = 4 * settings.threads
    with ThreadPoolExecutor(settings.threads) as pool, atomic_open(path) as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for first in range(0, len(rows), chunk):
            signal.check()
            for pixels in pool.map(files.decode, rows[first : first + chunk]):
                file.write(pixels.tobytes())
            done = min(first + chunk, len(rows))
            now = time.monotonic()
            if now - last > 0.2 or done == len(rows):
                last = now
                eta = (now - started) / done * (len(rows) - done)
                yield Progress("preparing", "Reading pictures", done, len(rows), eta)
    seconds = time.monotonic() - started
    with suppress(OSError):  # the images are there: they are of use without it
        write_json(note_path(path), {"seconds": round(seconds, 3)})
    machine = {"threads": settings.threads}
    Measurements(settings).keep(DECODING, machine, {"share": seconds / decode_seconds(settings, rows)})


def decode_seconds(settings: Settings, rows: Iterable[ImageRow]) -> float:
    """A guess at the seconds that decoding takes; `Measurements` of `DECODING` hold the factor by which it is wrong."""
    fixed, a_megapixel = DECODE_MS
    return sum(fixed + a_megapixel * row.width * row.height / 1e6 for row in rows) / 1000 / settings.threads
