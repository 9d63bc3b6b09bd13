"""Games of a room: what the presenter, the wall and a phone show at each moment."""

import pytest
from streamlit.testing.v1 import AppTest

from core.actor import OPERATOR
from core.datasets.dataset import Dataset
from core.games.bet_outcome import Outcome
from core.games.bets import BetStore
from core.games.hunt import HuntStore
from core.games.promise import PromiseStore
from core.novelty.not_sure import NotSure
from core.room.board import open_game, read_board, show_scene
from core.runs.run_store import RunStore
from core.settings import Settings
from pages.components.room.games import game_snapshot
from pages.components.room.games.lead_histogram import describe_lead, describe_leads, draw_leads
from pages.components.shared import frame
from tests.pages.test_pages import Open, texts
from tests.pages.test_room import Come, come_as, html_of, press, scene  # noqa: F401
from tests.support.finished_runs import finish


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No scheduler and no doctor; and nothing is remembered of another test."""
    for place in ("shared.frame", "room.games.bet_controls"):
        monkeypatch.setattr(f"pages.components.{place}.ensure_scheduler", lambda *_: None)
    monkeypatch.setattr(HuntStore, "start_doctor", lambda *_, **__: None)
    game_snapshot.forget_games()


def choose_game(app: AppTest, game: str) -> AppTest:
    app.segmented_control(key="room-game").set_value(game).run()
    assert not app.exception
    return app


def links(app: AppTest) -> list[str]:
    return [str(element.proto.label) for element in app.get("page_link")]


def test_games_are_off_until_the_presenter_opens_one(come_as: Come, open_page: Open, settings: Settings) -> None:
    come_as("Ada")
    waiting = open_page("pages/room.py")
    assert waiting.title[0].value == "Room"
    assert "as soon as they open it" in texts(waiting)
    assert not waiting.error
    come_as("Grace the presenter")
    app = scene(open_page("pages/room.py"), "games")
    assert "No game is open" in texts(app)
    assert all(f"**{title}**: everyone" in texts(app) for title in ("Bets", "Treasure hunt", "The promise"))
    choose_game(app, "bets")
    assert read_board(settings).game == "bets"
    assert "There is nothing to bet on yet" in texts(app)
    assert "#### Bets\nEveryone guesses who wins" in texts(app), "what the game is, on the wall too"
    assert "There is no dataset yet" in texts(choose_game(app, "hunt"))
    assert "There is no finished run yet" in texts(choose_game(app, "promise"))
    choose_game(app, "hunt")
    come_as("Ada")
    app = open_page("pages/room.py")
    assert app.title[0].value == "Treasure hunt"
    assert "There is no hunt yet" in texts(app)
    assert "Treasure hunt: everyone looks for pictures with a wrong label" in texts(app)
    assert "Hunt" in links(open_page("streamlit_app.py"))


def test_a_round_of_bets_from_the_question_to_the_score(
    come_as: Come, open_page: Open, settings: Settings, drawn: Dataset
) -> None:
    come_as("Grace the presenter")
    app = choose_game(scene(open_page("pages/room.py"), "games"), "bets")
    press(app, "Take bets")
    assert not app.exception
    assert "No bet yet" in html_of(app)
    view = BetStore(settings).current()
    assert view is not None
    BetStore(settings).place(view.id, -7, 5, by=OPERATOR)

    ada = come_as("Ada")
    game_snapshot.forget_games()
    phone = open_page("pages/room.py")
    assert "beat **Scratch** on drawn" in texts(phone)
    assert "leads-bar" not in html_of(phone)  # the other bet would be an anchor
    press(phone, "Bet")
    assert "Choose who wins" in texts(phone)
    phone.segmented_control(key=f"bet-winner-{view.id}").set_value("Transfer")
    phone.slider(key=f"bet-lead-{view.id}").set_value(20)
    phone.run()
    assert "**Transfer by 20 points**" in texts(phone)
    press(phone, "Bet")
    assert not phone.exception
    assert [(bet.person, bet.lead, bet.spread) for bet in BetStore(settings).view(view.id).bets][1:] == [
        (ada.id, 20, 15)
    ]
    assert "You bet on **Transfer by 20 points**, give or take 15" in texts(phone)
    assert "2 bets, from Scratch by 7 points to Transfer by 20 points" in html_of(phone)

    come_as("Grace the presenter")
    app = open_page("pages/room.py")
    assert "2 bets" in html_of(app)
    assert "leads-bar" not in html_of(app)
    press(app, "Start the race")
    race = BetStore(settings).view(view.id).round.race
    BetStore(settings).close(view.id, by=OPERATOR)
    for run, right in zip(RunStore(settings).race(race), (0.5, 0.9), strict=True):
        finish(run, drawn, right)
    game_snapshot.forget_games()
    frame._names.forget()
    app = open_page("pages/room.py")
    assert "Result: Transfer by" in texts(app)
    assert "leads-result" in html_of(app)
    assert html_of(app).index("Ada") < html_of(app).index("This machine")  # the better bet stands first
    come_as("Ada")
    assert "Your score" in texts(open_page("pages/room.py"))


def test_a_hunt_on_a_phone_and_on_the_wall(come_as: Come, open_page: Open, settings: Settings, drawn: Dataset) -> None:
    come_as("Grace the presenter")
    app = choose_game(scene(open_page("pages/room.py"), "games"), "hunt")
    app.number_input(key="hunt-planted").set_value(4)
    press(app, "Plant and start")
    assert not app.exception
    view = HuntStore(settings).current()
    assert view is not None
    assert (view.hunt.planted, view.hunt.pictures, view.hunt.seconds) == (4, 40, 300)
    assert "0 marks by 0 people" in html_of(app)

    ada = come_as("Ada")
    game_snapshot.forget_games()
    phone = open_page("pages/room.py")
    tiles = [button for button in phone.button if str(button.key).startswith("hunt-mark-")]
    assert len(tiles) > 10
    for tile in tiles[:5]:
        phone.button(key=tile.key).click().run()
    assert not phone.exception
    assert "All your 4 marks are used" in texts(phone)
    assert texts(phone).count(":material/flag: marked") == 4
    marked = HuntStore(settings).view(view.id).marks[ada.id]
    assert len(marked) == 4
    for row in marked[:3]:
        phone.button(key=f"hunt-mark-{view.id}-{row}").click().run()
    assert HuntStore(settings).view(view.id).marks[ada.id] == marked[3:]

    come_as("Grace the presenter")
    app = press(open_page("pages/room.py"), "End the hunt")
    assert not app.exception
    shown = html_of(app)
    assert "Chance" in shown
    assert shown.count("<figure") == 4
    assert "0.4 of 4" in shown  # 4 marks among 40 pictures of which 4 are wrong
    come_as("Ada")
    phone = open_page("pages/room.py")
    assert "You found" in texts(phone)
    assert "of 4**, with 1 mark." in texts(phone)
    open_game(settings, "", OPERATOR)
    show_scene(settings, "join", OPERATOR)
    assert "The game is closed" in texts(phone.run())


def test_a_promise_on_a_phone_and_on_the_wall(raced: Settings, come_as: Come, open_page: Open) -> None:
    open_game(raced, "promise", OPERATOR)
    show_scene(raced, "games", OPERATOR)
    store = PromiseStore(raced)
    test_id = store.start(RunStore(raced).all()[0].id, 0.2, by=OPERATOR)
    ada = come_as("Ada")
    phone = open_page("pages/room.py")
    assert phone.title[0].value == "The promise"
    assert "at most **1 in 5** known pictures of drawn" in texts(phone)
    assert not phone.get("file_uploader")  # what it shows is decided first
    phone.segmented_control(key=f"promise-kind-{test_id}-0").set_value(False).run()
    assert len(phone.get("file_uploader")) == 1
    for number in range(6):
        store.add(test_id, b"%d" % number, number < 3, NotSure(0.1 if number == 5 else 0.5, 8, ()), by=ada)
    game_snapshot.forget_games()
    phone = open_page("pages/room.py")
    assert "You have shown all your pictures" in texts(phone)
    come_as("Grace the presenter")
    app = open_page("pages/room.py")
    assert "Too few known pictures" in texts(app)
    shown = html_of(app)
    assert "<b>0 of 3</b> <small>0.0 to 70.8 %</small>" in shown
    assert "<b>1 of 3</b> <small>0.8 to 90.6 %</small>" in shown
    assert 'style="left:20.0%"' in shown
    press(app, "End the test")
    assert not app.exception
    assert not store.view(test_id).open


def test_a_histogram_is_said_in_words_and_holds_the_result() -> None:
    outcome = Outcome(12.34, -3.0, 27.0, 180, "test")
    words = describe_leads([-4, 18, 25], "Scratch", "Transfer", outcome)
    assert words == (
        "3 bets, from Scratch by 4 points to Transfer by 25 points; the result is Transfer by 12.3 points, "
        "95 % interval −3.0 to +27.0."
    )
    drawn_leads = draw_leads([-4, 18, 25], "<b>a", "b", outcome, own=18)
    assert drawn_leads.count("leads-bar") == 3
    assert "▲ you" in drawn_leads
    assert "<b>a" not in drawn_leads
    assert describe_leads([], "a", "b", None) == "0 bets."
    assert (describe_lead("a", "b", 0), describe_lead("a", "b", -1)) == ("a tie", "a by 1 point")
    assert "leads-bar" not in draw_leads([], "a", "b", None)


def test_a_game_is_offered_on_home(come_as: Come, open_page: Open, settings: Settings) -> None:
    come_as("Ada")
    assert "everyone guesses" not in texts(open_page("pages/home.py"))
    open_game(settings, "bets", OPERATOR)
    assert "**Bets**: everyone guesses who wins" in texts(open_page("pages/home.py"))
