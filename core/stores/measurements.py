"""Speed measurements of this machine, kept in `cache/measurements.json`. Imports no torch: pages read them too."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from core.config.stages import MANY_CORES
from core.settings import Settings
from core.storage import read_json, write_json

Figures = dict[str, float]
MAX_KEPT = 500
DOUBT_SECONDS = 600.0  # for which doubtful figures hold: the arms of a race take the same path

log = logging.getLogger("tunemypets.measurements")


def is_busy(figures: Figures) -> bool:
    """Whether other programs took processor cores from the measurement."""
    return figures.get("others", 0.0) > MANY_CORES


def is_doubtful(figures: Figures) -> bool:
    """Whether other programs slowed the machine down while these were taken, or the time was not enough for all."""
    return is_busy(figures) or bool(_unmeasured(figures))


def _unmeasured(figures: Figures) -> set[str]:
    return {name for name in figures if name.endswith("_unmeasured")}


class OtherPrograms:
    """How many processor cores other programs use, from the moment it is made."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), _busy_seconds(), time.process_time()

    def cores(self) -> float:
        """Their mean number since then."""
        seconds = max(1e-3, time.monotonic() - self._began)
        return max(0.0, _busy_seconds() - self._busy - (time.process_time() - self._own)) / seconds

    def taken(self, threads: int) -> float:
        """Of those, the cores that a computation with so many threads would have used: the others were free anyway."""
        return max(0.0, self.cores() - max(0, (psutil.cpu_count() or 1) - threads))


def _busy_seconds() -> float:
    """What all processors have computed since the machine started; a virtual machine's host counts, too."""
    times = psutil.cpu_times()._asdict()
    # Linux counts what guests take as its own, too
    idle = sum(times.get(name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice"))
    return float(sum(times.values()) - idle)


@dataclass(frozen=True)
class Measurements:
    """The remembered figures of a data root."""

    settings: Settings

    def find(
        self, what: dict[str, Any], machine: dict[str, Any] | None = None, *, certain: bool = False
    ) -> Figures | None:
        """The newest figures of `what`.

        Args:
            machine: only those measured on exactly this one; None takes any with this many threads.
            certain: none that are doubtful, except new ones.
        """
        now = time.time()
        for item in reversed(self._read()):
            theirs = item.get("machine", {})
            same = theirs == machine if machine else theirs.get("threads") == self.settings.threads
            if same and item.get("what") == what and isinstance(item.get("figures"), dict):
                figures = {str(key): float(value) for key, value in item["figures"].items()}
                new = abs(now - item.get("time", 0.0)) < DOUBT_SECONDS  # whichever way the clock was set
                if new or not certain or not is_doubtful(figures):
                    return figures
        return None

    def keep(
        self, what: dict[str, Any], machine: dict[str, Any], figures: Figures, *, replace: bool = False
    ) -> Figures:
        """Remember figures; returns those that are remembered now.

        Of two processes that measure the same thing the first decides, so that equal runs take the same path, unless
        its figures are doubtful and old. Figures that lack a part give way to doubtful ones that have it.

        Args:
            replace: earlier ones of the same thing on the same machine.
        """
        rounded = {key: float(f"{value:.6g}") for key, value in figures.items()}
        new = {"what": what, "machine": machine, "figures": rounded, "time": time.time()}
        try:
            self.settings.cache_dir.mkdir(parents=True, exist_ok=True)
            with FileLock(self._path.with_suffix(".lock")):
                earlier = None if replace else self.find(what, machine, certain=True)
                if earlier is not None:
                    return earlier
                doubtful = None if replace else self.find(what, machine)
                if doubtful is not None and _unmeasured(rounded) - _unmeasured(doubtful):
                    rounded = new["figures"] = doubtful  # a busier machine left no time for what is known
                others = [item for item in self._read() if (item.get("what"), item.get("machine")) != (what, machine)]
                write_json(self._path, [*others[1 - MAX_KEPT :], new])
        except OSError:
            log.exception("figures could not be kept: they will be measured again")
        return rounded

    def _read(self) -> list[dict[str, Any]]:
        try:
            found = read_json(self._path)
        except (OSError, ValueError):
            return []
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    @property
    def _path(self) -> Path:
        return self.settings.cache_dir / "measurements.json"
