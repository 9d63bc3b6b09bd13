"""Watching a training: its clock, the metrics since the last event, and predictions for a few fixed images."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from core.checkpoints.snapshot import Position
from core.config.stages import Allowance
from core.stores.training_data import Indices, SplitData

SAMPLES = 10  # images whose predictions are shown while a network trains


class Clock:
    """The seconds of one training, in all processes that worked on it; runs from the moment that it is made.

    Args:
        position: of the training; what is charged is noted there.
        charges: seconds of each stage's frozen part, charged when the stage begins, in whichever run they passed.
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
        """Seconds that passed or were charged so far."""
        return self.passed + self._at.charged

    def enter_stage(self) -> None:
        """Charge the stage that begins, unless that was done before the training was paused."""
        while self._at.charged_stages <= self._at.stage:
            self._at.charged += self._charges[self._at.charged_stages] if self._charges else 0.0
            self._at.charged_stages += 1
            self._at.stage_began = self.seconds

    def share(self, allowed: Allowance) -> float:
        """The share of the stage's time that is used, from 0 to 1; 0 where no time is set."""
        if allowed.seconds is None:
            return 0.0
        began = self._at.stage_began
        # a frozen part may have taken all of it: then what is left is the one step that a stage has at least
        return min(1.0, (self.seconds - began) / (allowed.seconds - began)) if allowed.seconds > began else 0.0

    def is_up(self, allowed: Allowance) -> bool:
        """Whether the stage's time is used up."""
        return allowed.seconds is not None and self.seconds >= allowed.seconds

    def left(self, allowed: Allowance) -> float | None:
        """Seconds until the time of the last stage is used up; None where none is set."""
        if allowed.seconds is None:
            return None
        return max(0.0, allowed.seconds - self.seconds - sum(self._charges[self._at.charged_stages :]))


class Meter:
    """Loss, accuracy and speed since the last event.

    Args:
        now: a clock, in seconds.
        every: seconds between two events.
    """

    def __init__(self, now: Callable[[], float], every: float) -> None:
        self._now, self._every = now, every
        self._last = now()
        self._loss, self._correct, self._images = 0.0, 0, 0
        self.begin_epoch()

    def begin_epoch(self) -> None:
        self._started = self._ended = self._now()
        self._all_images = 0

    def add(self, loss: float, correct: int, images: int) -> None:
        self._loss += loss * images
        self._correct += correct
        self._images += images
        self._all_images += images
        self._ended = self._now()

    def due(self) -> bool:
        return self._now() - self._last >= self._every

    @property
    def rate(self) -> float:
        """Images per second over all steps."""
        return self._all_images / max(self._ended - self._started, 1e-9)

    def read(self) -> tuple[float, float, float]:
        """Mean loss, accuracy and images per second since the last event; starts again from zero."""
        now = self._now()
        passed = now - self._last
        # the last event of all may come right after another one: a few images in no time give no speed
        speed = self._images / passed if passed >= self._every and passed > 0 else self.rate
        read = self._loss / self._images, self._correct / self._images, speed
        self._last = now
        self._loss, self._correct, self._images = 0.0, 0, 0
        return read


def choose_samples(val: SplitData, seed: int, count: int = SAMPLES) -> Indices:
    """Choose fixed validation images, all classes in turn; returns dataset indices."""
    order = np.random.default_rng([seed, 7]).permutation(len(val))
    by_class: dict[int, list[int]] = {}
    for place in order:
        by_class.setdefault(int(val.labels[place]), []).append(int(val.indices[place]))
    queues = [by_class[label] for label in sorted(by_class)]
    chosen: list[int] = []
    while len(chosen) < count and any(queues):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop())
    return np.array(sorted(chosen), dtype=np.int64)


def describe_samples(
    samples: Indices, val: SplitData, probabilities: npt.NDArray[np.float64]
) -> list[dict[str, object]]:
    """The predictions for the chosen images, as `SamplesPredicted` holds them.

    Args:
        probabilities: (N, C), in the order of the validation split.
    """
    places = {int(index): place for place, index in enumerate(val.indices)}
    out: list[dict[str, object]] = []
    for index in samples:
        row = probabilities[places[int(index)]]
        predicted = int(row.argmax())
        out.append(
            {
                "index": int(index),
                "predicted": predicted,
                "probability": round(float(row[predicted]), 4),
                "correct": predicted == int(val.labels[places[int(index)]]),
            }
        )
    return out
