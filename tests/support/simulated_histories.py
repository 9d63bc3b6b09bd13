"""Simulated histories of trainings whose truth is known, for the coach's rules.

Every picture has a difficulty of its own, which stays the same in all epochs, and luck that changes from epoch to
epoch: a network's margin on it at an epoch is skill - difficulty + luck, all in standard deviations. It is right where
the margin is above 0, and its loss is log(1 + (classes - 1) exp(-sharpness * margin)), which is that of guessing where
the margin is 0. Skill follows a curve, with a wobble from epoch to epoch that remembers half of the one before.
The training accuracy is a mean over the epoch, so it lags by half an epoch.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from core.coach.run_facts import RunFacts
from core.config.events import EpochDone, Mirrored, Tested
from core.config.train_config import TrainConfig
from core.runs.run import RunState
from core.statistics.class_scores import per_class
from core.statistics.predictions import PredictionTable

MEMORY = 0.5  # of an epoch's wobble for that of the one before

Curve = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class History:
    """What to simulate.

    Attributes:
        accuracy: on new pictures at the end, without chance.
        gap: training accuracy at the end minus that.
        validation, test: pictures; training has six times as many as validation.
        settled: share of the epochs after which nearly all is learned; above 1, the training ends before.
        wobble: of the skill from epoch to epoch, in standard deviations of the pictures' difficulty.
        luck: of a picture at an epoch, likewise.
        late: change of the validation accuracy in the second half of the epochs.
        harder: test accuracy minus that on validation pictures, without chance.
        sharpness: of the loss; more is more confident.
        config: fields of TrainConfig.
    """

    accuracy: float = 0.9
    gap: float = 0.0
    classes: int = 2
    epochs: int = 10
    validation: int = 60
    test: int = 60
    settled: float = 0.3
    wobble: float = 0.1
    luck: float = 0.3
    late: float = 0.0
    harder: float = 0.0
    sharpness: float = 2.0
    config: Mapping[str, Any] = field(default_factory=dict)


def simulate(history: History, rng: np.random.Generator) -> RunFacts:
    """The facts of one finished training."""
    epochs, classes = history.epochs, history.classes
    training = 6 * history.validation
    noise = _wobble(epochs, history.wobble, rng)
    late = history.late * np.clip(2 * np.arange(1, epochs + 1) / epochs - 1, 0, 1)
    new = _skill(history, history.accuracy, 0.0, late) + noise
    known = _skill(history, min(history.accuracy + history.gap, 0.999), 0.5, np.zeros(epochs)) + noise
    val_loss, val_right = _predict(new, history.validation, history, rng)
    train_loss, train_right = _predict(known, training, history, rng)
    best, done = -1.0, []
    for place in range(epochs):
        done.append(
            EpochDone(
                epoch=place + 1, stage="only", train_loss=float(train_loss[place]),
                train_accuracy=float(train_right[place].mean()), val_loss=float(val_loss[place]),
                val_accuracy=float(val_right[place].mean()), learning_rate=0.001, epoch_seconds=1.0,
                seconds=place + 1.0, images_seen=training * (place + 1), images_per_second=training,
                best=float(val_right[place].mean()) > best,
            )
        )  # fmt: skip
        best = max(best, done[-1].val_accuracy)
    kept = max(range(epochs), key=lambda place: (done[place].val_accuracy, -place))
    table = _test(history, float(norm.cdf(new[kept] / np.hypot(1, history.luck))) + history.harder, rng)
    config = {"dataset": "pets", "model": "scratch_cnn", "strategy": "scratch", "epochs": epochs, **history.config}
    return RunFacts(
        config=TrainConfig.model_validate(config),
        state=RunState.FINISHED,
        classes=classes,
        epochs=tuple(done),
        pictures=(("train", training), ("val", history.validation), ("test", history.test)),
        tested=Tested("test", int(table.correct.sum()), table.n, float(table.correct.mean()), 0.3, epochs, 1.0),
        scores=tuple(per_class(table)),
        names=table.classes,
    )


def _skill(history: History, accuracy: float, lag: float, late: Curve) -> Curve:
    """(epochs,) from guessing to the accuracy, exponentially; 95 % of the way is `settled`."""
    times = np.arange(1, history.epochs + 1) - lag
    share = 1 - np.exp(-3 * times / (history.settled * history.epochs))
    start = 1 / history.classes
    path = start + (accuracy - start) * share + late
    return np.asarray(norm.ppf(np.clip(path, 0.001, 0.999)) * np.hypot(1, history.luck))


def _wobble(epochs: int, size: float, rng: np.random.Generator) -> Curve:
    out = rng.normal(0, size, epochs)
    for place in range(1, epochs):
        out[place] = MEMORY * out[place - 1] + np.sqrt(1 - MEMORY**2) * out[place]
    return np.asarray(out)


def _predict(skill: Curve, images: int, history: History, rng: np.random.Generator) -> tuple[Curve, NDArray[np.bool_]]:
    """(epochs,) mean losses, and (epochs, images) whether each picture is right."""
    margin = skill[:, None] - rng.normal(0, 1, images) + rng.normal(0, history.luck, (len(skill), images))
    losses = np.logaddexp(0, np.log(max(1, history.classes - 1)) - history.sharpness * margin)
    return losses.mean(axis=1), margin > 0


def _test(history: History, accuracy: float, rng: np.random.Generator) -> PredictionTable:
    """Predictions of the kept weights on a test split of equal classes."""
    labels = np.arange(history.test) % history.classes
    answers = _answer(labels, accuracy, history.classes, rng)
    return PredictionTable(
        "test", tuple(f"class {number}" for number in range(history.classes)),
        tuple(str(number) for number in range(history.test)), np.arange(history.test), labels,
        np.eye(history.classes)[answers],
    )  # fmt: skip


def simulate_mirrored(
    images: int, classes: int, plain: float, mirrored: float, rng: np.random.Generator, *, swaps: bool = False
) -> Mirrored:
    """Answers to mirrored pictures of a network.

    Args:
        images: of each class.
        plain, mirrored: its accuracies, without chance; wrong answers are other classes at random.
        swaps: whether class 0 and class 1 are mirror images: mirrored, what would be right is the other of the two.
    """
    labels = np.repeat(np.arange(classes), images)
    turned = np.where(labels < 2, 1 - labels, labels) if swaps else labels
    answers = [_answer(truth, accuracy, classes, rng) for truth, accuracy in ((labels, plain), (turned, mirrored))]
    # flips or not, left and right tell the two classes apart where they are mirror images, and else nothing
    known = _answer(labels, 0.9, classes, rng) if swaps else rng.integers(0, classes, len(labels))
    return Mirrored(len(labels), _count(labels, *answers), _count(labels, known), 0.1)


def _answer(truth: Labels, accuracy: float, classes: int, rng: np.random.Generator) -> Labels:
    others = (truth + rng.integers(1, classes, len(truth))) % classes
    return np.where(rng.random(len(truth)) < accuracy, truth, others)


def _count(*columns: Labels) -> list[list[int]]:
    rows = Counter(zip(*(column.tolist() for column in columns), strict=True))
    return [[*row, count] for row, count in sorted(rows.items())]
