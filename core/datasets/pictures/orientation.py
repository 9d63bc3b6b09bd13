"""How a picture was held, as its EXIF block states it (1 to 8)."""

from PIL import Image

Box = tuple[float, float, float, float]  # left, top, right, bottom


def read_orientation(image: Image.Image) -> int | None:
    """The EXIF orientation; a broken EXIF block must not cost an otherwise good picture."""
    try:
        value = image.getexif().get(0x0112)
    except Exception:
        return None
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def with_orientation(image: Image.Image, orientation: int | None) -> Image.Image:
    """The picture with this orientation as its only metadata."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.info.clear()
    image.info["exif"] = exif.tobytes()
    return image


def turn_box(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Where a box lies after `exif_transpose`."""
    (left, top, right, bottom), (width, height) = box, size
    if orientation >= 5:
        left, top, right, bottom, width, height = top, left, bottom, right, height, width
    if orientation in (2, 3, 6, 7):
        left, right = width - right, width - left
    if orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    return left, top, right, bottom
