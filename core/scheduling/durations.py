"""How long runs and races will take on this machine: before they start, and for the expected starts of queued runs."""

import dataclasses
import math
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import TuneMyPetsError
from core.estimates.estimate import Estimate, estimate
from core.jobs.nodes import read_cluster
from core.runs.attempts import threads_of
from core.runs.history import end_of_log
from core.runs.remaining import expect_last_end, seconds_until
from core.runs.run import Run
from core.runs.run_files import STARTED
from core.scheduling.capacity import count_shares, fit_to_machine
from core.scheduling.cluster_team import find_team
from core.scheduling.places import STRATEGY_RANKS, Waiting
from core.scheduling.run_queue import expect_turns, fair_order
from core.settings import Settings
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
            return estimate_run(self.settings, config, dataset, threads, curve)
        except TuneMyPetsError:
            return None


def estimate_training(settings: Settings, config: TrainConfig, dataset: Dataset) -> Estimate | None:
    """How long a run takes here or on the cluster; None where its network was not measured here."""
    return estimate(settings, config, dataset, find_team(settings, config, len(dataset.classes)))


def estimate_trainings(settings: Settings, config: TrainConfig, dataset: Dataset, trainings: int) -> float | None:
    """Seconds of so many runs like this one, as many at a time as there are places; None where it was not measured."""
    slots, _, threads = _capacity(settings)
    seconds = estimate_run(settings, config, dataset, threads)
    return None if seconds is None else math.ceil(trainings / slots) * seconds


def estimate_run(
    settings: Settings, config: TrainConfig, dataset: Dataset, threads: int, curve: RacePlan | None = None
) -> float | None:
    """Seconds of a run with so many processor threads; None where its network was not measured here.

    What was measured while other programs ran counts only where nothing else is known.

    Args:
        curve: that the run is an arm of, if it is.
    """
    busy: float | None = None
    for given in (dataclasses.replace(settings, threads=threads), settings):
        if curve is None:
            found = estimate_training(given, config, dataset)
        else:
            team = find_team(given, config.model_copy(update={"workers": 1}), len(dataset.classes))
            found = estimate_series(given, config, dataset, curve, team)
        if found is not None:
            # with fewer threads than were measured it takes longer, at most so much; a budget of seconds does not
            seconds = found.seconds * (1.0 if config.max_seconds else max(1.0, given.threads / threads))
            if not found.busy:
                return seconds
            busy = seconds if busy is None else busy
    return busy


def estimate_race(settings: Settings, configs: Sequence[TrainConfig], plan: RacePlan, dataset: Dataset) -> float | None:
    """Seconds of a race or learning curve on an idle machine, its arms side by side as far as they run so.

    None where one of its networks was not measured here.

    Args:
        configs: of all its runs.
    """
    slots, shares, all_threads = _capacity(settings)
    abreast = max(1, min(len(plan.arms), shares))
    threads = max(1, all_threads // abreast)
    curve = plan if plan.kind == "curve" else None
    runs, seconds = [], dict[str, float | None]()
    for number, config in enumerate(configs):
        seconds[str(number)] = estimate_run(settings, config, dataset, threads, curve)
        rank = STRATEGY_RANKS[config.strategy]
        runs.append(Waiting(str(number), "", number, "race", config.seed, rank, abreast))
    ends = [end for _, end in expect_turns(fair_order(runs, {}), [], slots, seconds.get)]
    return expect_last_end(ends)


def _capacity(settings: Settings) -> tuple[int, int, int]:
    """Places of this machine or the cluster, shares of one, threads of one."""
    if settings.cluster:
        return max(1, read_cluster(settings).places(settings.threads)), 1, settings.threads
    return _capacity_here(settings)


@lru_cache(maxsize=8)
def _capacity_here(settings: Settings) -> tuple[int, int, int]:
    fitted = fit_to_machine(settings)
    return fitted.workers or 1, count_shares(settings), fitted.threads


def _unit(config: TrainConfig) -> int:
    """Epochs that a duration is divided by: 1 with a budget, which ends such runs alike whatever their epochs."""
    return 1 if config.budgeted else config.epochs


def _kind(config: TrainConfig) -> Kind:
    """Runs of one kind take equally long for an epoch, or, with the same budget, in all."""
    budget = (config.max_images, config.max_seconds, config.epochs) if config.budgeted else ()
    return (
        *budget,
        config.dataset, config.model, config.strategy, config.freeze_point, config.batch_size, config.image_size,
        config.filters, config.stored_views, config.precision, config.workers,
    )  # fmt: skip
