"""Data roots for the page tests: with a finished race, made once."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from core.config.train_config import TrainConfig
from core.jobs.workers.worker import Worker
from core.predict.predictor_client import PredictorClient
from core.races.learning_curve import start_curve
from core.runs.run import Run, RunState
from core.runs.run_store import Arm
from core.scheduling import scheduler
from core.settings import PROJECT_ROOT, Settings
from pages.components.train.form import time_estimate
from tests.support.small_runs import SMALL_SCRATCH

SECONDS = 120  # a bound, for machines that do much else


@pytest.fixture(scope="session", autouse=True)
def components_found_once() -> Iterator[None]:
    """Let Streamlit search the installed packages for components once: each `AppTest` does, 0.3 s of the processor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pages start no process in advance: it would slow every test down. A question still starts the predictor."""
    monkeypatch.setattr(time_estimate, "start_benchmark", lambda *_: False)
    monkeypatch.setattr(scheduler, "warm_up", lambda *_: None)
    monkeypatch.setattr(PredictorClient, "warm_up", lambda _: None)


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


def curve_arms() -> list[Arm]:
    small = TrainConfig.model_validate({**SMALL_SCRATCH, "epochs": 1})
    return [Arm("small", small), Arm("large", small.model_copy(update={"filters": (8, 16)}))]


def finish_all(template: Path, root: Path, start: Callable[[Settings], tuple[str, Sequence[Run]]]) -> tuple[Path, str]:
    """A copy of a data root in which what `start` queues has been trained, and the id that it gave."""
    shutil.copytree(template, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEMYPETS_HOME", str(root))
        settings = Settings.from_environment()
        given, runs = start(settings)
        for run in runs:
            assert Worker(settings, run).work() is RunState.FINISHED
    return root, given


@pytest.fixture(scope="session")
def curve_template(race_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data root with a finished curve of two arms, two sizes and two seeds, and its id."""
    root = tmp_path_factory.mktemp("curve") / "workspace"
    return finish_all(
        race_template, root, lambda settings: start_curve(settings, curve_arms(), seeds=(0, 1), sizes=(2, 5))
    )


@pytest.fixture
def curve_id(curve_template: tuple[Path, str], home: Path) -> str:
    """A finished curve in this test's own data root."""
    shutil.copytree(curve_template[0], home)
    return curve_template[1]
