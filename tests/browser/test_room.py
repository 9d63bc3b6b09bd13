"""A room with several people, each with a browser of their own; and what the browser is allowed to load."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.room.access import Room, RoomStore
from core.room.board import read_board
from core.room.people import PeopleStore
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.processes import wait_for
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def server(settings: Settings, drawn: Dataset, ended_processes: None) -> Iterator[Server]:
    """The app with an open room; `--server.address` keeps it on this machine."""
    running = Server(settings, environment={"TUNEMYPETS_ROOM": "1", "STREAMLIT_SERVER_ADDRESS": "127.0.0.1"})
    running.start()
    yield running
    running.kill()


@pytest.fixture
def room(server: Server) -> Room:
    """What the terminal shows."""
    found = RoomStore(server.settings).current()
    assert found is not None
    return found


@pytest.fixture
def browsers(chromium: Browser) -> Iterator[Callable[[], Page]]:
    """A browser of its own for each person."""
    with ExitStack() as stack:

        def opened() -> Page:
            context = chromium.new_context(viewport={"width": 1280, "height": 1000})
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(30_000)
            return page

        yield opened


def come_in(page: Page, address: str, nickname: str, passcode: str | None = None) -> None:
    """Through the door, as a person does."""
    page.goto(address)
    page.get_by_label("Your nickname", exact=True).fill(nickname)
    if passcode is not None:
        page.get_by_label("Room passcode", exact=True).fill(passcode)
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_label("Your nickname", exact=True)).to_have_count(0)


def test_another_persons_run_is_seen_by_all_and_stopped_by_its_owner_or_the_presenter(
    settings: Settings, server: Server, room: Room, browsers: Callable[[], Page], small_config: TrainConfig
) -> None:
    ada, ben, presenter = browsers(), browsers(), browsers()
    come_in(ada, f"{server.address}/train?dataset=drawn", "Ada", room.shown_passcode)
    come_in(ben, f"{server.address}/?passcode={room.passcode}", "Ben")
    come_in(presenter, f"{server.address}/?secret={room.secret}", "Grace")
    expect(presenter).not_to_have_url(re.compile("secret"))
    names = {person.nickname: person.presenter for person in PeopleStore(settings).all()}
    assert names == {"Ada": False, "Ben": False, "Grace": True}

    owner = next(person for person in PeopleStore(settings).all() if person.nickname == "Ada")
    long = TrainConfig(dataset=small_config.dataset, model="petnet", strategy="full", epochs=500)
    run = RunStore(settings).create(long, by=owner.actor)
    address = f"{server.address}/train?run={run.id}"
    ada.goto(address)
    expect(ada.get_by_role("button", name="Stop")).to_be_visible(timeout=60_000)
    wait_for(lambda: run.state() is RunState.RUNNING, 120)

    ben.goto(address)
    expect(ben.get_by_text("Only Ada and the presenter can stop")).to_be_visible(timeout=60_000)
    expect(ben.get_by_role("button", name="Stop")).to_have_count(0)

    # a reload keeps the person, the address and the rights
    ada.reload()
    expect(ada.get_by_role("button", name="Stop")).to_be_visible(timeout=60_000)

    presenter.get_by_role("link", name="Room").click()
    expect(presenter.get_by_text(room.shown_passcode)).to_be_visible(timeout=60_000)
    people = presenter.get_by_test_id("stMetric").filter(has_text="People here")
    expect(people).to_contain_text("3", timeout=30_000)
    expect(ada.get_by_role("link", name="Room")).to_have_count(0)
    ben.close()
    expect(people).to_contain_text("2", timeout=30_000)

    presenter.goto(address)
    presenter.get_by_role("button", name="Stop").click()
    wait_for(lambda: run.state() is RunState.STOPPED)
    expect(ada.get_by_role("button", name="Stop")).to_have_count(0, timeout=60_000)


def test_three_attendees_and_a_presenter_go_through_all_scenes(
    raced: Settings, ended_processes: None, browsers: Callable[[], Page]
) -> None:
    server = Server(raced, environment={"TUNEMYPETS_ROOM": "1", "STREAMLIT_SERVER_ADDRESS": "127.0.0.1"})
    server.start()
    try:
        room = RoomStore(raced).current()
        assert room is not None
        presenter = browsers()
        come_in(presenter, f"{server.address}/room?secret={room.secret}", "Grace")
        expect(presenter.get_by_text(room.shown_passcode)).to_be_visible()
        expect(presenter.get_by_alt_text("QR code of the room")).to_be_visible()
        people = {name: browsers() for name in ("Ada", "Ben", "Chidi")}
        for name, page in people.items():
            come_in(page, f"{server.address}/?passcode={room.passcode}", name)
            expect(page).not_to_have_url(re.compile("passcode"))
            expect(presenter.locator(".join-people").get_by_text(name)).to_be_visible()

        # a wall follows what is chosen on the phone; here the phone is the presenter's other tab
        wall = presenter.context.new_page()
        wall.goto(f"{server.address}/room?wall=1")
        expect(wall.get_by_text(room.shown_passcode)).to_be_visible()
        presenter.get_by_role("button", name="Pause the queue").click()
        expect(presenter.get_by_role("button", name="Resume the queue")).to_be_visible()
        ada = next(person for person in PeopleStore(raced).all() if person.nickname == "Ada")
        config = RunStore(raced).all()[0].config()
        RunStore(raced).create(config, by=ada.actor)
        presenter.get_by_text("Everyone trains", exact=True).click()
        for page in (presenter, wall):
            expect(page.locator(".lane").filter(has_text="Ada")).to_contain_text("waiting")
        presenter.get_by_text("Leaderboard", exact=True).click()
        expect(wall.get_by_text("Too close to call")).to_be_visible()
        expect(people["Ben"].get_by_role("link", name="Leaderboard")).to_have_count(0)
        presenter.get_by_text("Leaderboard for everyone").click()
        wait_for(lambda: read_board(raced).leaderboard_shared)
        people["Ben"].reload()
        people["Ben"].get_by_role("link", name="Leaderboard").click()
        expect(people["Ben"].get_by_role("heading", name="Leaderboard")).to_be_visible()
        expect(people["Ben"].get_by_text("Too close to call")).to_be_visible()

        presenter.get_by_text("Goodbye", exact=True).click()
        expect(wall.get_by_text("Thank you")).to_be_visible()
        presenter.get_by_text("Shut down …").click()
        presenter.get_by_role("button", name="Shut down now").click()
        for page in (presenter, wall, *people.values()):
            expect(page.get_by_role("heading", name="Goodbye")).to_be_visible()
        assert server.process is not None
        server.process.wait(60)
    finally:
        server.kill()


def test_on_the_presenters_phone_the_scene_is_on_the_first_screen_and_the_remote_one_tap_away(
    server: Server, room: Room, chromium: Browser
) -> None:
    agent = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Mobile Safari/537.36"
    context = chromium.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, user_agent=agent
    )
    phone = context.new_page()
    phone.set_default_timeout(60_000)
    try:
        come_in(phone, f"{server.address}/room?secret={room.secret}", "Grace")
        expect(phone.get_by_alt_text("QR code of the room")).to_be_in_viewport(ratio=1)
        expect(phone.get_by_role("button", name="Pause the queue")).to_be_hidden()
        phone.get_by_text("Remote", exact=True).tap()
        phone.get_by_role("button", name="Pause the queue").tap()
        expect(phone.get_by_role("button", name="Resume the queue")).to_be_visible()
    finally:
        context.close()


def test_on_a_phone_a_picture_is_answered_on_the_first_screen(
    raced: Settings, ended_processes: None, phone: Page
) -> None:
    server = Server(raced)
    server.start()
    phone.set_default_timeout(60_000)
    try:
        phone.goto(f"{server.address}/predict")
        expect(phone.get_by_test_id("stFileUploader").get_by_text("Upload", exact=True).first).to_be_in_viewport()
        pictures = [str(path) for path in sorted((raced.datasets_dir / "drawn").rglob("*.jpg"))[:3]]
        phone.locator("input[type=file]").first.set_input_files(pictures[0])
        expect(phone.get_by_label("Probabilities of the classes")).to_be_in_viewport(timeout=60_000)
        phone.locator("input[type=file]").first.set_input_files(pictures[1:])
        expect(phone.get_by_text("Least sure first")).to_be_visible()
    finally:
        server.kill()


def test_a_stranger_sees_the_door_on_every_page_and_in_the_address_of_a_run(
    settings: Settings, server: Server, room: Room, page: Page, small_config: TrainConfig
) -> None:
    run = RunStore(settings).create(small_config)
    for path in ("", "explore?dataset=drawn", f"train?run={run.id}", "compare", "predict"):
        page.goto(f"{server.address}/{path}")
        expect(page.get_by_label("Room passcode", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="Home")).to_have_count(0)


def test_the_content_policy_is_never_in_the_way_of_the_app(
    raced: Settings, ended_processes: None, chromium: Browser
) -> None:
    server = Server(raced)
    server.start()
    context = chromium.new_context(viewport={"width": 1280, "height": 1000}, permissions=["camera"])
    page, complaints = context.new_page(), list[str]()

    def listen(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Permissions policy" in message.text:
            complaints.append(message.text)

    page.on("console", listen)
    page.on("request", lambda request: complaints.append(request.url) if is_outside(request.url) else None)

    def is_outside(url: str) -> bool:
        return not url.startswith((server.address, "data:", "blob:"))

    try:
        ids = [run.id for run in RunStore(raced).all()]
        long = TrainConfig.model_validate({**RunStore(raced).all()[0].config().model_dump(), "epochs": 300})
        live = RunStore(raced).create(long).id
        page.goto(f"{server.address}/train?run={live}")
        expect(page.locator("canvas").first).to_be_visible(timeout=90_000)
        page.goto(f"{server.address}/compare?runs={','.join(ids)}&view=confusion")
        expect(page.locator(".st-key-verdict [data-testid=stAlert]")).to_be_visible()
        expect(page.locator("[class*=st-key-confusion-] canvas").first).to_be_visible(timeout=60_000)
        page.goto(f"{server.address}/explore?dataset=drawn")
        expect(page.locator("img").first).to_be_visible()
        page.get_by_text("Check", exact=True).click()
        expect(page.locator(".js-plotly-plot, canvas, svg.marks").first).to_be_visible()
        page.goto(f"{server.address}/room")
        expect(page.get_by_text("The room is closed")).to_be_visible()
        page.get_by_text("Leaderboard", exact=True).click()
        expect(page.get_by_text("Too close to call")).to_be_visible()
        page.goto(f"{server.address}/predict?run={ids[0]}")
        picture = (raced.datasets_dir / "drawn").rglob("*.jpg")
        page.locator("input[type=file]").first.set_input_files(str(next(picture)))
        expect(page.get_by_text(re.compile("cat|dog")).first).to_be_visible(timeout=60_000)
        page.get_by_text("Camera", exact=True).click()
        expect(page.get_by_test_id("stCameraInput")).to_be_visible()
    finally:
        context.close()
        server.kill()
    assert complaints == []
