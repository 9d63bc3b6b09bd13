"""Reads runs for many watchers: files again only when they were replaced, logs only where they have grown.

One reader serves all threads of a process. A log that was cut back, because its run was resumed, is read again.
"""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TypeVar

from core.config.train_config import TrainConfig
from core.errors import RunError
from core.runs.history import EventLogReader, RunHistory
from core.runs.run import Run, RunMeta, RunResult
from core.runs.run_files import META, RESULT
from core.runs.run_store import RunStore
from core.runs.summary import RunSummary, summary_of
from core.settings import Settings

MAX_HISTORIES = 16  # event logs kept in memory; thousands of events take megabytes
MAX_RUNS = 10_000  # configurations and results kept

Stamp = tuple[int, int, int]
Value = TypeVar("Value")


class RunReader:
    """Runs of one data root, read cheaply."""

    def __init__(self, settings: Settings) -> None:
        self.store = RunStore(settings)
        self._lock = threading.Lock()
        self._described: OrderedDict[str, tuple[Stamp | None, TrainConfig, RunMeta]] = OrderedDict()
        self._results: OrderedDict[str, tuple[Stamp, RunResult | None]] = OrderedDict()
        self._logs: OrderedDict[str, EventLogReader] = OrderedDict()

    def describe(self, run: Run) -> tuple[TrainConfig, RunMeta]:
        """Configuration, which never changes, and metadata, where only the title may change.

        Raises:
            RunError: if one cannot be read.
        """
        stamp = stamp_of(run.folder / META)
        with self._lock:
            found = self._described.get(run.id)
        if found is None or found[0] != stamp:
            found = stamp, run.config(), run.meta()
            self._keep(self._described, run.id, found)
        return found[1:]

    def result(self, run: Run) -> RunResult | None:
        """How the run ended, or None while it has not."""
        stamp = stamp_of(run.folder / RESULT)
        if stamp is None:
            return None
        with self._lock:
            found = self._results.get(run.id)
        if found is None or found[0] != stamp:
            found = stamp, run.result()
            self._keep(self._results, run.id, found)
        return found[1]

    def history(self, run: Run) -> RunHistory:
        """The events so far. The lists are the caller's own."""
        path = run.event_log
        if not path.exists():  # queued runs must not displace logs that are read every second
            return RunHistory()
        with self._lock:
            log = self._logs.pop(run.id, None) or EventLogReader(path)
            self._logs[run.id] = log
            while len(self._logs) > MAX_HISTORIES:
                self._logs.popitem(last=False)
        return log.read()

    def summaries(self) -> list[RunSummary]:
        """Every readable run, newest first."""
        out = []
        for run in self.store.all():
            try:
                out.append(self.summarise(run))
            except RunError:
                continue
        return out

    def summarise(self, run: Run) -> RunSummary:
        """The row of a run in a list.

        Raises:
            RunError: if its configuration cannot be read.
        """
        config, meta = self.describe(run)
        return summary_of(run, config, meta, self.result(run), lambda: self.history(run))

    def _keep(self, kept: "OrderedDict[str, Value]", name: str, value: Value) -> None:
        with self._lock:
            kept[name] = value
            kept.move_to_end(name)
            while len(kept) > MAX_RUNS:
                kept.popitem(last=False)


def stamp_of(path: Path) -> Stamp | None:
    """Differs whenever a file was replaced or written; None without a file."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
