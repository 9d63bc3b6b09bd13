"""The subset and schedule of each point of a learning curve. Imports no torch.

Subsets are nested: with one seed, the images of a size contain those of every smaller one. Which images they are
follows from the seed and their content alone, so every arm sees the same ones.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.config.race_plan import MAX_SIZES, RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset, ImageRow
from core.estimates.estimate import VALIDATION_COST, Estimate, estimate
from core.estimates.team import Team
from core.settings import Settings

LEAST_STEPS = 100  # of a point: as many as the whole set gets in some epochs
STEP_COST = 2.0  # of a step in addition to its images, in images
NEARLY_ALL = 0.8  # a size above this share of the largest class shows nothing that all images do not

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Schedule:
    """How a point is trained.

    Attributes:
        batch_size: images a step, each of them once where the subset is smaller than a batch of the configuration.
        passes: how often an epoch goes over the subset.
        steps: of an epoch.
    """

    batch_size: int
    passes: int
    steps: int


def default_sizes(largest: int) -> tuple[int, ...]:
    """Training images per class: 1, 2, 5, 10, 20, 50 … and all.

    Args:
        largest: training images of the largest class.
    """
    ladder = [step * 10**power for power in range(9) for step in (1, 2, 5)]
    below = [size for size in ladder if size <= NEARLY_ALL * largest]
    return (*below[: MAX_SIZES - 1], largest)


def fit_sizes(sizes: Sequence[int], largest: int) -> tuple[int, ...]:
    """The sizes in ascending order, each once; what no class has means all."""
    return tuple(sorted({min(size, largest) for size in sizes}))


def largest_class(rows: Sequence[ImageRow]) -> int:
    """Images of the class that has most of them; 0 without images."""
    return max(count_classes(rows).values(), default=0)


def count_classes(rows: Sequence[ImageRow]) -> dict[int, int]:
    """Images by label."""
    counts: dict[int, int] = {}
    for row in rows:
        counts[row.label] = counts.get(row.label, 0) + 1
    return counts


def choose_subset(rows: Sequence[ImageRow], size: int, seed: int) -> Places:
    """Places of `size` images of each class, or of all that a class has, in the order of the rows.

    Args:
        rows: of the training split.
    """
    order = sorted(range(len(rows)), key=lambda place: (_draw(rows[place], seed), place))
    taken: dict[int, int] = {}
    chosen = []
    for place in order:
        label = rows[place].label
        if taken.get(label, 0) < size:
            taken[label] = taken.get(label, 0) + 1
            chosen.append(place)
    return np.array(sorted(chosen), dtype=np.int64)


def _draw(row: ImageRow, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {row.pixel_hash}".encode()).digest()


def schedule(images: int, whole: int, config: TrainConfig) -> Schedule:
    """How a subset is trained, by the same rule for every arm.

    A point has the epochs of its configuration, and so as many looks at the validation split. Where few images would
    give it less than `LEAST_STEPS` steps in them, or less than the whole set where that has fewer, every epoch goes
    over them several times.

    Args:
        images: of the subset.
        whole: of the training split.
    """
    batch = max(2, min(config.batch_size, images))
    wanted = min(math.ceil(LEAST_STEPS / config.epochs), math.ceil(whole / config.batch_size))  # steps of an epoch
    passes = max(1, math.ceil(((wanted - 1) * batch + 1) / images))
    if batch == 2 and images < whole and passes * images % 2:
        passes += 1  # a batch of one image would break BatchNorm
    return Schedule(batch, passes, math.ceil(passes * images / batch))


def work_of(config: TrainConfig, images: int, planned: Schedule, evaluated: int, *, stored: bool) -> float:
    """How much there is to do, in training images, to estimate the time that is left.

    Args:
        images: of the subset.
        evaluated: images of validation in all epochs, and of the test.
        stored: only a head is trained, on stored activations: a step costs the same whatever is in it.
    """
    if stored:
        return config.epochs * planned.steps * float(config.batch_size) + VALIDATION_COST * evaluated
    seen = planned.passes * images + STEP_COST * planned.steps
    return config.epochs * seen + VALIDATION_COST * evaluated


def is_stored(config: TrainConfig) -> bool:
    """Whether only a head is trained, on stored activations."""
    return config.strategy == "head" and config.views > 0


def estimate_series(
    settings: Settings, config: TrainConfig, dataset: Dataset, plan: RacePlan, team: Team | None = None
) -> Estimate | None:
    """How long a run of a learning curve takes; None where this network was not measured here yet.

    Args:
        team: who computes it; it is one process, whatever its workers.
    """
    whole = estimate(settings, config.model_copy(update={"workers": 1}), dataset, team)
    if whole is None:
        return None
    rows, counts = dataset.rows_of("train"), count_classes(dataset.rows_of("train")).values()
    looks = config.epochs * len(dataset.rows_of("val"))
    stored = is_stored(config)
    unit = work_of(config, len(rows), schedule(len(rows), len(rows), config), looks, stored=stored)
    work = 0.0
    for size in plan.sizes:
        images = sum(min(size, count) for count in counts)
        work += work_of(config, images, schedule(images, len(rows), config), looks, stored=stored)
    parts = dict(whole.parts)
    parts["training"] *= len(plan.seeds) * work / unit
    parts["testing"] *= 1 if stored else plan.points
    if "finding the rate" in parts:
        parts["finding the rate"] *= plan.points
    return replace(whole, parts=parts)
