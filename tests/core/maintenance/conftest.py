"""A data root in which everything that the program keeps is there, made once by real imports and trainings."""

import dataclasses
import os
import shutil
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from core.checkpoints import snapshot
from core.config.train_config import TrainConfig
from core.datasets.drawn_sample import draw_sample
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.jobs.import_job import run_job
from core.jobs.import_jobs import ImportJobs, ImportRequest
from core.jobs.workers.computation import LocalComputation
from core.jobs.workers.held_run import HeldRun
from core.jobs.workers.worker import Worker
from core.maintenance.export_archive import export_room
from core.runs.run import Run
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import write_json
from tests.support.finished_runs import create_pair
from tests.support.small_runs import SMALL_SCRATCH


@pytest.fixture(scope="session")
def full_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dataset `drawn` with a contradiction, a finished race, a head, an interrupted and a queued run."""
    root = tmp_path_factory.mktemp("full") / "workspace"
    settings = dataclasses.replace(Settings.from_environment(), home=root)
    drawn = list(draw_sample(count_per_class=20, size_px=64))
    twice = draw_sample(count_per_class=21, size_px=64)
    other = next(data for name, data in twice if data not in {data for _, data in drawn})
    files = [*drawn, ("cat/contradictory.png", other), ("dog/contradictory.png", other)]
    list(
        import_dataset(
            settings, MemorySource("drawn", files, drawn=True), name="drawn", plan=SplitPlan.parse("60/20/20"), seed=0
        )
    )
    store = RunStore(settings)
    config = TrainConfig.model_validate(SMALL_SCRATCH)
    runs = create_pair(store, config, config)
    runs.append(store.create(TrainConfig(dataset="drawn", model="petnet", strategy="head", epochs=2)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEMYPETS_HOME", str(root))
        patch.setenv("TORCH_HOME", str(root.parent / "no-weights"))
        for run in runs:
            assert Worker(settings, run).work().value == "finished"
        patch.setattr(snapshot, "LEAST_SECONDS", 0.0)
        patch.setattr(snapshot, "SHARE", 0)
        interrupted = store.create(config.model_copy(update={"note": "interrupted"}))
        _interrupt(settings, interrupted)
        store.create(config.model_copy(update={"note": "queued"}))
        jobs = ImportJobs(settings)
        folder = jobs.folder / "20260101-000000-abcdef"
        folder.mkdir(parents=True)
        write_json(folder / "request.json", dataclasses.asdict(ImportRequest("/nowhere", "drawn", "60/20/20", 0)))
        run_job(settings, folder)
    for kind in ("people", "room"):
        (root / kind).mkdir()
        write_json(root / kind / "visitor.json", {"nickname": "Ada"})
    return root


def _interrupt(settings: Settings, run: Run) -> None:
    """Train until there is a snapshot, then stop as a killed worker does: no result."""
    held = HeldRun(settings, run)
    write_json(run.folder / "started.json", {"pid": os.getpid(), "time": 0.0})
    events = LocalComputation(held).events(evaluate_only=False)
    for event in events:
        held.append(event)
        if run.history().epochs and (run.checkpoints / "last.safetensors").exists():
            break
    (run.folder / "worker.lock").touch()
    saved = {name: (run.checkpoints / name).read_bytes() for name in ("last.safetensors",)}
    events.close()
    for name, data in saved.items():
        (run.checkpoints / name).write_bytes(data)


@pytest.fixture
def full(full_template: Path, home: Path) -> Settings:
    """This test's own copy of the data root."""
    shutil.copytree(full_template, home)
    return Settings.from_environment()


@pytest.fixture(scope="session")
def packed(full_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The full data root, packed."""
    settings = dataclasses.replace(Settings.from_environment(), home=full_template)
    target = tmp_path_factory.mktemp("packed") / "room.zip"
    assert export_room(settings, target).left_out == {}
    return target


def train_aside(settings: Settings, run: Run) -> threading.Event:
    """Train a run in a thread, under its lock; the event is set when it has ended."""
    over = threading.Event()

    def work() -> None:
        with FileLock(run.lock_path, thread_local=False):
            Worker(settings, run).work()
        over.set()

    threading.Thread(target=work, daemon=True).start()
    return over
