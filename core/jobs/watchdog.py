"""Which workers live and do nothing, and which were ended by the system because memory ran out.

A worker moves while it says something, computes, or touches its lock because it waits for space on the disk. One that
does nothing of this, stopped or stuck, is told of after `SHOWN_SECONDS` (a file `stalled.json` in its run's folder),
and ended after `ENDED_SECONDS`: its run then goes on from where it was last put aside.
"""

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.runs.run import Run
from core.storage import read_json, write_json

STALLED = "stalled.json"
LOOK_SECONDS = 1.0
SHOWN_SECONDS = 10.0
ENDED_SECONDS = 45.0
IDLE_SHARE = 0.02  # of a processor: less than this is waiting, not computing
LONGEST_GAP = 5.0  # between two looks: after a longer one this process itself was stopped, and knows nothing

log = logging.getLogger("tunemypets.watchdog")


@dataclass
class _Seen:
    said: tuple[int, int]
    computed: float  # processor seconds
    moved: float  # when it last moved
    shown: bool = False


class Watchdog:
    """Looks at the running runs about once a second."""

    def __init__(self) -> None:
        self.ended: set[str] = set()  # runs whose worker was ended from here
        self._seen: dict[str, _Seen] = {}
        self._looked = time.monotonic()

    def forget(self) -> None:
        """Begin anew: nobody is silent yet."""
        self._seen.clear()

    def look(self, running: list[Run]) -> None:
        """Tell of workers that do not move, and end those that have not moved for long."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        if now - self._looked > LONGEST_GAP:
            self._seen.clear()
        self._looked = now
        self._seen = {run_id: seen for run_id, seen in self._seen.items() if run_id in {run.id for run in running}}
        for run in running:
            process = worker_process(run)
            if process is not None:
                self._look_at(run, process, now)

    def _look_at(self, run: Run, process: psutil.Process, now: float) -> None:
        try:
            times = process.cpu_times()
            said = _said(run)
        except (psutil.Error, OSError):
            return  # it has just ended
        computed = times.user + times.system
        seen = self._seen.get(run.id)
        if seen is None:
            self._seen[run.id] = _Seen(said, computed, now, (run.folder / STALLED).exists())
            return
        if said != seen.said or computed - seen.computed > max(0.1, IDLE_SHARE * (now - seen.moved)):
            self._seen[run.id] = _Seen(said, computed, now)
            if seen.shown:
                (run.folder / STALLED).unlink(missing_ok=True)
            return
        silent = now - seen.moved
        # where a stop was asked for, nobody waits: the worker itself should have obeyed long ago
        if silent >= (SHOWN_SECONDS if run.stop_requested else ENDED_SECONDS):
            log.error("the worker of %s has not moved for %.0f s: it is ended", run.id, silent)
            self.ended.add(run.id)
            with suppress(psutil.Error):
                process.kill()
        elif silent >= SHOWN_SECONDS and not seen.shown:
            log.warning("the worker of %s has not moved for %.0f s", run.id, silent)
            with suppress(OSError):  # a full disk
                write_json(run.folder / STALLED, {"since": time.time() - silent})
            seen.shown = True


def _said(run: Run) -> tuple[int, int]:
    """Length of the event log, and when the lock was last touched."""
    log_file = run.folder / "events.jsonl"
    return log_file.stat().st_size if log_file.exists() else 0, run.lock_path.stat().st_mtime_ns


def stalled_since(folder: Path) -> float | None:
    """Since when the worker of a run has not moved, in seconds since 1970; None while it does."""
    try:
        return float(read_json(folder / STALLED)["since"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def worker_process(run: Run) -> psutil.Process | None:
    """The live process that took a run; None if it ended, also when its number was given to another one."""
    try:
        values = read_json(run.folder / "started.json")
        process = psutil.Process(int(values["pid"]))
        return process if abs(process.create_time() - float(values["born"])) < 1.0 else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def memory_kills() -> int:
    """How many processes this system has ended since its start because memory ran out; 0 where it does not tell."""
    try:
        with Path("/proc/vmstat").open(encoding="ascii") as file:
            for line in file:
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
    except (OSError, ValueError):
        pass
    return 0
