"""One computation at a time; requests that a person is waiting for go first."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PriorityLock:
    """A lock with two kinds of holders: urgent ones, and background ones that let the urgent go first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self._urgent = 0  # waiting requests

    @contextmanager
    def urgent(self) -> Iterator[None]:
        """Hold it next, after its current holder."""
        with self._changed:
            self._urgent += 1
            try:
                while self._taken:
                    self._changed.wait()
                self._taken = True
            finally:
                self._urgent -= 1
        try:
            yield
        finally:
            self._release()

    @contextmanager
    def background(self) -> Iterator[None]:
        """Hold it when no urgent request waits; call `let_urgent_pass` between pieces of work."""
        self._acquire_background()
        try:
            yield
        finally:
            self._release()

    def let_urgent_pass(self) -> bool:
        """Let urgent requests run now. For the background holder; returns False: it need not stop."""
        with self._changed:
            wanted = self._urgent > 0
        if wanted:
            self._release()
            self._acquire_background()
        return False

    def _acquire_background(self) -> None:
        with self._changed:
            while self._taken or self._urgent:
                self._changed.wait()
            self._taken = True

    def _release(self) -> None:
        with self._changed:
            self._taken = False
            self._changed.notify_all()
