"""Reads sweeps for many watchers: files again only when they have changed, Optuna's study from where it was read."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.storage import Stamp, stamp_of
from core.sweeps.sweep import Sweep, read_study, read_sweep
from core.sweeps.sweep_store import GOAL, META, PLAN, RACES, RESULT, STOP, STUDY, SweepFolder

if TYPE_CHECKING:
    import optuna

FILES = (PLAN, META, GOAL, RESULT, STOP, RACES, STUDY)
MAX_STUDIES = 32  # kept in memory; a thousand trials take a few megabytes


@dataclass(frozen=True)
class _Kept:
    """A sweep as it was at `stamps`, and its open study."""

    stamps: tuple[Stamp | None, ...]
    sweep: Sweep
    study: "optuna.Study | None"


class SweepReader:
    """Sweeps of one data root, read cheaply. One reader serves all threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def read(self, folder: SweepFolder) -> Sweep:
        """A sweep as it is now; the same object until one of its files changes.

        Raises:
            SweepError: its files are damaged.
        """
        return self._look(folder).sweep

    def study(self, folder: SweepFolder) -> "optuna.Study | None":
        """Optuna's study, for its charts; None before the sweeper has made it.

        Raises:
            SweepError: the sweep's files are damaged.
        """
        return self._look(folder).study

    def _look(self, folder: SweepFolder) -> _Kept:
        with self._lock:
            kept = self._kept.pop(folder.id, None)
            stamps = tuple(stamp_of(folder.folder / name) for name in FILES)
            if kept is None or kept.stamps != stamps:
                study = kept.study if kept is not None and _has_only_grown(kept.stamps[-1], stamps[-1]) else None
                study = study or read_study(folder)
                kept = _Kept(stamps, read_sweep(folder, study), study)
            self._kept[folder.id] = kept
            while len(self._kept) > MAX_STUDIES:
                self._kept.popitem(last=False)
            return kept


def _has_only_grown(before: Stamp | None, now: Stamp | None) -> bool:
    """Whether a file is the same one, with more lines: then an open study reads these only."""
    return before is not None and now is not None and before[2] == now[2] and before[1] <= now[1]
