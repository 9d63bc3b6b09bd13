"""The one place where pictures are decoded: for import, training and prediction alike.

A picture is read fully (`load()`, since `verify()` passes a half-cut JPEG), under limits that are checked before any
pixel is decoded, turned upright (EXIF) and brought to RGB. What was changed is noted in plain words.
"""

import contextlib
import hashlib
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError, features

from core.errors import ImageError
from core.formatting import format_limit
from core.settings import Settings

# MPO is found by the JPEG reader
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", *(("AVIF",) if features.check("avif") else ()))
EXTENSIONS = {
    "JPEG": "jpg",
    "MPO": "mpo", "PNG": "png", "GIF": "gif", "BMP": "bmp", "WEBP": "webp", "TIFF": "tif", "AVIF": "avif",
}  # fmt: skip
SUFFIX_FORMATS = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".gif": "GIF", ".bmp": "BMP",
    ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".avif": "AVIF", ".mpo": "MPO",
}  # fmt: skip
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
LARGE_PIXELS = 16_000_000  # above this, one picture at a time: parallel imports stay under 1 GB
PIXELS_AT_ONCE = 4 * LARGE_PIXELS  # decoded side by side, in all threads together
BAND_BYTES = 8 * 2**20
COUNTED_GIF_BYTES = 8 * 2**20
COUNTED_TIFF_FRAMES = 1000
Image.init()  # registers every format: without it, an allow list finds only the most common ones
_GREY_16 = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")


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


def decode(data: bytes | Path, limits: Limits, name: str, *, at_least_px: int | None = None) -> DecodedImage:
    """Decode a picture fully.

    Args:
        data: the file's bytes, or its path.
        name: what the sentences call it.
        at_least_px: a large JPEG may be decoded smaller, with its short side at least this long.
    Returns:
        the picture, upright and RGB; width and height are those of the full picture.
    Raises:
        ImageError: one sentence that names the picture, why it cannot be used, and a remedy.
    """
    raw = _read(data, limits, name)
    with _quiet.hold():
        try:
            image = Image.open(BytesIO(raw), formats=FORMATS)
        except UnidentifiedImageError as error:
            raise ImageError(_unknown(raw, name)) from error
        except Image.DecompressionBombError as error:
            raise ImageError(_too_large(name, limits)) from error
        except Exception as error:  # a hostile header may raise anything
            raise ImageError(f"{name} is damaged and cannot be opened: export or copy it again.") from error
        width, height = image.size
        if width * height > limits.max_pixels:
            raise ImageError(_too_large(name, limits, (width, height)))
        if min(width, height) < limits.min_side_px:
            raise ImageError(
                f"{name} has {width} x {height} pixels: pictures need at least {limits.min_side_px} on each side."
            )
        if max(width, height) > limits.max_aspect * min(width, height):
            raise ImageError(f"{name} is a strip of {width} x {height} pixels: crop it to a more usual shape.")
        with _gate.turn(width * height):
            return _convert(image, raw, name, at_least_px)


def _convert(image: Image.Image, raw: bytes, name: str, at_least_px: int | None) -> DecodedImage:
    kind = image.format or ""
    width, height = image.size
    notes: list[str] = []
    named = SUFFIX_FORMATS.get(PurePosixPath(name).suffix.lower())
    if named is not None and named != kind and not (named == "JPEG" and kind == "MPO"):
        notes.append(f"named {PurePosixPath(name).suffix.lower()} but is {kind}")
    try:
        # inside the guard: counting the frames of a damaged file raises as many kinds as decoding it
        frames = _count_frames(image, kind, len(raw))
        if kind == "MPO":
            notes.append("MPO: the first picture is used")
        elif frames != 1:
            notes.append(f"first of {frames or 'many'} frames")
        if at_least_px is not None and kind == "JPEG" and image.mode in ("L", "RGB"):
            share = at_least_px / min(width, height)
            if share < 1:
                image.draft(None, (int(np.ceil(width * share)), int(np.ceil(height * share))))
        image.load()
        orientation = _orientation(image)
        # WebP's decoder keeps two more canvases (400 MB at 50 megapixels), and is done
        vars(image).pop("_decoder", None)
        image = _to_rgb(image, notes)
        if orientation not in (None, 1):
            turned = ImageOps.exif_transpose(_with_orientation(image, orientation))
            if turned.size != image.size:
                width, height = height, width
            image = turned
            notes.append("turned upright (EXIF)")
    except MemoryError as error:
        raise ImageError(f"{name} needs more memory than is free: scale it down.") from error
    except Exception as error:  # decoders raise many kinds for damaged data
        raise ImageError(f"{name} is cut off or damaged: copy or export it again.") from error
    image.info.clear()
    return DecodedImage(image, kind, width, height, tuple(notes))


def _count_frames(image: Image.Image, kind: str, file_bytes: int) -> int | None:
    """How many frames there are; None for too many to count.

    GIF and TIFF store no number: a hostile file of a million frames would keep the reader busy, with TIFF for hours.
    """
    if kind not in ("GIF", "TIFF", "WEBP", "PNG", "AVIF"):
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
            raise ImageError(f"{name} cannot be read ({error.strerror}): check its rights.") from error
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


def _unknown(raw: bytes, name: str) -> str:
    start = raw[:512].lstrip().lower()
    if start.startswith((b"<svg", b"<?xml")) and b"<svg" in raw[:4096].lower():
        return f"{name} is an SVG drawing, not a photo: export it as PNG or JPEG."
    if start.startswith((b"<!doctype", b"<html")):
        return f"{name} is a web page, not a picture: save the picture itself."
    if raw[4:12] in (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypheim", b"ftypheis", b"ftypmif1", b"ftypmsf1"):
        return f"{name} is a HEIC photo, which cannot be read here: export it as JPEG."
    if raw[:4] == b"\x00\x00\x01\x00":
        return f"{name} is an icon (ICO), not a photo: export it as PNG or JPEG."
    if raw[:2] == b"PK":
        return f"{name} is a zip archive, not a picture: unpack it."
    if raw[:4] == b"%PDF":
        return f"{name} is a PDF, not a picture: export its pictures as JPEG."
    if all(32 <= byte < 127 or byte in (9, 10, 13) for byte in raw[:256]):
        return f"{name} is a text, not a picture: remove it or save the picture again."
    return f"{name} is not a picture that can be read here: save it as JPEG or PNG."


def _orientation(image: Image.Image) -> int | None:
    """The EXIF orientation; a broken EXIF block must not cost an otherwise good picture."""
    try:
        value = image.getexif().get(0x0112)
    except Exception:
        return None
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def _with_orientation(image: Image.Image, orientation: int | None) -> Image.Image:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.info.clear()
    image.info["exif"] = exif.tobytes()
    return image


def _to_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    mode = image.mode
    if mode == "RGB" and "transparency" not in image.info:
        return image
    if mode in _GREY_16:
        notes.append("16-bit grey rescaled to 8 bits" if mode != "F" else "floating-point grey rescaled to 8 bits")
        return _rescale_grey(image).convert("RGB")
    if image.has_transparency_data:
        with_alpha = image if mode == "RGBA" else image.convert("RGBA")
        alpha = with_alpha.getchannel("A")
        if alpha.getextrema() != (255, 255):
            notes.append("transparent parts put on white")
            ground = Image.new("RGB", image.size, (255, 255, 255))
            ground.paste(with_alpha, mask=alpha)
            return ground
        notes.append(f"{_mode_word(mode)} to RGB")
        return with_alpha.convert("RGB")
    notes.append(f"{_mode_word(mode)} to RGB")
    return image.convert("RGB")


def _rescale_grey(image: Image.Image) -> Image.Image:
    """Grey of any depth to 8 bits, linearly by its own range; NaN becomes black. In bands, for the sake of memory."""
    low, high = np.inf, -np.inf
    for _, band in _bands(image):
        values = np.asarray(band, dtype=np.float64)
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    grey = Image.new("L", image.size)
    if high > low:
        for top, band in _bands(image):
            values = np.nan_to_num(np.asarray(band, dtype=np.float64), nan=low, posinf=high, neginf=low)
            # halved first: the width of a floating-point range may be more than a float holds
            share = (values / 2 - low / 2) / (high / 2 - low / 2)
            grey.paste(Image.fromarray(np.rint(share * 255.0).astype(np.uint8)), (0, top))
    return grey


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture in pieces of whole rows, each with the number of its first row."""
    width, height = image.size
    rows = max(1, BAND_BYTES // (width * 8))
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(height, top + rows)))


def _mode_word(mode: str) -> str:
    return {
        "L": "grey",
        "LA": "grey with alpha",
        "1": "black and white",
        "P": "palette",
        "PA": "palette with alpha",
    }.get(mode, mode)


class _Quiet:
    """Silence for Pillow's warnings about damaged metadata: what matters ends as a note or a sentence.

    The filters of `warnings` belong to the whole process, and threads that each save and restore them leave them
    changed for good. So the first thread to come in saves them and the last to leave restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved = warnings.catch_warnings()

    @contextmanager
    def hold(self) -> Iterator[None]:
        with self._lock:
            if self._inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._saved.__exit__(None, None, None)


class _Gate:
    """Lets as many pixels through at once as memory allows; a large picture waits until it is alone."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._pixels = 0

    @contextmanager
    def turn(self, pixels: int) -> Iterator[None]:
        weight = pixels if pixels <= LARGE_PIXELS else PIXELS_AT_ONCE
        with self._condition:
            self._condition.wait_for(lambda: self._pixels + weight <= PIXELS_AT_ONCE)
            self._pixels += weight
        try:
            yield
        finally:
            with self._condition:
                self._pixels -= weight
                self._condition.notify_all()


_quiet = _Quiet()
_gate = _Gate()


def fit_square(image: Image.Image, size_px: int, interpolation: str = "bilinear") -> npt.NDArray[np.uint8]:
    """Resize the short side to `size_px` (antialiased) and cut the centre square: (size_px, size_px, 3) uint8."""
    width, height = image.size
    if width <= height:
        new = (size_px, max(size_px, round(height * size_px / width)))
    else:
        new = (max(size_px, round(width * size_px / height)), size_px)
    left, top = (new[0] - size_px) // 2, (new[1] - size_px) // 2
    # the square in the picture's own pixels: what lies outside is not resized only to be cut off
    across, down = width / new[0], height / new[1]
    box = (left * across, top * down, (left + size_px) * across, (top + size_px) * down)
    inside = (box[0], box[1], min(box[2], width), min(box[3], height))  # rounding may pass the edge by a hair
    # a copy: the array of a picture is read-only, and torch wants to own what it computes with
    return np.array(image.resize((size_px, size_px), RESAMPLING[interpolation], box=inside), dtype=np.uint8)


def pixel_hash(image: Image.Image) -> str:
    """sha256 of size and RGB bytes, in hex: equal exactly for equal pictures, whatever their files."""
    digest = hashlib.sha256(f"{image.size[0]}x{image.size[1]}:".encode())
    for _, band in _bands(image):
        digest.update(band.tobytes())
    return digest.hexdigest()


def render_preview(data: bytes, limits: Limits, name: str, long_side_px: int = 1024) -> bytes:
    """The picture as people are shown it, as a JPEG: the pixels that a network learns from, upright and RGB.

    Browsers turn and colour some files in their own way, and others not at all.

    Raises:
        ImageError: as `decode`.
    """
    buffer = BytesIO()
    write_thumbnail(decode(data, limits, name, at_least_px=long_side_px).image, buffer, long_side_px)
    return buffer.getvalue()


def write_thumbnail(image: Image.Image, file: BinaryIO, long_side_px: int = 224) -> None:
    """Write a small JPEG of the picture, in a real file outside Python's lock."""
    scale = long_side_px / max(image.size)
    small = image
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in image.size)
        small = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
    small.save(file, "JPEG", quality=82)
