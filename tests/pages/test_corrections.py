"""Explore's corrections: select, relabel, leave out, undo, make a revision, and race before against after."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.races.race import find_race
from core.revisions.corrections import corrected, drop, relabel
from core.revisions.revision import revise
from core.runs.run_store import RunStore
from core.settings import Settings
from core.steps import run_step
from tests.pages.test_pages import texts

Open = Callable[..., AppTest]


def test_pictures_are_selected_and_relabelled(drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/explore.py", dataset="drawn")
    app.toggle(key="explore-correcting").set_value(True).run()
    assert "Click the pictures that are in the wrong class" in texts(app)
    app.button(key="select-0").click().run()
    app.button(key="select-3").click().run()
    assert "**2 pictures selected.**" in texts(app)
    app.button(key="selected-to-2").click().run()
    assert not app.exception
    assert corrected(drawn).labels[0] == corrected(drawn).labels[3] == drawn.classes[1]
    assert "**2 pictures relabelled**, in no revision yet." in texts(app)
    app.button(key="select-1").click().run()
    app.button(key="selected-drop").click().run()
    assert corrected(drawn).labels[1] is None
    app.button(key="undo").click().run()
    assert corrected(drawn).labels[1] == drawn.classes[0]


def test_all_between_two_clicks_are_selected_backwards_and_in_another_view_too(drawn: Dataset, open_page: Open) -> None:
    rows = [row.index for row in drawn.rows if row.label == 0]
    app = open_page("pages/explore.py", dataset="drawn")
    app.toggle(key="explore-correcting").set_value(True).run()
    assert app.button(key="select-between").disabled
    app.button(key=f"select-{rows[9]}").click().run()
    app.button(key=f"select-{rows[2]}").click().run()  # backwards, too
    app.button(key="select-between").click().run()
    assert "**8 pictures selected.**" in texts(app)
    assert app.button(key="select-between").disabled
    app.selectbox(key="gallery-class").set_value(drawn.classes[0]).run()
    app.button(key=f"select-{rows[14]}").click().run()  # from the last click on
    assert app.button(key="select-between").label == "Select 4 between"
    app.button(key="select-between").click().run()
    app.button(key="selected-drop").click().run()
    assert not app.exception
    assert [row.index for row in drawn.rows if corrected(drawn).labels[row.index] is None] == rows[2:15]


def test_clicks_in_two_classes_or_taken_back_are_no_range(drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/explore.py", dataset="drawn")
    app.toggle(key="explore-correcting").set_value(True).run()
    other = next(row.index for row in drawn.rows if row.label == 1)
    for place in (0, other):
        app.button(key=f"select-{place}").click().run()
    assert app.button(key="select-between").disabled
    for place in (5, 5, 0, 0):
        app.button(key=f"select-{place}").click().run()
    assert app.button(key="select-between").disabled
    app.button(key="clear-selected").click().run()
    assert "Click the pictures" in texts(app)


def test_a_class_is_renamed(drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/explore.py", dataset="drawn")
    app.toggle(key="explore-correcting").set_value(True).run()
    app.text_input(key="class-to-drawn").set_value("wolf").run()
    app.button(key="rename-class").click().run()
    assert not app.exception
    assert set(corrected(drawn).classes) == {"wolf", drawn.classes[1]}


def test_a_wrong_name_is_one_sentence(drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/explore.py", dataset="drawn")
    app.toggle(key="explore-correcting").set_value(True).run()
    app.button(key="rename-class").click().run()
    assert "The name of the class is empty" in texts(app)


def test_a_revision_is_made_and_opened(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    drop(drawn, [0])
    app = open_page("pages/explore.py", dataset="drawn")
    app.button(key="revise").click().run()
    assert not app.exception
    assert app.query_params["dataset"] == "drawn-r2"
    assert "Revision 2: 1 picture dropped." in texts(app)
    assert "Nothing was trained on drawn" in texts(app)
    assert len(DatasetStore(settings).get("drawn-r2").rows) == len(drawn.rows) - 1


def test_what_cannot_be_revised_is_one_sentence(drawn: Dataset, open_page: Open) -> None:
    relabel(drawn, [row.index for row in drawn.rows if row.label == 0], drawn.classes[1])
    app = open_page("pages/explore.py", dataset="drawn")
    app.button(key="revise").click().run()
    assert "would leave one class" in texts(app)


@pytest.mark.slow
def test_the_race_of_before_and_after_repeats_the_last_training(raced: Settings, open_page: Open) -> None:
    dataset = DatasetStore(raced).get("drawn")
    drop(dataset, [0])
    run_step(revise(raced, dataset))
    app = open_page("pages/explore.py", dataset="drawn-r2")
    app.button(key="before-after").click().run()
    assert not app.exception
    summaries = RunStore(raced).summaries()
    race_id = next(
        item.meta.race for item in summaries if item.meta.plan and item.meta.plan.arms == ("Before", "After")
    )
    race = find_race(summaries, str(race_id))
    assert [run.config.dataset for run in race.runs] == ["drawn", "drawn-r2"]
    assert race.runs[0].config == race.runs[1].config.variant(dataset="drawn")


def test_others_see_no_corrections(
    settings: Settings, drawn: Dataset, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.actor import Actor
    from pages.components.shared import frame

    drop(drawn, [0])
    monkeypatch.setattr(frame, "actor", lambda: Actor("p-ada", "Ada"))
    app = open_page("pages/explore.py", dataset="drawn")
    assert "in no revision yet" not in texts(app)
    assert "explore-correcting" not in {item.key for item in app.toggle}
