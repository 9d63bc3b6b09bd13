"""Long steps of work: how one is asked to stop or to pause, and how one is run by plain code.

A step that reports progress is a `Generator[Event, None, Result]`, used with `yield from`. Between two pieces of its
work it calls `signal.check()`, which raises `Stopped` after a request; only the owner of the signal catches that.
"""

from collections.abc import Callable, Generator
from enum import Enum
from typing import TypeVar

Item = TypeVar("Item")
Other = TypeVar("Other")
Result = TypeVar("Result")


class Request(Enum):
    """What can be asked of a long piece of work."""

    NONE = "none"
    STOP = "stop"  # for good
    PAUSE = "pause"  # to be resumed later


class Stopped(Exception):
    """A step ends here because it was asked to."""


class StopSignal:
    """A request to a long piece of work; the first one stays. It has no lock, so that a signal handler may set it.

    Args:
        poll: called at every check where nothing else watches for requests meanwhile; True means stop.
    """

    def __init__(self, poll: Callable[[], bool] = lambda: False) -> None:
        self.request = Request.NONE
        self._poll = poll

    @property
    def asked(self) -> bool:
        """Whether there is a request."""
        return self.request is not Request.NONE

    def ask(self, request: Request) -> None:
        """Ask for a stop or a pause, unless one was asked for already."""
        if not self.asked:
            self.request = request

    def check(self) -> None:
        """Return at once, or end the step.

        Raises:
            Stopped: after a request.
        """
        if not self.asked and self._poll():
            self.request = Request.STOP
        if self.asked:
            raise Stopped


def run_step(step: Generator[Item, None, Result], report: Callable[[Item], object] = lambda _: None) -> Result:
    """Run a step to its end; each item of its progress goes to `report`."""
    while True:
        try:
            report(next(step))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # the value of a StopIteration is untyped


def relay(
    step: Generator[Item, None, Result], convert: Callable[[Item], Other | None]
) -> Generator[Other, None, Result]:
    """Run a step within another one: each item of its progress is converted first; None leaves it out."""
    while True:
        try:
            item = next(step)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        converted = convert(item)
        if converted is not None:
            yield converted
