"""Puts right what a check found, as far as that is safe: nothing of value is deleted, nothing in use is touched.

What can be computed again, and what killed processes left, is removed; everything else is moved to
`set-aside/<date>/` under the data root, where only people look at it again. Whatever else a file needs, its owner does.
"""

import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import TuneMyPetsError
from core.maintenance.check import SET_ASIDE_FOLDER, check
from core.maintenance.findings import Finding
from core.maintenance.meter import Report
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import sync_folder
from core.verification import REMOVE, SET_ASIDE, Damage, Repair, has_writer, is_file, is_folder

MAX_ROUNDS = 4  # what one repair uncovers, the next one repairs

log = logging.getLogger("tunemypets.repair")


@dataclass(frozen=True)
class Repaired:
    """What a repair did, and what a check finds now."""

    repaired: list[Finding]
    left: list[Finding]


def repair(settings: Settings, report: Report | None = None) -> Repaired:
    """Check, repair what can be repaired, and check again until nothing more can be."""
    repaired: list[Finding] = []
    left = list(check(settings, report))
    for _ in range(MAX_ROUNDS):
        done = [finding for finding in left if repair_finding(settings, finding)]
        if not done:
            break
        repaired += done
        left = list(check(settings, report))
    return Repaired(repaired, left)


def repair_finding(settings: Settings, finding: Finding) -> bool:
    """Repair one finding; whether something was done.

    What another process holds, or has repaired meanwhile, is left as it is.
    """
    path, how = settings.home / finding.place, finding.repair
    if how is None or not (os.path.lexists(path) or how.act):
        return False
    if how == SET_ASIDE and _is_trained_on(settings, path):
        return False
    try:
        with _alone(settings, finding) as free:
            if not free or has_writer(path):
                return False
            _repair(settings, how, path)
    except (OSError, Damage, TuneMyPetsError, ValueError, KeyError, TypeError, RecursionError):
        log.exception("%s could not be repaired", finding.place)
        return False
    return True


def _is_trained_on(settings: Settings, path: Path) -> bool:
    """Whether this is a dataset that a run waits for or works on."""
    if path.parent != settings.datasets_dir:
        return False
    for run in RunStore(settings).all():
        with suppress(TuneMyPetsError):
            if run.state().active and run.config().dataset == path.name:
                return True
    return False


@contextmanager
def _alone(settings: Settings, finding: Finding) -> Iterator[bool]:
    """Hold the lock of what is repaired; whether no other process does."""
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


def _repair(settings: Settings, how: Repair, path: Path) -> None:
    if how == REMOVE:
        shutil.rmtree(path) if is_folder(path) else path.unlink()
    if how.keep is not None and os.path.lexists(path):
        _set_aside(settings, path, copy=how.keep == "copy")
    if how.act is not None:
        how.act(path)


def _set_aside(settings: Settings, path: Path, *, copy: bool) -> None:
    """Move (or copy) something to `set-aside/<date>/`, where it keeps its name below the data root."""
    wanted = settings.home / SET_ASIDE_FOLDER / time.strftime("%Y-%m-%d") / path.relative_to(settings.home)
    wanted.parent.mkdir(parents=True, exist_ok=True)
    target, number = wanted, 1
    while os.path.lexists(target):
        number += 1
        target = wanted.with_name(f"{wanted.name}.{number}")
    if copy:
        shutil.copy2(path, target)
    else:
        shutil.move(path, target)
        sync_folder(path.parent)
