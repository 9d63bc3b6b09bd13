"""Files that Pillow refuses although their picture is there: JPEGs without their end or with stray bytes, PNGs with a
lot of text or damaged extras.
"""

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
# what a server's script writes before a picture: empty lines, zeros, the mark of a UTF-8 text
_BEFORE = re.compile(rb"[\s\x00\xef\xbb\xbf]{1,64}(?=\xff\xd8\xff|\x89PNG\r\n)")
_UNNEEDED = (b"gAMA", b"cHRM", b"pHYs", b"tIME", b"bKGD", b"hIST", b"sPLT", b"sBIT")  # chunks of a PNG
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}


@dataclass(frozen=True)
class Salvaged:
    """A file from which the picture can be read, and what was done to it."""

    raw: bytes
    note: str


def salvage(raw: bytes) -> Salvaged | None:
    """A readable form of a file that was refused; None where nothing is known that helps.

    A JPEG that is returned may still lack rows: `is_cut` looks at the decoded picture.
    """
    whole = raw[found.end() :] if (found := _BEFORE.match(raw)) else raw
    if whole.startswith(b"\xff\xd8"):
        kept = _without_strays(whole)
        note = "the end of the file is missing" if len(kept) == len(raw) else "stray bytes in the file ignored"
        return Salvaged(kept + END_OF_JPEG, note) if _has_all_scans(kept) else None
    if whole.startswith(b"\x89PNG"):
        less = _without_extras(whole)
        return less or (Salvaged(whole, "stray bytes in the file ignored") if found else None)
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


def _without_strays(raw: bytes) -> bytes:
    """A JPEG without what stands between its segments, up to its first scan."""
    kept, place = [raw[:2]], 2
    for _ in range(MAX_PARTS):
        found = _NEXT_MARKER.search(raw, place)
        if found is None or found.end() + 2 > len(raw):
            break
        place = found.start()
        if raw[place + 1] == 0xDA:
            break
        alone = raw[place + 1] in (0x01, 0xD8, 0xD9)
        end = found.end() + (0 if alone else int.from_bytes(raw[found.end() : found.end() + 2], "big"))
        kept.append(raw[place:end])
        place = end
    return b"".join([*kept, raw[place:]])


def _without_extras(raw: bytes) -> Salvaged | None:
    """A PNG without its texts, a too large colour profile, and damaged chunks that its pixels do not need."""
    kept, place, texts, damaged = [raw[:8]], 8, False, False
    for _ in range(MAX_PARTS):
        if place + 12 > len(raw):
            break
        size, kind = int.from_bytes(raw[place : place + 4], "big"), raw[place + 4 : place + 8]
        chunk = raw[place : place + 12 + size]
        place += 12 + size
        if kind[:1].islower() and (kind in _UNNEEDED or zlib.crc32(chunk[4:-4]).to_bytes(4, "big") != chunk[-4:]):
            damaged = True
        elif kind in (b"tEXt", b"zTXt", b"iTXt") or (kind == b"iCCP" and _is_too_large(chunk[8:-4])):
            texts = True
        else:
            kept.append(chunk)
    if not texts and not damaged:
        return None
    note = "more than 1 MB of text in the file ignored" if texts else "damaged extras in the file ignored"
    return Salvaged(b"".join([*kept, raw[place:]]), note)


def _is_too_large(profile: bytes) -> bool:
    packed = profile[profile.find(b"\x00") + 2 :]
    try:
        return len(zlib.decompressobj().decompress(packed, TEXT_BYTES + 1)) > TEXT_BYTES
    except zlib.error:
        return True
