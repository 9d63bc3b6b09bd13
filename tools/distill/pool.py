"""The pictures of a distillation, decoded once: squares of one size in memory. No labels, no torch."""

import hashlib
import random
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.datasets.pictures.decoder import Limits, decode
from core.datasets.pictures.resizing import fit_square
from core.errors import DatasetError, ImageError
from models.entry import Preprocessing

SIDE_PX = 192
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
CHUNK = 256  # pictures between two reports


@dataclass(frozen=True)
class Images:
    """Decoded pictures.

    Attributes:
        pixels: (N, SIDE_PX, SIDE_PX, 3) uint8; the largest centred square of each picture.
        fingerprint: hash of the pixels.
        unreadable: one sentence for each file that could not be decoded.
    """

    pixels: NDArray[np.uint8]
    fingerprint: str
    unreadable: tuple[str, ...]


def read_images(folder: Path, limits: Limits, seed: int) -> Generator[tuple[int, int], None, Images]:
    """Decode every picture below a folder, in an order that only names and seed decide.

    Yields:
        Files done, and files in total.
    Raises:
        DatasetError: the folder is missing, or holds no readable picture.
    """
    if not folder.is_dir():
        raise DatasetError(f"The folder of pictures {folder} is missing: name another with --pictures.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    random.Random(seed).shuffle(files)
    read = partial(_read_square, limits)
    squares: list[NDArray[np.uint8]] = []
    unreadable: list[str] = []
    with ThreadPoolExecutor() as threads:
        for start in range(0, len(files), CHUNK):
            for result in threads.map(read, files[start : start + CHUNK]):
                if isinstance(result, str):
                    unreadable.append(result)
                else:
                    squares.append(result)
            yield min(start + CHUNK, len(files)), len(files)
    if not squares:
        raise DatasetError(f"The folder {folder} holds no readable picture: name another with --pictures.")
    pixels = np.stack(squares)
    return Images(pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), tuple(unreadable))


def _read_square(limits: Limits, path: Path) -> NDArray[np.uint8] | str:
    try:
        return fit_square(decode(path, limits, path.name, at_least_px=SIDE_PX).image, Preprocessing(SIDE_PX, SIDE_PX))
    except ImageError as error:
        return str(error)
