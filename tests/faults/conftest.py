"""Fixtures of the tests of faults: a data root with a finished run, pages, and what has to hold afterwards."""

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.config.train_config import TrainConfig
from core.jobs.workers.worker import Worker
from core.maintenance.check import check
from core.runs.run import Run
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.faults.servers import Start
from tests.pages.conftest import components_found_once, open_page, quiet  # noqa: F401  # fixtures
from tests.support.processes import end_processes
from tests.support.server import Server
from tests.support.small_runs import SMALL_SCRATCH


@pytest.fixture
def clean_afterwards(request: pytest.FixtureRequest, settings: Settings) -> Iterator[None]:
    """What has to hold of the data root after a fault: nothing half is left in it, and a check finds nothing.

    A test that damages the data root itself is marked `damages`.
    """
    yield
    if request.node.get_closest_marker("damages"):
        return
    datasets = settings.datasets_dir
    hidden = [path.name for path in datasets.iterdir() if path.name.startswith(".")] if datasets.is_dir() else []
    assert hidden == []
    assert [(item.kind, item.text) for item in check(settings)] == []


@pytest.fixture(scope="session")
def run_template(drawn_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the dataset `drawn` and two finished runs of a small network on it."""
    root = tmp_path_factory.mktemp("faults") / "workspace"
    shutil.copytree(drawn_template, root)
    settings = dataclasses.replace(Settings.from_environment(), home=root)
    for seed in (0, 1):
        run = RunStore(settings).create(TrainConfig.model_validate({**SMALL_SCRATCH, "seed": seed}))
        assert Worker(settings, run).work().value == "finished"
    return root


@pytest.fixture
def two_runs(run_template: Path, home: Path) -> tuple[Run, Run]:
    """This test's own copy of two finished runs."""
    shutil.copytree(run_template, home)
    first, second = RunStore(Settings.from_environment()).all()
    return first, second


@pytest.fixture
def run(two_runs: tuple[Run, Run]) -> Run:
    """A finished run."""
    return two_runs[0]


@pytest.fixture
def start(settings: Settings, ended_processes: None) -> Iterator[Start]:
    """Start the app with more variables of the environment."""
    with ExitStack() as stack:

        def started(**environment: str) -> Server:
            server = Server(settings, environment=environment)
            server.start()
            stack.callback(server.kill)
            return server

        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app on an empty data root; the tests of this file share it."""
    home = tmp_path_factory.mktemp("network") / "workspace"
    settings = dataclasses.replace(Settings.from_environment(), home=home)
    server = Server(settings, environment={"TUNEMYPETS_HOME": str(home)})
    server.start()
    yield server
    server.kill()
    end_processes(home)
