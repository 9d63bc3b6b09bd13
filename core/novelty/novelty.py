"""A run's file `novelty.safetensors`: the training features that new pictures are compared with, and the calibration.

It belongs to the weights that were evaluated. The scores of the test pictures are in it too: they were computed with
the test, once, and show whether the promise holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from core.checkpoints.weights_file import read_header
from core.errors import RunError
from core.novelty.conformal import PROMISES, ClassSets, Numbers, Values, combine, p_values
from core.novelty.distances import TESTS, Features, Reference
from core.novelty.not_sure import Nearest, NotSure
from core.storage import atomic_open
from core.verification import Damage

FORMAT = "1"
SHOWN_NEAREST = 3
KINDS = {
    "train": np.float16,
    "train_indices": np.int64,
    "train_labels": np.int64,
    "means": np.float32,
    "val_labels": np.int64,
    "val_probabilities": np.float64,
    "val_scores": np.float32,
    "test_indices": np.int64,
    "test_scores": np.float32,
}


@dataclass(frozen=True, eq=False)
class Novelty:
    """What a run knows of known and strange pictures.

    Attributes:
        epoch: of the weights.
        classes: names.
        val_labels, val_probabilities: (n,) true class of each validation picture, and what the network gave it.
        val_scores: (n, 2) as `Reference.scores`.
        test_indices, test_scores: (m,) in the dataset's table, (m, 2); empty where there is no test split.
    """

    epoch: int
    classes: tuple[str, ...]
    reference: Reference
    val_labels: Numbers
    val_probabilities: Values
    val_scores: Features
    test_indices: Numbers
    test_scores: Features

    @property
    def images(self) -> int:
        """Validation pictures."""
        return len(self.val_labels)

    def p_values(self, scores: Features) -> Values:
        """(N, 2) scores -> (N,): both tests as one, `combine`."""
        each = [p_values(scores[:, test], self._ordered[:, test]) for test in range(len(TESTS))]
        return combine(np.stack(each, axis=1), self.images)

    def sets(self, probabilities: Values, promise: float) -> NDArray[np.bool_] | None:
        """(N, C) -> (N, C) which classes each picture may be; None where no such promise can be made."""
        return self._sets.of(probabilities, promise)

    def least(self, promise: float) -> Values | None:
        """(C,) as `ClassSets.least`."""
        return self._sets.least(promise)

    @cached_property
    def _ordered(self) -> Features:
        return np.sort(self.val_scores, axis=0)

    @cached_property
    def _sets(self) -> ClassSets:
        counts = np.bincount(self.val_labels, minlength=len(self.classes))
        return ClassSets(self.val_labels, self.val_probabilities, [int(count) for count in counts])

    def judge(self, features: Features, probabilities: Values, promises: Sequence[float] = PROMISES) -> list[NotSure]:
        """What is known of each of N pictures beyond its probabilities.

        Args:
            features: (N, F), what the head read.
            probabilities: (N, C).
            promises: for which to give sets.
        """
        scores, places, distances = self.reference.compare(features, SHOWN_NEAREST)
        p_value = self.p_values(scores)
        found = {promise: self.sets(probabilities, promise) for promise in promises}
        return [
            NotSure(
                float(p_value[place]),
                self.images,
                tuple(
                    (promise, self._names(probabilities[place], members[place]))
                    for promise, members in found.items()
                    if members is not None
                ),
                self._nearest(places[place], distances[place]),
            )
            for place in range(len(features))
        ]

    def _names(self, probabilities: Values, members: NDArray[np.bool_]) -> tuple[str, ...]:
        order = np.argsort(-probabilities, kind="stable")
        return tuple(self.classes[label] for label in order if members[label])

    def _nearest(self, places: Numbers, distances: Features) -> tuple[Nearest, ...]:
        kept = self.reference
        return tuple(
            Nearest(int(kept.indices[place]), self.classes[int(kept.labels[place])], float(distance))
            for place, distance in zip(places, distances, strict=True)
        )


def write_novelty(path: Path, novelty: Novelty) -> None:
    """Write the file, atomically."""
    kept = novelty.reference
    tensors = {
        "train": kept.features,
        "train_indices": kept.indices,
        "train_labels": kept.labels,
        "means": kept.means,
        **{name: getattr(novelty, name) for name in KINDS if name.startswith(("val", "test"))},
    }
    metadata = {"format": FORMAT, "epoch": str(novelty.epoch), "neighbours": str(kept.neighbours)}
    data = save({name: np.ascontiguousarray(tensors[name], kind) for name, kind in KINDS.items()}, metadata)
    with atomic_open(path) as file:
        file.write(data)


def read_novelty(path: Path, classes: Sequence[str]) -> Novelty | None:
    """Read the file; None where there is none.

    Args:
        classes: of the run.
    Raises:
        RunError: if it is damaged or does not fit the classes.
    """
    try:
        metadata = read_header(path).metadata
        return _parse(metadata, load(path.read_bytes()), tuple(classes))
    except FileNotFoundError:
        return None
    except (OSError, Damage, SafetensorError, ValueError, KeyError, IndexError) as error:
        raise RunError(
            f"The file {path.name} of run {path.parent.name} is damaged: delete it, and it is made again."
        ) from error


def _parse(metadata: dict[str, str], found: dict[str, NDArray[np.generic]], classes: tuple[str, ...]) -> Novelty:
    if metadata.get("format") != FORMAT or {name: array.dtype for name, array in found.items()} != {
        name: np.dtype(kind) for name, kind in KINDS.items()
    }:
        raise ValueError("of another format")
    train, means = found["train"], found["means"]
    count, images, tested = len(found["train_indices"]), len(found["val_labels"]), len(found["test_indices"])
    shapes = {
        "train_labels": (count,),
        "train": (count, train.shape[-1]),
        "means": (len(means), train.shape[-1]),
        "val_probabilities": (images,),
        "val_scores": (images, len(TESTS)),
        "test_scores": (tested, len(TESTS)),
    }
    neighbours = int(metadata["neighbours"])
    if any(found[name].shape != shape for name, shape in shapes.items()) or not 1 <= neighbours <= count:
        raise ValueError("parts do not fit each other")
    if not 1 <= len(means) <= len(classes) or not all(np.isfinite(array).all() for array in found.values()):
        raise ValueError("does not fit the classes, or is not finite")
    for name in ("train_labels", "val_labels"):
        labels = found[name]
        if labels.ndim != 1 or (len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(classes)):
            raise ValueError("has labels that are no class")
    reference = Reference(train, found["train_indices"], found["train_labels"], means, neighbours)  # type: ignore[arg-type]
    own = {name: found[name] for name in KINDS if name.startswith(("val", "test"))}
    return Novelty(int(metadata["epoch"]), classes, reference, **own)  # type: ignore[arg-type]
