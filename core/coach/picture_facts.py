"""What the coach knows of a dataset's pictures: how many each class has, and which the square crop cuts in half."""

from collections import Counter
from dataclasses import dataclass

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import DatasetError
from core.runs.run import Run
from core.settings import Settings
from core.statistics.predictions import PredictionTable

CUT = 2.0  # long side over short side: from here on a square crop shows at most half of a picture


@dataclass(frozen=True)
class CutResult:
    """A test result in two parts.

    Attributes:
        cut, whole: pictures right, and pictures tested: of those that the crop halves, and of all others.
    """

    cut: tuple[int, int]
    whole: tuple[int, int]


@dataclass(frozen=True)
class PictureFacts:
    """The pictures of a dataset.

    Attributes:
        training: for each class, its training pictures.
        cut: indices of the pictures of which a square crop shows at most half.
        cut_in_training: how many of them are training pictures.
    """

    training: tuple[int, ...]
    cut: frozenset[int] = frozenset()
    cut_in_training: int = 0

    @property
    def shares(self) -> tuple[float, ...]:
        """For each class, its share of the training pictures."""
        return tuple(count / max(1, sum(self.training)) for count in self.training)

    def split_result(self, table: PredictionTable) -> CutResult:
        """The result of a table, in two parts."""
        halved = [int(index) in self.cut for index in table.indices]
        right = table.correct.tolist()
        return CutResult(
            cut=(sum(ok for ok, cut in zip(right, halved, strict=True) if cut), sum(halved)),
            whole=(sum(ok for ok, cut in zip(right, halved, strict=True) if not cut), len(halved) - sum(halved)),
        )


def pictures_in(dataset: Dataset) -> PictureFacts:
    """The facts of a dataset."""
    rows = dataset.rows_of("train")
    counted = Counter(row.label for row in rows)
    cut = frozenset(row.index for row in dataset.rows if max(row.width, row.height) >= CUT * min(row.width, row.height))
    return PictureFacts(
        tuple(counted[label] for label in range(len(dataset.classes))), cut, sum(row.index in cut for row in rows)
    )


def pictures_of(settings: Settings, run: Run) -> PictureFacts | None:
    """The facts of a run's dataset; None where it is gone or has changed since.

    Raises:
        RunError: if the run cannot be read.
    """
    meta = run.meta()
    try:
        dataset = DatasetStore(settings).get(run.config().dataset)
    except DatasetError:
        return None
    return pictures_in(dataset) if dataset.fingerprint == meta.dataset_fingerprint else None
