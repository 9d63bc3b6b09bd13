"""How numbers, percents, counts, durations, sizes, names and the lines of charts are written, on every screen alike."""

import math
import time
from collections.abc import Sequence
from typing import TypeVar

MAX_DECIMALS = 12
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # with which a spreadsheet begins to compute

Cell = TypeVar("Cell")


def format_number(value: float, digits: int = 4) -> str:
    """A number with `digits` significant digits, thousands apart, without an exponent: `5,880`, `52.8`, `0.00067`."""
    if not math.isfinite(value):
        return str(value)
    if value == 0 or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    text = f"{value:.{min(decimals, MAX_DECIMALS)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_line(points: Sequence[tuple[float, float]], *, lowest: bool = False, unit: str = "") -> str:
    """Where a line begins, is best and ends: `52.8 at 1, highest 76.1 at 14, 75.6 at 15`.

    Args:
        points: (x, y), at least one, from left to right.
        lowest: the best is the lowest, as of a loss.
        unit: what follows each y, such as ` %`.
    """

    def describe(point: tuple[float, float]) -> str:
        return f"{format_number(point[1])}{unit} at {format_number(point[0])}"

    best = (min if lowest else max)(points, key=lambda point: point[1])
    first, last = points[0], points[-1]
    parts = [describe(first)]
    if best not in (first, last):
        parts.append(f"{'lowest' if lowest else 'highest'} {describe(best)}")
    if len(points) > 1:
        parts.append(describe(last))
    return ", ".join(parts)


def format_points(fraction: float) -> str:
    """A fraction in percent with one decimal, and more where one would turn it into 0, 100 or -100."""
    points = 100 * fraction
    exact = points in (-100.0, 0.0, 100.0)
    for decimals in (1, 2, 3):
        text = f"{abs(points):.{decimals}f}"
        if exact or float(text) not in (0.0, 100.0):
            break
    return f"−{text}" if points < 0 and float(text) else text


def format_percent(fraction: float, decimals: int | None = None) -> str:
    """A fraction such as `91.1 %`; with as many decimals as `format_points` takes, unless they are given."""
    return f"{format_points(fraction) if decimals is None else f'{100 * fraction:.{decimals}f}'} %"


def format_probability(probability: float) -> str:
    """A network's probability in whole percent: `87 %`, at the ends `<1 %` and `>99 %`, because it is never certain."""
    if not 0.01 <= probability <= 0.99:
        return "<1 %" if probability < 0.5 else ">99 %"
    return f"{100 * probability:.0f} %"


def bind_percent(text: str) -> str:
    """The same text with spaces before `%` at which no line breaks."""
    return text.replace(" %", "\u00a0%")


def format_level(level: float) -> str:
    """A confidence level, such as `95 %`."""
    return f"{100 * level:g} %"


def format_count(n: int, noun: str) -> str:
    """Such as `1 run` or `2,000 runs`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def format_duration(seconds: float) -> str:
    """A measured time: `4.23 s`, `45.3 s`, `3 min 20 s`, `1 h 05 min`."""
    if seconds < 59.95:
        return f"{format_number(max(0.0, round(seconds, 3)), 3)} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_rough_duration(seconds: float) -> str:
    """An estimated time, at least a second: `8 s`, `40 s`, `3 min`, `1.5 h`."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def format_estimate(seconds: float) -> str:
    """An estimated time in words: `under 10 s`, `about 40 s`, `about 5 min`, `about 1.5 h`."""
    return "under 10 s" if seconds < 10 else f"about {format_rough_duration(seconds)}"


def format_day(moment: float) -> str:
    """A day of this machine's calendar, such as `3 May`; with its year where that is another one.

    Args:
        moment: in seconds since 1970.
    """
    then = time.localtime(moment)
    day = f"{then.tm_mday} {time.strftime('%B', then)}"
    return day if then.tm_year == time.localtime().tm_year else f"{day} {then.tm_year}"


def format_bytes(count: float) -> str:
    """A size: `310 kB`, `23.5 MB`, `1.42 GB`."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{format_number(count / size, 3)} {unit}"
    return f"{count:.0f} bytes"


def format_limit(count: int) -> str:
    """A size that a setting limits, in the unit of the settings: `1,024 MB`."""
    return f"{count // 2**20:,} MB"


SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test"}
OPTIMISTIC = (
    " These are validation pictures, which the runs have seen for choosing their best epoch, "
    "so the result is optimistic."
)

_SAME_TIME = 1.15  # up to this ratio two times are called about the same
_PARTS = {
    3 / 4: "three quarters of",
    2 / 3: "two thirds of",
    3 / 5: "three fifths of",
    1 / 2: "half",
    2 / 5: "two fifths of",
    1 / 3: "a third of",
    1 / 4: "a quarter of",
    1 / 5: "a fifth of",
    1 / 6: "a sixth of",
    1 / 7: "a seventh of",
    1 / 8: "an eighth of",
    1 / 9: "a ninth of",
    1 / 10: "a tenth of",
}


def count_images(n: int, split: str) -> str:
    """Such as `180 test pictures`."""
    return format_count(n, f"{SPLIT_NAMES[split]} picture")


def format_p(p_value: float) -> str:
    """Such as `p = 0.012`; a value that rounds to nothing is given as `p < 0.001`."""
    if p_value < 0.001:
        return "p < 0.001"
    return f"p = {p_value:.3f}" if p_value < 0.1 else f"p = {p_value:.2f}"


def round_up(number: int) -> int:
    """To two leading digits: more would promise a precision that an estimate does not have."""
    unit = int(10 ** max(len(str(number)) - 2, 0))
    return -(-number // unit) * unit


def join_names(names: Sequence[str]) -> str:
    """Such as `head, full and gradual`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def readable(text: str) -> str:
    """Text that can be written as UTF-8: file names of older systems hold bytes that cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def format_cell(value: Cell) -> Cell | str:
    """A cell of a CSV file: a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def capitalise(text: str) -> str:
    """The first letter large, the rest as it is."""
    return text[:1].upper() + text[1:]


def describe_cost(seconds: float | None, other_seconds: float | None) -> str:
    """What training one took compared with the other, such as `in a sixth of the time`; empty where that is not known.

    Args:
        seconds: of the one that the sentence is about.
        other_seconds: of what it is compared with.
    """
    if not seconds or not other_seconds or seconds < 0 or other_seconds < 0:
        return ""
    ratio = seconds / other_seconds
    if 1 / _SAME_TIME <= ratio <= _SAME_TIME:
        return "in about the same time"
    if ratio > 1:
        return "in twice the time" if 1.9 <= ratio < 2.1 else f"in {_two_digits(ratio)} times the time"
    if ratio > 0.775:
        return f"in {format_percent(ratio, 0)} of the time"
    if ratio < 0.095:
        return f"in {_two_digits(100 * ratio)} % of the time"
    part = min(_PARTS, key=lambda value: abs(value - ratio) / value)
    return f"in {_PARTS[part]} the time"


def _two_digits(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0") if number < 9.95 else f"{number:,.0f}"
