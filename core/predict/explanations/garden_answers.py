"""What is known of the features that a head uses most, as JSON and PNG files. Imports no torch."""

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from core.statistics.metrics import Accuracy

SHOWN = 24  # features
PICTURES = 9  # of each feature
MAX_FLIPS = 40  # that are listed
BOUND = 0.01  # of accuracy, that a smaller number of features may cost


@dataclass(frozen=True)
class Flip:
    """A validation picture whose answer changes: its place in the dataset's table, and both answers."""

    index: int
    before: int
    after: int


@dataclass(frozen=True)
class HeadFeature:
    """One number that the backbone hands to the head.

    Attributes:
        number: which one, from 0.
        share: of the use of all features: its standard deviation times how far its weights differ among the classes.
        label: the class for which its weight is largest.
        pictures: those that excite it most, training or validation, as places in the dataset's table.
        values: of the feature in these pictures.
        correct: right validation pictures while it is silenced: held at its mean over the training pictures.
        flips: the answers that this changes, at most `MAX_FLIPS` of `flipped`.
    """

    number: int
    share: float
    label: int
    pictures: tuple[int, ...]
    values: tuple[float, ...]
    correct: int
    flips: tuple[Flip, ...]
    flipped: int


@dataclass(frozen=True)
class Garden:
    """The features that a head uses most, most used first.

    Attributes:
        width: features that the head reads.
        split: on which answers are counted: `val`.
        images: of that split.
        correct: of them, with all features.
        needed: the fewest features, most used first, that lose at most `BOUND` of the accuracy while the others are
            silenced.
        kept: right pictures with these alone.
        mapped: whether the network's last feature map shows where a feature is excited.
    """

    width: int
    split: str
    images: int
    correct: int
    needed: int
    kept: int
    mapped: bool
    features: tuple[HeadFeature, ...]

    @property
    def accuracy(self) -> Accuracy:
        """With all features."""
        return Accuracy(self.correct, self.images)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = _GARDEN.dump_python(self, mode="json")
        return found

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Garden":
        return _GARDEN.validate_python(record)


_GARDEN = TypeAdapter(Garden)
