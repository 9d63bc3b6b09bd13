"""Values that all sessions of the server share: each is made once for everyone, not once for each viewer."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

MAX_AGE = 3.0  # times `seconds`, while another session makes a newer value


@dataclass
class _Entry(Generic[Value]):
    value: Value
    made: float  # time.monotonic()
    generation: int


class SharedCache(Generic[Key, Value]):
    """Values that are made again when they are older than `seconds`.

    While one session makes a newer value, the others get the old one, up to three times that age: nobody waits for a
    value that is only slightly newer. A session that asks for a missing or forgotten value waits until it is made.

    Args:
        seconds: how old a value may be; None if its key describes it completely.
        max_entries: the value that was unused for longest is dropped first.
    """

    def __init__(self, seconds: float | None, max_entries: int = 256) -> None:
        self.seconds, self.max_entries = seconds, max_entries
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, _Entry[Value]] = OrderedDict()
        self._making: dict[Key, threading.Lock] = {}
        self._generation = 0

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of a key. An exception of `make` goes to the caller and is not cached."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                if self._fresh(entry):
                    return entry.value
            generation = self._generation
            maker = self._making.setdefault(key, threading.Lock())
        usable = entry is not None and entry.generation == generation and self._age(entry) < MAX_AGE
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
                while len(self._entries) > self.max_entries:
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
        """Remove this value of a key, unless another one has replaced it."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.value is value:
                del self._entries[key]

    def forget(self) -> None:
        """Make every value again, after this session changed something."""
        with self._lock:
            self._generation += 1

    def _fresh(self, entry: "_Entry[Value]") -> bool:
        return self._age(entry) < 1 and entry.generation == self._generation

    def _age(self, entry: "_Entry[Value]") -> float:
        return 0.0 if self.seconds is None else (time.monotonic() - entry.made) / self.seconds
