"""The line below the form: how long a training takes, measured first where this machine does not know the network."""

import time
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.config.stages import describe_network, plan_stages
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.jobs import benchmark_job
from core.settings import Settings
from core.stores import measurements
from core.stores.measurements import Measurements
from pages.components.train.form import time_estimate

Open = Callable[..., AppTest]
FIGURES = {"input": 1.0, "prefix_fp32": 200.0, "prefix_bf16": 100.0, "prefix_error": 0.01}


def captions(app: AppTest) -> str:
    return " ".join(item.value for item in app.caption)


def test_the_time_is_estimated_from_measurements(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    config = TrainConfig(dataset="drawn")
    what = describe_network(config, plan_stages(config, config.entry()))
    Measurements(settings).keep(what, {"threads": settings.threads}, FIGURES)
    app = open_page("pages/train.py", dataset="drawn")
    app.segmented_control(key="train-mode").set_value("single").run()
    assert not app.exception
    assert "on this machine" in captions(app)
    assert "Most of it: frozen part" in captions(app)


def test_a_network_that_is_new_here_is_measured_once_a_session(
    drawn: Dataset, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(time_estimate, "start_benchmark", lambda _, config: asked.append(config.model) or True)
    monkeypatch.setattr(time_estimate, "is_measuring", lambda _: True)
    app = open_page("pages/train.py", dataset="drawn")
    assert "Measuring the speed of this machine" in captions(app)
    app.run()
    app.run()
    assert asked == ["scratch_cnn", "efficientnet_lite0"]  # the two arms of a race


def test_what_was_measured_on_a_busy_machine_says_so_and_is_measured_again_later(
    settings: Settings, drawn: Dataset, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(time_estimate, "start_benchmark", lambda _, config: asked.append(config.model) or True)
    config = TrainConfig(dataset="drawn")
    what = describe_network(config, plan_stages(config, config.entry()))
    Measurements(settings).keep(what, {"threads": settings.threads}, {**FIGURES, "others": 1.5})
    app = open_page("pages/train.py", dataset="drawn")
    app.segmented_control(key="train-mode").set_value("single").run()
    assert "it may take less" in captions(app)
    app.session_state["sweep"] = True
    app.run()
    app.selectbox(key="sweep-preset").set_value("head-recipe").run()
    assert captions(app).count("it may take less") == 2, "the time of a sweep is as doubtful"
    app.session_state["sweep"] = False
    app.run()
    asked.clear()
    monkeypatch.setattr(measurements, "DOUBT_SECONDS", 0.0)
    app.run()
    assert asked == ["efficientnet_lite0"]
    assert "it may take less" in captions(app)
    app.run()
    assert asked == ["efficientnet_lite0"]


def test_what_has_to_wait_is_asked_again(drawn: Dataset, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(time_estimate, "start_benchmark", lambda _, config: bool(asked.append(config.model)))
    app = open_page("pages/train.py", dataset="drawn")
    app.run()
    assert asked == ["scratch_cnn", "scratch_cnn"]
    assert "No time estimate until this has run here once" in captions(app)


def test_without_its_weights_nothing_is_measured(drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/train.py", dataset="drawn")
    app.selectbox(key="train-model").set_value("resnet18").run()
    assert not app.exception
    assert "No time estimate until this has run here once" in captions(app)


def test_the_benchmark_runs_in_its_own_process(
    settings: Settings, drawn: Dataset, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_estimate, "start_benchmark", benchmark_job.start_benchmark)
    app = open_page("pages/train.py", dataset="drawn")
    until = time.monotonic() + 240
    app.segmented_control(key="train-mode").set_value("single").run()
    while "on this machine" not in captions(app):
        assert time.monotonic() < until, captions(app)
        time.sleep(0.5)
        app.run()
    assert not app.exception
