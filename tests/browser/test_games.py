"""Three phones bet on a race, hunt for wrong labels and test a promise, while a wall follows."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.actor import OPERATOR
from core.config.train_config import TrainConfig
from core.games.bets import BetStore
from core.games.hunt import HuntStore
from core.games.promise import PromiseStore
from core.room.access import Room
from core.room.board import open_game, show_scene
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.browser.test_room import come_in, room, server  # noqa: F401
from tests.support.images import encoded, photo
from tests.support.phone import PHONE
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Come = Callable[[str], Page]


@pytest.fixture
def come(chromium: Browser, server: Server, room: Room) -> Iterator[Come]:
    """A browser for each person: the presenter Grace at a projector, everyone else on a phone."""
    with ExitStack() as stack:

        def opened(name: str) -> Page:
            presents = name == "Grace"
            context = chromium.new_context(viewport={"width": 1280, "height": 900} if presents else PHONE)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(60_000)
            way = f"secret={room.secret}" if presents else f"passcode={room.passcode}"
            come_in(page, f"{server.address}/room?{way}", name)
            return page

        yield opened


def open_wall(presenter: Page, server: Server) -> Page:
    wall = presenter.context.new_page()
    wall.goto(f"{server.address}/room?wall=1")
    return wall


def test_three_phones_bet_and_the_result_falls_in(settings: Settings, server: Server, come: Come) -> None:
    show_scene(settings, "games", OPERATOR)
    presenter = come("Grace")
    presenter.get_by_role("radio", name="Bets").click()
    expect(presenter.get_by_role("button", name="Take bets")).to_be_visible()
    store = BetStore(settings)
    round_id = store.open_new(TrainConfig(dataset="drawn", model="petnet", epochs=1, image_size=64), by=OPERATOR)
    wall = open_wall(presenter, server)
    expect(wall.get_by_text("No bet yet")).to_be_visible()
    phones = {name: come(name) for name in ("Ada", "Ben", "Chidi")}
    for number, (name, phone) in enumerate(phones.items()):
        phone.get_by_role("radio", name="Scratch" if name == "Ben" else "Transfer").click()
        lead = phone.get_by_role("slider", name="By how many points?")
        lead.focus()
        for _ in range(5 + number):  # with the keyboard
            lead.press("ArrowRight")
        expect(phone.get_by_text("You bet on")).to_contain_text(f"by {5 + number} points")
        expect(phone.locator(".leads")).to_have_count(0)
        phone.get_by_role("button", name="Bet", exact=True).click()
        expect(phone.get_by_text("give or take 15")).to_be_visible()
        expect(phone.get_by_role("img", name=f"{number + 1} bet")).to_be_visible()
        assert phone.evaluate("() => document.documentElement.scrollWidth") <= 390
    expect(wall.get_by_text("3 bets", exact=True)).to_be_visible()
    expect(wall.locator(".leads")).to_have_count(0)

    presenter.get_by_role("button", name="Start the race").click()
    expect(wall.locator(".leads")).to_be_visible(timeout=120_000)
    expect(wall.get_by_text("Result:")).to_be_visible(timeout=120_000)
    outcome = store.view(round_id).outcome
    assert outcome is not None
    for phone in phones.values():
        expect(phone.get_by_text("Your score")).to_be_visible()
    expect(wall.locator(".board-row")).to_have_count(3)

    server.kill()
    server.start()  # on the same port: nothing was in memory
    wall.reload()
    expect(wall.get_by_text("Result:")).to_be_visible()
    expect(wall.locator(".board-row")).to_have_count(3)


def test_three_phones_hunt_for_wrong_labels_next_to_the_doctor(settings: Settings, server: Server, come: Come) -> None:
    open_game(settings, "hunt", OPERATOR)
    show_scene(settings, "games", OPERATOR)
    presenter = come("Grace")
    presenter.get_by_label("Wrong labels").fill("5")
    presenter.get_by_role("button", name="Plant and start").click()
    wall = open_wall(presenter, server)
    expect(wall.get_by_text("0 marks by 0 people")).to_be_visible()
    phones = [come(name) for name in ("Ada", "Ben", "Chidi")]
    for number, phone in enumerate(phones):
        for count in range(number + 1):
            tile = phone.locator("[class*=st-key-hunt-tile-] button").nth(count)
            tile.focus()
            tile.press("Enter")
            expect(phone.get_by_text(f"{count + 1} of 5 marks used")).to_be_visible()
            expect(tile.get_by_role("img")).to_have_attribute("alt", re.compile("marked"))
            expect(tile).to_be_focused()  # the next Tab continues from here
        assert phone.evaluate("() => document.documentElement.scrollWidth") <= 390
    expect(wall.get_by_text("6 marks by 3 people")).to_be_visible()
    phones[2].locator("[class*=st-key-hunt-tile-] button").first.click()
    expect(phones[2].get_by_text("2 of 5 marks used")).to_be_visible()

    server.kill()
    server.start()
    phones[2].reload()
    expect(phones[2].get_by_text("2 of 5 marks used")).to_be_visible()
    wall.reload()
    expect(wall.get_by_text("chosen by what")).to_be_visible(timeout=120_000)
    presenter.reload()
    presenter.get_by_role("button", name="End the hunt").click()
    for page in (wall, *phones):
        expect(page.get_by_text("What was planted")).to_be_visible()
        expect(page.locator("figure").first).to_be_visible()
        expect(page.locator(".hunt-doctor")).to_be_visible()
    view = HuntStore(settings).current()
    assert view is not None
    assert sorted(len(rows) for rows in view.marks.values()) == [1, 2, 2]
    assert len(HuntStore(settings).truth(view.id)) == 5


def test_three_phones_test_a_promise_with_pictures_of_their_own(
    settings: Settings, server: Server, race_template: Path, come: Come
) -> None:
    shutil.copytree(race_template / "runs", settings.runs_dir, dirs_exist_ok=True)
    open_game(settings, "promise", OPERATOR)
    show_scene(settings, "games", OPERATOR)
    store = PromiseStore(settings)
    test_id = store.start(RunStore(settings).all()[0].id, 0.2, by=OPERATOR)
    presenter = come("Grace")
    wall = open_wall(presenter, server)
    expect(wall.get_by_text("at most 1 in 5")).to_be_visible()
    pictures = sorted((settings.datasets_dir / "drawn" / "images").rglob("*.jpg"))
    phones = [come(name) for name in ("Ada", "Ben", "Chidi")]
    for number, phone in enumerate(phones):
        assert phone.evaluate("() => document.documentElement.scrollWidth") <= 390
        expect(phone.get_by_text("Decide first")).to_be_visible()
        expect(phone.locator("input[type=file]")).to_have_count(0)
        phone.get_by_role("radio", name="Known (0 of 3)").click()
        phone.locator("input[type=file]").set_input_files(pictures[number])
        expect(phone.get_by_text("You said known.")).to_be_visible()
        phone.get_by_role("radio", name="Strange (0 of 3)").click()
        strange = {"name": "x.png", "mimeType": "image/png", "buffer": encoded(photo(number), "PNG")}
        phone.locator("input[type=file]").set_input_files(strange)
        expect(phone.get_by_text("You said strange.")).to_be_visible()
        expect(phone.get_by_role("radio", name="Strange (1 of 3)")).to_be_visible()
    phones[0].get_by_role("radio", name="Known (1 of 3)").click()
    phones[0].locator("input[type=file]").set_input_files(pictures[1])  # that Ben has shown
    expect(phones[0].get_by_text("shown already")).to_be_visible()
    expect(wall.locator(".promise-known")).to_contain_text("of 3")
    expect(wall.locator(".promise-strange")).to_contain_text("of 3")
    view = store.view(test_id)
    assert (view.refused.n, view.caught.n) == (3, 3)

    server.kill()
    server.start()
    presenter.reload()
    presenter.get_by_role("button", name="End the test").click()
    wall.reload()
    for page in (wall, *phones):
        expect(page.get_by_text("Strange pictures caught")).to_be_visible()
