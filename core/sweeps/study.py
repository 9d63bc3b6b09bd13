"""Optuna's side of a sweep: distributions, sampler, pruner, and the study in a file next to the sweep's plan.

Only the sweeper writes the file (it holds a lock), everyone may read it: so the file needs no lock of its own, and a
line that a killed process left unfinished is cut off before the next one is written.
"""

import warnings
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner, WilcoxonPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from core.config.sweep_plan import Choices, Range, SweepPlan, format_value
from core.runs.log_check import cut_line

NAME = "sweep"
STARTUP_TRIALS = 5  # that no other one is compared with before

optuna.logging.set_verbosity(optuna.logging.WARNING)


class _NoLock:
    """The sweeper's lock is enough."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def open_study(path: Path, plan: SweepPlan, *, writing: bool = False) -> optuna.Study:
    """The study of a sweep, made if need be.

    Args:
        writing: the caller holds the sweeper's lock.
    Raises:
        KeyError: there is none yet, and it may not be made.
    """
    if writing and path.exists():
        cut_line(path)
    backend = JournalFileBackend(str(path), lock_obj=_NoLock())  # type: ignore[arg-type]
    storage = JournalStorage(backend)
    if not writing:
        return optuna.load_study(study_name=NAME, storage=storage)
    study = optuna.create_study(storage=storage, study_name=NAME, direction="maximize", load_if_exists=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        # another process that continues must not draw the same numbers again
        study.sampler = _sampler(plan, plan.base.seed + len(study.get_trials(deepcopy=False)))
        study.pruner = _pruner(plan)
    for values in _first_trials(plan):
        study.enqueue_trial(values, skip_if_exists=True)
    return study


def distributions_of(plan: SweepPlan) -> dict[str, BaseDistribution]:
    """The search space as Optuna has it; a list is a category by its text."""
    return {name: _distribution(dimension) for name, dimension in plan.space.items()}


def values_of(plan: SweepPlan, params: Mapping[str, Any]) -> dict[str, Any]:
    """What Optuna chose, as values of TrainConfig's fields."""
    values = {}
    for name, chosen in params.items():
        dimension = plan.space[name]
        if isinstance(dimension, Choices):
            chosen = next(value for value in dimension.values if _category(value) == chosen)
        values[name] = chosen
    return values


def _category(value: Any) -> Any:
    return format_value(value) if isinstance(value, tuple) else value


def _distribution(dimension: Choices | Range) -> BaseDistribution:
    if isinstance(dimension, Choices):
        return CategoricalDistribution([_category(value) for value in dimension.values])
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _sampler(plan: SweepPlan, seed: int) -> BaseSampler:
    if plan.sampler != "tpe":
        return RandomSampler(seed=seed)
    return TPESampler(seed=seed, multivariate=True, constant_liar=True)


def _pruner(plan: SweepPlan) -> BasePruner:
    match plan.pruner:
        case "median":
            return MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=1)
        case "halving":
            return SuccessiveHalvingPruner(min_resource=1, reduction_factor=4)
        case "wilcoxon":
            return WilcoxonPruner()
        case _:
            return NopPruner()


def _first_trials(plan: SweepPlan) -> Iterator[dict[str, Any]]:
    """The trials of a grid (Optuna's own sampler for it does not go with asking and telling); else the base."""
    if plan.sampler == "grid":
        lists = [item.values for item in plan.space.values() if isinstance(item, Choices)]
        for values in product(*lists):
            yield {name: _category(value) for name, value in zip(plan.space, values, strict=True)}
    elif base := _base_values(plan):
        yield base


def _base_values(plan: SweepPlan) -> dict[str, Any]:
    """The base configuration as a trial; empty where it is not in the space."""
    values: dict[str, Any] = {}
    for name, dimension in plan.space.items():
        value = getattr(plan.base, name)
        if isinstance(dimension, Choices):
            inside = value in dimension.values
        else:
            inside = value is not None and dimension.low <= value <= dimension.high
        if not inside:
            return {}
        values[name] = _category(value)
    return values
