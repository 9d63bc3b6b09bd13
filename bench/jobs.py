"""Datasets and whole jobs in a workspace of their own: what several benchmarks have in common."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.selection import natural_key
from core.datasets.sources.folder import FolderSource
from core.datasets.splits import SplitPlan
from core.jobs.launchers import WORKER_ENVIRONMENT
from core.settings import PROJECT_ROOT, Settings
from tests.support.processes import end_processes


@dataclasses.dataclass(frozen=True)
class Job:
    """An imported dataset, and its split as folders of links for the peers."""

    settings: Settings
    dataset: str
    split: Path
    pictures: dict[str, int]


@contextmanager
def imported(folder: str) -> Iterator[Job]:
    """Import a folder of class folders into a new workspace, which goes away at the end."""
    with tempfile.TemporaryDirectory() as name:
        settings = dataclasses.replace(Settings.from_environment(), home=Path(name) / "workspace")
        data, _ = command(settings, "core", "import", folder, "--name", "photos", "--json")
        split = Path(name) / "split"
        lay_out(settings, data["dataset"], split)
        try:
            yield Job(settings, data["dataset"], split, data["splits"])
        finally:
            end_processes(settings.home)


def import_some(settings: Settings, folder: Path, per_class: int) -> Dataset:
    """Import the first pictures of each class, by name, within this process, as a dataset with the folder's name."""
    chosen = settings.home / "chosen" / folder.name
    for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
        (chosen / kind.name).mkdir(parents=True)
        for file in sorted(kind.iterdir(), key=lambda path: natural_key(path.name))[:per_class]:
            (chosen / kind.name / file.name).symlink_to(file.resolve())
    plan = SplitPlan.parse("70/15/15")
    step = import_dataset(settings, FolderSource(chosen), name=folder.name, plan=plan, seed=0)
    while True:
        try:
            next(step)
        except StopIteration as done:
            return DatasetStore(settings).get(done.value)


def command(settings: Settings, *arguments: str, environment: Mapping[str, str] | None = None) -> tuple[Any, float]:
    """Run a Python module; the JSON on the last line of its output, and the seconds it took."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, "TUNEMYPETS_HOME": str(settings.home), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    seconds = time.perf_counter() - started
    try:
        return json.loads(done.stdout), seconds
    except ValueError:  # some peers say other things first
        return json.loads(done.stdout.decode().strip().splitlines()[-1]), seconds


def lay_out(settings: Settings, dataset_id: str, folder: Path) -> None:
    """The dataset's split as folders of links, for the peer."""
    dataset = DatasetStore(settings).get(dataset_id)
    for row in dataset.rows:
        source = dataset.image_path(row)
        target = folder / row.split / dataset.classes[row.label] / f"{row.index}{source.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)


def as_worker(settings: Settings) -> dict[str, str]:
    """The environment that workers have: other measurements under it are fair to them, and they to others."""
    return {**WORKER_ENVIRONMENT, "OMP_NUM_THREADS": str(settings.threads)}
