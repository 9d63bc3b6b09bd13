"""How long runs will take on this machine: for the expected starts of queued runs."""

import dataclasses
import statistics
import time
from contextlib import suppress

from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import TuneMyPetsError
from core.runs.attempts import threads_of
from core.runs.history import end_of_log
from core.runs.remaining import seconds_until
from core.runs.run import Run
from core.runs.run_files import STARTED
from core.settings import Settings
from core.training.estimate import estimate
from core.training.subsets import estimate_series

KNOWN_SECONDS = 30.0  # that an estimate is used: then a network may have been measured, or a cache filled
TAIL_BYTES = 2**14
MAX_KEPT = 20  # durations of one kind of run

Kind = tuple[object, ...]


class Durations:
    """Estimates by configuration, replaced by what such runs took."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._took: dict[Kind, list[float]] = {}  # seconds an epoch, start and evaluation included
        self._known: dict[Kind, tuple[float, float | None]] = {}  # until when, seconds
        self._datasets: dict[str, Dataset] = {}

    def learn(self, run: Run) -> None:
        """Take note of how long an ended run took."""
        with suppress(TuneMyPetsError):
            result, config, threads = run.result(), run.config(), threads_of(run.folder)
            if result is not None and result.seconds is not None and result.tested is not None:
                took = self._took.setdefault((threads or self.settings.threads, *_kind(config)), [])
                took.append(result.seconds / _unit(config))
                del took[:-MAX_KEPT]

    def expect(self, run: Run, threads: int) -> float | None:
        """Seconds that a run will take from its start, with so many processor threads; None if unknown."""
        try:
            config, plan = run.config(), run.meta().plan
        except TuneMyPetsError:
            return None
        curve = plan if plan is not None and plan.kind == "curve" else None
        key = (threads, *_kind(config), config.epochs, curve and (curve.sizes, curve.seeds))
        until, seconds = self._known.get(key, (0.0, None))
        if time.monotonic() >= until:
            seconds = self._expect(config, curve, threads)
            self._known[key] = time.monotonic() + KNOWN_SECONDS, seconds
        return seconds

    def left(self, run: Run, threads: int) -> float | None:
        """Seconds until a running run ends; None if unknown."""
        now = time.time()
        newest = seconds_until(end_of_log(run.event_log, TAIL_BYTES), now)
        if newest is not None:
            return newest
        expected = self.expect(run, threads)
        if expected is None:
            return None
        with suppress(OSError):
            return max(0.0, expected - (now - (run.folder / STARTED).stat().st_mtime))
        return expected

    def _expect(self, config: TrainConfig, curve: RacePlan | None, threads: int) -> float | None:
        took = self._took.get((threads, *_kind(config)))
        if took and curve is None:
            return statistics.median(took) * _unit(config)
        try:
            dataset = self._datasets.get(config.dataset)
            if dataset is None:
                self._datasets = {config.dataset: DatasetStore(self.settings).get(config.dataset)}
                dataset = self._datasets[config.dataset]
            for settings in (dataclasses.replace(self.settings, threads=threads), self.settings):
                found = (
                    estimate(settings, config, dataset)
                    if curve is None
                    else estimate_series(settings, config, dataset, curve)
                )
                if found is not None:  # with fewer threads than were measured it takes longer, and at most so much
                    return found.seconds * max(1.0, settings.threads / threads)
        except TuneMyPetsError:
            return None
        return None


def _unit(config: TrainConfig) -> int:
    """Epochs that a duration is divided by: 1 with a budget, which ends such runs alike whatever their epochs."""
    return 1 if config.budgeted else config.epochs


def _kind(config: TrainConfig) -> Kind:
    """Runs of one kind take equally long for an epoch, or, with the same budget, in all."""
    budget = (config.max_images, config.max_seconds, config.epochs) if config.budgeted else ()
    return (
        *budget,
        config.dataset, config.model, config.strategy, config.freeze_point, config.batch_size, config.image_size,
        config.filters, config.stored_views, config.precision,
    )  # fmt: skip
