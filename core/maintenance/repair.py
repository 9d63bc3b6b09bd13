"""Puts right what a check found, as far as that is safe: nothing of value is deleted, nothing in use is touched.

What can be computed again, and what killed processes left, is removed; everything else is moved to
`set-aside/<date>/` under the data root, where nobody looks at it again but people.
"""

import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from filelock import FileLock, Timeout

from core.datasets.decoder import Limits, decode, write_thumbnail
from core.errors import TuneMyPetsError
from core.maintenance import path_names
from core.maintenance.check import check
from core.maintenance.data_root import RoomFolder
from core.maintenance.events_check import read_log
from core.maintenance.file_reading import Tell, has_writer, is_file, is_folder
from core.maintenance.findings import Damage, Finding, Mending
from core.maintenance.run_check import read_config, read_meta
from core.maintenance.weights_check import read_header
from core.runs.attempts import MAX_AUTOMATIC, Attempts, write_attempts
from core.runs.run import Run
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import atomic_open, read_json, sync_folder, write_json

ROUNDS = 4  # what one repair uncovers, the next mends

log = logging.getLogger("tunemypets.repair")


@dataclass(frozen=True)
class Repaired:
    """What a repair did, and what a check finds now."""

    mended: list[Finding]
    left: list[Finding]


def repair(settings: Settings, tell: Tell | None = None) -> Repaired:
    """Check, mend what can be mended, and check again until nothing more can be."""
    mended: list[Finding] = []
    left = list(check(settings, tell))
    for _ in range(ROUNDS):
        done = [finding for finding in left if mend(settings, finding)]
        if not done:
            break
        mended += done
        left = list(check(settings, tell))
    return Repaired(mended, left)


def mend(settings: Settings, finding: Finding) -> bool:
    """Mend one finding; whether something was done.

    What somebody holds, or has mended meanwhile, is let be.
    """
    place = settings.home / finding.place
    if finding.mending is Mending.NOTHING or not (os.path.lexists(place) or finding.mending is Mending.REDRAW):
        return False
    if finding.mending is Mending.SET_ASIDE and _is_trained_on(settings, finding.place):
        return False
    try:
        with _alone(settings, finding) as free:
            if not free or has_writer(place):
                return False
            _mend(settings, finding, place)
    except (OSError, Damage, TuneMyPetsError, ValueError, KeyError, TypeError, RecursionError):
        log.exception("%s could not be mended", finding.place)
        return False
    return True


def _is_trained_on(settings: Settings, place: str) -> bool:
    """Whether this is a dataset that a run waits for or works on."""
    kind, _, dataset = place.partition("/")
    if kind != path_names.DATASETS:
        return False
    for run in RunStore(settings).all():
        with suppress(TuneMyPetsError):
            if run.state().active and run.config().dataset == dataset:
                return True
    return False


@contextmanager
def _alone(settings: Settings, finding: Finding) -> Iterator[bool]:
    """Hold the lock of what is mended; whether nobody else does."""
    path = settings.home / (finding.lock or "")
    if finding.lock is None or not is_folder(path.parent) or (os.path.lexists(path) and not is_file(path)):
        yield True
        return
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        if os.name == "nt":
            lock.release()  # nothing that is open can be moved or removed there
        yield True
    finally:
        lock.release()


def _mend(settings: Settings, finding: Finding, place: Path) -> None:
    match finding.mending:
        case Mending.REMOVE:
            _remove(place)
        case Mending.SET_ASIDE:
            _set_aside(settings, place)
        case Mending.CUT_LINE:
            _cut_line(place)
        case Mending.BLANK_LINES:
            _set_aside(settings, place, copy=True)
            _blank_lines(settings, place)
        case Mending.REWRITE:
            moment = place.lstat().st_mtime
            _set_aside(settings, place)
            if place.name == path_names.ATTEMPTS:  # a damaged one counts as tried often enough
                write_attempts(place.parent, Attempts(MAX_AUTOMATIC, moment))
            else:
                write_json(place, {"pid": 0, "time": moment})
        case Mending.MATCH_WEIGHTS:
            _match_weights(place)
        case Mending.REDRAW:
            _redraw(settings, place)


def _remove(place: Path) -> None:
    if is_folder(place):
        shutil.rmtree(place)
    else:
        place.unlink()


def _set_aside(settings: Settings, place: Path, *, copy: bool = False) -> None:
    """Move (or copy) something to `set-aside/<date>/`, where it keeps its name below the data root."""
    wanted = settings.home / path_names.SET_ASIDE / time.strftime("%Y-%m-%d") / place.relative_to(settings.home)
    wanted.parent.mkdir(parents=True, exist_ok=True)
    target, number = wanted, 1
    while os.path.lexists(target):
        number += 1
        target = wanted.with_name(f"{wanted.name}.{number}")
    if copy:
        shutil.copy2(place, target)
    else:
        shutil.move(place, target)
        sync_folder(place.parent)


def _cut_line(place: Path) -> None:
    """Cut off what comes after the last end of a line."""
    with place.open("r+b") as file:
        whole = 0
        for line in file:
            if line.endswith(b"\n"):
                whole += len(line)
        file.truncate(whole)
        file.flush()
        os.fsync(file.fileno())


def _blank_lines(settings: Settings, place: Path) -> None:
    """Turn lines that are no events into blanks: all others stay where they are, and a snapshot tells where that is."""
    room = RoomFolder(settings)
    config, meta = read_config(room, place.parent), read_meta(room, place.parent)
    dataset = room.dataset(config.dataset, meta.dataset_fingerprint)
    pictures = len(dataset.rows) if dataset else None
    damaged = read_log(place, room.meter, pictures=pictures, classes=len(meta.classes)).damaged
    with place.open("r+b") as file:
        for first, length in damaged:
            file.seek(first)
            file.write(b" " * length)
        file.flush()
        os.fsync(file.fileno())


def _match_weights(place: Path) -> None:
    """Let a checkpoint's description tell the epoch of its weights; the accuracy, too, if the event log knows it."""
    epoch = int(read_header(place.with_name(path_names.BEST_WEIGHTS)).metadata["epoch"])
    told = {event.epoch: event.val_accuracy for event in Run(place.parent.parent).history().epochs}
    write_json(place, {**read_json(place), "epoch": epoch, "val_accuracy": told.get(epoch)})


def _redraw(settings: Settings, place: Path) -> None:
    """Draw a thumbnail from its picture."""
    folder = place.parents[2]
    (picture,) = (folder / "images" / place.parent.name).glob(f"{place.stem}.*")
    image = decode(picture, Limits.from_settings(settings), picture.name).image
    if os.path.lexists(place) and not is_file(place):
        _set_aside(settings, place)
    place.parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(place) as file:
        write_thumbnail(image, cast("BinaryIO", file))
