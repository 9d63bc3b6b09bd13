"""The step of an import on Explore: ready-made sets as cards, Hugging Face, who may download, and trying again."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.datasets.dataset_store import DatasetStore
from core.datasets.downloads.ready_made import SETS, find_set
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.jobs.import_jobs import ImportJobs, ImportRequest
from core.settings import Settings
from core.steps import run_step
from pages.components.explore.importing.import_form import GROUPS
from tests.pages.test_pages import texts
from tests.pages.test_room import Come, come_as  # noqa: F401  # a fixture
from tests.support.images import class_files
from tests.support.processes import wait_for
from tests.support.web_server import WebServer, serve

Open = Callable[..., AppTest]
LAND = ImportRequest("catalogue:eurosat", "land", "60/20/20", 0)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """A slow server for everything that this test downloads."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as server:
        monkeypatch.setenv("TUNEMYPETS_SETS_URL", server.url)
        server.seconds = 0.05
        yield server


def read(text: str) -> str:
    """A text without the backslashes that keep Markdown from reading it."""
    return text.replace("\\", "")


def open_from(open_page: Open, origin: str) -> AppTest:
    app = open_page("pages/explore.py", add="1")
    app.segmented_control(key="bring-from").set_value(origin).run()
    assert not app.exception
    return app


def test_every_set_is_a_card_with_what_one_wants_to_know_first(settings: Settings, open_page: Open) -> None:
    app = open_from(open_page, "Ready-made sets")
    shown = read(texts(app))
    for item in SETS:
        assert f"**{item.title}**" in shown
        assert item.text in shown
        assert f"{item.classes} classes · {item.images:,} pictures · licence: {item.licence}" in shown
    assert app.button(key="set-oxford-pets-cat-dog").label == "Download 811 MB"
    assert "Only the presenter" not in shown, "there is no room"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mine.JPG", "mine.JPG is a single picture: pack a folder"),
        ("letter.pdf", "letter.pdf is not a zip: pack a folder"),
    ],
)
def test_what_is_no_zip_is_refused_in_words(settings: Settings, open_page: Open, name: str, sentence: str) -> None:
    app = open_page("pages/explore.py", add="1")
    app.file_uploader(key="bring-zip-0").set_value((name, b"whatever", "application/octet-stream")).run()
    assert not app.exception
    assert sentence in read(texts(app))
    assert app.button(key="bring-go").disabled
    app.file_uploader(key="bring-zip-0").set_value(("mine.zip", b"whatever", "application/zip")).run()
    assert not app.error
    assert not app.button(key="bring-go").disabled


def test_the_drawn_sample_is_a_card_that_needs_no_download(settings: Settings, open_page: Open) -> None:
    app = open_from(open_page, "Ready-made sets")
    app.button(key="set-drawn").click().run()
    request = ImportJobs(settings).request(str(app.query_params["import"]))
    assert (request.path, request.name) == (None, "drawn")


def test_a_set_that_is_here_is_opened_and_not_downloaded_again(settings: Settings, open_page: Open) -> None:
    source = MemorySource("EuroSAT", class_files({"Forest": 8, "River": 8}))
    run_step(import_dataset(settings, source, name="land", plan=SplitPlan(), seed=0))
    app = open_from(open_page, "Ready-made sets")
    assert app.button(key="set-eurosat").label == "Open"
    app.button(key="set-eurosat").click().run()
    assert app.query_params["dataset"] == "land"
    assert ImportJobs(settings).active() == []


def test_a_set_that_does_not_fit_says_so_instead_of_starting(
    settings: Settings, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = find_set("eurosat").needed_bytes + settings.min_free_bytes
    monkeypatch.setattr("pages.components.explore.importing.ready_made_cards.free_bytes", lambda _: room)
    app = open_from(open_page, "Ready-made sets")
    assert not app.button(key="set-eurosat").disabled
    assert app.button(key="set-oxford-pets-cat-dog").disabled
    assert "Takes 2.49 GB on the disk, and 504 MB are free." in texts(app)


def test_a_download_shows_its_progress_and_is_cancelled(settings: Settings, web: WebServer, open_page: Open) -> None:
    web.files["/eurosat/EuroSAT.zip"] = bytes(2**24)
    app = open_from(open_page, "Ready-made sets")
    app.button(key="set-eurosat").click().run()
    job = str(app.query_params["import"])
    jobs = ImportJobs(settings)
    wait_for(lambda: jobs.status(job).unit == "MB")
    app.run()
    app.button(key=f"cancel-{job}").click().run()
    wait_for(lambda: jobs.status(job).state == "cancelled", 10)
    app.run()
    assert "nothing of it was kept" in app.info[0].value
    assert app.segmented_control(key="bring-from").value == "Ready-made sets"


def test_a_failed_download_is_tried_again_with_one_click(settings: Settings, web: WebServer, open_page: Open) -> None:
    jobs = ImportJobs(settings)
    job = jobs.start(LAND)
    wait_for(lambda: jobs.status(job).state == "failed")
    app = open_page("pages/explore.py", **{"import": job})
    assert "refused EuroSAT.zip (answered 404)" in read(app.error[0].value)
    app.button(key=f"again-{job}").click().run()
    again = str(app.query_params["import"])
    assert again != job
    wait_for(lambda: jobs.status(again).state == "failed")
    app = open_page("pages/explore.py", **{"import": again})
    assert app.segmented_control(key="bring-from").value == "Ready-made sets"


def test_hugging_face_takes_an_address_and_says_what_is_wrong_with_another(
    settings: Settings, web: WebServer, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    app = open_from(open_page, "Hugging Face")
    app.button(key="bring-go").click().run()
    assert "Write the owner and the name" in app.error[0].value
    app.text_input(key="bring-hub").set_value("pets").run()
    assert "names no dataset on Hugging Face" in app.error[0].value
    app.text_input(key="bring-hub").set_value("https://huggingface.co/datasets/ada/pets").run()
    assert app.text_input(key="bring-name-Hugging Face-pets").value == "pets"
    app.button(key="bring-go").click().run()
    job = str(app.query_params["import"])
    assert ImportJobs(settings).request(job).path == "hf://ada/pets"
    wait_for(lambda: ImportJobs(settings).status(job).state == "failed")
    app = open_page("pages/explore.py", **{"import": job})
    assert "There is no public dataset ada/pets" in app.error[0].value
    assert app.text_input(key="bring-hub").value == "hf://ada/pets", "to mend it"


def test_without_the_package_of_the_hub_the_page_names_what_installs_it(
    settings: Settings, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.datasets.downloads.hub.find_spec", lambda _: None)
    app = open_from(open_page, "Hugging Face")
    assert "requirements-hub" in read(app.error[0].value)


@pytest.mark.parametrize("origin", ["Ready-made sets", "Hugging Face"])
def test_in_a_room_only_the_presenter_downloads_and_the_page_says_why(
    settings: Settings, come_as: Come, open_page: Open, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    key = "set-eurosat" if origin == "Ready-made sets" else "bring-go"
    come_as("Grace the presenter")
    assert not open_from(open_page, origin).button(key=key).disabled
    come_as("Ada")
    app = open_from(open_page, origin)
    assert "Only the presenter can download datasets: a download uses the presenter's disk" in texts(app)
    if origin == "Ready-made sets":
        assert app.button(key=key).disabled
        assert not app.button(key="set-drawn").disabled
    else:
        assert [button.key for button in app.button if button.key == key] == []
    monkeypatch.setenv("TUNEMYPETS_DOWNLOADS_FOR_ALL", "1")
    app = open_from(open_page, origin)
    assert not app.button(key=key).disabled
    assert "Only the presenter" not in texts(app)


@pytest.mark.parametrize(
    ("title", "groups"),
    [
        ("Each picture by itself", {""}),
        ("Names that differ by the number at their end", {"ana", "ben_b"}),
        ("Names that are the same up to the first _", {"ben"}),
        ("Names that are the same up to the first -", {"ana", "ben_b"}),
    ],
)
def test_a_choice_keeps_pictures_with_names_alike_together(
    settings: Settings, open_page: Open, tmp_path: Path, ended_processes: None, title: str, groups: set[str]
) -> None:
    for number, (name, content) in enumerate(class_files({"cat": 12, "dog": 12})):
        person = ("ana", "ben_b")[number // 2 % 2]
        path = tmp_path / "pets" / name.split("/")[0] / f"{person}-{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    app = open_from(open_page, "On the server")
    app.text_input(key="bring-path").set_value(str(tmp_path / "pets")).run()
    (pattern,) = [key for key, shown in GROUPS.items() if shown == title]
    app.selectbox(key="bring-groups").set_value(pattern)
    app.button(key="bring-go").click().run()
    jobs, job = ImportJobs(settings), str(app.query_params["import"])
    wait_for(lambda: jobs.status(job).state != "running")
    dataset = DatasetStore(settings).get(str(jobs.status(job).dataset))
    found = {row.group for row in dataset.rows}
    assert found == groups or (found == {*groups, ""} and title.endswith("_"))  # ana-00.png has no _
