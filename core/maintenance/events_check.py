"""Whether a run's event log is whole: every line an event of the right fields."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core.config.events import (
    KINDS,
    BatchDone,
    Described,
    EpochDone,
    Measured,
    PointDone,
    SamplesPredicted,
    from_record,
)
from core.maintenance.file_reading import Meter, parse_json
from core.maintenance.findings import Damage

MAX_LINE_BYTES = 64 * 2**20
LARGEST_FIGURE = 1e18  # bytes, seconds or operations


@dataclass
class Log:
    """What was found in a log.

    Attributes:
        damaged: (first byte, length without the line's end) of the lines that are no events.
        torn: bytes after the last line's end.
        whole_bytes: up to the last line's end.
        epochs: validation accuracy by epoch, as last told.
        kept: whether the weights of an epoch were kept.
        points: of a learning curve: pictures per class and seed.
    """

    damaged: list[tuple[int, int]] = field(default_factory=list)
    torn: int = 0
    whole_bytes: int = 0
    epochs: dict[int, float] = field(default_factory=dict)
    kept: bool = False
    points: set[tuple[int, int]] = field(default_factory=set)


def read_log(path: Path, meter: Meter, *, pictures: int | None, classes: int) -> Log:
    """Read a log; an absent one is empty.

    Args:
        pictures: of the run's dataset, if it is there: events may point to them.
        classes: how many.
    Raises:
        OSError: it cannot be read.
    """
    log = Log()
    for line in _lines(path):
        meter.add(len(line))
        if not line.endswith(b"\n"):
            log.torn = len(line)
            break
        if line.strip():  # blank ones are lines that a repair took out
            try:
                _check_line(line, log, pictures, classes)
            except Damage:
                log.damaged.append((log.whole_bytes, len(line) - 1))
        log.whole_bytes += len(line)
    return log


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE_BYTES):
                yield line
    except FileNotFoundError:
        return


def _check_line(line: bytes, log: Log, pictures: int | None, classes: int) -> None:
    record = parse_json(line)
    if not isinstance(record, dict) or not isinstance(record.get("time"), int | float):
        raise Damage("is no event")
    kind = record.get("kind")
    if not isinstance(kind, str):
        raise Damage("is no event")
    event = from_record({key: value for key, value in record.items() if key != "time"})
    if event is None:
        if kind in KINDS:
            raise Damage("lacks fields of an event")
        return  # of a later version
    try:
        event = _ADAPTERS[type(event)].validate_json(line, strict=True)
    except ValidationError as error:
        raise Damage("has wrong fields") from error
    match event:
        case EpochDone():
            log.epochs[event.epoch] = event.val_accuracy
            log.kept = log.kept or event.best
        case BatchDone():
            if not 0 <= event.progress <= 1:
                raise Damage("has wrong fields")
        case Measured():
            figures = (event.multiply_adds, event.multiply_adds_learning, event.peak_memory_bytes, event.weights_bytes)
            if not all(0 <= value < LARGEST_FIGURE for value in (*event.seconds.values(), *figures)):
                raise Damage("has wrong fields")
        case PointDone():
            if not _is_point(event):
                raise Damage("has wrong fields")
            log.points.add((event.pictures_per_class, event.seed))
        case Described():
            _check_tiles(event.strip, {"label": classes}, pictures)
        case SamplesPredicted():
            _check_tiles(event.predictions, {"predicted": classes}, pictures)
            if not all(isinstance(tile.get("probability"), int | float) and "correct" in tile
                       for tile in event.predictions):  # fmt: skip
                raise Damage("has wrong fields")


def _is_point(event: PointDone) -> bool:
    """Whether a point of a learning curve agrees with itself: pages count its bits."""
    try:
        right = bytes.fromhex(event.right)
    except ValueError:
        return False
    return (
        0 <= event.correct <= event.images
        and event.images > 0
        and event.pictures_per_class > 0
        and len(right) == (event.images + 7) // 8
        and sum(byte.bit_count() for byte in right) == event.correct
        and abs(event.accuracy - event.correct / event.images) < 1e-9
        and 0 <= event.seconds < math.inf
    )


def _check_tiles(tiles: list[dict[str, Any]], limits: dict[str, int], pictures: int | None) -> None:
    """Pages find pictures and classes by these numbers."""
    for tile in tiles:
        for key, limit in (("index", pictures), *limits.items()):
            value = tile.get(key)
            if type(value) is not int or value < 0 or (limit is not None and value >= limit):
                raise Damage("points to a picture or class that is not there")


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in KINDS.values()}
