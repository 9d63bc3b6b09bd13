"""The 60-second demo: a race of a scratch network against petnet on the drawn sample. It works offline.

It has a deadline, a minute after it began: both arms train side by side for the same seconds, as many as drawing,
starting and evaluating leave. Where those took longer on a busy machine, they train for less, and the result says so.
Whoever starts it while one is queued or running joins that one, so that a room full of people does not start thirty.
"""

import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from core.actor import OPERATOR, Actor
from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.errors import RunError
from core.formatting import format_count
from core.jobs.import_jobs import ImportJobs, ImportRequest
from core.locks import hold_lock
from core.races.presets import MAX_EPOCHS, plan_pair
from core.races.race_actions import start_race
from core.runs.history import RunHistory
from core.runs.run import RunMeta, RunState
from core.runs.run_store import Arm, RunStore
from core.scheduling.capacity import count_shares, fit_to_machine
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from core.statistics.caveats import FEW_EPOCHS
from core.storage import read_json, write_json

DEMO_SECONDS = 60.0  # from the click to the result
AROUND_SECONDS = 9.0  # of starting, measuring and preparing before the training, and of evaluating after it
LEAST_SECONDS = 5.0  # of training
DRAWING_SECONDS = 600.0  # after which a drawing that led to no race is forgotten
BATCH_SIZE = 16  # few images: smaller steps, more of them
SPLIT = "20/20/60"  # few labelled pictures are what transfer learning is for; many test pictures show a difference
LOCK_SECONDS = 10.0


Phase = Literal["drawing", "waiting", "starting", "training", "evaluating", "ended"]


@dataclass(frozen=True)
class DemoProgress:
    """Where a demo stands.

    Attributes:
        began, ends: in seconds since 1970; a demo that had to wait for other trainings ends later.
        note: what was different on this machine, in a sentence; empty where nothing was.
    """

    phase: Phase
    began: float
    ends: float
    note: str = ""

    def seconds_left(self, now: float) -> float:
        """Of the countdown; 0 where it is over."""
        return max(0.0, self.ends - now)


class Watched(Protocol):
    """What is read of a run; a page's snapshot has it."""

    @property
    def meta(self) -> RunMeta: ...
    @property
    def state(self) -> RunState: ...
    @property
    def config(self) -> TrainConfig: ...
    @property
    def history(self) -> RunHistory: ...


def demo_config(dataset: str, seed: int = 0, seconds: float = DEMO_SECONDS - AROUND_SECONDS) -> TrainConfig:
    """The transfer arm of the demo; the scratch arm has the same images, split, seconds and seed.

    Nothing is random in what they see: a frozen backbone sees each picture once, so only scratch would have crops and
    flips, and the first verdict that people read would name them as another possible reason.
    """
    return TrainConfig(
        dataset=dataset,
        model="petnet",
        epochs=MAX_EPOCHS,
        max_seconds=seconds,
        batch_size=BATCH_SIZE,
        augment_crop=False,
        augment_flip=False,
        seed=seed,
    )


def demo_dataset(settings: Settings) -> str | None:
    """The id of the drawn sample; None where it was not made yet."""
    made = [item for item in DatasetStore(settings).summaries() if item.drawn and item.split_plan == SPLIT]
    return made[0].id if made else None


def make_demo_dataset(settings: Settings, *, by: Actor = OPERATOR) -> str:
    """The id of the import that draws the sample: one that is running, or a new one.

    Raises:
        RunError: if another start takes too long.
    """
    with _alone(settings):
        jobs = ImportJobs(settings)
        for job in jobs.active():
            request = read_json(jobs.folder / job / "request.json")
            if request["path"] is None and request["plan"] == SPLIT:
                return job
        write_json(_beginning(settings), {"began": time.time()})
        ensure_scheduler(settings)  # it loads torch while the pictures are drawn
        return jobs.start(ImportRequest(None, DatasetStore(settings).free_name("drawn"), SPLIT, 0), by=by)


def start_demo(settings: Settings, dataset: str, *, by: Actor = OPERATOR) -> str:
    """The id of the demo's race: one that is queued or running, or a new one.

    Raises:
        DatasetError: if the dataset is not there.
        RunError: if another start takes too long.
    """
    with _alone(settings):
        for item in RunStore(settings).summaries():
            if item.meta.race and item.state.active and item.meta.deadline and item.config.dataset == dataset:
                return item.meta.race
        left = max(_take_beginning(settings) + DEMO_SECONDS - time.time(), AROUND_SECONDS + LEAST_SECONDS)
        turns = 1 if count_shares(settings) > 1 or (fit_to_machine(settings).workers or 1) > 1 else 2
        seconds = max(LEAST_SECONDS, left / turns - AROUND_SECONDS)
        plan, arms = plan_pair(demo_config(dataset, seconds=float(round(seconds))))
        return start_race(settings, plan, _set_deadlines(arms, time.time() + left, left, turns), by=by)[0]


def follow_drawing(settings: Settings) -> DemoProgress:
    """Where a demo stands whose pictures are being drawn."""
    began = _read_beginning(settings)
    return DemoProgress("drawing", began, began + DEMO_SECONDS)


def follow_race(runs: Sequence[Watched]) -> DemoProgress:
    """Where a demo stands whose race was started.

    Args:
        runs: its arms, at least one.
    """
    ends = max(run.meta.deadline or run.meta.created + DEMO_SECONDS for run in runs)
    return DemoProgress(_find_phase(runs), ends - DEMO_SECONDS, ends, describe_pace(runs))


def describe_pace(runs: Iterable[Watched]) -> str:
    """A sentence on a scratch arm that a busy or slow machine gave little to learn from; empty otherwise."""
    for run in runs:
        last = run.history.epochs[-1] if run.history.epochs else None
        if run.config.strategy == "scratch" and last is not None and not run.state.active and last.epoch < FEW_EPOCHS:
            return f"This machine was busy: scratch saw {format_count(last.images_seen, 'picture')} only."
    return ""


def _find_phase(runs: Sequence[Watched]) -> Phase:
    if not any(run.state.active for run in runs):
        return "ended"
    running = [run for run in runs if run.state is RunState.RUNNING]
    if not running:
        return "waiting"
    phases = [run.history.phase.phase if run.history.phase else "preparing" for run in running]
    if "training" in phases:
        return "training"
    return "evaluating" if "testing" in phases else "starting"


def _set_deadlines(arms: Sequence[Arm], ends: float, left: float, turns: int) -> list[Arm]:
    """Both arms end with the demo, or the quick one after half of the time, where they take turns."""
    early = ends if turns == 1 else ends - left / 2
    return [replace(arm, deadline=early if arm.config.strategy == "head" else ends) for arm in arms]


def _beginning(settings: Settings) -> Path:
    """The file that notes when the drawing of a demo began, until its race starts."""
    return settings.home / "demo.json"


def _read_beginning(settings: Settings) -> float:
    """When the demo began that is being drawn; now, where none is."""
    now = time.time()
    try:
        began = float(read_json(_beginning(settings))["began"])
    except (OSError, ValueError, KeyError, TypeError):
        return now
    return began if 0 <= now - began < DRAWING_SECONDS else now


def _take_beginning(settings: Settings) -> float:
    began = _read_beginning(settings)
    with suppress(OSError):
        _beginning(settings).unlink()
    return began


def _alone(settings: Settings) -> AbstractContextManager[None]:
    busy = RunError("Someone else is starting the demo: try again in a few seconds.")
    return hold_lock(settings.home / "demo.lock", LOCK_SECONDS, busy)
