"""Fixtures of all tests: a data root of their own, real photographs and weights, skips that CI refuses."""

import asyncio
import contextlib
import dataclasses
import os
import shutil
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.drawn_sample import draw_sample
from core.datasets.importing import ImportFinished, import_dataset
from core.datasets.sources import MemorySource
from core.datasets.splits import SplitPlan
from core.jobs.worker import Worker
from core.runs.run_store import Arm, RunStore
from core.settings import PROJECT_ROOT, Settings

T = TypeVar("T")


def pytest_configure() -> None:
    """One thread for each training: two tests run at a time, and two threads of which one waits for a core take three
    times as long as one. What counts threads sets them itself."""
    for name in ("TUNEMYPETS_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def skip_or_fail(reason: str) -> None:
    """Skip a test that lacks something, or fail it where `CI=true` promises that nothing is lacking."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def no_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test depend on weights that happen to lie on this machine; `shared_weights` gives some."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no-weights"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data root, also for every process that the test starts."""
    root = tmp_path / "workspace"
    monkeypatch.setenv("TUNEMYPETS_HOME", str(root))
    return root


@pytest.fixture
def settings(home: Path) -> Settings:
    """Settings whose data root is empty and belongs to this test."""
    return Settings.from_environment()


def shared_folder() -> Path:
    """Where real photographs and weights lie: `TUNEMYPETS_SHARED`, by default `shared/` beside the project."""
    return Path(os.environ.get("TUNEMYPETS_SHARED", PROJECT_ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with `data/`, `odd_files/` and `torch/`."""
    folder = shared_folder()
    if not (folder / "data").is_dir():
        skip_or_fail("This test wants real photographs: set TUNEMYPETS_SHARED to the folder that holds data/.")
    return folder


@pytest.fixture
def shared_weights(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`TORCH_HOME` with ImageNet weights of MobileNetV2 and SqueezeNet."""
    folder = shared_data / "torch"
    if not (folder / "hub" / "checkpoints").is_dir():
        skip_or_fail("This test wants pretrained weights: set TUNEMYPETS_SHARED to the folder that holds torch/.")
    monkeypatch.setenv("TORCH_HOME", str(folder))
    return folder


@pytest.fixture
def drawn(settings: Settings) -> Dataset:
    """A small drawn dataset, imported into this test's data root as `drawn`."""
    source = MemorySource("drawn for a test", list(draw_sample(count_per_class=20, size_px=64)), drawn=True)
    for event in import_dataset(settings, source, name="drawn", plan=SplitPlan.parse("60/20/20"), seed=0):
        if isinstance(event, ImportFinished):
            return DatasetStore(settings).get(event.dataset_id)
    raise AssertionError("the import did not finish")


SMALL_SCRATCH = {
    "dataset": "drawn",
    "model": "scratch_cnn",
    "strategy": "scratch",
    "filters": (4, 8),
    "dense_neurons": 8,
    "image_size": 32,
    "epochs": 2,
    "batch_size": 8,
    "precision": "fp32",
}


@pytest.fixture
def small_config() -> TrainConfig:
    """A training of a second: a small CNN from scratch on the drawn pictures."""
    return TrainConfig.model_validate(SMALL_SCRATCH)


@pytest.fixture(scope="session")
def race_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the dataset `drawn` and a finished race of two small networks."""
    root = tmp_path_factory.mktemp("template") / "workspace"
    settings = dataclasses.replace(Settings.from_environment(), home=root)
    source = MemorySource("drawn for a test", list(draw_sample(count_per_class=20, size_px=64)), drawn=True)
    list(import_dataset(settings, source, name="drawn", plan=SplitPlan.parse("60/20/20"), seed=0))
    first = TrainConfig.model_validate(SMALL_SCRATCH)
    second = first.model_copy(update={"filters": (8, 16, 16), "epochs": 3, "learning_rate": 0.005})
    _, runs = RunStore(settings).create_race([Arm("scratch", first), Arm("transfer", second)])
    for run in runs:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TUNEMYPETS_HOME", str(root))
            assert Worker(settings, run).work(judge_only=False).value == "finished"
    return root


@pytest.fixture
def raced(race_template: Path, home: Path) -> Settings:
    """This test's own copy of the data root with a finished race."""
    shutil.copytree(race_template, home)
    return Settings.from_environment()


@pytest.fixture
def ended_processes(settings: Settings) -> Iterator[None]:
    """End every process that the test started in its data root, by its id."""
    yield
    end_processes(settings.home)


def end_processes(home: Path) -> None:
    """End every process of a data root, by its id."""
    for process in psutil.process_iter(["pid", "environ", "cmdline"]):
        environment = process.info["environ"] or {}
        command = process.info["cmdline"] or []
        if environment.get("TUNEMYPETS_HOME") == str(home) and any(part.startswith("core.") for part in command):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait(5)


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run something asynchronous in a thread of its own: Chromium's driver keeps a loop running in the main one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so; fails after a while."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
