"""Made-up runs for the tests of the coach's rules."""

from collections.abc import Sequence
from typing import Any

from core.coach.picture_facts import PictureFacts
from core.coach.review import review_run
from core.coach.run_facts import RunFacts
from core.config.events import EpochDone, Tested
from core.config.train_config import TrainConfig
from core.runs.run import RunState
from core.statistics.class_scores import ClassScore

IMAGES = (("train", 840), ("val", 180), ("test", 180))


def epoch(number: int, train: float, val: float, known: float, new: float, **more: Any) -> EpochDone:
    """One epoch: losses in nats, accuracies as fractions."""
    values: dict[str, Any] = {
        "stage": "only", "learning_rate": 0.001, "epoch_seconds": 1.0, "seconds": float(number),
        "images_seen": 840 * number, "images_per_second": 840.0, "best": False, **more,
    }  # fmt: skip
    return EpochDone(epoch=number, train_loss=train, train_accuracy=known, val_loss=val, val_accuracy=new, **values)


def facts(
    train: Sequence[float],
    val: Sequence[float],
    known: Sequence[float],
    new: Sequence[float],
    config: dict[str, Any] | None = None,
    **more: Any,
) -> RunFacts:
    """A finished run of two classes with these curves; the best epoch is that of the highest validation accuracy."""
    best = max(range(len(new)), key=lambda place: new[place], default=None)
    epochs = tuple(
        epoch(place + 1, *values, best=place == best)
        for place, values in enumerate(zip(train, val, known, new, strict=True))
    )
    chosen = {"dataset": "pets", "model": "petnet", "strategy": "head", "epochs": max(1, len(epochs)), **(config or {})}
    values = {"state": RunState.FINISHED, "classes": 2, "names": ("cat", "dog"), "pictures": IMAGES, **more}
    return RunFacts(config=TrainConfig.model_validate(chosen), epochs=epochs, **values)


def evaluated(correct: int, images: int, split: str = "test") -> Tested:
    """A test result."""
    return Tested(split, correct, images, correct / images, 0.3, 1, 1.0)  # type: ignore[arg-type]


def score(label: str, support: int, correct: int, predicted: int) -> ClassScore:
    """How one class fared, from counts."""
    return ClassScore(
        label,
        correct / predicted if predicted else None,
        correct / support if support else None,
        2 * correct / (support + predicted) if support + predicted else None,
        support,
        predicted,
        correct,
    )


SCRATCH = {"model": "scratch_cnn", "strategy": "scratch"}
HEALTHY = facts(
    [0.45, 0.25, 0.20, 0.17, 0.16, 0.155],
    [0.30, 0.22, 0.20, 0.19, 0.185, 0.185],
    [0.80, 0.90, 0.92, 0.93, 0.94, 0.94],
    [0.88, 0.91, 0.92, 0.93, 0.93, 0.93],
    tested=evaluated(166, 180),
    scores=(score("cat", 90, 83, 90), score("dog", 90, 83, 90)),
    dataset=PictureFacts((420, 420)),
)
OVERFIT = facts(
    [0.60, 0.40, 0.25, 0.15, 0.08, 0.04, 0.02, 0.01],
    [0.55, 0.45, 0.42, 0.45, 0.55, 0.65, 0.75, 0.85],
    [0.65, 0.80, 0.90, 0.95, 0.98, 0.99, 1.0, 1.0],
    [0.70, 0.78, 0.80, 0.80, 0.79, 0.78, 0.78, 0.77],
    SCRATCH,
)
FLAT = facts(
    [0.69, 0.66, 0.65, 0.645, 0.642, 0.640, 0.640, 0.639],
    [0.69, 0.66, 0.65, 0.645, 0.643, 0.642, 0.642, 0.642],
    [0.52, 0.58, 0.61, 0.62, 0.63, 0.63, 0.63, 0.63],
    [0.52, 0.58, 0.61, 0.62, 0.63, 0.62, 0.63, 0.63],
    SCRATCH,
)
FALLING = facts(
    [0.68, 0.62, 0.56, 0.51, 0.46, 0.42],
    [0.68, 0.63, 0.58, 0.53, 0.48, 0.44],
    [0.55, 0.62, 0.69, 0.73, 0.77, 0.80],
    [0.56, 0.62, 0.68, 0.72, 0.76, 0.79],
    SCRATCH,
)
CREEPING = facts(
    [0.690, 0.688, 0.686, 0.685, 0.684],
    [0.690, 0.688, 0.686, 0.685, 0.684],
    [0.51, 0.52, 0.53, 0.54, 0.55],
    [0.52, 0.53, 0.54, 0.55, 0.56],
    {"learning_rate": 1e-6},
)


def kinds(found: RunFacts) -> list[str]:
    """The kinds of all findings in a run, the most important first."""
    return [finding.kind for finding in review_run(found, limit=None)]
