"""What all sessions of a load measured, and what went wrong in them."""

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Ledger:
    """Latencies by kind, errors by session. `keep` is false while a load warms up: errors still count."""

    keep: bool = True
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)
    bytes_in: int = 0
    messages_in: int = 0
    # (run, epoch, step) -> moments (seconds since 1970) at which a session first saw this step
    steps_seen: dict[tuple[str, int, int], list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, seconds: float) -> None:
        if self.keep:
            self.seconds[kind].append(seconds)

    def fail(self, session: str, text: str) -> None:
        """Note an error with the time of day at which it came."""
        self.errors.append(f"{time.strftime('%H:%M:%S')} {session}: {text}")

    def quantile(self, kind: str, share: float) -> float | None:
        """The nearest-rank quantile of a kind; None where nothing was measured."""
        return quantile(self.seconds.get(kind, ()), share)


def quantile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile: the smallest value that at least this share of the values does not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
