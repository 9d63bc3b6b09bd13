"""The clock of a training: what passed in all processes that worked on it, and what is charged for its frozen part."""

from collections.abc import Callable, Sequence

from core.training.budget import Allowance
from core.training.snapshot import Position


class Clock:
    """Seconds of one training; runs from the moment that it is made.

    Args:
        position: where the training stands; a part that was charged is noted there.
        charges: seconds of each stage that are charged when it begins: what its frozen part took, whoever computed it.
        now: any clock, in seconds.
    """

    def __init__(self, position: Position, charges: Sequence[float], now: Callable[[], float]) -> None:
        self._at, self._charges, self._now = position, charges, now
        self._zero = now() - position.seconds

    @property
    def passed(self) -> float:
        """Seconds of steps and validation, in all processes."""
        return self._now() - self._zero

    @property
    def seconds(self) -> float:
        """What passed, and what was charged so far."""
        return self.passed + self._at.charged

    def enter_stage(self) -> None:
        """Charge the stage that begins, unless that was done before the training was put aside."""
        while self._at.charged_stages <= self._at.stage:
            self._at.charged += self._charges[self._at.charged_stages] if self._charges else 0.0
            self._at.charged_stages += 1
            self._at.stage_began = self.seconds

    def share(self, allowed: Allowance) -> float:
        """How much of the stage's time is over, from 0 to 1; 0 where no time is set."""
        if allowed.seconds is None:
            return 0.0
        began = self._at.stage_began
        # a frozen part may have taken all of it: then what is left is the one step that a stage has at least
        return min(1.0, (self.seconds - began) / (allowed.seconds - began)) if allowed.seconds > began else 0.0

    def is_up(self, allowed: Allowance) -> bool:
        """Whether the stage's time is over."""
        return allowed.seconds is not None and self.seconds >= allowed.seconds

    def left(self, allowed: Allowance) -> float | None:
        """Seconds that will pass until the time of the last stage is over; None where none is set."""
        if allowed.seconds is None:
            return None
        return max(0.0, allowed.seconds - self.seconds - sum(self._charges[self._at.charged_stages :]))
