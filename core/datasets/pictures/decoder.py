"""The one place where pictures are decoded: for import, training and prediction alike.

A picture is read fully (`load()`, since `verify()` passes a half-cut JPEG), under limits that are checked before any
pixel is decoded, turned upright (EXIF) and brought to RGB. What was changed is noted in plain words.
"""

import hashlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from core.datasets.pictures.decoding_guards import GATE, QUIET
from core.datasets.pictures.frames import count_frames, seek_content
from core.datasets.pictures.orientation import Box, read_orientation, turn_box, with_orientation
from core.datasets.pictures.picture_formats import (
    SUFFIX_FORMATS,
    describe_foreign,
    describe_raw,
    is_raw,
    readers_for,
    suffix_of,
)
from core.datasets.pictures.rgb_conversion import bands, grey_range, to_rgb
from core.datasets.pictures.salvage import Salvaged, is_cut, salvage
from core.errors import ImageError
from core.formatting import format_limit
from core.settings import Settings
from models.entry import OWN_RANGES, GreyRanges, Preprocessing

VERSION = Preprocessing.version  # of the rules below, for pictures that no run was trained on yet
PLAIN_BYTES = 4 * 2**20  # of a PPM whose numbers are written as text: Python reads it
WIDE = 2  # times as wide as high: more than half of the picture lies outside the centre square
TOO_WIDE = "much wider than high: its sides are cut off"
TOO_HIGH = "much higher than wide: its top and bottom are cut off"
_DNG_VERSION, _SUBFILE_TYPE, _SUB_PICTURES, _PHOTOMETRIC = 50706, 254, 330, 262  # tags of TIFF


@dataclass(frozen=True)
class Limits:
    """What a picture may be."""

    max_pixels: int
    max_bytes: int
    min_side_px: int = 16
    max_aspect: float = 50.0

    @classmethod
    def from_settings(cls, settings: Settings) -> "Limits":
        # beyond this Pillow itself refuses, whatever the settings say
        ceiling = 2 * Image.MAX_IMAGE_PIXELS if Image.MAX_IMAGE_PIXELS else settings.max_pixels
        return cls(min(settings.max_pixels, ceiling), settings.max_image_bytes)


@dataclass(frozen=True)
class DecodedImage:
    """A decoded picture: upright RGB, with what was changed on reading."""

    image: Image.Image
    source_format: str
    width_px: int
    height_px: int
    notes: tuple[str, ...]
    greys: GreyRanges | None = None  # the picture's own range, where it is grey of more than 8 bits
    box: Box | None = None  # of a JPEG decoded smaller: its last pixels reach beyond the edge of the full picture


class _DamagedError(ImageError):
    """The bytes are not what the format wants: what `salvage` may help."""


def decode(
    data: bytes | Path,
    limits: Limits,
    name: str,
    *,
    at_least_px: int | None = None,
    greys: GreyRanges = OWN_RANGES,
    version: int = VERSION,
) -> DecodedImage:
    """Decode a picture fully.

    Args:
        data: the file's bytes, or its path.
        name: what the sentences call it.
        at_least_px: a large JPEG may be decoded smaller, with its short side at least this long.
        greys: of the dataset, for grey of more than 8 bits.
        version: of the preprocessing of a run; 1 reads first frames, own ranges, and no colour profiles.
    Returns:
        the picture, upright and RGB; width and height are those of the full picture.
    Raises:
        ImageError: one sentence that names the picture, why it cannot be used, and a remedy.
    """
    raw = _read(data, limits, name)
    with QUIET.hold():
        try:
            return _decode(raw, limits, name, at_least_px, greys, version)
        except _DamagedError:
            found = salvage(raw)
            if found is None:
                raise
            return _decode(found.raw, limits, name, None, greys, version, found)


def _decode(
    raw: bytes,
    limits: Limits,
    name: str,
    at_least_px: int | None,
    greys: GreyRanges,
    version: int,
    salvaged: Salvaged | None = None,
) -> DecodedImage:
    if is_raw(raw, name):
        raise ImageError(describe_raw(name))
    if len(raw) > PLAIN_BYTES and raw[:2] in (b"P1", b"P2", b"P3"):
        raise ImageError(f"{name} has its pixels written as text, which takes too long to read: save it as PNG.")
    try:
        image = Image.open(BytesIO(raw), formats=readers_for(raw, name))
    except UnidentifiedImageError as error:
        raise _DamagedError(describe_foreign(raw, name)) from error
    except Image.DecompressionBombError as error:
        raise ImageError(_too_large(name, limits)) from error
    except Exception as error:  # a hostile header may raise anything
        raise _DamagedError(f"{name} is damaged and cannot be opened: export or copy it again.") from error
    width, height = image.size
    if width * height > limits.max_pixels:
        raise ImageError(_too_large(name, limits, (width, height)))
    if min(width, height) < limits.min_side_px:
        raise ImageError(
            f"{name} has {width} x {height} pixels: pictures need at least {limits.min_side_px} on each side, "
            "so enlarge it."
        )
    if max(width, height) > limits.max_aspect * min(width, height):
        raise ImageError(f"{name} is a strip of {width} x {height} pixels: crop it to a more usual shape.")
    if image.format == "TIFF" and _is_raw_preview(image):
        raise ImageError(describe_raw(name))
    with GATE.turn(width * height):
        return _convert(image, raw, name, at_least_px, greys, version, salvaged)


def _convert(
    image: Image.Image,
    raw: bytes,
    name: str,
    at_least_px: int | None,
    greys: GreyRanges,
    version: int,
    salvaged: Salvaged | None,
) -> DecodedImage:
    kind = image.format or ""
    width, height = image.size
    notes: list[str] = []
    named = SUFFIX_FORMATS.get(suffix_of(name))
    if named is not None and named != kind and not (named == "JPEG" and kind == "MPO"):
        notes.append(f"named {suffix_of(name)} but is {kind}")
    if salvaged is not None:
        notes.append(salvaged.note)
    try:
        # inside the guard: counting the frames of a damaged file raises as many kinds as decoding it
        frames = count_frames(image, kind, len(raw))
        chosen = seek_content(image, kind) if frames != 1 and version > 1 else 0
        if kind == "MPO":
            notes.append("MPO: the first picture is used")
        elif chosen:
            notes.append(f"blank first frame left out: number {chosen + 1} of {frames or 'many'} frames")
        elif frames != 1:
            notes.append(f"first of {frames or 'many'} frames")
        box: Box | None = None
        if at_least_px is not None and kind == "JPEG" and image.mode in ("L", "RGB"):
            share = at_least_px / min(width, height)
            if share < 1:
                drafted = image.draft(None, (int(np.ceil(width * share)), int(np.ceil(height * share))))
                box = drafted[1] if drafted else None
        image.load()
        if salvaged is not None and kind in ("JPEG", "MPO") and is_cut(image):
            raise ValueError("rows are missing")
        if version > 1 and salvaged is None and kind == "JPEG" and is_cut(image):
            notes.append("its lower part is plain grey: it may be cut off")
        image = _positive_grey(image, version)
        orientation = read_orientation(image)
        # WebP's decoder keeps two more canvases (400 MB at 50 megapixels), and is done
        vars(image).pop("_decoder", None)
        own = grey_range(image)
        image = to_rgb(image, notes, greys, version)
        if orientation not in (None, 1):
            turned = ImageOps.exif_transpose(with_orientation(image, orientation))
            if turned.size != image.size:
                width, height = height, width
            box = box and turn_box(box, image.size, orientation)
            image = turned
            notes.append("turned upright (EXIF)")
    except MemoryError as error:
        raise ImageError(f"{name} needs more memory than is free: scale it down.") from error
    except Exception as error:  # decoders raise many kinds for damaged data
        raise _DamagedError(f"{name} is cut off or damaged: copy or export it again.") from error
    if width >= WIDE * height:
        notes.append(TOO_WIDE)
    elif height >= WIDE * width:
        notes.append(TOO_HIGH)
    image.info.clear()
    return DecodedImage(image, kind, width, height, tuple(notes), own, box)


def _positive_grey(image: Image.Image, version: int) -> Image.Image:
    """A TIFF of 16-bit grey with black as its high values; Pillow passes over the tag that says it is a negative."""
    if version > 1 and image.mode.startswith("I;16") and getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0:
        orientation = read_orientation(image)
        positive = Image.fromarray(np.uint16(65535) - np.asarray(image).astype(np.uint16))
        positive.format = image.format
        return with_orientation(positive, orientation) if orientation else positive
    return image


def _is_raw_preview(image: Image.Image) -> bool:
    """Whether a TIFF is the small preview of a camera's raw photo, which lies elsewhere in the file."""
    tags = getattr(image, "tag_v2", {})
    try:
        return _DNG_VERSION in tags or (_SUB_PICTURES in tags and bool(int(tags.get(_SUBFILE_TYPE, 0)) & 1))
    except Exception:  # damaged tags raise many kinds
        return False


def _read(data: bytes | Path, limits: Limits, name: str) -> bytes:
    if isinstance(data, bytes):
        raw = data
    else:
        try:
            if data.is_dir():
                raise ImageError(f"{name} is a folder: name picture files.")
            if data.stat().st_size > limits.max_bytes:
                raise ImageError(_too_heavy(name, limits))
            raw = data.read_bytes()
        except FileNotFoundError as error:
            raise ImageError(f"{name} is not there: check the path.") from error
        except OSError as error:
            raise ImageError(f"{name} cannot be read ({error.strerror}): check its permissions.") from error
    if not raw:
        raise ImageError(f"{name} is empty: copy or export it again.")
    if len(raw) > limits.max_bytes:
        raise ImageError(_too_heavy(name, limits))
    return raw


def _too_heavy(name: str, limits: Limits) -> str:
    return f"{name} is larger than {format_limit(limits.max_bytes)}: save it smaller."


def _too_large(name: str, limits: Limits, size: tuple[int, int] | None = None) -> str:
    shape = f"{size[0]} x {size[1]} pixels" if size else "far too many pixels"
    return f"{name} has {shape}: at most {limits.max_pixels // 1_000_000} megapixels can be read, so scale it down."


def pixel_hash(image: Image.Image) -> str:
    """sha256 of size and RGB bytes, in hex: equal exactly for equal pictures, whatever their files."""
    digest = hashlib.sha256(f"{image.size[0]}x{image.size[1]}:".encode())
    for _, band in bands(image):
        digest.update(band.tobytes())
    return digest.hexdigest()


def render_preview(
    data: bytes, limits: Limits, name: str, long_side_px: int = 1024, greys: GreyRanges = OWN_RANGES
) -> bytes:
    """The picture as people are shown it, as a JPEG: the pixels that a network learns from, upright and RGB.

    Browsers turn and colour some files in their own way, and others not at all.

    Args:
        greys: of the dataset that the picture belongs to.
    Raises:
        ImageError: as `decode`.
    """
    buffer = BytesIO()
    write_thumbnail(decode(data, limits, name, at_least_px=long_side_px, greys=greys).image, buffer, long_side_px)
    return buffer.getvalue()


def write_thumbnail(image: Image.Image, file: BinaryIO, long_side_px: int = 224) -> None:
    """Write a small JPEG of the picture, in a real file outside Python's lock."""
    scale = long_side_px / max(image.size)
    small = image
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in image.size)
        small = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
    small.save(file, "JPEG", quality=82)
