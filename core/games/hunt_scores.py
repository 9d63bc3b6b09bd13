"""Who found how many of the planted labels: each person, all together, the doctor, and what chance finds."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.statistics.metrics import Accuracy


@dataclass(frozen=True)
class Chance:
    """How many are found by marking at random: the mean, and what lies in between 95 times in 100.

    Source: the hypergeometric distribution, exactly.
    """

    expected: float
    low: int
    high: int


@dataclass(frozen=True)
class Found:
    """How much was marked, and how much of that was planted."""

    found: int
    marked: int
    chance: Chance

    @property
    def share(self) -> Accuracy:
        """Of the marked ones that were planted, with its interval."""
        return Accuracy(self.found, self.marked)

    @property
    def beyond_chance(self) -> bool:
        """Whether hardly any random marks find as many."""
        return self.found > self.chance.high


def expect_by_chance(pictures: int, planted: int, marked: int) -> Chance:
    """What random marks find."""
    from scipy.stats import hypergeom

    low, high = hypergeom.interval(0.95, pictures, planted, marked)
    return Chance(marked * planted / pictures, int(low), int(high))


def count_found(marked: Collection[int], truth: Collection[int], pictures: int) -> Found:
    """How many of some marks were planted."""
    hits = len(set(marked) & set(truth))
    return Found(hits, len(marked), expect_by_chance(pictures, len(truth), len(marked)))


def vote(marks: Mapping[str, Sequence[int]], first: int) -> list[int]:
    """The pictures that most people marked, at most so many; of equal ones, the one that was marked earlier by each."""
    votes = Counter(row for rows in marks.values() for row in rows)
    place = {row: min(rows.index(row) for rows in marks.values() if row in rows) for row in votes}
    return sorted(votes, key=lambda row: (-votes[row], place[row], row))[:first]


def doubt(marks: Mapping[str, Sequence[int]], truth: Iterable[int]) -> list[int]:
    """Pictures with their own label that two people or more marked, most marks first: labels to look at again."""
    planted = set(truth)
    votes = Counter(row for rows in marks.values() for row in rows if row not in planted)
    return [row for row, count in votes.most_common() if count > 1]
