"""Take it home: on the page of a run, on a result and on Predict; and the route that serves the files."""

import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from core.export import export_job
from core.export.exports import files_of, folder_of, read_manifest, write_manifest
from core.export.formats import FORMATS
from core.jobs import shared_job
from core.jobs.shared_job import INTERRUPTED
from core.races.race import list_races
from core.room.access import RoomStore
from core.room.people import PeopleStore, new_token
from core.runs.run import Run
from core.runs.run_files import EXPORTS
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import write_json
from pages.components.shared import door
from pages.components.shared.names import plain
from pages.components.shared.results import take_home
from pages.server.export_files import PATH, ROUTES, address_of
from pages.server.guard import Guard
from tests.pages.test_pages import texts

Open = Callable[..., AppTest]
PYTORCH, PHONE = FORMATS["pytorch"], FORMATS["phone"]


@pytest.fixture
def run(raced: Settings) -> Run:
    return RunStore(raced).all()[0]


@pytest.fixture
def made(raced: Settings, run: Run) -> Run:
    """A run with its PyTorch file."""
    (run.folder / EXPORTS).mkdir()
    export_job.export(raced, run, PYTORCH)
    return run


def test_a_run_offers_every_format_and_makes_one_on_a_click(
    raced: Settings, run: Run, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: Settings, __: str, arguments: list[str], ___: Path) -> "subprocess.Popen[bytes]":
        export_job.main(arguments)
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(shared_job, "start_detached", start)
    app = open_page("pages/train.py", run=run.id)
    assert f"make-pytorch-{run.id}" not in [button.key for button in app.button]
    app.session_state[f"take-home-{run.id}"] = True  # the folded part is open
    app.run()
    for kind in FORMATS.values():
        assert kind.summary in texts(app)

    app.button(key=f"make-pytorch-{run.id}").click().run()

    assert not app.exception
    tested = run.predictions()
    assert f"checked] {tested.n} of {tested.n} test pictures in the same class as the run" in texts(app)
    assert read_manifest(run, PYTORCH) is not None
    assert f"make-pytorch-{run.id}" not in [button.key for button in app.button]


def test_files_of_the_same_name_are_offered_next_to_each_other(raced: Settings, made: Run, open_page: Open) -> None:
    (packed,) = folder_of(made, PYTORCH).glob("*.zip")
    for name in ("notebook", "huggingface"):
        folder = folder_of(made, FORMATS[name])
        folder.mkdir()
        shutil.copy(packed, folder)
        manifest = read_manifest(made, PYTORCH)
        assert manifest is not None
        write_manifest(folder, dataclasses.replace(manifest, format=name, version=FORMATS[name].version))
    app = open_page("pages/train.py", run=made.id)
    app.session_state[f"take-home-{made.id}"] = True
    app.run()
    assert not app.exception
    assert sum(packed.name in link.proto.label for link in app.get("link_button")) == 3


@pytest.mark.parametrize("page", ["pages/predict.py", "pages/compare.py"])
def test_predict_and_a_result_offer_it_too(raced: Settings, made: Run, open_page: Open, page: str) -> None:
    race = list_races(RunStore(raced).summaries())[0].id
    app = open_page(page, **({"race": race} if "compare" in page else {"run": made.id}))
    assert any(box.label.startswith("Take it home: ") for box in app.expander)


def test_progress_and_failures_are_shown(raced: Settings, run: Run, open_page: Open) -> None:
    (run.folder / EXPORTS).mkdir()
    noted = {"phase": "preparing", "text": "Reading test pictures", "done": 3, "total": 12, "eta_seconds": None}
    write_json(files_of(run, PYTORCH).progress, {"owner": "local", "progress": noted})
    app = open_page("pages/train.py", run=run.id)
    app.session_state[f"take-home-{run.id}"] = True
    with FileLock(files_of(run, PYTORCH).lock):
        app.run()
        assert not app.exception
        assert f"make-pytorch-{run.id}" not in [button.key for button in app.button]
    app.run()
    assert any(plain(INTERRUPTED) == box.value for box in app.warning)
    write_json(files_of(run, PYTORCH).progress, {"problem": "It answers *2* pictures <b> otherwise."})
    app.run()
    assert any("<b>" not in box.value and "otherwise" in box.value for box in app.warning)
    assert f"make-pytorch-{run.id}" in [button.key for button in app.button]


def test_a_missing_package_is_named_with_its_command(
    raced: Settings, run: Run, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.export.formats.find_spec", lambda _: None)
    app = open_page("pages/train.py", run=run.id)
    app.session_state[f"take-home-{run.id}"] = True
    app.run()
    assert "pip install -r requirements-export.txt" in texts(app).replace("\\", "")
    assert f"make-onnx-{run.id}" not in [button.key for button in app.button]


def test_the_route_sends_the_files_of_an_export_and_nothing_else(raced: Settings, made: Run) -> None:
    client = TestClient(Starlette(routes=ROUTES))
    (packed,) = folder_of(made, PYTORCH).glob("*.zip")

    answer = client.get(f"/{address_of(made.id, 'pytorch', packed.name)}")

    assert (answer.status_code, answer.content) == (200, packed.read_bytes())
    assert answer.headers["content-disposition"] == f'attachment; filename="{packed.name}"'
    for path in (
        f"{PATH}{made.id}/pytorch/manifest.json",
        f"{PATH}{made.id}/pytorch/..%2F..%2Fconfig.json",
        f"{PATH}{made.id}/onnx/{packed.name}",
        f"{PATH}{made.id}/exe/{packed.name}",
        f"{PATH}none/pytorch/{packed.name}",
        f"{PATH}..%2F..%2Fdatasets/pytorch/{packed.name}",
    ):
        refused = client.get(path)
        assert refused.status_code == 404, path
        assert str(raced.home) not in refused.text


@pytest.fixture
def phone_page(raced: Settings, run: Run) -> Path:
    """The phone page of a run."""
    (run.folder / EXPORTS).mkdir()
    export_job.export(raced, run, PHONE)
    (file,) = folder_of(run, PHONE).glob("*.html")
    return file


def test_a_phone_page_opens_under_a_policy_of_its_own_and_is_saved_when_asked(run: Run, phone_page: Path) -> None:
    guarded = Starlette(routes=ROUTES, middleware=[Middleware(Guard)])
    client = TestClient(guarded, base_url="http://localhost")
    address = f"/{address_of(run.id, 'phone', phone_page.name)}"

    opened, saved = client.get(address), client.get(f"{address}?save")

    assert opened.content == saved.content == phone_page.read_bytes()
    assert opened.headers["content-disposition"].startswith("inline")
    assert opened.headers["content-type"].startswith("text/html")
    assert saved.headers["content-disposition"].startswith("attachment")
    (policy,) = opened.headers.get_list("content-security-policy")
    assert "default-src 'none'; connect-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    for answer in (opened, saved, client.get(f"{address}x")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert len(answer.headers.get_list("content-security-policy")) == 1
    assert "'unsafe-inline'" not in client.get(f"{address}x").headers["content-security-policy"].partition("style")[0]


@pytest.mark.parametrize(("address", "shown"), [("http://192.168.0.7:8501", True), ("http://localhost:8501", False)])
def test_a_room_shows_a_code_that_opens_the_phone_page(
    raced: Settings,
    run: Run,
    phone_page: Path,
    open_page: Open,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    shown: bool,
) -> None:
    monkeypatch.setenv("TUNEMYPETS_ROOM", "1")
    rooms, token = RoomStore(raced), new_token()
    rooms.enter(token, rooms.open().passcode, None)
    PeopleStore(raced).name(token, "Ada")
    monkeypatch.setattr(door, "browser_token", lambda: token)
    monkeypatch.setattr(door, "_address", lambda: "10.0.0.1")
    monkeypatch.setattr(take_home, "reachable_address", lambda: address)
    drawn: list[str] = []
    monkeypatch.setattr(take_home, "draw_qr", lambda text: drawn.append(text) or "data:,")
    app = open_page("pages/train.py", run=run.id)
    app.session_state[f"take-home-{run.id}"] = True
    app.run()
    assert not app.exception
    assert set(drawn) == ({f"{address}/{address_of(run.id, 'phone', phone_page.name)}"} if shown else set())
    assert any("scan the code" in item.proto.body for item in app.get("html")) is shown


def test_a_network_that_a_phone_page_cannot_hold_is_refused_on_the_page(
    raced: Settings, run: Run, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = dataclasses.replace(PHONE, most_parameters=100)
    monkeypatch.setattr(take_home, "FORMATS", {**FORMATS, "phone": small})
    app = open_page("pages/train.py", run=run.id)
    app.session_state[f"take-home-{run.id}"] = True
    app.run()
    assert "too many for a phone page" in texts(app)
    assert f"make-phone-{run.id}" not in [button.key for button in app.button]
    assert f"make-pytorch-{run.id}" in [button.key for button in app.button]
