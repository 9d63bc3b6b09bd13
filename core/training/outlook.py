"""What is ahead of a training: the seconds until its run has been evaluated, and whether a deadline ends it before."""

from collections.abc import Callable

from core.checkpoints.snapshot import Position
from core.runs.remaining import STEADY_SHARE
from core.training.monitor import Clock

FORWARD_SHARE = 1 / 3  # of a training step
SPARE = 1.5  # times what validation and evaluation should take before a deadline, on a machine that gets busier
WRITING_SECONDS = 1.5  # of weights, predictions and the result


class Outlook:
    """The rest of a training, at its own pace so far.

    Args:
        position, clock: of the training.
        total: the whole work, in images, as `position.done` counts it.
        validated: images of a validation.
        evaluated: images that are predicted after the training.
        frozen_seconds: of one of them in the frozen part.
        seconds_left: until the run has to be evaluated; None without a deadline.

    Attributes:
        late: the rest of the time until the deadline is needed for validation and evaluation.
    """

    def __init__(
        self,
        position: Position,
        clock: Clock,
        total: float,
        *,
        validated: int,
        evaluated: int,
        frozen_seconds: float,
        seconds_left: Callable[[], float] | None,
    ) -> None:
        self._at, self._clock, self._total = position, clock, total
        self._validated, self._evaluated, self._frozen_seconds = validated, evaluated, frozen_seconds
        self._seconds_left = seconds_left
        self._steady: tuple[float, float] | None = None  # seconds and work when the stage's first step here was done
        self.late = False

    def enter_stage(self) -> None:
        """Another stage has another pace."""
        self._steady = None

    def note_step(self) -> None:
        """A step was done; the first one, which also sets everything up, says nothing of the pace."""
        if self._steady is None:
            self._steady = self._clock.passed, self._at.done
        if self._seconds_left is not None and not self.late:
            self.late = self._seconds_left() <= SPARE * self._look_seconds() + WRITING_SECONDS

    def estimate(self, budget_left: float | None, *, last_stage: bool) -> float | None:
        """Seconds until the run has been evaluated; None while nothing can be said.

        Args:
            budget_left: seconds until the training's time is used up; None where none is set.
        """
        known = [] if budget_left is None else [budget_left]
        if self._steady is not None and last_stage:
            done_then = self._steady[1]
            if self._at.done - done_then >= STEADY_SHARE * (self._total - done_then) > 0:
                known.append(self._step_seconds() * max(0.0, self._total - self._at.done))
        return min(known) + self._evaluation_seconds() if known else None

    def _look_seconds(self) -> float:
        """Of one validation and the evaluation."""
        each = self._validation_seconds() or FORWARD_SHARE * self._step_seconds()
        return each * self._validated + max(self._evaluation_seconds(), each * self._evaluated)

    def _step_seconds(self) -> float:
        """Of an image in training steps."""
        began, done_then = self._steady or (0.0, 0.0)
        work = self._at.done - done_then
        return (self._clock.passed - began) / work if self._steady and work > 0 else 0.0

    def _validation_seconds(self) -> float:
        """Of an image; 0 before the first validation."""
        looked = self._at.epoch * self._validated
        return self._at.validating / looked if looked else 0.0

    def _evaluation_seconds(self) -> float:
        """Its images pass the frozen part as the stored ones did, and the rest as in validation."""
        return self._evaluated * (self._validation_seconds() + self._frozen_seconds)
