"""Run events: small facts about a training, one JSON line each.

`session.train` yields them; the worker appends them to `events.jsonl`; pages and the command line read them back.
All times are seconds. `seconds` counts from the start of the training phase, validation included, and so is what its
frozen part took, by this run or by the one that filled the store: a head that found everything there did not learn in
no time.
"""

import dataclasses
import math
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

Phase = Literal["preparing", "training", "testing"]
_FIGURE = Field(ge=0, lt=1e18)  # bytes, seconds or operations


@dataclass(frozen=True)
class PhaseStarted:
    """A part of the run begins."""

    phase: Phase
    text: str


@dataclass(frozen=True)
class Progress:
    """Steps done within the phase; eta_seconds, of what is counted here, is None until it can be estimated."""

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
    preprocessing: dict[str, Any] | None = None  # version and grey ranges; None of a run of version 1


@dataclass(frozen=True)
class RateFound:
    """The learning-rate finder's curve: smoothed losses by rate, and the rate that was chosen."""

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
    eta_seconds: float | None  # until the run ends, evaluated; None until a tenth of the steady steps is done
    progress: Annotated[float, Field(ge=0, le=1)]  # of the whole training


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
class Mirrored:
    """What the weights that were tested answer to mirrored validation pictures, next to the pictures as they are."""

    images: int
    answers: list[list[int]]  # class, answer, answer to the mirrored picture, number of pictures
    oriented: list[list[int]]  # class, answer by left and right alone, number; empty for a run without random flips
    seconds: float


@dataclass(frozen=True)
class PointDone:
    """One point of a learning curve: a training on part of the pictures, evaluated on the whole test split."""

    pictures_per_class: int  # asked for; a class may have fewer
    pictures: int  # training pictures in all
    seed: int
    correct: int
    images: int
    accuracy: float
    seconds: float  # of this point, from the start of its training to its test
    right: str  # hex digits; bit by bit, first picture first, whether each picture of the split was right
    split: Literal["test", "val"] = "test"  # that it was evaluated on
    epoch: int = 0  # the best one on the validation split, whose weights were evaluated
    steps: int = 0  # of training, in all epochs


@dataclass(frozen=True)
class Measured:
    """What a training has cost."""

    seconds: dict[str, Annotated[float, _FIGURE]]  # by part: those of `costs.PARTS`
    reused: list[str]  # parts that were found in the stores: their seconds are those of the run that computed them
    multiply_adds: Annotated[int, _FIGURE]  # of one picture's way forward through the whole network
    multiply_adds_learning: Annotated[int, _FIGURE]  # the same of the trainable part, in the last stage
    peak_memory_bytes: Annotated[int, _FIGURE]  # of the worker process, what it shares with others included
    weights_bytes: Annotated[int, _FIGURE]  # of the saved network


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
    | Mirrored
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
    "mirrored": Mirrored,
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


def check_record(record: Any, line: bytes, images: int | None, classes: int) -> Event | None:
    """The event of a line of an event log, whose every field is checked; None for a kind that a later version knows.

    Args:
        record: the line's JSON value.
        images: of the run's dataset, if it is there: events may point to them.
        classes: how many.
    Raises:
        ValueError: it is no event.
    """
    if not isinstance(record, dict) or not isinstance(record.get("time"), int | float):
        raise ValueError("no event")
    kind = record.get("kind")
    if not isinstance(kind, str):
        raise ValueError("no kind of event")
    if kind not in KINDS:
        return None
    event: Event = _adapter(kind).validate_json(line, strict=True)
    match event:
        case PointDone():
            _check_point(event)
        case Mirrored():
            _check_counts(event.answers, 3, classes, event.images)
            _check_counts(event.oriented, 2, classes, event.images if event.oriented else 0)
        case Described():
            _check_tiles(event.strip, {"index": images, "label": classes})
        case SamplesPredicted():
            _check_tiles(event.predictions, {"index": images, "predicted": classes})
            for tile in event.predictions:
                if not isinstance(tile.get("probability"), int | float) or "correct" not in tile:
                    raise ValueError("a tile lacks a field")
    return event


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(KINDS[kind])


def _check_point(event: PointDone) -> None:
    """Whether a point of a learning curve agrees with itself: pages count its bits."""
    right = bytes.fromhex(event.right)
    agrees = (
        0 <= event.correct <= event.images
        and event.images > 0
        and event.pictures_per_class > 0
        and len(right) == (event.images + 7) // 8
        and sum(byte.bit_count() for byte in right) == event.correct
        and abs(event.accuracy - event.correct / event.images) < 1e-9
        and 0 <= event.seconds < math.inf
    )
    if not agrees:
        raise ValueError("a point that does not agree with itself")


def _check_counts(rows: list[list[int]], answers: int, classes: int, images: int) -> None:
    """The coach looks classes up by these numbers, and the last of each row counts pictures."""
    for row in rows:
        if len(row) != answers + 1 or not all(0 <= label < classes for label in row[:-1]) or row[-1] < 1:
            raise ValueError("a row points to a class that is not there")
    if sum(row[-1] for row in rows) != images:
        raise ValueError("the rows do not add up to the pictures")


def _check_tiles(tiles: list[dict[str, Any]], limits: dict[str, int | None]) -> None:
    """Pages find images and classes by these numbers."""
    for tile in tiles:
        for key, limit in limits.items():
            value = tile.get(key)
            if type(value) is not int or value < 0 or (limit is not None and value >= limit):
                raise ValueError("a tile points to an image or class that is not there")
