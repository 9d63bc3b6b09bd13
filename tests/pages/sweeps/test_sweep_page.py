"""Sweeps on Train: the form, and the page of a sweep in each state."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from core.actor import LOCAL_OWNER
from core.datasets.dataset import Dataset
from core.room.people import PeopleStore, new_token
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.sweeps.sweep import Trial
from core.sweeps.sweep_presets import FIVE_BLOCK_CNN
from core.sweeps.sweep_store import SweepStore
from pages.components.shared.snapshots.sweep_snapshot import forget_sweeps, list_sweeps
from pages.components.train.sweeps import sweep_details
from tests.core.sweeps.desk import SweepDesk, end_run
from tests.pages.sweeps.conftest import end_trials, finish_sweep, links
from tests.pages.test_actions import come_as, labels
from tests.pages.test_pages import Open, texts
from tests.support.finished_runs import finish


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
    assert re.search(r"No clear difference.*n = 8, 3 seeds", texts(app))
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
