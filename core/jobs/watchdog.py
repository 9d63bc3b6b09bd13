"""Workers that do not move, and processes that the system killed because memory ran out.

A worker moves while it logs events, computes, or touches its lock because it waits for space on the disk. The file
`stalled.json` in a run's folder shows that its worker does not.
"""

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.jobs.launchers import recorded_process
from core.runs.run import Run
from core.runs.run_files import STALLED, STARTED
from core.storage import read_json, write_json

LOOK_SECONDS = 1.0
IDLE_SHARE = 0.02  # of a processor: less than this is waiting, not computing
LONGEST_GAP = 5.0  # between two looks: after a longer one this process itself was stopped, and knows nothing
COUNTS = Path("/proc/vmstat")  # of the system, since it started (Linux)

log = logging.getLogger("tunemypets.watchdog")


@dataclass(frozen=True)
class _Sight:
    logged: tuple[int, int]
    computed: float  # processor seconds
    moved: float  # when it last moved


class Watchdog:
    """Measures about once a second how long workers have not moved.

    Attributes:
        ended: runs whose worker was killed from here.
    """

    def __init__(self) -> None:
        self.ended: set[str] = set()
        self._sights: dict[str, _Sight] = {}
        self._looked = time.monotonic()

    def forget(self) -> None:
        """Measure again from now on."""
        self._sights.clear()

    def look(self, running: list[Run]) -> dict[str, float]:
        """Seconds that workers have not moved, by run; empty between two measurements."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return {}
        if now - self._looked > LONGEST_GAP:
            self._sights.clear()
        self._looked = now
        sights: dict[str, _Sight] = {}
        for run in running:
            process = worker_process(run)
            if process is not None:
                with suppress(psutil.Error, OSError):  # it has just ended
                    sights[run.id] = self._look_at(run, process, now)
        self._sights = sights
        return {run_id: now - sight.moved for run_id, sight in sights.items()}

    def _look_at(self, run: Run, process: psutil.Process, now: float) -> _Sight:
        times = process.cpu_times()
        logged, computed = _logged(run), times.user + times.system
        before = self._sights.get(run.id)
        if before is None:
            return _Sight(logged, computed, now)
        idle = logged == before.logged and computed - before.computed <= max(0.1, IDLE_SHARE * (now - before.moved))
        if idle:
            return before
        show_moving(run)
        return _Sight(logged, computed, now)

    def show_stalled(self, run: Run) -> None:
        """Show since when the worker of a run has not moved."""
        seconds = self._silent_seconds(run)
        log.warning("the worker of %s has not moved for %.0f s", run.id, seconds)
        with suppress(OSError):  # a full disk
            write_json(run.folder / STALLED, {"since": time.time() - seconds})

    def end_worker(self, run: Run) -> None:
        """Kill the worker of a run."""
        log.error("the worker of %s has not moved for %.0f s: it is killed", run.id, self._silent_seconds(run))
        self.ended.add(run.id)
        with suppress(psutil.Error):
            if (process := worker_process(run)) is not None:
                process.kill()

    def _silent_seconds(self, run: Run) -> float:
        sight = self._sights.get(run.id)
        return 0.0 if sight is None else time.monotonic() - sight.moved


def _logged(run: Run) -> tuple[int, int]:
    """Length of the event log, and when the lock was last touched."""
    return run.event_log.stat().st_size if run.event_log.exists() else 0, run.lock_path.stat().st_mtime_ns


def show_moving(run: Run) -> None:
    """Show a run's worker as stalled no longer."""
    with suppress(OSError):
        (run.folder / STALLED).unlink(missing_ok=True)


def stalled_since(folder: Path) -> float | None:
    """Since when the worker of a run has not moved, in seconds since 1970; None while it does."""
    try:
        return float(read_json(folder / STALLED)["since"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def worker_process(run: Run) -> psutil.Process | None:
    """The live process that took a run."""
    return recorded_process(run.folder / STARTED)


def memory_kills() -> int:
    """How many processes this system has ended since its start because memory ran out; 0 where that is unknown."""
    try:
        with COUNTS.open(encoding="ascii") as file:
            for line in file:
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
    except (OSError, ValueError):
        pass
    return 0
