"""Creates a run: its folder is complete from the first moment, by a rename."""

import dataclasses
import time

from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.errors import ConfigError
from core.quotas import plain_if_full
from core.runs.run import Run, RunMeta
from core.runs.run_files import CONFIG, META
from core.settings import Settings
from core.storage import new_folder, new_id, write_json


def create_run(
    settings: Settings,
    config: TrainConfig,
    owner: str,
    *,
    race: str | None = None,
    plan: RacePlan | None = None,
    arm: str | None = None,
    deadline: float | None = None,
    sweep: str | None = None,
    trial: int | None = None,
) -> Run:
    """Create the folder of a queued run; the keywords are those of its `RunMeta`.

    Raises:
        DatasetError: if the dataset is not there.
        ConfigError: if the configuration does not fit the dataset.
        QuotaError: if the disk is full.
    """
    dataset = DatasetStore(settings).get(config.dataset)
    problems = config.problems_with(len(dataset.classes), {s: len(dataset.rows_of(s)) for s in ("train", "val")})
    if problems:
        raise ConfigError(problems)
    folder = settings.runs_dir / new_id()
    with plain_if_full(), new_folder(folder) as draft:
        (draft / CONFIG).write_text(config.model_dump_json(indent=1), encoding="utf-8")
        meta = RunMeta(
            time.time(), owner, race, arm, dataset.title, dataset.fingerprint, tuple(dataset.classes),
            plan=plan, deadline=deadline, sweep=sweep, trial=trial,
        )  # fmt: skip
        write_json(draft / META, dataclasses.asdict(meta))
    return Run(folder)
