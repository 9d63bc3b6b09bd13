"""Heat over a picture: a drawing, and the same in words. No torch."""

from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Grid = npt.NDArray[np.float32]

# from nothing to the most, darker to lighter, also for those who see no red or no green: matplotlib's inferno (CC0)
COLOURS = ((0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164))
MAX_COVER = 0.72  # of the picture by the colour, where heat is greatest
OUTLINE = 0.5  # of the most
SMALLEST_PX = 224  # a drawing; a smaller picture is enlarged by a whole number

ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")


def spread(grid: Grid, side_px: int) -> Grid:
    """A map of any size over the square that the network saw, scaled to 1 at its greatest: (side_px, side_px).

    Cell (0, 0) covers the upper left corner, the last one the lower right; values in between are interpolated. What is
    below 0 counts as 0; a map without anything above 0 stays 0.
    """
    image = Image.fromarray(np.maximum(grid, 0).astype(np.float32))
    wide = np.asarray(image.resize((side_px, side_px), Image.Resampling.BILINEAR), np.float32)
    most = float(wide.max())
    return wide / most if most > 0 else np.zeros_like(wide)


def draw(pixels: Pixels, heat: Grid) -> bytes:
    """A picture in grey under its heat, outlined at half of the greatest: colour is not the only sign.

    Args:
        pixels: (S, S, 3), what the network saw.
        heat: (S, S) from 0 to 1, from `spread`.
    Returns:
        a PNG file.
    """
    grey = np.repeat(pixels.astype(np.float32).mean(axis=2, keepdims=True), 3, axis=2)
    anchors = np.array(COLOURS, np.float32)
    colour = np.stack([np.interp(heat, np.linspace(0, 1, len(anchors)), anchors[:, band]) for band in range(3)], axis=2)
    cover = (MAX_COVER * np.sqrt(heat))[:, :, None]
    blended = grey * (1 - cover) + colour * cover
    inside = heat >= OUTLINE
    padded = np.pad(inside, 1, mode="edge")
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    blended[inside & ~core] = 255
    return to_png(np.clip(np.rint(blended), 0, 255).astype(np.uint8))


def to_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file of (H, W, 3) or (H, W, 4) pixels, enlarged by a whole number where it is small."""
    times = max(1, SMALLEST_PX // max(pixels.shape[:2]))
    large = pixels.repeat(times, axis=0).repeat(times, axis=1) if times > 1 else pixels
    buffer = BytesIO()
    Image.fromarray(large).save(buffer, "PNG")
    return buffer.getvalue()


def describe(heat: Grid) -> str:
    """The heat in words: how much of it lies in which ninth of the picture, and how concentrated it is."""
    total = float(heat.sum())
    if total <= 0:
        return "nothing in the picture speaks for it"
    edges = np.linspace(0, len(heat), 4).round().astype(int)
    shares = {
        _place(row, column): float(heat[edges[row] : edges[row + 1], edges[column] : edges[column + 1]].sum()) / total
        for row in range(3)
        for column in range(3)
    }
    (first, most), (second, next_most), *_ = sorted(shares.items(), key=lambda item: -item[1])
    covered = float((heat >= OUTLINE).mean())
    return (
        f"{100 * most:.0f} % of the heat lies at the {first}, {100 * next_most:.0f} % at the {second}; "
        f"the outlined part is {100 * covered:.0f} % of the picture"
    )


def _place(row: int, column: int) -> str:
    if row == column == 1:
        return "centre"
    if row == 1:
        return COLUMNS[column]
    return ROWS[row] if column == 1 else f"{ROWS[row]} {COLUMNS[column]}"
