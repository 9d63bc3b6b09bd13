"""What all sessions of the server look at together: computed once for everybody, not once a viewer."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


LENIENCE = 3.0  # times `seconds`, while somebody makes a newer one


@dataclass
class _Entry(Generic[Value]):
    value: Value
    made: float  # time.monotonic()
    generation: int


class Shared(Generic[Key, Value]):
    """Values that are made anew when they are older than `seconds`.

    While one session makes a value anew, the others go on with one that is not older than three times that: nobody
    waits for what is only a little younger. Who asks for what is not there, or was forgotten, waits until it is made.

    Args:
        seconds: how old a value may be; None for ever, for what its key describes completely.
        most: values that are kept; the one that nobody asked for longest goes first.
    """

    def __init__(self, seconds: float | None, most: int = 256) -> None:
        self.seconds, self.most = seconds, most
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, _Entry[Value]] = OrderedDict()
        self._making: dict[Key, threading.Lock] = {}
        self._generation = 0

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of a key. What `make` raises goes to who asked, and is not kept."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                if self._fresh(entry):
                    return entry.value
            generation = self._generation
            maker = self._making.setdefault(key, threading.Lock())
        usable = entry is not None and entry.generation == generation and self._age(entry) < LENIENCE
        if not maker.acquire(blocking=not usable):
            assert entry is not None
            return entry.value
        try:
            with self._lock:
                entry = self._entries.get(key)
                if entry is not None and self._fresh(entry):
                    return entry.value  # made while this session waited
                generation = self._generation
            value = make()
            with self._lock:
                self._entries[key] = _Entry(value, time.monotonic(), generation)
                self._entries.move_to_end(key)
                while len(self._entries) > self.most:
                    gone, _ = self._entries.popitem(last=False)
                    self._making.pop(gone, None)
            return value
        except BaseException:
            with self._lock:
                self._entries.pop(key, None)
                self._making.pop(key, None)
            raise
        finally:
            maker.release()

    def drop(self, key: Key, value: Value) -> None:
        """Let this value of a key be made anew for whoever asks next, unless another one took its place."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.value is value:
                del self._entries[key]

    def forget(self) -> None:
        """Let everything be made anew, after this session changed something."""
        with self._lock:
            self._generation += 1

    def _fresh(self, entry: "_Entry[Value]") -> bool:
        return self._age(entry) < 1 and entry.generation == self._generation

    def _age(self, entry: "_Entry[Value]") -> float:
        return 0.0 if self.seconds is None else (time.monotonic() - entry.made) / self.seconds
