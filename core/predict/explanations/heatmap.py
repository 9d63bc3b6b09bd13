"""A saliency map drawn over its image as a heatmap, and described in words. No torch."""

from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.formatting import format_percent

Pixels = npt.NDArray[np.uint8]
Grid = npt.NDArray[np.float32]

# from 0 to the maximum, dark to light, safe for colour-blind readers: matplotlib's inferno (CC0)
HEATMAP_COLOURS = ((0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164))
MAX_OPACITY = 0.72  # of the colour, at the maximum
OUTLINE = 0.5  # of the maximum
MIN_SIDE_PX = 224  # smaller images are enlarged by a whole number

ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")


def upsample(grid: Grid, side_px: int) -> Grid:
    """A map of any size enlarged to the network's input and scaled to a maximum of 1: (side_px, side_px).

    Cell (0, 0) covers the upper left corner, the last one the lower right; values in between are interpolated. Values
    below 0 count as 0; a map without positive values stays 0.
    """
    image = Image.fromarray(np.maximum(grid, 0).astype(np.float32))
    large = np.asarray(image.resize((side_px, side_px), Image.Resampling.BILINEAR), np.float32)
    maximum = float(large.max())
    return large / maximum if maximum > 0 else np.zeros_like(large)


def draw_heatmap(pixels: Pixels, saliency: Grid) -> bytes:
    """A grey image under its saliency map, outlined at half of the maximum: colour is not the only sign.

    Args:
        pixels: (S, S, 3), the network's input.
        saliency: (S, S) from 0 to 1, from `upsample`.
    Returns:
        a PNG file.
    """
    grey = np.repeat(pixels.astype(np.float32).mean(axis=2, keepdims=True), 3, axis=2)
    anchors = np.array(HEATMAP_COLOURS, np.float32)
    stops = np.linspace(0, 1, len(anchors))
    colour = np.stack([np.interp(saliency, stops, anchors[:, channel]) for channel in range(3)], axis=2)
    opacity = (MAX_OPACITY * np.sqrt(saliency))[:, :, None]
    blended = grey * (1 - opacity) + colour * opacity
    inside = saliency >= OUTLINE
    padded = np.pad(inside, 1, mode="edge")
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    blended[inside & ~core] = 255
    return to_png(np.clip(np.rint(blended), 0, 255).astype(np.uint8))


def to_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file of (H, W, 3) or (H, W, 4) pixels, enlarged by a whole number where it is small."""
    times = max(1, MIN_SIDE_PX // max(pixels.shape[:2]))
    large = pixels.repeat(times, axis=0).repeat(times, axis=1) if times > 1 else pixels
    buffer = BytesIO()
    Image.fromarray(large).save(buffer, "PNG")
    return buffer.getvalue()


def describe_heatmap(saliency: Grid) -> str:
    """A saliency map in words: its share in the two strongest ninths of the image, and how much is outlined."""
    total = float(saliency.sum())
    if total <= 0:
        return "nothing in the picture supports this class"
    edges = np.linspace(0, len(saliency), 4).round().astype(int)
    shares = {
        _place(i, j): float(saliency[edges[i] : edges[i + 1], edges[j] : edges[j + 1]].sum()) / total
        for i in range(3)
        for j in range(3)
    }
    (first, largest), (second, next_largest), *_ = sorted(shares.items(), key=lambda item: -item[1])
    outlined = float((saliency >= OUTLINE).mean())
    return (
        f"{format_percent(largest, 0)} of the heat is at the {first}, {format_percent(next_largest, 0)} at the "
        f"{second}; the outline covers {format_percent(outlined, 0)} of the picture"
    )


def _place(row: int, column: int) -> str:
    if row == column == 1:
        return "centre"
    if row == 1:
        return COLUMNS[column]
    return ROWS[row] if column == 1 else f"{ROWS[row]} {COLUMNS[column]}"
