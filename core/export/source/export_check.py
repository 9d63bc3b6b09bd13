"""The check of an export: the finished file answers test pictures, and its answers are held against the run's."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict

from core.formatting import format_count, format_percent, format_points
from core.statistics.comparison import paired_interval
from core.statistics.metrics import Accuracy, Interval
from core.statistics.predictions import PredictionTable

CLEAR = 1e-3  # two best probabilities that are nearer may change places
LARGEST = 1e-3  # difference of a probability that rounding explains
MAX_LOSS = 0.03  # of accuracy, by numbers that were rounded on purpose
STALE = 0.02  # share of pictures that the weights may answer otherwise than the stored test result

Answers = npt.NDArray[np.float64]  # (N, classes), probabilities
Outcomes = list[tuple[bool, frozenset[str]]]  # of each picture: whether it is strange, and the classes that it may be
Places = npt.NDArray[np.int64]  # of pictures in a test result


@dataclass(frozen=True)
class ExportCheck:
    """What the file answered.

    Attributes:
        images: test pictures that it answered.
        split: `test`, or `val` where there is no test split.
        same: of these, in the run's class.
        unclear: in another class, where the run's two best probabilities are within 1e-3 of each other.
        largest: difference of a probability.
        both_right, only_run, only_file, both_wrong: pictures by which of the two is right.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    images: int
    split: str
    same: int
    unclear: int
    largest: float
    both_right: int
    only_run: int
    only_file: int
    both_wrong: int

    @property
    def accuracy(self) -> Accuracy:
        """Of the file."""
        return Accuracy(self.both_right + self.only_file, self.images)

    @property
    def run_accuracy(self) -> Accuracy:
        """Of the run, on the same pictures."""
        return Accuracy(self.both_right + self.only_run, self.images)

    @property
    def interval(self) -> Interval:
        """Of the file's accuracy minus the run's, paired."""
        return paired_interval(self.both_right, self.only_run, self.only_file, self.both_wrong)

    def problem(self, *, rounded: bool = False) -> str | None:
        """Why this file must not be handed out; None if it may.

        Args:
            rounded: its weights were rounded on purpose (int8): accuracy counts, not each probability.
        """
        if rounded:
            low = self.interval.low
            if low < -MAX_LOSS:
                return (
                    f"it may lose more than the {format_points(MAX_LOSS)} points of accuracy that are allowed "
                    f"(up to {format_points(math.ceil(-1000 * low) / 1000)}; n = {self.images:,})"
                )
            return None
        wrong = self.images - self.same - self.unclear
        if wrong:
            return f"it answers {format_count(wrong, 'test picture')} of {self.images:,} with another class"
        if self.largest > LARGEST:
            return f"a probability differs by {self.largest:.2g}, more than {LARGEST:g}"
        return None

    def loss(self) -> str | None:
        """Why a file that takes other pictures than the run must not be handed out; None if it may.

        Its answers differ from the run's, so that accuracy counts: it must not lose more than 3 points of it, unless
        chance explains that.
        """
        lost = (self.only_run - self.only_file) / self.images
        if lost <= MAX_LOSS or self.interval.high >= 0:
            return None
        return (
            f"it loses more than the {format_points(MAX_LOSS)} points of accuracy that are allowed "
            f"({format_points(lost)}; n = {self.images:,})"
        )

    def describe(self) -> str:
        """The result in one sentence."""
        found = self.accuracy
        share = "unknown" if found.value is None else format_percent(found.value)
        return (
            f"Same class as the run on {self.same:,} of {self.images:,} test pictures, probabilities within "
            f"{self.largest:.1g}; accuracy {share} ({format_points(found.interval.low)} to "
            f"{format_points(found.interval.high)} %, n = {self.images:,})."
        )

    def to_json(self) -> dict[str, Any]:
        """For the command line: the counts, and what follows from them."""
        interval, own = self.interval, self.accuracy
        return {
            "images": self.images,
            "split": self.split,
            "same_class": self.same,
            "too_close_to_call": self.unclear,
            "largest_difference": self.largest,
            "accuracy": own.value,
            "accuracy_interval": [own.interval.low, own.interval.high],
            "run_accuracy": self.run_accuracy.value,
            "difference_interval": [interval.low, interval.high],
        }


def compare_answers(tested: PredictionTable, places: Places, run: Answers, file: Answers) -> ExportCheck:
    """Hold a file's answers against the run's.

    Args:
        tested: the run's stored test result; `places` are those of the pictures in it.
        run: (N, classes), as the run's weights answer them.
        file: (N, classes).
    """
    labels = tested.labels[places]
    of_run, of_file = run.argmax(axis=1), file.argmax(axis=1)
    best = np.sort(run, axis=1)[:, -2:]
    other = of_run != of_file
    unclear = other & (best[:, 1] - best[:, 0] <= CLEAR)
    run_right, file_right = of_run == labels, of_file == labels
    return ExportCheck(
        images=len(places),
        split=tested.split,
        same=int((~other).sum()),
        unclear=int(unclear.sum()),
        largest=float(np.abs(run - file).max()) if np.isfinite(file).all() else 1.0,
        both_right=int((run_right & file_right).sum()),
        only_run=int((run_right & ~file_right).sum()),
        only_file=int((~run_right & file_right).sum()),
        both_wrong=int((~run_right & ~file_right).sum()),
    )


def count_same_outcomes(run: Outcomes, file: Outcomes) -> int:
    """Pictures that both call strange, or both give the same classes."""
    return sum(one == other for one, other in zip(run, file, strict=True))


def is_stale(tested: PredictionTable, places: Places, run: Answers) -> bool:
    """Whether the weights are not those of the stored test result: rounding changes few answers, other weights many."""
    stored = tested.predicted[places]
    return bool((run.argmax(axis=1) != stored).mean() > STALE)
