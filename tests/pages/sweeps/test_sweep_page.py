"""Sweeps on pages: the form, the page of a sweep in each state, and lists that leave its trials out."""

import dataclasses
import json
import re

import pytest
from streamlit.testing.v1 import AppTest

from core.actor import LOCAL_OWNER
from core.cli.main import main
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.room.people import PeopleStore, new_token
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.sweeps import sweep_reader
from core.sweeps.sweep import Trial, read_sweep
from core.sweeps.sweep_presets import FIVE_BLOCK_CNN
from core.sweeps.sweep_store import SweepStore
from pages.components.shared import frame
from pages.components.shared.snapshots import runs_snapshot
from pages.components.shared.snapshots.sweep_snapshot import (
    forget_sweeps,
    list_active_sweeps,
    list_sweeps,
    look_at_sweep,
)
from pages.components.train.sweeps import sweep_charts, sweep_details
from pages.components.train.sweeps.parallel_chart import BEST, draw_parallel
from pages.server import asgi_app
from tests.core.sweeps.desk import SweepDesk, begin, end_run, make_plan, train
from tests.pages.test_actions import come_as, labels
from tests.pages.test_pages import Open, texts
from tests.support.finished_runs import finish


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No scheduler and no sweeper will ever come."""
    for place in ("core.sweeps.final_race", "pages.components.shared.frame", "pages.components.train.form.start_bar"):
        monkeypatch.setattr(f"{place}.ensure_scheduler", lambda _: None)
    for place in ("shared.frame", "train.sweeps.sweep_form", "train.sweeps.sweep_actions"):
        monkeypatch.setattr(f"pages.components.{place}.ensure_sweeper", lambda _: None)
    forget_sweeps()
    frame._names.forget()


@pytest.fixture
def desk(drawn: Dataset, settings: Settings) -> SweepDesk:
    """A sweep of six trials that has begun."""
    assert drawn.id == "drawn"
    return begin(settings, make_plan("dropout=0..0.5", "filters=[4,8]|[8,16]", "activation=relu,gelu", trials=6))


def end_trials(desk: SweepDesk, count: int) -> None:
    """End so many trials, each better than the one before."""
    for _ in range(count):
        desk.step()
        for run in desk.waiting()[:1]:
            end_run(run, 0.5 + 0.05 * (run.meta().trial or 0))
    desk.step()
    forget_sweeps()


def finish_sweep(desk: SweepDesk) -> None:
    end_trials(desk, 6)
    while desk.step():
        pass
    forget_sweeps()


def finish_race(desk: SweepDesk, drawn: Dataset, right: float) -> str:
    race = desk.read().races[0].race
    for run in RunStore(desk.settings).race(race):
        finish(run, drawn, right)
    forget_sweeps()
    return race


def open_form(open_page: Open) -> AppTest:
    app = open_page("pages/train.py")
    app.session_state["sweep"] = True
    return app.run()


def links(app: AppTest) -> list[str]:
    """Where links lead; a page that runs alone has plain ones."""
    return re.findall(r"\]\(/([^)]*)\)", texts(app))


def progress(app: AppTest) -> str:
    return str(app.get("progress")[0].proto)


def html(app: AppTest) -> str:
    return "\n".join(str(item.proto) for item in app.get("html"))


def test_a_preset_starts_a_sweep_and_opens_its_page(drawn: Dataset, settings: Settings, open_page: Open) -> None:
    app = open_form(open_page)
    assert app.selectbox(key="sweep-preset").value == FIVE_BLOCK_CNN
    assert "**Dropout** 0 to 0\\.5" in texts(app)
    app.number_input(key=f"sweep-trials-{FIVE_BLOCK_CNN}").set_value(7)
    app.number_input(key=f"sweep-epochs-{FIVE_BLOCK_CNN}").set_value(2).run()
    assert "7 trials with 1 seed each, then 6 trainings to compare." in texts(app)
    app.button(key="sweep-start").click().run()
    assert not app.exception
    (folder,) = SweepStore(settings).all()
    plan = folder.plan()
    assert app.query_params["sweep"] == folder.id
    assert (plan.trials, plan.pruner, plan.title) == (7, "median", "The five-block CNN")
    assert (plan.base.model, plan.base.epochs, plan.base.max_seconds) == ("scratch_cnn", 2, None)
    assert folder.meta().owner == LOCAL_OWNER
    assert "0 of 7 trials" in progress(app)


def test_a_space_of_ones_own_says_at_each_field_what_is_wrong(
    drawn: Dataset, settings: Settings, open_page: Open
) -> None:
    app = open_form(open_page)
    app.selectbox(key="sweep-preset").set_value("own").run()
    app.segmented_control(key="sweep-arm").set_value("Scratch").run()
    app.multiselect(key="sweep-fields-scratch").set_value(["learning_rate", "filters", "dropout"]).run()
    app.text_input(key="sweep-values-scratch-learning_rate").set_value("log:0..1")
    app.text_input(key="sweep-values-scratch-dropout").set_value(" ").run()
    sentences = [item.value for item in app.error]
    assert any("learning" in sentence and "above 0" in sentence for sentence in sentences), sentences
    assert any(sentence.startswith("Dropout is empty") for sentence in sentences), sentences
    assert "sweep-start" not in {button.key for button in app.button}

    app.text_input(key="sweep-values-scratch-learning_rate").set_value("log:1e-4..1e-2")
    app.text_input(key="sweep-values-scratch-dropout").set_value("0.1,0.3").run()
    assert not app.error
    app.button(key="sweep-start").click().run()
    assert not app.exception
    plan = SweepStore(settings).all()[0].plan()
    assert set(plan.space) == {"learning_rate", "filters", "dropout"}
    assert plan.base.strategy == "scratch"


def test_what_excludes_each_other_is_said_and_starts_nothing(drawn: Dataset, open_page: Open) -> None:
    app = open_form(open_page)
    app.selectbox(key=f"sweep-sampler-{FIVE_BLOCK_CNN}").set_value("grid").run()
    assert any("A grid needs lists" in item.value for item in app.error)
    app.selectbox(key=f"sweep-sampler-{FIVE_BLOCK_CNN}").set_value("tpe")
    app.number_input(key=f"sweep-trials-{FIVE_BLOCK_CNN}").set_value(None).run()
    assert any("never end" in item.value for item in app.error)


def test_a_running_sweep_shows_its_best_trial_and_its_progress(desk: SweepDesk, open_page: Open) -> None:
    app = open_page("pages/train.py", sweep=desk.folder.id)
    assert not app.exception
    assert "measured when the first trial ends" in html(app)
    end_trials(desk, 2)
    app = open_page("pages/train.py", sweep=desk.folder.id)
    assert not app.exception
    assert "2 of 6 trials" in progress(app)
    assert "left" in progress(app)
    assert "55.0 %" in html(app)
    assert re.search(r"accuracy \(validation\).*95 % interval [0-9.]+ to [0-9.]+ %, n = 8 pictures", html(app))
    assert "Best settings so far: **Dropout** 0" in texts(app)
    assert labels(app) == {"Stop and keep"}
    app.button(key=f"sweep-stop-{desk.folder.id}").click().run()
    assert not app.exception
    assert desk.folder.stop_requested
    assert "stopping" in progress(app)


def test_a_finished_sweep_shows_its_race_and_how_much_was_luck(
    desk: SweepDesk, drawn: Dataset, open_page: Open
) -> None:
    finish_sweep(desk)
    app = open_page("pages/train.py", sweep=desk.folder.id)
    assert "trained again with 3 seeds each" in progress(app)
    race = finish_race(desk, drawn, 0.6)
    app = open_page("pages/train.py", sweep=desk.folder.id)
    assert not app.exception
    assert "6 trials in" in texts(app)
    assert re.search(r"No difference shown.*n = 8, 3 seeds", texts(app))
    assert re.search(r"\*\*Luck\*\*: −?[0-9.]+ points \(95 % interval −?[0-9.]+ to [0-9.]+\)", texts(app))
    assert "the best one had 75.0 % on 8 validation pictures; trained again" in texts(app)
    assert "Base: the settings that the sweep began with." in texts(app)
    assert app.button(key=f"sweep-use-{desk.folder.id}").proto.type == "secondary", "they are not shown to be better"
    assert f"compare?race={race}" in links(app)
    app.button(key=f"sweep-use-{desk.folder.id}").click().run()
    assert not app.exception
    best = desk.read().best_config
    assert best is not None
    assert app.session_state["train-dropout"] == best.dropout
    assert app.query_params["dataset"] == "drawn"


def test_a_finished_sweep_continues_for_20_trials(desk: SweepDesk, open_page: Open) -> None:
    finish_sweep(desk)
    app = open_page("pages/train.py", sweep=desk.folder.id)
    app.button(key=f"sweep-more-{desk.folder.id}").click().run()
    assert not app.exception
    assert desk.folder.goal().trials == 26
    assert "6 of 26 trials" in progress(app)


def test_the_best_of_a_stopped_sweep_is_trained_again_when_asked(desk: SweepDesk, open_page: Open) -> None:
    end_trials(desk, 3)
    SweepStore(desk.settings).request_stop(desk.folder.id)
    while desk.step():
        pass
    forget_sweeps()
    app = open_page("pages/train.py", sweep=desk.folder.id)
    assert "Stopped" in texts(app)
    assert "Train the best* shows what its settings are worth" in texts(app)
    app.button(key=f"sweep-train-{desk.folder.id}").click().run()
    assert not app.exception
    (race,) = desk.read().races
    assert len(RunStore(desk.settings).race(race.race)) == 6
    assert f"compare?race={race.race}" in links(app)
    assert f"sweep-train-{desk.folder.id}" not in {button.key for button in app.button}


def test_deleting_asks_once_and_takes_the_trials_along(desk: SweepDesk, drawn: Dataset, open_page: Open) -> None:
    finish_sweep(desk)
    finish_race(desk, drawn, 0.6)
    app = open_page("pages/train.py", sweep=desk.folder.id)
    app.button(key=f"sweep-delete-{desk.folder.id}").click().run()
    assert desk.folder.folder.exists(), "it asks first"
    app.button(key=f"sweep-delete-now-{desk.folder.id}").click().run()
    assert not app.exception
    assert not desk.folder.folder.exists()
    assert [run.meta().sweep for run in RunStore(desk.settings).all()] == [None] * 6  # of its race


def test_others_see_a_sweep_and_cannot_change_it(
    desk: SweepDesk, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    come_as(monkeypatch, PeopleStore(desk.settings).name(new_token(), "Bert").actor)
    assert labels(open_page("pages/train.py", sweep=desk.folder.id)) == set()
    finish_sweep(desk)
    app = open_page("pages/train.py", sweep=desk.folder.id)
    assert labels(app) == {"Use these settings"}
    assert "Only the presenter can stop, continue or delete this sweep." in texts(app)


def test_a_sweep_that_is_gone_or_damaged_says_so_with_a_way_on(desk: SweepDesk, open_page: Open) -> None:
    app = open_page("pages/train.py", sweep="sweep-20200101-000000-abcdef")
    assert "There is no sweep" in app.warning[0].value
    assert "train" in links(app)
    end_trials(desk, 1)
    desk.folder.study_path.write_text("{}\n{}\n")
    forget_sweeps()
    app = open_page("pages/train.py", sweep=desk.folder.id)
    assert not app.exception
    assert "damaged" in app.warning[0].value
    (desk.folder.folder / "plan.json").write_text("{")
    forget_sweeps()
    app = open_page("pages/train.py", sweep=desk.folder.id)
    assert not app.exception
    assert "damaged" in app.warning[0].value
    assert list_sweeps(desk.settings) == []


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


def test_the_table_has_the_best_trial_first_and_outcomes_in_words(desk: SweepDesk, open_page: Open) -> None:
    end_trials(desk, 2)
    end_run(desk.waiting()[0], 0.4, state=RunState.STOPPED)
    end_trials(desk, 1)
    app = open_page("pages/train.py", sweep=desk.folder.id)
    app.session_state["sweep-trials"] = True
    app.session_state["sweep-best"] = True
    app.run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["Outcome"][:4]) == ["finished", "finished", "finished", "pruned"]
    assert list(table["Validation accuracy (%)"][:4]) == pytest.approx([65.0, 55.0, 50.0, 40.0])
    assert "in progress" in list(table["Outcome"])
    assert {"Dropout", "Filters", "Activation"} <= set(table.columns)
    assert app.code[0].value.startswith("best_config = {")


def test_outcomes_in_words() -> None:
    failed = Trial(3, "failed", None, None, {}, problem="The disk is full.")
    assert sweep_details.describe_outcome(failed) == "failed: The disk is full."
    assert sweep_details.describe_outcome(Trial(4, "finished", 0.5, 0.7, {}, same_as=1)) == "finished, same as trial 1"


def test_a_study_is_read_again_only_where_its_file_has_changed(
    desk: SweepDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    read = sweep_reader.read_study
    monkeypatch.setattr(sweep_reader, "read_study", lambda folder: opened.append(folder.id) or read(folder))
    reader = sweep_reader.SweepReader()
    end_trials(desk, 1)
    first = reader.read(desk.folder)
    assert reader.read(desk.folder) is first
    end_trials(desk, 1)
    later = reader.read(desk.folder)
    assert later.trials == read_sweep(desk.folder).trials
    assert later.counted == 2
    assert opened == [desk.folder.id], "what was added is read, nothing else"


def test_trials_are_in_no_list_and_their_sweep_is_one_row(
    desk: SweepDesk, drawn: Dataset, small_config: TrainConfig, open_page: Open
) -> None:
    other = RunStore(desk.settings).create(small_config)
    finish(other, drawn)
    finish_sweep(desk)
    assert len(RunStore(desk.settings).all()) == 1 + 6 + 6
    assert {item.meta.sweep for item in runs_snapshot.list_runs(desk.settings)} == {None}
    assert len(runs_snapshot.list_with_trials(desk.settings)) == 1 + 6 + 6
    assert not any(item.meta.sweep for item in runs_snapshot.list_usable(desk.settings))

    app = open_page("pages/home.py")
    app.session_state["recent"] = True
    app.run()
    assert not app.exception
    assert links(app).count(f"train?sweep={desk.folder.id}") == 1
    assert not any(f"run={run.id}" in link for run in desk.runs() for link in links(app))
    assert "6 trials · best validation 75.0 %" in texts(app)

    app = open_page("pages/compare.py", runs=other.id)
    assert not app.exception
    offered = str([str(item.proto) for item in (*app.multiselect, *app.selectbox)])
    assert not any(run.id[-6:] in offered for run in desk.runs())


def test_the_line_on_every_page_links_to_the_sweep_that_runs(desk: SweepDesk, open_page: Open) -> None:
    end_trials(desk, 1)
    app = open_page("pages/home.py")
    assert f"train?sweep={desk.folder.id}" in links(app)
    assert "[Sweep of dropout, filters and activation on drawn: 1 of 6 trials]" in texts(app)
    assert f"train?sweep={desk.folder.id}" not in links(open_page("pages/train.py", sweep=desk.folder.id))
    assert [item.id for item in list_active_sweeps(desk.settings)] == [desk.folder.id]


def test_the_page_of_a_trial_says_why_it_is_not_evaluated(desk: SweepDesk, open_page: Open) -> None:
    end_trials(desk, 1)
    run = desk.runs()[0]
    app = open_page("pages/train.py", run=run.id)
    assert not app.exception
    assert "Trial 0 of a sweep. It is not evaluated on the test split" in texts(app)
    assert f"train?sweep={desk.folder.id}" in links(app)
    assert f"evaluate-{run.id}" not in {button.key for button in app.button}


def test_runs_of_the_command_line_leave_trials_out_unless_asked(
    desk: SweepDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    end_trials(desk, 1)
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["runs", "--trials", "--json"]) == 0
    assert {item["sweep"] for item in json.loads(capsys.readouterr().out)} == {desk.folder.id}


def test_any_page_revives_the_sweeper(desk: SweepDesk, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    revived: list[Settings] = []
    monkeypatch.setattr(frame, "ensure_sweeper", revived.append)
    open_page("pages/train.py", sweep=desk.folder.id)
    assert revived


def test_the_start_of_the_app_revives_the_sweeper(desk: SweepDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    revived: list[Settings] = []
    monkeypatch.setattr(asgi_app, "ensure_sweeper", revived.append)
    monkeypatch.setattr(asgi_app, "ensure_scheduler", lambda _: None)
    asgi_app._wake_scheduler(desk.settings)
    assert revived == [desk.settings]


def test_a_snapshot_counts_what_trains_and_has_an_interval(desk: SweepDesk, drawn: Dataset) -> None:
    end_trials(desk, 1)
    train(desk.waiting()[0], 0.5)
    forget_sweeps()
    found = look_at_sweep(desk.settings, desk.folder.id)
    assert found.pictures == len(drawn.rows_of("val"))
    assert found.interval is not None
    assert found.interval.low < 0.5 < found.interval.high
    assert found.running
    assert found.moving


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


def test_the_time_between_a_sweep_and_its_further_trials_does_not_count(desk: SweepDesk, drawn: Dataset) -> None:
    end_trials(desk, 2)
    sweep = desk.read()
    now = max(trial.ended or 0.0 for trial in sweep.trials)
    left = sweep.seconds_left(now)
    assert left is not None
    began = min(trial.began or now for trial in sweep.trials)
    assert left == pytest.approx((now - began) / 2 * 4, rel=0.01)
    gap = 86_400.0  # a day later
    older = [
        dataclasses.replace(trial, began=(trial.began or now) - gap, ended=trial.ended - gap)
        for trial in sweep.trials
        if trial.ended is not None
    ]
    young = [trial for trial in sweep.trials if trial.ended is None]
    later = dataclasses.replace(sweep, trials=(*older, *young)).seconds_left(now)
    assert later == pytest.approx(left, rel=0.5)
