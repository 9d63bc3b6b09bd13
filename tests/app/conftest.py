"""Data roots for the page tests: with a finished race, made once."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.datasets.importing import import_dataset
from core.datasets.sample import draw_sample
from core.datasets.sources import MemorySource
from core.datasets.splits import SplitPlan
from core.jobs import scheduler
from core.jobs.worker import Worker
from core.runs.store import Arm, RunStore
from core.settings import PROJECT_ROOT, Settings
from core.training.config import TrainConfig
from pages.components import estimates
from tests.conftest import SMALL_SCRATCH

SECONDS = 30


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
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the form of the Train page start no process: that would slow every other test down."""
    monkeypatch.setattr(estimates, "start_calibration", lambda *_: False)
    monkeypatch.setattr(scheduler, "warm_up", lambda *_: None)


@pytest.fixture
def open_page(ended_processes: None, quiet: None) -> Callable[..., AppTest]:
    """Open a page as a fresh session would: `open_page("pages/train.py", run="…")`.

    Opening some pages starts the predictor: it ends with the test.
    """
    import streamlit as st

    st.cache_resource.clear()
    st.cache_data.clear()

    def opened(path: str, **query: str) -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / path), default_timeout=SECONDS)
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    return opened
