"""What a training says while it runs: small facts, one JSON line each.

`session.train` yields them; the worker appends them to `events.jsonl`; pages and the command line read them back.
All times are seconds. `seconds` counts from the start of the training phase, validation included, and so is what its
frozen part took, by this run or by the one that filled the store: a head that found everything there did not learn in
no time.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

Phase = Literal["preparing", "training", "testing"]


@dataclass(frozen=True)
class PhaseStarted:
    """A part of the run begins."""

    phase: Phase
    text: str


@dataclass(frozen=True)
class Progress:
    """Steps done within the phase; eta_seconds is None while it cannot be told yet."""

    phase: Phase
    text: str
    done: int
    total: int
    eta_seconds: float | None


@dataclass(frozen=True)
class Described:
    """What will be trained, on what, from which pictures."""

    parameters: int
    trainable: int
    stages: list[dict[str, Any]]  # name, freeze_point, epochs, trainable parameters
    hardware: dict[str, Any]  # device, precision, threads, versions, what the probe measured
    pictures: dict[str, int]  # pictures per split
    strip: list[dict[str, Any]]  # fixed validation pictures: index in the dataset, label
    augmentation: str


@dataclass(frozen=True)
class RateFound:
    """The learning-rate finder's curve: smoothed losses by rate, and the rate with which the training goes on."""

    rates: list[float]
    losses: list[float]
    chosen: float


@dataclass(frozen=True, slots=True)  # thousands of them, in every process that looks at a run
class BatchDone:
    """Training steps since the last such event: mean loss and accuracy over them."""

    epoch: int  # from 1
    step: int  # within the epoch, from 1
    steps: int
    images_seen: int  # since the start of the training
    loss: float
    accuracy: float
    learning_rate: float
    images_per_second: float
    seconds: float
    eta_seconds: float | None
    progress: float  # of the whole training, 0 to 1


@dataclass(frozen=True)
class EpochDone:
    """An epoch with its validation."""

    epoch: int
    stage: str
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    epoch_seconds: float
    seconds: float
    images_seen: int
    images_per_second: float
    best: bool


@dataclass(frozen=True)
class SamplesPredicted:
    """Predictions for the fixed validation pictures after an epoch."""

    epoch: int
    predictions: list[dict[str, Any]]  # index, predicted, probability, correct


@dataclass(frozen=True)
class Message:
    """A sentence for the log."""

    level: Literal["info", "warning"]
    text: str


@dataclass(frozen=True)
class Tested:
    """The best checkpoint on pictures that no decision has touched (or on validation where there is no test split)."""

    split: Literal["test", "val"]
    correct: int
    images: int
    accuracy: float
    loss: float
    epoch: int
    seconds: float


@dataclass(frozen=True)
class PointDone:
    """One point of a learning curve: a training on part of the pictures, judged on all of the test split."""

    pictures_per_class: int  # asked for; a class may have fewer
    pictures: int  # training pictures in all
    seed: int
    correct: int
    images: int
    accuracy: float
    seconds: float  # of this point, from the start of its training to its test
    right: str  # hex digits; bit by bit, first picture first, whether each picture of the split was right
    split: Literal["test", "val"] = "test"  # that it was judged on
    epoch: int = 0  # the best one on the validation split, whose weights were judged
    steps: int = 0  # of training, in all epochs


@dataclass(frozen=True)
class Measured:
    """What a training has cost."""

    seconds: dict[str, float]  # by part: those of `costs.PARTS`
    reused: list[str]  # parts that were found in the stores: their seconds are those of the run that computed them
    multiply_adds: int  # of one picture's way forward through the whole network
    multiply_adds_learning: int  # the same of the part that learns, in the last stage
    peak_memory_bytes: int  # of the worker process, what it shares with others included
    weights_bytes: int  # of the saved network


Event = (
    PhaseStarted
    | Progress
    | Described
    | RateFound
    | BatchDone
    | EpochDone
    | SamplesPredicted
    | Message
    | Tested
    | PointDone
    | Measured
)

KINDS: dict[str, type[Any]] = {
    "phase": PhaseStarted,
    "progress": Progress,
    "described": Described,
    "rate": RateFound,
    "batch": BatchDone,
    "epoch": EpochDone,
    "strip": SamplesPredicted,
    "message": Message,
    "tested": Tested,
    "point": PointDone,
    "measured": Measured,
}
_NAMES = {cls: name for name, cls in KINDS.items()}
_FIELDS = {cls: frozenset(field.name for field in dataclasses.fields(cls)) for cls in KINDS.values()}


def to_record(event: Event) -> dict[str, Any]:
    """The event as a JSON object with its `kind`."""
    return {"kind": _NAMES[type(event)], **dataclasses.asdict(event)}


def from_record(record: dict[str, Any]) -> Event | None:
    """The event of a JSON object; None for a kind that this version does not know."""
    values = dict(record)
    cls = KINDS.get(str(values.pop("kind", "")))
    if cls is None:
        return None
    known = _FIELDS[cls]
    try:
        event: Event = cls(**{key: value for key, value in values.items() if key in known})
    except TypeError:
        return None
    return event
