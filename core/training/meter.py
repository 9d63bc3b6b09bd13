"""Sums over the training steps since the last event, and the speed since the epoch began here."""

from collections.abc import Callable


class Meter:
    """What happened since the last event.

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
        """Pictures per second over all steps."""
        return self._all_images / max(self._ended - self._started, 1e-9)

    def read(self) -> tuple[float, float, float]:
        """Mean loss, accuracy and pictures per second since the last event; begins anew."""
        now = self._now()
        passed = now - self._last
        # the last event of all may come right after another one: a few pictures in no time tell nothing
        speed = self._images / passed if passed >= self._every and passed > 0 else self.rate
        read = self._loss / self._images, self._correct / self._images, speed
        self._last = now
        self._loss, self._correct, self._images = 0.0, 0, 0
        return read
