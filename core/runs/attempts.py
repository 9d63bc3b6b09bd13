"""How often a run was tried, and with what: after a crash it resumes automatically as it began, but not for ever."""

import time
from dataclasses import dataclass
from pathlib import Path

from core.runs.run_files import ATTEMPTS, STARTED, THREADS
from core.storage import read_json, write_json

MAX_AUTOMATIC = 2


@dataclass(frozen=True)
class Attempts:
    """The content of a run's `attempts.json`; there is none until a run was interrupted.

    Attributes:
        automatic: how often it was resumed automatically since a person last asked for it.
        begun: when it was last begun, in seconds since 1970; 0 if never.
    """

    automatic: int = 0
    begun: float = 0.0

    @property
    def left(self) -> bool:
        """Whether it may be resumed automatically."""
        return self.automatic < MAX_AUTOMATIC


def read_attempts(folder: Path) -> Attempts:
    """The attempts of a run's folder; a damaged file counts as a run that has no attempt left."""
    try:
        values = read_json(folder / ATTEMPTS)
        return Attempts(int(values["automatic"]), float(values["begun"]))
    except FileNotFoundError:
        return Attempts()
    except (OSError, ValueError, KeyError, TypeError):
        return Attempts(MAX_AUTOMATIC)


def write_attempts(folder: Path, attempts: Attempts) -> None:
    """Replace the attempts of a run's folder."""
    write_json(folder / ATTEMPTS, {"automatic": attempts.automatic, "begun": attempts.begun})


def last_begun(folder: Path) -> float:
    """When a run was last begun, in seconds since 1970; 0 if never."""
    try:
        return float(read_json(folder / STARTED)["time"])
    except FileNotFoundError:
        return read_attempts(folder).begun
    except (OSError, ValueError, KeyError, TypeError):
        return time.time()


def threads_of(folder: Path) -> int | None:
    """Processor threads that a run began with; None if it never began, or an earlier version began it."""
    try:
        threads = int(read_json(folder / THREADS)["threads"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return threads if threads > 0 else None


def write_threads(folder: Path, threads: int) -> None:
    """Note the processor threads that a run begins with."""
    write_json(folder / THREADS, {"threads": threads})
