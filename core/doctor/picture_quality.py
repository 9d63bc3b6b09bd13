"""Pictures that are hard to see: one colour, dark, blown out, tiny, blurred, or of an odd shape.

Measured on the thumbnails (224 px), which show the whole picture at about the size that a network sees: what is sharp
there is sharp enough, however the original looks in full. The thresholds are far from ordinary photographs
(docs/decisions/0035).
"""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.config.events import Progress
from core.datasets.dataset import Dataset, ImageRow
from core.doctor.doctor_findings import QUALITIES, QualityFinding, QualityKind
from core.steps import StopSignal

DARK = 50  # of 255: 95 % of a picture are darker
BRIGHT = 215  # 95 % of a picture are brighter
FLAT = 5.0  # standard deviation of every colour channel, of 255
TINY_PX = 48  # short side
BLURRED = 0.62  # blur effect: 0 sharp, 1 no edges at all
ODD = 3.0  # times as long as wide
WINDOW = 9  # px that the second blur averages
LEAST_PX = 24  # of a side, to see blur at all
USUAL = 0.1  # of the pictures: where more are like that, the dataset looks like that
LEAST_USUAL = 5  # pictures
MAX_LISTED = 60  # of a kind
CHUNK = 64

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """Figures of one thumbnail.

    Attributes:
        dark, bright: the 95th and the 5th percentile of its grey values, 0 to 255.
        spread: the largest standard deviation of its colour channels.
        blur: 0 sharp to 1; None where it is too small to say.
    """

    dark: float
    bright: float
    spread: float
    blur: float | None


def find_qualities(
    dataset: Dataset, threads: int, signal: StopSignal
) -> Generator[Progress, None, tuple[tuple[QualityFinding, ...], dict[QualityKind, int]]]:
    """The pictures that are hard to see, and the kinds that are usual here."""
    found: dict[QualityKind, list[tuple[float, int]]] = {kind: [] for kind in QUALITIES}
    rows, started = dataset.rows, monotonic()
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(rows), CHUNK):
            signal.check()
            chosen = rows[first : first + CHUNK]
            looks = pool.map(_look_at, [dataset.thumbnail_path(row) for row in chosen])
            for row, look in zip(chosen, looks, strict=True):
                if (named := judge(row, look)) is not None:
                    found[named[0]].append((named[1], row.index))
            done = first + len(chosen)
            yield Progress(
                "testing",
                "Looking at the pictures",
                done,
                len(rows),
                (monotonic() - started) / done * (len(rows) - done),
            )
    usual = {kind: len(items) for kind, items in found.items() if len(items) > max(LEAST_USUAL, USUAL * len(rows))}
    listed = [
        QualityFinding(index, kind)
        for kind, items in found.items()
        if kind not in usual
        for _, index in sorted(items)[:MAX_LISTED]
    ]
    return tuple(listed), usual


def judge(row: ImageRow, look: Look | None) -> tuple[QualityKind, float] | None:
    """What is wrong with a picture, and a number that is smaller the worse it is; None where nothing is."""
    short, long = sorted((row.width, row.height))
    if look is not None:
        if look.spread < FLAT:
            return "one-colour", look.spread
        if look.dark < DARK:
            return "dark", look.dark
        if look.bright > BRIGHT:
            return "bright", -look.bright
    if short < TINY_PX:
        return "tiny", short
    if look is not None and look.blur is not None and look.blur > BLURRED:
        return "blurred", -look.blur
    if long >= ODD * short:
        return "odd-shape", -long / short
    return None


def measure(image: Image.Image) -> Look:
    """Figures of an RGB picture."""
    grey = image.convert("L")
    spread = max(_deviation(np.array(image.histogram()).reshape(3, 256), channel) for channel in range(3))
    reached = np.cumsum(grey.histogram()) / (image.width * image.height)
    dark, bright = (int(np.searchsorted(reached, share)) for share in (0.95, 0.05))
    return Look(dark, bright, spread, blur_effect(np.asarray(grey, np.float32)))


def _deviation(counts: npt.NDArray[np.int64], channel: int) -> float:
    """The standard deviation of a channel, from its histogram."""
    values = np.arange(256)
    mean = np.average(values, weights=counts[channel])
    return float(np.sqrt(np.average((values - mean) ** 2, weights=counts[channel])))


def blur_effect(grey: Pixels) -> float | None:
    """How little a picture changes when it is blurred again: 0 if all differences vanish, 1 if none; (H, W).

    It does not depend on contrast, and flat parts do not count, so that sky and walls are not called blurred as by the
    variance of the Laplacian. The larger of both directions is taken: a shaken picture is blurred in one.
    Source: Crété-Roffet et al. 2007, "The blur effect", Proc. SPIE 6492.
    """
    if min(grey.shape) < LEAST_PX:
        return None
    return max(_blur_along(grey), _blur_along(np.ascontiguousarray(grey.T)))


def _blur_along(grey: Pixels) -> float:
    sums = np.cumsum(grey, axis=1)  # whole numbers below 2**24: exact
    again = (sums[:, WINDOW:] - sums[:, :-WINDOW]) / WINDOW
    half = WINDOW // 2
    sharp = np.abs(np.diff(grey[:, half + 1 : half + 1 + again.shape[1]], axis=1))
    soft = np.abs(np.diff(again, axis=1))
    whole = float(sharp.sum())
    return 1.0 if whole <= 0 else 1.0 - float(np.maximum(sharp - soft, 0).sum()) / whole


def _look_at(path: Path) -> Look | None:
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            return measure(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError):
        return None
