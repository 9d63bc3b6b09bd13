"""Many pictures on Predict: started, followed, cancelled, resumed, shown, sent as files; only to whom they belong."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from core.actor import Actor
from core.batches.batch import Batch
from core.batches.batch_job import run_batch
from core.batches.batch_rows import Row, append_rows
from core.batches.batch_store import BatchStore
from core.config.events import Progress
from core.datasets.drawn_sample import draw_sample
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import write_json
from pages.server.batch_files import CSV, PATH, ROUTES, ZIP, address_of
from pages.server.guard import Guard
from tests.pages.test_pages import texts

Open = Callable[..., AppTest]
SOMEONE = Actor("someone", "Someone")


@pytest.fixture
def store(raced: Settings, monkeypatch: pytest.MonkeyPatch) -> BatchStore:
    """Batches that the tests run in their own process."""
    monkeypatch.setattr(BatchStore, "_launch", lambda *_: None)
    return BatchStore(raced)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for name, data in [*draw_sample(15, size_px=64), ("bad <b>.jpg", b"not a picture"), ("caf\udce9.jpg", b"")]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


@pytest.fixture
def batch(store: BatchStore, folder: Path) -> Batch:
    """A finished batch of 30 pictures and two files that are none."""
    started = store.start(RunStore(store.settings).all()[0].id, folder)
    run_batch(store.settings, started)
    return started


def test_a_folder_of_the_server_is_predicted_and_shown(
    store: BatchStore, folder: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BatchStore, "_launch", lambda store, batch: run_batch(store.settings, batch))
    app = open_page("pages/predict.py")
    app.session_state["batch-way"] = "Folder on the server"
    app.run()
    app.text_input(key="batch-path").input(str(folder)).run()
    app.button(key="batch-go").click().run()
    assert not app.exception
    (batch,) = store.all()
    assert batch.id in app.query_params["batch"]
    assert "30 pictures · 2 files without an answer" in texts(app)
    assert len(app.get("link_button")) == 2
    app.segmented_control(key=f"batch-kind-{batch.id}").set_value("No answer").run()
    assert "bad <b>.jpg is text, not a picture" in texts(app).replace("\\", "")
    assert "caf?.jpg is empty" in texts(app).replace("\\", "")
    app.button(key="batch-close").click().run()
    assert f"batch-open-{batch.id}" in [button.key for button in app.button]


def test_pictures_are_paged_and_filtered(batch: Batch, open_page: Open) -> None:
    app = open_page("pages/predict.py", batch=batch.id)
    assert not app.exception
    html = "".join(str(element.proto.body) for element in app.get("html"))
    assert html.count("<figure") == 24
    app.selectbox(key=f"batch-class-{batch.id}").select_index(1).run()
    html = "".join(str(element.proto.body) for element in app.get("html"))
    assert 0 < html.count("<figure") <= 24
    assert "base64,/9j" in html, "a thumbnail is a JPEG"


def test_progress_is_followed_and_a_cancelled_batch_resumes(
    store: BatchStore, folder: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = store.start(RunStore(store.settings).all()[0].id, folder)
    write_json(batch.folder / "progress.json", vars(Progress("testing", "Predicting", 16, 32, 12.0)))
    with FileLock(batch.lock_path):
        app = open_page("pages/predict.py", batch=batch.id)
        assert not app.exception
        assert "batch-cancel" in [button.key for button in app.button]
        app.button(key="batch-cancel").click().run()
        assert batch.cancelled
        assert "Cancelling" in texts(app)
    run_batch(store.settings, batch)
    app = open_page("pages/predict.py", batch=batch.id)
    assert "Cancelled; what was predicted is kept" in texts(app).replace("\\", "")
    monkeypatch.setattr(BatchStore, "_launch", lambda store, batch: run_batch(store.settings, batch))
    app.button(key="batch-resume").click().run()
    assert batch.status().state == "finished"
    assert "30 pictures" in texts(app)


def test_an_unknown_batch_or_one_of_another_person_is_a_sentence(
    store: BatchStore, batch: Batch, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("20260101-000000-abcdef", "../runs"):
        app = open_page("pages/predict.py", batch=name)
        assert not app.exception
        assert "was deleted" in texts(app)
    monkeypatch.setattr("pages.components.shared.door.actor", lambda _: SOMEONE)
    app = open_page("pages/predict.py", batch=batch.id)
    assert "belongs to another person" in texts(app)
    assert "30 pictures" not in texts(app)


def test_a_batch_is_deleted_on_the_page(store: BatchStore, batch: Batch, open_page: Open) -> None:
    app = open_page("pages/predict.py", batch=batch.id)
    app.button(key="batch-delete").click().run()
    assert not app.exception
    assert store.all() == []


def test_the_page_stays_when_pictures_run_and_names_are_odd(store: BatchStore, folder: Path, open_page: Open) -> None:
    batch = store.start(RunStore(store.settings).all()[0].id, folder)
    write_json(batch.folder / "result.json", {"state": "finished", "text": "Done.", "done": 3, "total": 3})
    rows = [
        Row("gone.jpg", "cat", (0.9, 0.1)),
        Row("<img onerror=x>\n.jpg", "dog", (0.4, 0.6), None, 0.01),
        Row("either.jpg", "dog", (0.4, 0.6), None, 0.5, ("dog", "cat")),
    ]
    append_rows(batch.rows_path, 0, rows)
    for path in folder.rglob("*.jpg"):
        path.unlink()
    app = open_page("pages/predict.py", batch=batch.id)
    assert not app.exception
    html = "".join(str(element.proto.body) for element in app.get("html"))
    assert "<img onerror" not in html
    assert "Not sure: unlike anything it was trained on" in html
    assert "Not sure: may be of more than one class" in html
    app.segmented_control(key=f"batch-kind-{batch.id}").set_value("Not sure").run()
    html = "".join(str(element.proto.body) for element in app.get("html"))
    assert html.count("<figure") == 2
    assert "not sure: dog or cat" in html
    assert "unlike anything it knows" in html


def test_the_route_sends_table_and_sorted_pictures_to_whoever_has_the_key(store: BatchStore, batch: Batch) -> None:
    client = TestClient(Starlette(routes=ROUTES))
    request = batch.request()
    table = client.get(f"/{address_of(batch, request, CSV)}")
    assert table.status_code == 200
    assert table.text.startswith("file,label,probability,p cat,p dog,not_sure,set,nearest,problem\n")
    assert table.headers["content-disposition"] == 'attachment; filename="tunemypets-answers.csv"'
    packed = client.get(f"/{address_of(batch, request, ZIP)}")
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert archive.testzip() is None
        assert archive.read("predictions.csv").decode() == table.text
        assert len(archive.namelist()) == 31
    for path in (
        f"{PATH}{batch.id}/{'0' * 32}/{CSV}",
        f"{PATH}{batch.id}/{request.key}/request.json",
        f"{PATH}{batch.id}/{request.key}/..%2Frequest.json",
        f"{PATH}none/{request.key}/{CSV}",
        f"{PATH}..%2Fruns/{request.key}/{CSV}",
    ):
        refused = client.get(path)
        assert refused.status_code == 404, path
        assert str(store.settings.home) not in refused.text


def test_the_route_stands_behind_the_door(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEMYPETS_ROOM", "1")
    client = TestClient(Starlette(routes=ROUTES, middleware=[Middleware(Guard)]), base_url="http://localhost")
    assert client.get(f"/{address_of(batch, batch.request(), CSV)}").status_code == 403


def test_the_sorted_zip_says_when_the_pictures_are_gone(store: BatchStore, batch: Batch, folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    answer = TestClient(Starlette(routes=ROUTES)).get(f"/{address_of(batch, batch.request(), ZIP)}")
    assert (answer.status_code, "is not there" in answer.text) == (404, True)


def test_only_a_page_of_this_machine_offers_folders_of_the_server(
    store: BatchStore, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEMYPETS_LOCAL_FOLDERS", "0")
    app = open_page("pages/predict.py")
    assert not app.exception
    assert "Folder on the server" not in app.segmented_control(key="batch-way").options
