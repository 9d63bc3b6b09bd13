"""Collecting photos: the scene of the Room page, and what Explore shows of it."""

import pytest
from streamlit.testing.v1 import AppTest

from core.actor import OPERATOR, Actor
from core.collection.collection_store import CollectionStore
from core.collection.picture_intake import Sent, add_picture
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.jobs.import_jobs import ImportJobs
from core.room.board import read_board, show_scene
from core.settings import Settings
from pages.components.shared.pictures import mosaic
from tests.pages.test_pages import Open, texts
from tests.pages.test_room import Come, come_as, html_of, press, scene  # noqa: F401
from tests.support.images import encoded, photo
from tests.support.processes import wait_for


@pytest.fixture(autouse=True)
def forgotten() -> None:
    mosaic.forget_collections()


def fill(settings: Settings, people: dict[str, Actor], count: int = 4) -> str:
    """A collection in which each person has so many pictures of two classes."""
    store = CollectionStore(settings)
    place = store.start("Our *mugs*", by=OPERATOR)
    for number, name in enumerate(("mug", "<b>spoon</b>")):
        made = store.add_class(place, name, by=OPERATOR)
        for owner, by in enumerate(people.values()):
            for frame in range(count):
                seed = 1000 * number + 100 * owner + frame
                add_picture(settings, place, Sent(f"{seed:08}", made, "", "a", encoded(photo(seed))), by=by)
    return place


def test_the_presenter_starts_a_collection_from_its_scene(come_as: Come, open_page: Open, settings: Settings) -> None:
    come_as("Grace the presenter")
    app = scene(open_page("pages/room.py"), "collect")
    assert "Nothing is collected yet" in texts(app)
    app.text_input(key="collect-title").set_value("Our mugs")
    press(app, "Collect for everyone")
    assert not app.exception
    view = CollectionStore(settings).current()
    assert view is not None
    assert (view.collection.title, view.collection.open) == ("Our mugs", True)
    assert 'alt="QR code of the page that collects photos"' in html_of(app)
    assert "/collect</b>" in html_of(app)

    press(app, "Close it")
    view = CollectionStore(settings).current()
    assert view is not None
    assert not view.collection.open
    assert "QR code" not in html_of(app)  # it would lead to a closed door
    press(app, "Collect for everyone")
    app.text_input(key="collect-title").set_value("Faces")
    next(button for button in app.button if button.form_id == "collect-start").click().run()
    (faces, mugs) = CollectionStore(settings).all()
    assert (faces.collection.title, mugs.collection.title) == ("Faces", "Our mugs")
    press(app, "Show this one")
    assert "Our mugs" in html_of(app)
    press(app, "Delete this collection")
    press(app, "Delete this collection")
    assert CollectionStore(settings).current() is None


def test_the_mosaic_shows_pictures_classes_and_nicknames(come_as: Come, open_page: Open) -> None:
    people = {name: come_as(name) for name in ("Ada", "Ben")}
    come_as("Grace the presenter")
    settings = Settings.from_environment()
    place = fill(settings, people)
    app = scene(open_page("pages/room.py"), "collect")
    shown = html_of(app)
    assert "16 pictures by 2 people" in shown
    assert shown.count(f'<img src="collect/api/{place}/pictures/') == 16
    assert "Ada 4, Ben 4" in shown
    assert "&lt;b&gt;spoon&lt;/b&gt;" in shown
    assert "<b>spoon</b>" not in shown
    assert "Our *mugs*" in shown


def test_freezing_makes_a_dataset_and_a_failure_is_explained(come_as: Come, open_page: Open) -> None:
    people = {name: come_as(name) for name in ("Ada", "Ben")}
    come_as("Grace the presenter")
    settings = Settings.from_environment()
    place = fill(settings, people)
    show_scene(settings, "collect", OPERATOR)
    app = open_page("pages/room.py")
    assert app.selectbox(key="collect-split").value == "60/20/20"
    press(app, "Freeze now")
    job = str(app.query_params["freezing"])
    jobs = ImportJobs(settings)
    wait_for(lambda: jobs.status(job).state != "running")
    assert jobs.status(job).dataset == "our-mugs"
    assert len(DatasetStore(settings).get("our-mugs").rows) == 16

    (mug, _) = CollectionStore(settings).view(place).collection.shown
    CollectionStore(settings).delete_class(place, mug.id, by=OPERATOR)
    mosaic.forget_collections()
    app = open_page("pages/room.py")
    press(app, "Freeze now")
    assert any("two classes" in box.value for box in app.error)
    app = open_page("pages/room.py", freezing="none")
    assert any("There is no import" in box.value for box in app.error)


def test_explore_shows_an_open_collection_and_leads_the_presenter_to_it(
    come_as: Come, open_page: Open, drawn: Dataset
) -> None:
    people = {"Ada": come_as("Ada")}
    settings = Settings.from_environment()

    def buttons(app: AppTest) -> list[str]:
        return [button.label for button in app.button]

    assert "Collect photos with phones" not in buttons(open_page("pages/explore.py", add="1"))
    place = fill(settings, people)
    mosaic.forget_collections()
    app = open_page("pages/explore.py", add="1")
    assert "8 pictures by 1 person" in texts(app)
    assert "collect/api/" in html_of(app)
    assert "**Our \\*mugs\\***: everyone collects photos" in texts(open_page("pages/home.py"))
    CollectionStore(settings).set_open(place, False, by=OPERATOR)
    mosaic.forget_collections()
    assert "8 pictures" not in texts(open_page("pages/explore.py", add="1"))
    assert "everyone collects photos" not in texts(open_page("pages/home.py"))

    come_as("Grace the presenter")
    press(open_page("pages/explore.py", add="1"), "Collect photos with phones")
    assert read_board(settings).scene == "collect"
