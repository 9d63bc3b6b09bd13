"""Data efficiency: how many images one arm needs for the accuracy that another reaches with few.

It is read off two learning curves. Sizes between two points are interpolated on the logarithmic axis. A difference
counts as shown at a size where the two 95 % intervals do not overlap, which is stricter than a test of the difference.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.formatting import format_count, format_percent, format_points


@dataclass(frozen=True)
class ArmCurve:
    """A learning curve: sizes ascending, with the mean accuracy at each and the ends of its interval, as fractions."""

    name: str
    sizes: tuple[int, ...]
    means: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]


@dataclass(frozen=True)
class DataEfficiency:
    """The training images that one arm needs for the accuracy that another reaches.

    Attributes:
        ahead, behind: names of the arms.
        size: images per class with which `ahead` reaches `accuracy`; None where no difference was shown.
        needs: images per class with which `behind` reaches as much; None where it never does within the data.
        least, most: the same with both intervals at their ends; None beyond the data.
        sentence: the same in words.
    """

    ahead: str
    behind: str
    size: int | None
    accuracy: float | None
    needs: float | None
    least: float | None
    most: float | None
    sentence: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare_data_efficiency(curves: Sequence[ArmCurve]) -> Iterator[DataEfficiency]:
    """Every other arm against the one that leads over the sizes that all have; nothing where they share none."""
    shared = set.intersection(*(set(curve.sizes) for curve in curves)) if curves else set()
    if len(curves) < 2 or not shared:
        return
    ranked = sorted(curves, key=lambda curve: -_average(curve, shared))
    for curve in curves:
        if curve is not ranked[0]:
            yield measure_data_efficiency(ranked[0], curve)


def measure_data_efficiency(ahead: ArmCurve, behind: ArmCurve) -> DataEfficiency:
    """The training images that one arm needs for the accuracy that the leading one reaches.

    Of the sizes at which the lead is shown, the largest one whose accuracy the other still reaches is taken: smaller
    ones would make the factor look larger. Where it reaches none of them, the smallest one is.
    """
    shared = [size for size in ahead.sizes if size in behind.sizes]
    shown = [size for size in shared if _at(ahead, ahead.lows, size) > _at(behind, behind.highs, size)]
    reversed_at = [size for size in shared if _at(behind, behind.lows, size) > _at(ahead, ahead.highs, size)]
    if not shown:
        text = f"No size shows that {ahead.name} is ahead of {behind.name}: their intervals overlap at every size."
        if reversed_at:
            text = f"{behind.name} is ahead of {ahead.name} at {_sizes(reversed_at)} pictures per class."
        return DataEfficiency(ahead.name, behind.name, None, None, None, None, None, text)
    reached = [size for size in shown if reach(behind.sizes, behind.means, _at(ahead, ahead.means, size)) is not None]
    size = reached[-1] if reached else shown[0]
    accuracy = _at(ahead, ahead.means, size)
    needs = reach(behind.sizes, behind.means, accuracy)
    least = reach(behind.sizes, behind.highs, _at(ahead, ahead.lows, size))
    most = reach(behind.sizes, behind.lows, _at(ahead, ahead.highs, size))
    text = _describe(ahead, behind, size, accuracy, needs, least, most)
    if reversed_at:
        text += f" At {_sizes(reversed_at)}, {behind.name} is ahead."
    return DataEfficiency(ahead.name, behind.name, size, accuracy, needs, least, most, text)


def reach(sizes: Sequence[int], values: Sequence[float], target: float) -> float | None:
    """The size at which a curve reaches a value, between points on the logarithmic axis; None if it never does.

    A curve that goes up and down by chance is smoothed first: halfway between the highest so far and the lowest from
    here on, which never falls.
    """
    raw = np.asarray(values, dtype=np.float64)
    smooth = (np.maximum.accumulate(raw) + np.minimum.accumulate(raw[::-1])[::-1]) / 2
    if smooth[-1] < target:
        return None
    place = int(np.argmax(smooth >= target))
    if place == 0:
        return float(sizes[0])
    low, high = smooth[place - 1], smooth[place]
    share = float((target - low) / (high - low))
    return math.exp((1 - share) * math.log(sizes[place - 1]) + share * math.log(sizes[place]))


def describe_data_efficiency(
    curves: Sequence[ArmCurve], found: Sequence[DataEfficiency], scratch: Collection[str], basis: str
) -> str:
    """The headline: the arm from scratch against the leading one, else the last one against it.

    Args:
        scratch: names of the arms that train from scratch.
        basis: number of images and seeds in words; it ends the sentence in brackets.
    """
    if not curves:
        return ""
    if not found:
        curve = curves[0]
        first, last = format_points(curve.means[0]), format_points(curve.means[-1])
        text = f"{curve.name} reaches {first} % with {format_count(curve.sizes[0], 'picture')} per class"
        if len(curve.sizes) > 1:
            text += f" and {last} % with {curve.sizes[-1]:,}"
        return f"{text} ({basis})."
    by_name = {curve.name: curve for curve in curves}
    shown = [item for item in found if item.behind in scratch] or sorted(
        found, key=lambda item: by_name[item.behind].means[-1]
    )
    return f"{shown[0].sentence[:-1]} ({basis})."


def _describe(
    ahead: ArmCurve,
    behind: ArmCurve,
    size: int,
    accuracy: float,
    needs: float | None,
    least: float | None,
    most: float | None,
) -> str:
    what = f"the {format_percent(accuracy)} that {ahead.name} reaches with {size:,}"
    if needs is not None:
        span = f"{_about(least or behind.sizes[0])} to " + (
            f"more than {behind.sizes[-1]:,}" if most is None else _about(most)
        )
        return f"{behind.name} needs about {_about(needs)} pictures per class ({span}) for {what}."
    last = format_points(behind.means[-1])
    text = f"{behind.name} reaches {last} % with {format_count(behind.sizes[-1], 'picture')} per class, and not {what}"
    if least is not None:
        text += ", though their intervals overlap"
    return f"{text}."


def _average(curve: ArmCurve, sizes: Collection[int]) -> float:
    return sum(mean for size, mean in zip(curve.sizes, curve.means, strict=True) if size in sizes) / len(sizes)


def _at(curve: ArmCurve, values: Sequence[float], size: int) -> float:
    return values[curve.sizes.index(size)]


def _about(size: float) -> str:
    """Two significant digits: a curve supports no more."""
    digits = max(0, len(str(int(size))) - 2)
    return f"{int(round(size, -digits)):,}"


def _sizes(sizes: Sequence[int]) -> str:
    return " and ".join(f"{size:,}" for size in sizes)
