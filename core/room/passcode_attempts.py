"""Wrong passcodes, counted so that guessing takes longer than a workshop: `room/attempts.json`.

Each wrong one raises three counts: of the person (the browser's token), of the address, and of the room. Without the
token there is still the address; with many addresses there is still the limit of the room, which is so mild that others
with the right passcode wait a second at most.
"""

import hashlib
import ipaddress
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from core.storage import read_json, write_json

FORGET_SECONDS = 3600.0
MAX_SOURCES = 2000  # kept in the file; the oldest are dropped


@dataclass(frozen=True)
class Allowance:
    """How many wrong ones are free, and how long to wait after more: doubling from the first wait to the longest."""

    free: int
    first_seconds: float
    longest_seconds: float

    def wait_seconds(self, wrong: int) -> float:
        """How long to wait after the last of `wrong` wrong ones."""
        if wrong < self.free:
            return 0.0
        return min(self.first_seconds * 2.0 ** min(wrong - self.free, 30), self.longest_seconds)


# 8 digits and 8 hours: one browser tries 40 of 100,000,000, one address 1,000, all together 29,000 (1 in 3,500)
PERSON = Allowance(5, 15.0, 900.0)
ADDRESS = Allowance(20, 5.0, 30.0)  # a whole room behind one router must not wait for one of its people
ROOM = Allowance(100, 1.0, 1.0)


@dataclass(frozen=True)
class Count:
    """One count that a wrong passcode raises, and its allowance."""

    key: str
    allowance: Allowance


def sources(door: str, person: str, address: str | None) -> list[Count]:
    """The counts of one attempt.

    Args:
        door: `passcode` or `secret`: each has its own counts.
        person: the id of the person.
        address: of the browser; None on the machine itself.
    """
    return [
        Count(f"{door}/{person}", PERSON),
        Count(f"{door}/{_network(address)}", ADDRESS),
        Count(f"{door}/room", ROOM),
    ]


def _network(address: str | None) -> str:
    """An address as a count's name: IPv6 by its first half, because a device picks the other half at will."""
    try:
        parsed = ipaddress.ip_address(address or "127.0.0.1")
    except ValueError:
        parsed = ipaddress.ip_address("127.0.0.1")
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or ipaddress.ip_network((int(parsed) >> 64 << 64, 64)).network_address
    return "a-" + hashlib.sha256(str(parsed).encode()).hexdigest()[:16]


class PasscodeAttempts:
    """The counts of a room, in a file that outlives a restart. The caller holds the room's lock."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.clock = clock

    def wait_seconds(self, tried: Iterable[Count]) -> float:
        """Seconds until the next attempt is allowed; 0 for now."""
        counts, now = self._read(), self.clock()
        longest = 0.0
        for source in tried:
            wrong, last = counts.get(source.key, (0, 0.0))
            wait = source.allowance.wait_seconds(wrong)
            # after a clock was set back, no one must wait for years
            longest = max(longest, min(last + wait - now, wait))
        return max(0.0, longest)

    def note_wrong(self, tried: Iterable[Count]) -> None:
        """Count one wrong attempt."""
        counts, now = self._read(), self.clock()
        for source in tried:
            counts[source.key] = (counts.get(source.key, (0, 0.0))[0] + 1, now)
        newest = sorted(counts.items(), key=lambda item: item[1][1], reverse=True)[:MAX_SOURCES]
        write_json(self.path, {key: list(value) for key, value in newest}, private=True)

    def forgive(self, source: Count) -> None:
        """Reset a count after a right passcode."""
        counts = self._read()
        if counts.pop(source.key, None) is not None:
            write_json(self.path, {key: list(value) for key, value in counts.items()}, private=True)

    def _read(self) -> dict[str, tuple[int, float]]:
        try:
            found = {str(key): (int(count), float(last)) for key, (count, last) in read_json(self.path).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
        now = self.clock()
        return {key: value for key, value in found.items() if now - value[1] < FORGET_SECONDS}
