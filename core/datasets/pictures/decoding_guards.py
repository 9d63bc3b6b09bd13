"""What guards a process where several threads decode: its memory, and the filters of its warnings."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LARGE_PIXELS = 16_000_000  # above this, one picture at a time: parallel imports stay under 1 GB
PIXELS_AT_ONCE = 4 * LARGE_PIXELS  # decoded side by side, in all threads together


class Quiet:
    """Silence for Pillow's warnings about damaged metadata: what matters ends as a note or a sentence.

    The filters of `warnings` belong to the whole process, and threads that each save and restore them leave them
    changed for good. So the first thread to come in saves them and the last to leave restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved = warnings.catch_warnings()

    @contextmanager
    def hold(self) -> Iterator[None]:
        with self._lock:
            if self._inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._saved.__exit__(None, None, None)


class Gate:
    """Lets as many pixels through at once as memory allows; a large picture waits until it is alone."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._pixels = 0

    @contextmanager
    def turn(self, pixels: int) -> Iterator[None]:
        weight = pixels if pixels <= LARGE_PIXELS else PIXELS_AT_ONCE
        with self._condition:
            self._condition.wait_for(lambda: self._pixels + weight <= PIXELS_AT_ONCE)
            self._pixels += weight
        try:
            yield
        finally:
            with self._condition:
                self._pixels -= weight
                self._condition.notify_all()


QUIET = Quiet()
GATE = Gate()
