"""What is known of one answer beyond its probabilities: whether the picture is strange, and which classes it may be."""

from dataclasses import dataclass
from typing import Any

from core.novelty.conformal import DEFAULT_PROMISE, can_promise, images_for, tests_at_once
from core.novelty.distances import TESTS


@dataclass(frozen=True)
class Nearest:
    """A training picture that is near.

    Attributes:
        index: in the dataset's table.
        label: its class.
        distance: 1 minus the cosine of the features, from 0 to 2.
    """

    index: int
    label: str
    distance: float


@dataclass(frozen=True)
class NotSure:
    """Whether a picture is unlike the training pictures, and what else it may be.

    Attributes:
        p_value: at most this share of known pictures looks as strange.
        images: validation pictures behind it.
        sets: of promise and classes, most probable first: the true class of a known picture is among them for all but
            the promised share. No entry where the promise cannot be made.
        nearest: training pictures, nearest first.
    """

    p_value: float
    images: int
    sets: tuple[tuple[float, tuple[str, ...]], ...]
    nearest: tuple[Nearest, ...] = ()

    def can_promise(self, promise: float = DEFAULT_PROMISE) -> bool:
        """Whether there are enough validation pictures to refuse any picture at this promise."""
        return can_promise(self.images, promise, tests_at_once(self.images, len(TESTS)))

    def refused(self, promise: float = DEFAULT_PROMISE) -> bool:
        """Whether it is unlike the training pictures, which at most the promised share of known pictures is called."""
        return self.p_value <= promise + 1e-12

    def set_at(self, promise: float = DEFAULT_PROMISE) -> tuple[str, ...] | None:
        """The classes that it may be; None where no such promise can be made."""
        return next((names for each, names in self.sets if abs(each - promise) < 1e-12), None)

    def why_not(self, promise: float = DEFAULT_PROMISE) -> str | None:
        """Why no such promise can be made, as a sentence; None where it can."""
        if self.can_promise(promise):
            return None
        needed = images_for(promise) if self.images < images_for(promise) else images_for(promise / len(TESTS))
        return (
            f"Strange pictures cannot be noticed: {describe_promise(promise)} needs {needed} validation pictures, "
            f"and this run has {self.images}."
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "p_value": self.p_value,
            "images": self.images,
            "sets": [[promise, list(names)] for promise, names in self.sets],
            "nearest": [[item.index, item.label, round(item.distance, 6)] for item in self.nearest],
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "NotSure":
        return cls(
            float(record["p_value"]),
            int(record["images"]),
            tuple((float(promise), tuple(str(name) for name in names)) for promise, names in record["sets"]),
            tuple(Nearest(int(index), str(label), float(far)) for index, label, far in record["nearest"]),
        )


def describe_promise(promise: float) -> str:
    """Such as `1 in 20`."""
    share = 1 / promise
    return f"1 in {share:.0f}" if abs(share - round(share)) < 1e-6 else f"{100 * promise:g} %"
