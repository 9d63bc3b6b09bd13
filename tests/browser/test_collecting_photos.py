"""Three phones film three classes over plain http, a projector shows them, and the presenter freezes the dataset."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from core.actor import OPERATOR
from core.collection.collection_store import CollectionStore
from core.datasets.dataset_store import DatasetStore
from core.room.access import RoomStore
from core.room.addresses import own_addresses
from core.room.board import lock_uploads
from core.settings import Settings
from tests.support.images import encoded, photo
from tests.support.server import Server

pytestmark = pytest.mark.browser

CLASSES = ("mug", "spoon", "plate")
PEOPLE = ("Ada", "Ben", "Chidi")
# a canvas on which something moves, recorded as a phone's camera would
RECORD = """(hues) => Promise.all(hues.map(async (hue) => {
  const canvas = document.createElement("canvas");
  canvas.width = 320; canvas.height = 240;
  const pen = canvas.getContext("2d");
  const began = performance.now();
  let going = true;
  (function draw() {
    const t = (performance.now() - began) / 300;
    pen.fillStyle = `hsl(${hue}, 50%, 40%)`;
    pen.fillRect(0, 0, 320, 240);
    for (let i = 0; i < 9; i++) {
      pen.fillStyle = `hsl(${hue + 20 * i}, 80%, 60%)`;
      pen.fillRect(140 + 120 * Math.sin(t + i * hue), 100 + 90 * Math.cos(t * (1 + i / 9)), 20 + 3 * i, 20);
    }
    if (going) requestAnimationFrame(draw);
  })();
  const recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: "video/webm;codecs=vp8" });
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const stopped = new Promise((done) => { recorder.onstop = done; });
  recorder.start();
  await new Promise((done) => setTimeout(done, 1200));
  recorder.stop();
  await stopped;
  going = false;
  const data = new Uint8Array(await new Blob(parts).arrayBuffer());
  return btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""));
}))"""
Come = Callable[..., Page]


@pytest.fixture
def server(settings: Settings, ended_processes: None) -> Iterator[Server]:
    """The app with an open room, for this machine's other addresses too."""
    running = Server(settings, environment={"TUNEMYPETS_ROOM": "1", "STREAMLIT_SERVER_ADDRESS": "0.0.0.0"})
    running.start()
    yield running
    running.kill()


@pytest.fixture
def address(server: Server) -> str:
    """As phones write it: not localhost, so that browsers give the page no camera."""
    host = next((found for found in own_addresses() if "." in found), "127.0.0.1")
    return f"http://{host}:{server.port}"


@pytest.fixture
def come(chromium: Browser) -> Iterator[Come]:
    """A browser of its own for each person."""
    with ExitStack() as stack:

        def opened(width: int = 390, scheme: str = "light") -> Page:
            context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(30_000)
            page.on("dialog", lambda dialog: dialog.accept())
            return page

        yield opened


def record(page: Page, folder: Path, *hues: int) -> list[Path]:
    """A clip for each hue, filmed at the same time."""
    paths = [folder / f"{hue}.webm" for hue in hues]
    for path, text in zip(paths, page.evaluate(RECORD, list(hues)), strict=True):
        path.write_bytes(base64.b64decode(text))
    return paths


def card(page: Page, name: str):  # type: ignore[no-untyped-def]
    return page.get_by_role("region", name=name, exact=True)


def test_three_phones_film_three_classes_and_the_room_freezes_them(
    settings: Settings, server: Server, address: str, come: Come, tmp_path: Path
) -> None:
    room = RoomStore(settings).current()
    assert room is not None
    presenter = come(1280)
    presenter.goto(f"{address}/room?secret={room.secret}")
    presenter.get_by_label("Your nickname", exact=True).fill("Grace")
    presenter.get_by_role("button", name="Join").click()
    presenter.get_by_text("Collect", exact=True).click()
    presenter.get_by_label("Title", exact=True).fill("Our kitchen")
    presenter.get_by_role("button", name="Collect for everyone").click()
    expect(presenter.get_by_alt_text("QR code of the page that collects photos")).to_be_visible()

    phones = {name: come(scheme="dark" if name == "Ben" else "light") for name in PEOPLE}
    for name, phone in phones.items():
        phone.goto(f"{address}/collect?passcode={'00000000' if name == 'Ada' else room.passcode}")
        phone.get_by_label("Your nickname").fill(name)
        phone.get_by_role("button", name="Join").click()
        if name == "Ada":
            expect(phone.get_by_role("alert")).to_have_text("Wrong passcode: check the screen.")
            phone.get_by_label("Room passcode").fill(room.shown_passcode)
            phone.get_by_role("button", name="Join").click()
        expect(phone.get_by_role("heading", name="Our kitchen")).to_be_visible()
        assert "passcode" not in phone.url
        assert phone.evaluate("() => document.documentElement.scrollWidth") <= 390
    ada, ben, chidi = phones.values()
    for name in CLASSES:
        ada.get_by_label("New class").fill(name)
        ada.get_by_role("button", name="Add class").click()
        expect(card(ada, name)).to_be_visible()

    # the Wi-Fi drops while Ada sends, and she even reloads the page: nothing is lost
    def fail(route: Route) -> None:
        route.abort() if route.request.method == "PUT" else route.continue_()

    ada.route("**/collect/api/**", fail)
    clips = {}
    for number, phone in enumerate(phones.values()):
        hues = [40 * place + 130 * number for place in range(len(CLASSES))]
        for name, clip in zip(CLASSES, record(phone, tmp_path, *hues), strict=True):
            clips[phone, name] = clip
            card(phone, name).get_by_label("Film 3 seconds").set_input_files(clip)
    expect(ada.locator("#queue-text")).to_contain_text("The network is gone: 90 kept here")
    ada.reload()
    expect(ada.locator("#queue-text")).to_contain_text("The network is gone: 90 kept here")
    ada.unroute("**/collect/api/**")
    ada.evaluate("() => dispatchEvent(new Event('online'))")
    for phone in phones.values():
        phone.wait_for_function(
            "() => queue.left === 0 && document.querySelectorAll('.busy:not([hidden])').length === 0"
        )
    view = CollectionStore(settings).current()
    assert view is not None
    assert len(view.people) == 3
    assert all(len({picture.owner for picture in pictures}) == 3 for pictures in view.by_class.values())
    assert len({picture.group for picture in view.pictures}) == 9
    assert len(view.pictures) >= 9 * 5  # a recording of a busy machine has few different frames

    # a clip that is added again has hardly a new frame: a browser does not cut it at the very same moments
    card(ben, "mug").get_by_label("Film 3 seconds").set_input_files(clips[ben, "mug"])
    expect(ben.locator("#queue-text")).to_contain_text("were there already")
    card(ben, "mug").get_by_label("Add photos").set_input_files(
        [
            {"name": "one.png", "mimeType": "image/png", "buffer": encoded(photo(1, (2000, 1500)), "PNG")},
            {"name": "IMG_1.HEIC", "mimeType": "image/heic", "buffer": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"},
        ]
    )
    expect(ben.get_by_role("alert")).to_have_text(
        "IMG_1.HEIC is a HEIC photo, which this browser cannot read: save it as JPEG first."
    )
    expect(ben.locator("#queue-text")).to_contain_text("All 1 sent")
    card(chidi, "mug").get_by_label("Film 3 seconds").set_input_files(
        {"name": "notes.mov", "mimeType": "video/quicktime", "buffer": b"nothing" * 100}
    )
    expect(chidi.get_by_role("alert")).to_have_text(
        "notes.mov cannot be read as a video here: film again, or add photos."
    )
    large = tmp_path / "large.mov"
    with large.open("wb") as file:
        file.truncate(200_000_001)
    card(chidi, "mug").get_by_label("Film 3 seconds").set_input_files(large)
    expect(chidi.get_by_role("alert")).to_have_text("large.mov is larger than 200 MB: film 3 seconds only.")

    # people delete their own; the presenter sees everything on the projector
    view = CollectionStore(settings).current()
    assert view is not None
    kept = len(view.pictures) - 1
    card(ben, "mug").locator(".strip button").first.click()
    expect(ben.get_by_text("mug, by Ben")).to_be_visible()
    ben.get_by_role("button", name="Delete", exact=True).click()
    expect(presenter.locator(".mosaic")).to_contain_text("Chidi")
    expect(presenter.locator(".collect-count")).to_have_text(f"{kept} pictures by 3 people")
    expect(presenter.locator(".mosaic img")).to_have_count(min(kept, 3 * 66))
    assert presenter.locator(".mosaic img").first.evaluate("(image) => image.decode().then(() => image.naturalWidth)")

    presenter.get_by_role("button", name="Freeze and train").click()
    presenter.get_by_role("button", name="Freeze now").click()
    presenter.wait_for_url("**/train?dataset=our-kitchen")
    expect(presenter.get_by_role("button", name="Start the race")).to_be_visible()
    dataset = DatasetStore(settings).get("our-kitchen")
    assert dataset.classes == tuple(sorted(CLASSES))
    expect(ada.locator("#notice")).to_contain_text("closed the collection")


@pytest.mark.slow
def test_what_is_refused_now_waits_or_is_sent_again_on_a_tap(settings: Settings, server: Server, come: Come) -> None:
    room, store = RoomStore(settings).current(), CollectionStore(settings)
    assert room is not None
    place = store.start("Our kitchen", by=OPERATOR)
    mug = store.add_class(place, "mug", by=OPERATOR)
    phone = come()
    phone.goto(f"http://127.0.0.1:{server.port}/collect?passcode={room.passcode}")
    phone.get_by_label("Your nickname").fill("Ada")
    phone.get_by_role("button", name="Join").click()
    card(phone, "mug").get_by_role("button", name="Film 3 seconds").click()  # here the browser gives pages a camera
    expect(phone.get_by_role("alert")).to_have_text("The browser gives this page no camera: add photos instead.")

    def add(seed: int) -> None:
        picture = {"name": f"{seed}.png", "mimeType": "image/png", "buffer": encoded(photo(seed), "PNG")}
        card(phone, "mug").get_by_label("Add photos").set_input_files(picture)  # type: ignore[arg-type]

    phone.route("**/collect/api/state", lambda route: route.abort())  # it does not know yet that it is closed
    store.set_open(place, False, by=OPERATOR)
    add(1)
    expect(phone.locator("#queue-text")).to_have_text("0 of 1 sent · The collection is closed: 1 kept here")
    phone.unroute("**/collect/api/state")
    expect(phone.locator("#notice")).to_contain_text("The presenter has closed the collection")
    store.set_open(place, True, by=OPERATOR)
    expect(phone.locator("#queue-text")).to_have_text("All 1 sent")

    lock_uploads(settings, True, OPERATOR)
    add(2)
    expect(phone.locator("#refused")).to_contain_text("The presenter has locked uploads")
    lock_uploads(settings, False, OPERATOR)
    phone.get_by_role("button", name="Try again").click()
    expect(phone.locator("#queue-text")).to_contain_text("All 1 sent")
    expect(phone.locator("#refused li")).to_have_count(0)
    expect(card(phone, "mug").locator(".count")).to_have_text("2 pictures, 2 yours")

    phone.route("**/collect/api/state", lambda route: route.abort())
    store.delete_class(place, mug, by=OPERATOR)
    add(3)
    expect(phone.locator("#refused")).to_contain_text("The class 'mug' was deleted: choose another one.")
    phone.get_by_role("button", name="Remove").click()
    expect(phone.locator("#queue")).to_be_hidden()
    phone.unroute("**/collect/api/state")
    expect(card(phone, "mug")).to_have_count(0)
