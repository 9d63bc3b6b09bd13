"""Reads runs for many watchers: files again only when they were replaced.

One reader serves all threads of a process.
"""

import threading
from collections import OrderedDict
from typing import TypeVar

from core.config.train_config import TrainConfig
from core.errors import RunError
from core.runs.run import Run, RunMeta, RunResult
from core.runs.run_files import META, RESULT
from core.runs.run_store import RunStore
from core.runs.summary import RunSummary, summary_of
from core.settings import Settings
from core.storage import Stamp, stamp_of

MAX_RUNS = 10_000  # configurations and results kept

Value = TypeVar("Value")


class RunReader:
    """Runs of one data root, read cheaply."""

    def __init__(self, settings: Settings) -> None:
        self.store = RunStore(settings)
        self._lock = threading.Lock()
        self._described: OrderedDict[str, tuple[Stamp | None, TrainConfig, RunMeta]] = OrderedDict()
        self._results: OrderedDict[str, tuple[Stamp, RunResult | None]] = OrderedDict()

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
        return summary_of(run, config, meta, self.result(run), run.history)

    def _keep(self, kept: "OrderedDict[str, Value]", name: str, value: Value) -> None:
        with self._lock:
            kept[name] = value
            kept.move_to_end(name)
            while len(kept) > MAX_RUNS:
                kept.popitem(last=False)
