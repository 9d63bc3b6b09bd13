"""What a check finds under a data root, with the names by which people know its files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.verification import Kind, Problem, Repair


@dataclass(frozen=True)
class Finding:
    """A problem under a data root.

    Attributes:
        thing: relative name under the data root, forward slashes.
        text: one sentence.
        repair: what `--repair` does to `place`; None if it can do nothing.
        place: relative name of what is repaired: `thing`, or the whole run or dataset.
        lock: relative name of a lock that a living process would hold; None where there is none.
    """

    kind: Kind
    thing: str
    text: str
    repair: Repair | None
    place: str
    lock: str | None

    @classmethod
    def of(cls, problem: Problem, home: Path) -> "Finding":
        """The finding for a problem under the data root `home`."""
        thing, place, lock = (
            path.relative_to(home).as_posix() if path else None for path in (problem.path, problem.target, problem.lock)
        )
        return cls(problem.kind, thing or ".", problem.text, problem.repair, place or thing or ".", lock)

    @property
    def remedy(self) -> str | None:
        """What `--repair` would do, in words; None if it can do nothing."""
        if self.repair is None:
            return None
        return self.repair.words.format("it" if self.place == self.thing else printable(self.place))

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "thing": printable(self.thing),
            "text": printable(self.text),
            "repair": self.remedy,
        }


def printable(name: str) -> str:
    """A name as it may be printed: whatever the disk holds, one line without invisible characters."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
