"""Pictures that move: how many frames a file has, and which of them is the picture."""

import contextlib

import numpy as np
from PIL import Image

COUNTED_GIF_BYTES = 8 * 2**20
COUNTED_TIFF_FRAMES = 1000
SEARCHED_FRAMES = 50
SEARCHED_PIXELS = 128_000_000  # of all frames that are looked at
BLANK_SPREAD = 8  # of 255: between the darkest and the brightest pixel of a channel
STRAY_SHARE = 0.002  # of the pixels at either end of a channel, which do not count: specks of compression
_ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")


def count_frames(image: Image.Image, kind: str, file_bytes: int) -> int | None:
    """How many frames there are; None for too many to count.

    GIF and TIFF store no number: a hostile file of a million frames would keep the reader busy, with TIFF for hours.
    """
    if kind not in (*_ANIMATED, "TIFF"):
        return 1
    if kind == "GIF" and file_bytes > COUNTED_GIF_BYTES:
        return None if getattr(image, "is_animated", False) else 1
    if kind != "TIFF":
        return int(getattr(image, "n_frames", 1))
    count = 1
    with contextlib.suppress(EOFError):
        while count < COUNTED_TIFF_FRAMES:
            image.seek(count)
            count += 1
    image.seek(0)
    return count if count < COUNTED_TIFF_FRAMES else None


def seek_content(image: Image.Image, kind: str) -> int:
    """Go to the first frame of an animation that is not of one colour; returns its number, from 0.

    Where all that are looked at are blank, it is the first.
    """
    if kind not in _ANIMATED:
        return 0
    for number in range(min(SEARCHED_FRAMES, 1 + SEARCHED_PIXELS // (image.width * image.height))):
        try:
            image.seek(number)
            if not _is_blank(image):
                return number
        except EOFError:
            break
        except Exception:
            if number == 0:
                raise
            break  # a damaged later frame must not cost the first
    image.seek(0)
    return 0


def _is_blank(image: Image.Image) -> bool:
    *colours, alpha = image.convert("RGBA").split()
    if alpha.getextrema() == (0, 0):
        return True
    counts = np.array([channel.histogram() for channel in colours]).cumsum(axis=1)
    stray = int(STRAY_SHARE * counts[0, -1])
    darkest, brightest = (counts > stray).argmax(axis=1), (counts >= counts[:, -1:] - stray).argmax(axis=1)
    return bool((brightest - darkest).max() <= BLANK_SPREAD)
