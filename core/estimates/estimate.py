"""How long a training will take on this machine, estimated before it starts and without torch.

Adds up what the configuration computes, with the figures that `benchmark` has measured; what is stored already is left
out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from core.config.stages import (
    HALF_FORMATS,
    HEAD_STEP_MS,
    Stage,
    choose_precision,
    describe_network,
    plan_stages,
    share_out,
)
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.estimates.team import Team, share_at_home
from core.settings import Settings
from core.stores.array_cache import known_activations
from core.stores.measurements import Figures, Measurements, is_busy
from core.stores.pixels import DECODING, decode_seconds, preprocessing_of, store_path

START_SECONDS = 0.5  # of a worker that is forked, and of what is written
VALIDATION_COST = 0.4  # of a training image
STORED_LOOK_SECONDS = 0.05  # a head, at a split whose activations are stored
SEARCH_STEPS = 80  # of the learning-rate finder
STORING_MS = 0.3  # of an image, in addition to what was measured: reading and writing


@dataclass(frozen=True)
class Estimate:
    """Seconds by part, in the order they pass.

    Attributes:
        busy: other programs took processor cores while the machine was measured.
        outdated: the measurement is doubtful and no longer new: measure again.
        taken: the share of the cores that they took, in [0, 1]; 0 where it is not busy.
    """

    parts: dict[str, float]
    busy: bool = False
    outdated: bool = False
    taken: float = 0.0

    @property
    def seconds(self) -> float:
        return sum(self.parts.values())

    @property
    def least_seconds(self) -> float:
        """What it may take once those cores are free."""
        return self.seconds * (1 - self.taken)


def estimate(settings: Settings, config: TrainConfig, dataset: Dataset, team: Team | None = None) -> Estimate | None:
    """How long a run takes, from its start to its test result; None where that was not measured here yet.

    Args:
        team: who computes it; None: as many processes of this machine as it has workers.
    """
    entry = config.entry()
    stages = plan_stages(config, entry)
    team = team or share_at_home(settings, config)
    own = replace(settings, threads=team.threads or settings.threads)  # of each process
    figures, outdated = _find_figures(settings, own, describe_network(config, stages), team.pace)
    if figures is None or not _covers(figures, config.precision):
        return None
    parts = {"start": START_SECONDS}
    store = store_path(settings, dataset, preprocessing_of(config, dataset))
    if not store.exists():
        share = (Measurements(own).find(DECODING) or Measurements(settings).find(DECODING) or {"share": 1.0})["share"]
        parts["reading pictures"] = share * team.pace * decode_seconds(own, dataset.rows)
    job = _Job(own, config, dataset, figures, store.stem, team)
    parts["frozen part"] = sum(sum(job.storing(stage)) for stage in stages if stage.freeze_point)
    if config.find_rate:
        parts["finding the rate"] = job.search(stages[0])
    parts["training"] = job.all_training(stages)
    parts["testing"] = job.testing(stages)
    busy = is_busy(figures)
    return Estimate(parts, busy, outdated, min(1.0, figures["others"] / own.threads) if busy else 0.0)


def _find_figures(settings: Settings, own: Settings, what: dict[str, Any], pace: float) -> tuple[Figures | None, bool]:
    """What was measured with a process's own threads, else with all of them, of which it has a part; is it outdated?"""
    figures, outdated = _newest(own, what)
    if figures is None:
        figures, outdated = _newest(settings, what)
        pace *= settings.threads / own.threads
    if figures is None:
        return None, outdated
    slower = {"input", *(f"{part}_{name}" for part in ("step", "prefix") for name in ("fp32", *HALF_FORMATS))}
    return {name: pace * value if name in slower else value for name, value in figures.items()}, outdated


def _newest(settings: Settings, what: dict[str, Any]) -> tuple[Figures | None, bool]:
    """The newest figures without doubt; else the newest of all, which are outdated."""
    known = Measurements(settings)
    certain = known.find(what, certain=True)
    return (known.find(what), True) if certain is None else (certain, False)


def _covers(figures: Figures, precision: str) -> bool:
    """Whether everything was measured, with the configuration's number format: none is that would be emulated."""
    timed = all(name.replace("unmeasured", "fp32") in figures for name in figures if name.endswith("_unmeasured"))
    return timed and (precision in ("auto", "fp32") or any(name.endswith(f"_{precision}") for name in figures))


def prefix_seconds(settings: Settings, config: TrainConfig, precision: str, images: int) -> float | None:
    """How long images take to go through the frozen part of a configuration; None where that was not measured.

    Args:
        precision: the number format of the frozen part.
    """
    figures = Measurements(settings).find(describe_network(config, plan_stages(config, config.entry())))
    if figures is None or f"prefix_{precision}" not in figures:
        return None
    return _prefix_seconds(figures, precision, images)


def _prefix_seconds(figures: Figures, precision: str, images: int) -> float:
    return images * (figures[f"prefix_{precision}"] + figures["input"] + STORING_MS) / 1000


@dataclass(frozen=True)
class _Job:
    settings: Settings
    config: TrainConfig
    dataset: Dataset
    figures: Figures
    store: str  # the name of the pixel store
    team: Team

    def count(self, split: str) -> int:
        return len(self.dataset.rows_of(split))

    def stores(self, stage: Stage) -> bool:
        """Whether what leaves the frozen part of a stage is kept: as `open_feed` decides."""
        views = self.config.views if self.config.augmented else 1
        kept = self.figures.get("prefix_bytes", 0.0) * (self.count("train") * views + self.count("val"))
        return bool(stage.freeze_point and self.config.views) and kept <= self.settings.cache_bytes / 2

    def storing(self, stage: Stage) -> Iterator[float]:
        """Seconds of every view of the stored activations of a stage that is not there yet."""
        precision, wanted = self._wanted(stage)
        for count, view in wanted:
            if not self._is_stored(stage.freeze_point, precision, count, view):
                yield _prefix_seconds(self.figures, precision, count)

    def charged(self, stage: Stage) -> float:
        """Seconds of all of them, there or not: what a budget of seconds counts."""
        precision, wanted = self._wanted(stage)
        return sum(_prefix_seconds(self.figures, precision, count) for count, _ in wanted)

    def _wanted(self, stage: Stage) -> tuple[str, list[tuple[int, int]]]:
        """The number format of the stored activations of a stage; images and view of each."""
        if not self.stores(stage):
            return "fp32", []
        precision, _ = choose_precision(self.figures, "prefix", self.config.precision)
        views = self.config.views if self.config.augmented else 1
        return precision, [(self.count("train"), view) for view in range(views)] + [(self.count("val"), 0)]

    def search(self, stage: Stage) -> float:
        """Seconds of the learning-rate finder."""
        epochs = SEARCH_STEPS * min(self.config.batch_size, self.count("train")) / self.count("train")
        return self.training(stage, self.count("train"), 1, Team()) * epochs  # the leader's alone

    def all_training(self, stages: list[Stage]) -> float:
        """Seconds of all stages: what they need, or what a budget leaves."""
        allowed = share_out(self.config, stages, max(1, self.count("train")))
        seconds = sum(
            self.training(stage, item.images, item.epochs) for stage, item in zip(stages, allowed, strict=True)
        )
        if self.config.max_seconds is None:
            return seconds
        left = max(0.0, self.config.max_seconds - sum(self.charged(stage) for stage in stages))
        # a step and a validation may go over it
        return min(seconds, left + self.training(stages[-1], self.config.batch_size, 1))

    def training(self, stage: Stage, train: int, validations: int, team: Team | None = None) -> float:
        """Seconds of so many training images of a stage, and so many validations.

        Args:
            team: who computes the steps.
        """
        team = team or self.team
        val = self.count("val") * validations
        stored = self.stores(stage)
        if stored and stage.freeze_point == self.config.entry().blocks[-1].name:
            return (train + VALIDATION_COST * val) / self.config.batch_size * HEAD_STEP_MS / 1000
        precision, _ = choose_precision(self.figures, "step", self.config.precision)
        step = self.figures.get(f"step_{precision}", 0.0)
        if stage.freeze_point and not stored:
            step += self.figures[f"prefix_{precision}"]
        each = step + (STORING_MS if stored else self.figures["input"])
        travelling = train / self.config.batch_size * team.step_seconds
        return (train * each / team.divide + val * VALIDATION_COST * step) / 1000 + travelling

    def testing(self, stages: list[Stage]) -> float:
        """Seconds of predicting the test split, and then the validation split."""
        seconds = 0.0
        last = self.config.entry().blocks[-1].name
        for split in ("test", "val"):
            count = self.count(split)
            if count and self.config.strategy == "head" and self._is_stored(last, "fp32", count, 0):
                seconds += STORED_LOOK_SECONDS
            else:
                seconds += self._looking(stages, count)
        return seconds

    def _looking(self, stages: list[Stage], count: int) -> float:
        frozen = self.figures.get("prefix_fp32", 0.0) if stages[-1].freeze_point else 0.0
        return count * (frozen + VALIDATION_COST * self.figures.get("step_fp32", 0.0) + STORING_MS) / 1000

    def _is_stored(self, point: str | None, precision: str, count: int, view: int) -> bool:
        config = self.config
        augmentation = {
            "crop": config.augment_crop, "flip": config.augment_flip, "colour": config.augment_colour,
            "strength": config.augment_strength,
        }  # fmt: skip
        wanted = {
            "network": self.config.model, "freeze_point": point, "pictures": self.store, "precision": precision,
            "view": view, "augmentation": augmentation if view else None,
        }  # fmt: skip
        return any(
            item.get("first", 0) + item.get("count", 0) == count  # the last file of a split
            and all(item.get(key) == value for key, value in wanted.items())
            for item in self._known
        )

    @cached_property
    def _known(self) -> list[dict[str, Any]]:
        return known_activations(self.settings)
