"""One computation at a time, and those for whose answer somebody waits right now go first."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock with two kinds of holders: urgent ones, and patient ones that let the urgent go first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self._urgent = 0  # that wait

    @contextmanager
    def urgent(self) -> Iterator[None]:
        """Hold it next, after whoever holds it now."""
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
            self._leave()

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Hold it when nobody urgent wants it; call `step_aside` between pieces of work."""
        self._take_patiently()
        try:
            yield
        finally:
            self._leave()

    def step_aside(self) -> bool:
        """Let everybody urgent go first. For the patient holder; answers False: nobody asks it to stop."""
        with self._changed:
            wanted = self._urgent > 0
        if wanted:
            self._leave()
            self._take_patiently()
        return False

    def _take_patiently(self) -> None:
        with self._changed:
            while self._taken or self._urgent:
                self._changed.wait()
            self._taken = True

    def _leave(self) -> None:
        with self._changed:
            self._taken = False
            self._changed.notify_all()
