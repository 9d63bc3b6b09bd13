"""The places of this machine: each is for one run, or for the arms of one race side by side.

Whoever has a place has its processor threads; arms share them. The runs of one race with one seed are a heat: they take
their owner's turn together, the quick ones first, and the next seed follows in the next turn.
"""

from collections.abc import Mapping
from dataclasses import dataclass

STRATEGY_RANKS: Mapping[str, int] = {"head": 0, "partial": 1, "gradual": 2, "scratch": 3, "full": 3}  # quick ones first


@dataclass(frozen=True)
class Waiting:
    """A queued run, as far as its turn depends on it.

    Attributes:
        created: in seconds since 1970.
        race: that it is an arm of; empty for a run of its own.
        seed: of the arm.
        rank: the arms of a heat start in this order.
        abreast: how many arms of its race may run side by side.
    """

    id: str
    owner: str
    created: float
    race: str = ""
    seed: int = 0
    rank: int = 0
    abreast: int = 1

    @property
    def place(self) -> str:
        """What shares one place with it."""
        return self.race if self.abreast > 1 else self.id

    @property
    def heat(self) -> tuple[str, int]:
        """What takes its owner's turn together with it."""
        return (self.race, self.seed) if self.abreast > 1 else (self.id, 0)


class Places:
    """Who is where.

    Args:
        slots: how many places there are.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._taken: dict[str, int] = {}

    def has_company(self, run: Waiting) -> bool:
        """Whether other arms of its race run now."""
        return run.place in self._taken

    def has_room(self, run: Waiting) -> bool:
        """Whether one more run may start."""
        return self._taken[run.place] < run.abreast if self.has_company(run) else len(self._taken) < self.slots

    def enter(self, run: Waiting) -> None:
        """Take a share of a place."""
        self._taken[run.place] = self._taken.get(run.place, 0) + 1

    def leave(self, run: Waiting) -> None:
        """Give it back."""
        self._taken[run.place] -= 1
        if not self._taken[run.place]:
            del self._taken[run.place]
