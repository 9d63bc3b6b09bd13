"""Files that Pillow refuses although their picture is there: JPEGs without their end, PNGs with a lot of text."""

import re
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

END_OF_JPEG = b"\xff\xd9"
BLOCK_PX = 8
MISSING_SHARE = 0.05  # of a picture
MISSING_BLOCKS = 16  # of a small one, but not more than a quarter of it
MAX_PARTS = 100_000  # chunks of a PNG, segments of a JPEG
TEXT_BYTES = 2**20  # more in one chunk, decompressed, is what Pillow refuses
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}


@dataclass(frozen=True)
class Salvaged:
    """A file in which the picture can be read, and what was done to it."""

    raw: bytes
    note: str


def salvage(raw: bytes) -> Salvaged | None:
    """A readable form of a file that was refused; None where nothing is known that helps.

    A JPEG that is returned may still lack rows: `is_cut` looks at the decoded picture.
    """
    if raw.startswith(b"\xff\xd8"):
        return Salvaged(raw + END_OF_JPEG, "the end of the file is missing") if _has_all_scans(raw) else None
    if raw.startswith(b"\x89PNG"):
        less = _without_text(raw)
        return Salvaged(less, "more than 1 MB of text in the file ignored") if less is not None else None
    return None


def is_cut(image: Image.Image) -> bool:
    """Whether more than the end of a salvaged JPEG is missing: the blocks that did not come are mid-grey.

    Args:
        image: as decoded, before any conversion.
    """
    width, height = image.size
    allowed = max(MISSING_SHARE * width * height, min(MISSING_BLOCKS * BLOCK_PX**2, width * height / 4))
    missing = 0
    for bottom in range(height, 0, -BLOCK_PX):
        band = np.asarray(image.crop((0, max(0, bottom - BLOCK_PX), width, bottom)))
        grey = ((band == 127) | (band == 128)).reshape(len(band), width, -1).all(axis=(0, 2))
        at_the_right = width if grey.all() else int(grey[::-1].argmin())
        missing += at_the_right * len(band)
        if missing > allowed:
            return True
        if at_the_right < BLOCK_PX:
            return False
    return True


def _has_all_scans(raw: bytes) -> bool:
    """Whether all scans of a JPEG have begun: a progressive one that is cut in half has every row, but blurred."""
    left: dict[int, set[int]] = {}  # component -> coefficients whose last bit has not come
    place = 2
    for _ in range(MAX_PARTS):
        found = _NEXT_MARKER.search(raw, place)
        if found is None or found.end() + 2 > len(raw):
            break
        marker, start = raw[found.start() + 1], found.end()
        if marker in (0x01, 0xD8, 0xD9):
            place = start
            continue
        body = raw[start + 2 : start + int.from_bytes(raw[start : start + 2], "big")]
        place = start + 2 + len(body)
        try:
            if marker in _FRAMES:
                left = {body[6 + 3 * number]: set(range(64)) for number in range(body[5])}
            elif marker == 0xDA:
                components = body[1 : 1 + 2 * body[0] : 2]
                first, last, bits = body[1 + 2 * body[0] : 4 + 2 * body[0]]
                if bits & 15 == 0:
                    for component in components:
                        left[component].difference_update(range(first, last + 1))
        except (IndexError, KeyError, ValueError):
            return False
    return bool(left) and not any(left.values())


def _without_text(raw: bytes) -> bytes | None:
    """A PNG without its texts and too large colour profile; None where it has none."""
    kept, place, dropped = [raw[:8]], 8, False
    for _ in range(MAX_PARTS):
        if place + 12 > len(raw):
            break
        size, kind = int.from_bytes(raw[place : place + 4], "big"), raw[place + 4 : place + 8]
        chunk = raw[place : place + 12 + size]
        place += 12 + size
        if kind in (b"tEXt", b"zTXt", b"iTXt") or (kind == b"iCCP" and _is_too_large(chunk[8:-4])):
            dropped = True
            continue
        kept.append(chunk)
    return b"".join([*kept, raw[place:]]) if dropped else None


def _is_too_large(profile: bytes) -> bool:
    packed = profile[profile.find(b"\x00") + 2 :]
    try:
        return len(zlib.decompressobj().decompress(packed, TEXT_BYTES + 1)) > TEXT_BYTES
    except zlib.error:
        return True
