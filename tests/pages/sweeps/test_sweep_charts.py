"""The charts of a sweep: drawn from its trials, in words, and readable on a phone."""

import json

import pytest

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.settings import Settings
from pages.components.train.sweeps import sweep_charts
from pages.components.train.sweeps.parallel_chart import BEST, draw_parallel
from tests.core.sweeps.desk import SweepDesk, begin, end_run, make_plan
from tests.pages.sweeps.conftest import end_trials, finish_sweep
from tests.pages.test_pages import Open, texts


@pytest.mark.parametrize("kind", sweep_charts.TITLES)
def test_each_chart_is_drawn_with_titles_and_in_words(desk: SweepDesk, open_page: Open, kind: str) -> None:
    finish_sweep(desk)
    app = open_page("pages/train.py", sweep=desk.folder.id)
    app.session_state["sweep-charts"] = True
    app.session_state["sweep-chart"] = kind
    app.run()
    assert not app.exception
    assert not app.error
    (figure,) = app.get("plotly_chart")
    spec = json.loads(figure.proto.spec)
    shown = json.dumps(spec["layout"])
    assert "Optimization" not in shown
    assert "Objective" not in json.dumps(spec["data"])
    assert "Validation accuracy (%)" in shown or kind in ("parallel", "importance")
    assert "learning_rate" not in shown
    assert figure.proto.alt


def test_importance_waits_for_enough_trials(desk: SweepDesk, open_page: Open) -> None:
    end_trials(desk, 3)
    app = open_page("pages/train.py", sweep=desk.folder.id)
    app.session_state["sweep-charts"] = True
    app.session_state["sweep-chart"] = "importance"
    app.run()
    assert "Importance needs at least 5 finished trials: there are 3." in texts(app)


def test_trials_that_are_all_alike_have_no_importance_and_no_traceback(
    drawn: Dataset, settings: Settings, open_page: Open
) -> None:
    assert drawn.id == "drawn"
    desk = begin(settings, make_plan("dropout=0..0.5", trials=6, sampler="random"))
    while desk.step():
        for run in desk.waiting():
            end_run(run, 0.5)
    app = open_page("pages/train.py", sweep=desk.folder.id)
    app.session_state["sweep-charts"] = True
    for kind in sweep_charts.TITLES:
        app.session_state["sweep-chart"] = kind
        app.run()
        assert not app.exception, kind


def test_parallel_axes_fit_a_phone_and_the_best_trial_is_the_orange_one(desk: SweepDesk) -> None:
    finish_sweep(desk)
    sweep = desk.read()
    figure = draw_parallel(sweep)
    assert figure.layout.height < 5 * 80, "an axis for the accuracy and each setting, one below the other"
    orange = [trace for trace in figure.data if trace.line.color == BEST]
    assert sweep.best is not None
    assert len(orange) == 1
    assert f"trial {sweep.best.number}, Dropout:" in str(orange[0].customdata)
    assert figure.data[-1] is orange[0], "nothing is drawn over it"
    names = {note.text for note in figure.layout.annotations}
    assert {"Dropout", "Filters", "Validation<br>accuracy", "0", "0.5", "4…8", "8…16", "relu", "gelu"} <= names


def test_values_too_long_for_a_phone_are_named_where_the_best_trial_is(drawn: Dataset, settings: Settings) -> None:
    assert drawn.id == "drawn"
    networks = "model=petnet,mobilenet_v2,efficientnet_lite0"
    base = TrainConfig(dataset="drawn", model="petnet", precision="fp32")
    desk = begin(settings, make_plan(networks, "learning_rate=log:1e-4..1e-2", base=base, trials=3, sampler="random"))
    while desk.step():
        for run in desk.waiting():
            end_run(run, 0.5 + 0.1 * (run.meta().trial or 0))
    best = desk.read().best
    assert best is not None
    shown = {note.text for note in draw_parallel(desk.read()).layout.annotations}
    assert shown & {"petnet", "mobilenet_v2", "efficientnet_lite0"} == {best.values["model"]}
    assert {"0.0001", "0.01"} <= shown
