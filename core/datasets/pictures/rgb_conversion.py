"""From any kind of pixels to RGB: grey of many bits, transparency, colour profiles."""

from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO
from typing import cast

import numpy as np
from PIL import Image, ImageCms

from models.entry import OWN_RANGES, GreyRanges

BAND_BYTES = 8 * 2**20
GREY_16 = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
PROFILE_BYTES = 4 * 2**20
SEEN_ALPHA = 32  # of 255
NEAR_WHITE = 224  # of 255
WHITE_SHARE = 0.95  # of what is not transparent
SAME_COLOUR = 2  # of 255: a profile that changes no colour by more is sRGB itself
_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}


def to_rgb(image: Image.Image, notes: list[str], greys: GreyRanges, version: int) -> Image.Image:
    """A picture in RGB.

    Args:
        notes: what is changed is added.
        greys: the values of deep grey that become black and white; where there are none, the picture's own range.
        version: of the preprocessing; 1 knows no profile and puts all transparency on white.
    """
    profile = image.info.get("icc_profile") if version > 1 else None
    mode = image.mode
    if mode in GREY_16:
        return _rescale_grey(image, notes, greys)
    if image.has_transparency_data:
        image = _on_ground(image, notes, version)
    elif mode != "RGB":
        notes.append(f"{_mode_word(mode)} to RGB")
    if isinstance(profile, bytes) and profile:
        image = _to_srgb(image, profile, notes)
    return image if image.mode == "RGB" else image.convert("RGB")


def grey_range(image: Image.Image) -> GreyRanges | None:
    """The range of a grey picture with more than 8 bits; None for other pictures, and where no value is finite."""
    if image.mode not in GREY_16:
        return None
    low, high = np.inf, -np.inf
    for _, band in bands(image):
        values = np.asarray(band, dtype=np.float64)
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    if low > high:
        return None
    return GreyRanges(floats=(low, high)) if image.mode == "F" else GreyRanges(integers=(low, high))


def bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture in pieces of whole rows, each with the number of its first row."""
    width, height = image.size
    rows = max(1, BAND_BYTES // (width * 8))
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(height, top + rows)))


def _rescale_grey(image: Image.Image, notes: list[str], greys: GreyRanges) -> Image.Image:
    """Grey of any depth to 8 bits, linearly; NaN becomes black. In bands, for the sake of memory."""
    floating = image.mode == "F"
    kept = greys.floats if floating else greys.integers
    notes.append(
        f"{'floating-point' if floating else '16-bit'} grey rescaled to 8 bits" + ("" if kept else " by its own range")
    )
    own = OWN_RANGES if kept else grey_range(image) or OWN_RANGES
    low, high = kept or own.floats or own.integers or (0.0, 0.0)
    grey = Image.new("L", image.size)
    if high > low:
        for top, band in bands(image):
            values = np.nan_to_num(np.asarray(band, dtype=np.float64), nan=low, posinf=high, neginf=low)
            # halved first: the width of a floating-point range may be more than a float holds
            share = (values.clip(low, high) / 2 - low / 2) / (high / 2 - low / 2)
            grey.paste(Image.fromarray(np.rint(share * 255.0).astype(np.uint8)), (0, top))
    return grey.convert("RGB")


def _on_ground(image: Image.Image, notes: list[str], version: int) -> Image.Image:
    """A picture with transparency on a ground from which its visible parts stand out."""
    with_alpha = image if image.mode == "RGBA" else image.convert("RGBA")
    alpha = with_alpha.getchannel("A")
    lowest, highest = cast(tuple[int, int], alpha.getextrema())
    if lowest == 255:
        notes.append(f"{_mode_word(image.mode)} to RGB")
        return with_alpha.convert("RGB")
    if highest == 0 and version > 1:
        notes.append("transparent throughout: the transparency is ignored")
        return with_alpha.convert("RGB")
    white = version > 1 and _is_white(with_alpha, alpha)
    notes.append("white drawing on transparency put on black" if white else "transparent parts put on white")
    ground = Image.new("RGB", image.size, "black" if white else "white")
    ground.paste(with_alpha, mask=alpha)
    return ground


def _is_white(with_alpha: Image.Image, alpha: Image.Image) -> bool:
    """Whether nearly all that is visible would vanish on white."""
    visible = alpha.point([0] * SEEN_ALPHA + [255] * (256 - SEEN_ALPHA))
    counts = with_alpha.convert("L").histogram(mask=visible)
    return sum(counts) > 0 and sum(counts[NEAR_WHITE:]) >= WHITE_SHARE * sum(counts)


def _to_srgb(image: Image.Image, profile: bytes, notes: list[str]) -> Image.Image:
    """The colours as the profile means them; a profile that cannot be used, or is for other pixels, changes nothing."""
    if image.mode not in _SPACES:
        image = image.convert("RGB")
    if len(profile) > PROFILE_BYTES:
        notes.append("colour profile ignored: it is too large")
        return image
    try:
        transform = _transform(profile, image.mode)
        if transform is None:
            return image
        if image.mode == "RGB":
            ImageCms.applyTransform(image, transform, inPlace=True)
        else:
            image = cast(Image.Image, ImageCms.applyTransform(image, transform))
    except Exception:  # littleCMS raises many kinds for damaged profiles
        notes.append("colour profile ignored: it is damaged")
        return image
    notes.append("colour profile converted to sRGB")
    return image


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From a profile to sRGB; None where it is for other pixels, or is sRGB itself.

    Raises:
        Exception: of many kinds, where the profile is damaged.
    """
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    if source.profile.xcolor_space != _SPACES[mode]:
        return None
    # without littleCMS's cache of the last pixel, which threads must not share
    transform = ImageCms.buildTransform(source, _srgb(), mode, "RGB", flags=ImageCms.Flags.NOCACHE)
    steps = np.linspace(0, 255, 6).astype(np.uint8)
    colours = np.stack(np.meshgrid(*[steps] * Image.getmodebands(mode), indexing="ij"), axis=-1)
    cube = Image.frombytes(mode, (colours.size // Image.getmodebands(mode), 1), colours.tobytes())
    meant = cast(Image.Image, ImageCms.applyTransform(cube, transform))
    change = np.asarray(meant, np.int16) - np.asarray(cube.convert("RGB"), np.int16)
    return None if np.abs(change).max() <= SAME_COLOUR else transform


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _mode_word(mode: str) -> str:
    return {
        "L": "grey",
        "LA": "grey with alpha",
        "1": "black and white",
        "P": "palette",
        "PA": "palette with alpha",
    }.get(mode, mode)
