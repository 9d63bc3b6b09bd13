"""Whether an event log is whole: every line an event of the right fields; and how its lines are repaired."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.config.events import EpochDone, PointDone, check_record
from core.verification import Count, Damage, parse_json

MAX_LINE_BYTES = 64 * 2**20


@dataclass
class LogFacts:
    """What an event log holds.

    Attributes:
        damaged: (first byte, length without the line's end) of the lines that are no events.
        torn: bytes after the last line's end.
        whole_bytes: up to the last line's end.
        epochs: validation accuracy by epoch, the last that was noted.
        kept: whether the weights of an epoch were kept.
        points: of a learning curve: images per class and seed.
    """

    damaged: list[tuple[int, int]] = field(default_factory=list)
    torn: int = 0
    whole_bytes: int = 0
    epochs: dict[int, float] = field(default_factory=dict)
    kept: bool = False
    points: set[tuple[int, int]] = field(default_factory=set)


def read_log(path: Path, count: Count, images: int | None, classes: int) -> LogFacts:
    """Read a log; an absent one is empty.

    Raises:
        OSError: it cannot be read.
    """
    log = LogFacts()
    for line in _lines(path):
        count(len(line))
        if not line.endswith(b"\n"):
            log.torn = len(line)
            break
        if line.strip():  # blank ones are lines that a repair took out
            try:
                event = check_record(parse_json(line), line, images, classes)
            except (Damage, ValueError):
                log.damaged.append((log.whole_bytes, len(line) - 1))
            else:
                if isinstance(event, EpochDone):
                    log.epochs[event.epoch] = event.val_accuracy
                    log.kept = log.kept or event.best
                elif isinstance(event, PointDone):
                    log.points.add((event.pictures_per_class, event.seed))
        log.whole_bytes += len(line)
    return log


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE_BYTES):
                yield line
    except FileNotFoundError:
        return


def blank_lines(path: Path, damaged: list[tuple[int, int]]) -> None:
    """Turn lines that are no events into blanks: a snapshot notes the position of all others."""
    with path.open("r+b") as file:
        for first, length in damaged:
            file.seek(first)
            file.write(b" " * length)
        file.flush()
        os.fsync(file.fileno())


def cut_line(path: Path) -> None:
    """Cut off what comes after the last end of a line."""
    with path.open("r+b") as file:
        whole = 0
        for line in file:
            if line.endswith(b"\n"):
                whole += len(line)
        file.truncate(whole)
        file.flush()
        os.fsync(file.fileno())
