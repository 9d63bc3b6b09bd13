"""Reads everything under a data root and tells what is damaged, orphaned or left over. Writes nothing.

What a living process holds (core/locks.py) is looked at with patience: what it is about to finish is no finding.
"""

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from core.errors import TuneMyPetsError
from core.maintenance import path_names
from core.maintenance.cache_check import check_cache
from core.maintenance.data_root import RoomFolder, check_json, check_strangers, held, reason
from core.maintenance.dataset_check import check_dataset
from core.maintenance.file_reading import (
    PATIENCE_SECONDS,
    Meter,
    Tell,
    age_seconds,
    bytes_below,
    has_writer,
    is_file,
    is_folder,
    listed,
)
from core.maintenance.findings import Damage, Finding, Kind, Mending
from core.maintenance.run_check import check_run
from core.maintenance.weights_check import check_finite, read_header
from core.runs.run import Run
from core.settings import Settings
from core.storage import is_id

UPLOAD_SECONDS = 600.0  # somebody may still be sending it
IMPORT_START_SECONDS = 30.0

log = logging.getLogger("tunemypets.check")


def check(settings: Settings, tell: Tell | None = None) -> Iterator[Finding]:
    """Look at everything under the data root.

    Args:
        tell: is told bytes read, bytes in all, seconds left, now and then, once it takes more than a second.
    """
    if not settings.home.is_dir():
        return
    total = 0
    if tell is not None:
        skipped = settings.home / path_names.SET_ASIDE
        total = bytes_below(settings.home) - bytes_below(skipped)
    room = RoomFolder(settings, Meter(total, tell))
    yield from _guarded(".", _check_root, room)
    yield from _guarded(path_names.DATASETS, _check_drafts, room, path_names.DATASETS)
    for folder in room.folders(path_names.DATASETS):
        yield from _guarded(room.name(folder), check_dataset, room, folder)
    yield from _guarded(path_names.RUNS, _check_drafts, room, path_names.RUNS)
    for folder in room.folders(path_names.RUNS):
        yield from _guarded(room.name(folder), check_run, room, folder)
    yield from _guarded(path_names.RUNS, _check_races, room)
    yield from _guarded(path_names.IMPORTS, _check_imports, room)
    yield from _guarded(path_names.CACHE, check_cache, room)
    yield from _guarded(".", _check_others, room)


def _guarded(thing: str, look: Callable[..., Iterable[Finding]], *arguments: object) -> Iterator[Finding]:
    """Whatever is on the disk, the rest is looked at, too."""
    try:
        yield from look(*arguments)
    except Exception as error:
        log.exception("%s could not be checked to its end", thing)
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        yield Finding(Kind.DAMAGED, thing, f"This could not be checked to its end ({why}).")


def _check_root(room: RoomFolder) -> Iterator[Finding]:
    """Files of the data root itself; other things there may be somebody else's, and folders links to other disks."""
    for entry in listed(room.home):
        path = room.home / entry.name
        if is_file(path) and path_names.TEMPORARY.fullmatch(entry.name):
            yield from _check_temporary(room, path)
        elif is_file(path) and entry.name.endswith(".json"):
            yield from check_json(room, path)
    for name in sorted(path_names.ROOT_FOLDERS):
        path = room.home / name
        if os.path.lexists(path) and not path.is_dir():
            yield Finding(Kind.DAMAGED, name, "This should be a folder.", Mending.SET_ASIDE)


def _check_drafts(room: RoomFolder, kind: str) -> Iterator[Finding]:
    """What is not a run or dataset, or not one yet, or not any more."""
    for entry in listed(room.home / kind):
        path, name = room.home / kind / entry.name, f"{kind}/{entry.name}"
        draft = path_names.DATASET_DRAFT if kind == path_names.DATASETS else path_names.RUN_DRAFT
        is_dir = entry.is_dir(follow_symlinks=False)
        if is_dir and entry.name.startswith(draft):
            lock = path / path_names.DRAFT_LOCK
            if not held(lock) and (is_file(lock) or age_seconds(path) > PATIENCE_SECONDS):
                text = "Whoever made this was killed in the middle."
                yield Finding(Kind.LEFT_OVER, name, text, Mending.REMOVE, lock=room.name(lock))
        elif is_dir and entry.name.startswith(path_names.DELETED):
            if age_seconds(path) > PATIENCE_SECONDS:
                yield Finding(Kind.LEFT_OVER, name, "This was deleted, but not to its end.", Mending.REMOVE)
        elif not (is_dir and is_id(entry.name)):
            found = "folder" if is_dir else "file"
            text = f"No part of the program puts a {found} of this name here."
            if is_file(path) and path_names.TEMPORARY.fullmatch(entry.name):
                yield from _check_temporary(room, path)
            else:
                yield Finding(Kind.ORPHANED, name, text, Mending.SET_ASIDE)


def _check_races(room: RoomFolder) -> Iterator[Finding]:
    """A race of which one arm is left cannot be compared."""
    arms: dict[str, list[Run]] = defaultdict(list)
    for folder in room.folders(path_names.RUNS):
        try:
            race = Run(folder).meta().race
        except (TuneMyPetsError, RecursionError):
            continue
        if isinstance(race, str):
            arms[race].append(Run(folder))
    for runs in arms.values():
        if len(runs) > 1 or age_seconds(runs[0].folder / "meta.json") < PATIENCE_SECONDS:
            continue
        plan = runs[0].meta().plan
        if plan is not None and plan.kind == "curve" and len(plan.arms) == 1:
            continue  # it was never compared with another
        text = f"This run is the only one left of its race: start a race again to compare, or delete {runs[0].id}."
        yield Finding(Kind.ORPHANED, room.name(runs[0].folder), text)


def _check_imports(room: RoomFolder) -> Iterator[Finding]:
    """Jobs and uploads."""
    root = room.home / path_names.IMPORTS
    for entry in listed(root):
        path, name = root / entry.name, f"{path_names.IMPORTS}/{entry.name}"
        if entry.is_dir(follow_symlinks=False) and is_id(entry.name):
            yield from _check_import(room, path)
        elif entry.name.startswith(path_names.UPLOAD) and is_file(path):
            if age_seconds(path) > UPLOAD_SECONDS:
                yield Finding(Kind.LEFT_OVER, name, "This upload was never imported.", Mending.REMOVE)
        elif not path_names.is_lock(entry.name):
            text = "No part of the program puts anything of this name here."
            yield Finding(Kind.ORPHANED, name, text, Mending.SET_ASIDE)


def _check_import(room: RoomFolder, folder: Path) -> Iterator[Finding]:
    lock = f"{room.name(folder)}/importer.lock"
    live = held(folder / "importer.lock")
    found = list(check_strangers(room, folder, {"upload.zip", "importer.log"}, live=live, lock=lock))
    over = is_file(folder / "result.json") or is_file(folder / "progress.json")
    if not live and is_file(folder / "upload.zip"):
        started = over or age_seconds(folder) > IMPORT_START_SECONDS
        if started and not held(folder / "importer.lock"):
            text = "The import of this upload is over."
            found.append(Finding(Kind.LEFT_OVER, f"{room.name(folder)}/upload.zip", text, Mending.REMOVE, lock=lock))
    if is_folder(folder):
        yield from found


def _check_others(room: RoomFolder) -> Iterator[Finding]:
    """People, the room, and folders that others made: JSON parses, weights are whole, nothing was left half written."""
    known = {
        path_names.DATASETS,
        path_names.RUNS,
        path_names.IMPORTS,
        path_names.CACHE,
        path_names.LOGS,
        path_names.SET_ASIDE,
    }
    for entry in listed(room.home):
        if entry.name in known or not entry.is_dir(follow_symlinks=False):
            continue
        for place, _, files in os.walk(room.home / entry.name):
            for file in sorted(files):
                yield from _check_other(room, Path(place) / file)


def _check_other(room: RoomFolder, path: Path) -> Iterator[Finding]:
    if not is_file(path):
        return
    if path_names.TEMPORARY.fullmatch(path.name):
        yield from _check_temporary(room, path)
    elif path.suffix == ".json":
        yield from check_json(room, path)
    elif path.suffix == ".safetensors":
        try:
            check_finite(path, read_header(path), room.meter)
        except FileNotFoundError:
            return
        except (Damage, OSError) as error:
            yield Finding(Kind.DAMAGED, room.name(path), f"This file of weights {reason(error)}.", Mending.SET_ASIDE)


def _check_temporary(room: RoomFolder, path: Path) -> Iterator[Finding]:
    if not has_writer(path) and is_file(path):
        text = "Whoever wrote this file was killed in the middle."
        yield Finding(Kind.LEFT_OVER, room.name(path), text, Mending.REMOVE)
