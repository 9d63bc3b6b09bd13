"""What each block knows, on Explore, Train and Compare: not begun, running, failed, measured, and put to the test."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.actor import OPERATOR, Actor
from core.config.events import Progress
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.jobs.shared_job import JobState
from core.probes.probing import files_of
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import write_json
from pages.components.shared import frame, predictor_requests
from pages.components.shared.results import probe_panel
from tests.core.probes.conftest import keep_ladder, make_ladder
from tests.pages.test_pages import texts
from tests.support.finished_runs import finish, start_race
from tests.support.in_process_predictor import InProcessClient

Open = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Forget what another test's pages have read."""
    probe_panel._found.forget()
    predictor_requests._requests._entries.clear()


def networks(app: AppTest) -> AppTest:
    app.segmented_control(key="explore-section").set_value("Networks").run()
    app.selectbox(key="knowledge-network").set_value("petnet").run()
    assert not app.exception
    return app


def button(app: AppTest, start: str) -> list[str]:
    return [item.key for item in app.button if (item.key or "").startswith(start)]


def test_before_it_was_measured_a_button_starts_it(
    drawn: Dataset, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, Actor]] = []
    monkeypatch.setattr(
        probe_panel, "start_probes", lambda _, dataset, network, *, by: asked.append((dataset.id, network, by))
    )
    app = networks(open_page("pages/explore.py", dataset=drawn.id))
    (key,) = button(app, "start-probes-explore")
    app.button(key=key).click().run()
    assert asked == [(drawn.id, "petnet", OPERATOR)]


def test_a_failure_shows_its_sentence_and_the_button(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    files = files_of(settings, drawn, "petnet")
    files.result.parent.mkdir(parents=True)
    write_json(files.progress, {"owner": "local", "problem": "The disk is full: free some space."})
    app = networks(open_page("pages/explore.py", dataset=drawn.id))
    assert "The disk is full" in texts(app)
    assert button(app, "start-probes-explore")


@pytest.mark.parametrize(("owner", "may"), [("p-alice", True), ("p-bob", False)])
def test_everyone_sees_progress_and_its_starter_may_cancel(
    drawn: Dataset, open_page: Open, monkeypatch: pytest.MonkeyPatch, owner: str, may: bool
) -> None:
    item = Progress("testing", "Fitting probes", 2, 6, 30.0)
    monkeypatch.setattr(probe_panel, "look", lambda *_: JobState(None, True, item, None, owner))
    monkeypatch.setattr("pages.components.shared.frame.actor", lambda: Actor("p-alice", "Alice"))
    cancelled: list[Actor] = []
    monkeypatch.setattr(probe_panel, "cancel_probes", lambda *_, by: cancelled.append(by))
    app = networks(open_page("pages/explore.py", dataset=drawn.id))
    assert "everyone sees the result" in texts(app)
    keys = button(app, "cancel-probes-explore")
    assert bool(keys) is may
    if may:
        app.button(key=keys[0]).click().run()
        assert [actor.id for actor in cancelled] == ["p-alice"]


def test_a_measured_ladder_is_a_sentence_a_chart_and_a_table(
    settings: Settings, drawn: Dataset, open_page: Open
) -> None:
    ladder = keep_ladder(settings, drawn)
    app = networks(open_page("pages/explore.py", dataset=drawn.id))
    said = texts(app)
    assert "A head alone should reach about 80.0 % (71.1 to 86.7)" in said
    assert "frozen up to stage4, training may bring 0 to" in said
    assert "The test pictures were not used" in said
    assert len(app.get("plotly_chart")) == 1
    (table,) = [frame.value for frame in app.dataframe]
    assert list(table["accuracy (%)"]) == [float(ladder.accuracy(place).correct) for place in range(6)]
    assert "Forecast and result" not in said


def test_the_network_that_was_measured_is_shown_first(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/explore.py", dataset=drawn.id, section="networks")
    assert app.selectbox(key="knowledge-network").value == "efficientnet_lite0"
    keep_ladder(settings, drawn)
    app = open_page("pages/explore.py", dataset=drawn.id, section="networks")
    assert app.selectbox(key="knowledge-network").value == "petnet"
    assert "A head alone should reach" in texts(app)


def test_forecasts_stand_next_to_what_trainings_reached(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    keep_ladder(settings, drawn)
    _, runs = start_race(settings, drawn, ("scratch", "head"), (0, 1))
    for run in runs:
        finish(run, drawn)
    app = networks(open_page("pages/explore.py", dataset=drawn.id))
    assert "Forecast and result" in texts(app)
    table = app.dataframe[-1].value
    assert list(table["strategy"]) == ["Head only"]
    assert list(table["runs"]) == [2]
    assert "Too few so far" in texts(app)


def test_a_link_opens_the_section_and_train_shows_the_forecast(
    settings: Settings, drawn: Dataset, open_page: Open
) -> None:
    app = open_page("pages/explore.py", dataset=drawn.id, section="networks")
    assert app.segmented_control(key="explore-section").value == "Networks"
    app = open_page("pages/explore.py", dataset=drawn.id, section="nonsense")
    assert app.segmented_control(key="explore-section").value == "Pictures"
    keep_ladder(settings, drawn)
    app = open_page("pages/train.py", dataset=drawn.id)
    assert "Forecast" not in texts(app), "of another network"
    app.selectbox(key="train-model").set_value("petnet").run()
    assert "Forecast: about 80.0 % (71.1 to 86.7)." in texts(app)
    app.segmented_control(key="train-strategy").set_value("full").run()
    assert "Forecast: about 82.0 %" in texts(app)
    assert not app.exception


def test_compare_shows_each_block_its_movement_and_whether_the_forecast_held(
    headed: Settings, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = InProcessClient(headed)
    monkeypatch.setattr(frame, "predictor", lambda _: client)
    (run,) = RunStore(headed).all()
    app = open_page("pages/compare.py", runs=run.id, view="why")
    app.segmented_control(key="why-section").set_value("Blocks").run()
    assert not app.exception
    assert button(app, "start-probes-why")
    keep_ladder(headed, DatasetStore(headed).get("drawn"), make_ladder([2, 3, 4, 5, 6, 7], 4, val=8))
    app.run()
    said = texts(app)
    assert "Forecast 87.5 %, test accuracy" in said
    table = app.dataframe[-1].value
    assert set(table["in this run"]) == {"frozen"}
    assert set(table["moved (% of norm)"]) == {"0"}
    assert list(table["known before (%)"]) == [25.0, 37.5, 50.0, 62.5, 75.0, 87.5]
    assert "Too few so far" in said


def test_the_top_features_of_a_head_are_buttons_with_pictures_and_what_changes_without_them(
    headed: Settings, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = InProcessClient(headed)
    monkeypatch.setattr(frame, "predictor", lambda _: client)
    (run,) = RunStore(headed).all()
    app = open_page("pages/compare.py", runs=run.id, view="why")
    app.segmented_control(key="why-section").set_value("Top features").run()
    assert not app.exception
    assert not [error.value for error in app.error]
    said = texts(app)
    assert "of 1,280** features" in said
    assert "Silenced (held at its mean)" in said
    garden = client.garden(run.id)
    pills = app.get("button_group")[-1]
    assert len(pills.options) == 24
    second = garden.features[1].number
    app.session_state[f"garden-{run.id}"] = second
    app.run()
    assert f"Feature {second} has" in texts(app)
    assert not app.exception


def test_runs_without_a_head_of_their_own_get_a_sentence_with_what_to_train(
    raced: Settings, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = InProcessClient(raced)
    monkeypatch.setattr(frame, "predictor", lambda _: client)
    runs = ",".join(run.id for run in RunStore(raced).all())
    app = open_page("pages/compare.py", runs=runs, view="why")
    app.segmented_control(key="why-section").set_value("Top features").run()
    assert "Train one with the strategy Head only." in texts(app)
    app.segmented_control(key="why-section").set_value("Blocks").run()
    assert "its blocks knew nothing before" in texts(app)
    assert not app.exception
