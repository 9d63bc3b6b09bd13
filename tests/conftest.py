"""Fixtures of all tests: a data root of their own, real photographs and weights, skips that CI refuses."""

import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from core.checkpoints.pretrained_weights import load_pretrained
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.jobs.launchers import NICENESS, step_back
from core.jobs.workers.worker import Worker
from core.runs.run_store import RunStore
from core.settings import Settings
from models.network import Network
from tests.support.drawn_dataset import import_drawn
from tests.support.environment import shared_folder, skip_or_fail
from tests.support.finished_runs import create_pair
from tests.support.fork_server import POSSIBLE as FORKING
from tests.support.fork_server import forked_processes, start_fork_server
from tests.support.processes import end_processes
from tests.support.small_runs import SMALL_SCRATCH

MEMORY_DISK = Path("/dev/shm")
ROOM_BYTES = 4 * 2**30  # of the tests' folders at any time, and something to spare


def pytest_configure() -> None:
    """Let three tests at a time share two processors, as each waits for servers, browsers and trainings.

    One thread for each training: two threads of which one waits for a core take three times as long as one. What counts
    threads sets them itself. The tests step back as trainings do: one that a test waits for would get a tenth of a
    processor beside two busy tests. Their folders lie in memory where there is room: a hundred folders of a data root
    cost a disk 0.2 s, in hundreds of tests.
    """
    step_back(NICENESS)
    for name in ("TUNEMYPETS_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if MEMORY_DISK.is_dir() and shutil.disk_usage(MEMORY_DISK).free > ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY_DISK))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out slow tests, unless `CI=true`, `-m`, `-k` or a named test asks for them, and those of other packages.

    A browser test is given a second try, as its tools do by default: a real Chromium on a busy machine may miss one of
    thousands of clicks. The summary lists each test that needed it.
    """
    named = any("::" in argument for argument in config.args)
    asked = named or config.option.markexpr or config.option.keyword
    left_out = set() if named or "tflite" in config.option.markexpr else {"tflite"}
    if not asked and os.environ.get("CI", "").lower() not in ("1", "true"):
        left_out.add("slow")
    out = [item for item in items if any(item.get_closest_marker(name) for name in left_out)]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in set(out)]
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(autouse=True)
def no_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test depend on weights that happen to lie on this machine; `shared_weights` gives some."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no-weights"))


@pytest.fixture(autouse=True)
def no_memory_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no scheduler believe that memory ran out because a test beside this one lets it, for a process of its own."""
    monkeypatch.setattr("core.jobs.watchdog.COUNTS", Path(os.devnull))


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


@pytest.fixture(scope="session")
def drawn_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a small drawn dataset, `drawn`."""
    root = tmp_path_factory.mktemp("drawn") / "workspace"
    settings = dataclasses.replace(Settings.from_environment(), home=root)
    import_drawn(settings)
    return root


@pytest.fixture
def drawn(drawn_template: Path, settings: Settings) -> Dataset:
    """A small drawn dataset in this test's data root, as `drawn`."""
    shutil.copytree(drawn_template, settings.home, dirs_exist_ok=True)
    return DatasetStore(settings).get("drawn")


@pytest.fixture
def small_config() -> TrainConfig:
    """A training of a second: a small CNN from scratch on the drawn pictures."""
    return TrainConfig.model_validate(SMALL_SCRATCH)


@pytest.fixture
def large_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let petnet give features 32 times as large: a root mean square of about 18, as of SqueezeNet."""

    def load(*arguments: Any) -> Network:
        network = load_pretrained(*arguments)
        norm = network.blocks["top"].get_submodule("norm")
        with torch.no_grad():
            for parameter in norm.parameters():
                parameter.mul_(32)
        return network

    monkeypatch.setattr("core.checkpoints.checkpoint.load_pretrained", load)


@pytest.fixture(scope="session")
def race_template(drawn_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the dataset `drawn` and a finished race of two small networks."""
    root = tmp_path_factory.mktemp("template") / "workspace"
    shutil.copytree(drawn_template, root)
    settings = dataclasses.replace(Settings.from_environment(), home=root)
    first = TrainConfig.model_validate(SMALL_SCRATCH)
    second = first.model_copy(update={"filters": (8, 16, 16), "epochs": 3, "learning_rate": 0.005})
    runs = create_pair(RunStore(settings), first, second)
    for run in runs:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TUNEMYPETS_HOME", str(root))
            assert Worker(settings, run).work().value == "finished"
    return root


@pytest.fixture
def raced(race_template: Path, home: Path) -> Settings:
    """This test's own copy of the data root with a finished race."""
    shutil.copytree(race_template, home)
    return Settings.from_environment()


@pytest.fixture(scope="session")
def head_template(drawn_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the dataset `drawn` and a finished run of a head on petnet."""
    root = tmp_path_factory.mktemp("head") / "workspace"
    shutil.copytree(drawn_template, root)
    settings = dataclasses.replace(Settings.from_environment(), home=root)
    config = TrainConfig(dataset="drawn", model="petnet", strategy="head", epochs=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEMYPETS_HOME", str(root))
        assert Worker(settings, RunStore(settings).create(config)).work().value == "finished"
    return root


@pytest.fixture
def headed(head_template: Path, home: Path) -> Settings:
    """This test's own copy of the data root with a finished head."""
    shutil.copytree(head_template, home)
    return Settings.from_environment()


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The address of a process that forks the app's processes, seconds sooner than they would start."""
    with start_fork_server(tmp_path_factory.mktemp("fork")) as address:
        yield address


@pytest.fixture
def forked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fork the app's processes that this test starts, unless it is marked `real_processes`."""
    if not FORKING or request.node.get_closest_marker("real_processes"):
        yield
        return
    with forked_processes(request.getfixturevalue("fork_server")):
        yield


@pytest.fixture
def ended_processes(settings: Settings, forked: None) -> Iterator[None]:
    """End every process that the test started in its data root, by its id."""
    yield
    end_processes(settings.home)
