"""Timing pieces of work within a limit: nothing begins that may last longer than what is left."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import perf_counter, process_time

import torch
from torch import nn

from core.steps import StopSignal

ASK_SECONDS = 0.1  # between two looks whether it has to stop
RESERVE = 2.0  # what is timed may take so many times as long as before: other programs come and go
ENOUGH_SECONDS = 0.15  # of one repetition
REPETITIONS = 3  # of each of several ways; one alone has nothing to be compared with
CLEARLY_SLOWER = 2.0


class OutOfTimeError(Exception):
    """Measuring ends here, with what is known by now."""


class Limit:
    """The time that measuring may take.

    Args:
        signal: asked now and then, as the answer may be on the disk.
    """

    def __init__(self, seconds: float, signal: StopSignal) -> None:
        self._began, self._computed = perf_counter(), process_time()
        self._ends, self._signal = self._began + seconds, signal
        self._asked = -math.inf

    def check(self, seconds: float = 0.0) -> None:
        """Return at once if there is time for something that took so long before.

        Raises:
            OutOfTimeError: there is not.
            Stopped: the signal was set.
        """
        now = perf_counter()
        if now - self._asked >= ASK_SECONDS:
            self._signal.check()
            self._asked = now
        if self._ends - now <= RESERVE * seconds:
            raise OutOfTimeError

    def check_computing(self, seconds: float) -> None:
        """Return at once if there is time for so much computing, at the share of the processor that was left so far.

        Raises:
            OutOfTimeError, Stopped: as `check`.
        """
        share = (process_time() - self._computed) / max(1e-6, perf_counter() - self._began)
        self.check(seconds / max(1e-3, min(1.0, share)) / RESERVE)

    @contextmanager
    def watch(self, module: nn.Module) -> Iterator[None]:
        """Check before every layer of a module, as a single pass through a large network may take seconds."""
        handles = [part.register_forward_pre_hook(lambda *_: self.check()) for part in module.modules()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def time_ways(
    work: Callable[[str, int], object],
    ways: Sequence[str],
    device: torch.device,
    limit: Limit,
    most: int,
    least: int = 1,
) -> dict[str, float]:
    """Milliseconds an image of each way for which there was time.

    A few images go first, so that no way that is clearly slower ever gets many. The ways take turns: a program that
    slows the machine down for a moment then slows all of them down.

    Args:
        work: of a way, on so many images.
        most, least: images at once.
    """

    def seconds(way: str, count: int) -> float:
        started = perf_counter()
        work(way, count)
        if device.type == "cuda":
            torch.cuda.synchronize()
        elif device.type == "mps":
            torch.mps.synchronize()
        return perf_counter() - started

    each: dict[str, float] = {}  # seconds an image
    with suppress(OutOfTimeError):
        for way in ways:
            limit.check(least * min(each.values(), default=0.0))
            taken = seconds(way, least)  # also prepares what later ones use
            each[way] = taken / least
            limit.check(taken / RESERVE)  # the second pass is hardly ever slower
            each[way] = min(taken, seconds(way, least)) / least
        left = [way for way in ways if each[way] <= CLEARLY_SLOWER * min(each.values())]
        slowest = max(1e-6, *(each[way] for way in left))
        count = min(most, int(ENOUGH_SECONDS / slowest))
        if count > least:
            several: dict[str, float] = {}
            for _ in range(REPETITIONS if len(ways) > 1 else 2):
                limit.check(count * slowest * len(left))
                for way in left:
                    several[way] = min(several.get(way, math.inf), seconds(way, count) / count)
                each |= several
    return {way: 1000 * value for way, value in each.items()}
