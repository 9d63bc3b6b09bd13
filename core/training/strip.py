"""Some validation pictures that are watched through a whole training, the same for all arms of a race."""

import numpy as np
import numpy.typing as npt

from core.training.data import SplitData

PICTURES = 10

Indices = npt.NDArray[np.int64]


def choose_strip(val: SplitData, seed: int, count: int = PICTURES) -> Indices:
    """Fixed validation pictures to watch: dataset indices, all classes in turn."""
    order = np.random.default_rng([seed, 7]).permutation(len(val))
    by_class: dict[int, list[int]] = {}
    for place in order:
        by_class.setdefault(int(val.labels[place]), []).append(int(val.indices[place]))
    queues = [by_class[label] for label in sorted(by_class)]
    chosen: list[int] = []
    while len(chosen) < count and any(queues):
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop())
    return np.array(sorted(chosen), dtype=np.int64)


def describe_strip(strip: Indices, val: SplitData, probabilities: npt.NDArray[np.float64]) -> list[dict[str, object]]:
    """What is predicted for the watched pictures, as `StripUpdated` tells it.

    Args:
        probabilities: (N, C), in the order of the validation split.
    """
    places = {int(index): place for place, index in enumerate(val.indices)}
    out: list[dict[str, object]] = []
    for index in strip:
        row = probabilities[places[int(index)]]
        predicted = int(row.argmax())
        out.append(
            {
                "index": int(index),
                "predicted": predicted,
                "probability": round(float(row[predicted]), 4),
                "correct": predicted == int(val.labels[places[int(index)]]),
            }
        )
    return out
