"""The 60-second demo: a race of a scratch network against petnet on the drawn sample. It works offline.

Whoever starts it while one is queued or running joins that one, so that a room full of people does not start thirty.
"""

from contextlib import AbstractContextManager

from core.actor import OPERATOR, Actor
from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.errors import RunError
from core.jobs.import_jobs import ImportJobs, ImportRequest
from core.locks import hold_lock
from core.races.presets import plan_pair
from core.races.race_actions import start_race
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import read_json

EPOCHS = 20
BATCH_SIZE = 16  # few images: smaller steps, more of them
SPLIT = "40/20/40"
LOCK_SECONDS = 10.0


def demo_config(dataset: str, seed: int = 0) -> TrainConfig:
    """The transfer arm of the demo; the scratch arm has the same images, split, epochs and seed."""
    return TrainConfig(dataset=dataset, model="petnet", epochs=EPOCHS, batch_size=BATCH_SIZE, seed=seed)


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
        return jobs.start(ImportRequest(None, "drawn", SPLIT, 0), by=by)


def start_demo(settings: Settings, dataset: str, *, by: Actor = OPERATOR) -> str:
    """The id of the demo's race: one that is queued or running, or a new one.

    Raises:
        DatasetError: if the dataset is not there.
        RunError: if another start takes too long.
    """
    plan, arms = plan_pair(demo_config(dataset))
    with _alone(settings):
        for item in RunStore(settings).summaries():
            if item.meta.race and item.state.active and item.config in [arm.config for arm in arms]:
                return item.meta.race
        return start_race(settings, plan, arms, by=by)[0]


def _alone(settings: Settings) -> AbstractContextManager[None]:
    busy = RunError("Someone else is starting the demo: try again in a few seconds.")
    return hold_lock(settings.home / "demo.lock", LOCK_SECONDS, busy)
