"""Numbers and the lines of charts in words, as people write them; it draws nothing.

Pages, reports and the coach tell the same number in the same way.
"""

import math
from collections.abc import Sequence

MOST_DECIMALS = 12


def tell_number(value: float, digits: int = 4) -> str:
    """A number with `digits` digits that count, thousands apart, without an exponent: `5,880`, `52.8`, `0.00067`."""
    if not math.isfinite(value):
        return str(value)
    if value == 0 or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    text = f"{value:.{min(decimals, MOST_DECIMALS)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def tell_line(points: Sequence[tuple[float, float]], *, lowest: bool = False, unit: str = "") -> str:
    """Where a line begins, is best and ends: `52.8 at 1, highest 76.1 at 14, 75.6 at 15`.

    Args:
        points: (x, y), at least one, from left to right.
        lowest: the best is the lowest, as of a loss.
        unit: what follows each y, such as ` %`.
    """

    def tell(point: tuple[float, float]) -> str:
        return f"{tell_number(point[1])}{unit} at {tell_number(point[0])}"

    best = (min if lowest else max)(points, key=lambda point: point[1])
    first, last = points[0], points[-1]
    parts = [tell(first)]
    if best not in (first, last):
        parts.append(f"{'lowest' if lowest else 'highest'} {tell(best)}")
    if len(points) > 1:
        parts.append(tell(last))
    return ", ".join(parts)
