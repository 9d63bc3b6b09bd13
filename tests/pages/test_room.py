"""The Room page, and what it changes on everyone's pages."""

import threading
import time
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.actor import Actor
from core.config.train_config import TrainConfig, parse_config
from core.jobs.nodes import Cluster, Node, write_cluster
from core.palette import STRATEGY_STYLES
from core.room.access import RoomStore
from core.room.board import lock_uploads, pin_run, read_board, send_config, share_leaderboard
from core.room.people import PeopleStore, new_token
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.scheduling.run_queue import QueueView, Turn, read_control, write_queue
from core.settings import Settings
from pages.components.room import demo_scene
from pages.components.shared import door, visitors
from pages.components.shared.snapshots import runs_snapshot
from pages.server import asgi_app, farewell
from tests.pages.test_pages import Open, texts

PRESENTER = Actor("p-1", "Grace", presenter=True)
Come = Callable[[str], Actor]


@pytest.fixture
def come_as(home: object, monkeypatch: pytest.MonkeyPatch) -> Come:
    """Open the room, and let the next pages see a person's cookie: `come_as("Grace the presenter")`."""
    monkeypatch.setenv("TUNEMYPETS_ROOM", "1")
    settings = Settings.from_environment()
    settings.home.mkdir(parents=True, exist_ok=True)
    rooms, people, tokens = RoomStore(settings), PeopleStore(settings), dict[str, str]()
    room = rooms.open()

    def come(name: str) -> Actor:
        token = tokens.setdefault(name, new_token())
        rooms.enter(token, room.passcode, None)
        person = people.name(token, name.split()[0])
        if "presenter" in name:
            person = people.appoint(person.id)
        monkeypatch.setattr(door, "browser_token", lambda: token)
        monkeypatch.setattr(door, "_address", lambda: None)
        runs_snapshot.forget_runs()
        return person.actor

    return come


def press(app: AppTest, label: str) -> AppTest:
    """Click the first button whose label contains a text."""
    next(button for button in app.button if label in button.label).click().run()
    return app


def scene(app: AppTest, name: str) -> AppTest:
    app.segmented_control(key="room-scene").set_value(name).run()
    assert not app.exception
    return app


def unfold(app: AppTest, name: str) -> AppTest:
    """Open one of the folded parts."""
    app.session_state[f"room-{name}"] = True
    app.run()
    assert not app.exception
    return app


def html_of(app: AppTest) -> str:
    return "".join(str(element.proto.body) for element in app.get("html"))


def queued(settings: Settings, config: TrainConfig, *owners: Actor) -> list[str]:
    """Runs that wait, as the scheduler would tell; nothing starts."""
    ids = [RunStore(settings).create(config, by=owner).id for owner in owners]
    write_queue(settings, QueueView(tuple(Turn(run_id, place, None) for place, run_id in enumerate(ids))))
    return ids


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queues stand still: waiting runs keep waiting."""
    monkeypatch.setattr("pages.components.shared.frame.ensure_scheduler", lambda *_: None)


def test_every_scene_of_an_empty_room_shows_what_is_missing(come_as: Come, open_page: Open) -> None:
    come_as("Grace the presenter")
    app = open_page("pages/room.py")
    assert not app.error
    for name, words in (
        ("demo", "Which one is better after a minute"),
        ("train", "Nothing has been trained yet"),
        ("leaderboard", "starts with the first test result"),
        ("goodbye", "Take it home now"),
    ):
        assert words in texts(scene(app, name))
    assert "The queue is empty" in texts(unfold(app, "queue"))
    assert "Processor" in texts(unfold(app, "machine"))


def test_the_joining_scene_shows_code_address_passcode_and_who_is_here(
    settings: Settings, come_as: Come, open_page: Open
) -> None:
    come_as("Ada")
    open_page("streamlit_app.py")
    come_as("Grace the presenter")
    app = open_page("pages/room.py")
    room = RoomStore(settings).current()
    assert room is not None
    shown = html_of(app)
    assert room.shown_passcode in shown
    assert "data:image/svg+xml" in shown
    assert "Grace" not in shown
    assert room.secret not in shown
    press(app, "Change it")
    changed = RoomStore(settings).current()
    assert changed is not None
    assert changed.passcode != room.passcode
    assert not app.text_input  # the presenter's own browser stays in


def test_the_wall_follows_the_scene_that_is_chosen_elsewhere(
    settings: Settings, come_as: Come, open_page: Open
) -> None:
    come_as("Ada")
    come_as("Grace the presenter")
    wall = open_page("pages/room.py", wall="1")
    assert not wall.segmented_control
    assert [button.label for button in wall.button] == ["Remote"]
    scene(open_page("pages/room.py"), "goodbye")
    assert "Thank you" in html_of(wall.run())
    assert "1 attendee, 0 trained networks, 0 datasets" in html_of(wall)


@pytest.mark.parametrize("query", [{}, {"secret": "guess"}])
def test_an_attendee_is_refused(come_as: Come, open_page: Open, query: dict[str, str]) -> None:
    come_as("Ada")
    app = open_page("pages/room.py", **query)
    assert "This page is for the presenter only" in app.info[-1].value
    assert not app.button
    assert not app.segmented_control
    assert "QR code" not in html_of(app)


def test_without_a_room_the_operator_has_the_page_too(open_page: Open) -> None:
    app = open_page("pages/room.py")
    assert "The room is closed" in texts(app)
    assert "-- --room" in texts(scene(app, "collect")), "no phone can add photos"
    app.button(key="FormSubmitter:collect-start-Collect for everyone").click().run()
    assert "No photos yet" in html_of(app)
    assert "The room is closed" in texts(app)


def test_the_queue_names_owners_and_is_paused_reordered_and_cancelled(
    settings: Settings, drawn: object, small_config: TrainConfig, come_as: Come, open_page: Open
) -> None:
    ada, ben = come_as("Ada"), come_as("Ben")
    first, second, third = queued(settings, small_config, ada, ben, ada)
    come_as("Grace the presenter")
    app = unfold(open_page("pages/room.py"), "queue")
    rows = [str(item.value) for item in app.markdown if "on drawn" in str(item.value)]
    assert ["Ada" in rows[0], "Ben" in rows[1], "Ada" in rows[2]] == [True] * 3
    assert "start time unknown" in rows[0]

    press(app, "Pause the queue")
    assert read_control(settings).paused
    assert "no new ones start" in texts(app)
    press(app, "Resume the queue")
    assert not read_control(settings).paused

    app.button(key=f"queue-up-{third}").click().run()
    assert read_control(settings).first == (first, third, second)
    app.button(key=f"queue-front-{second}").click().run()
    assert read_control(settings).first == (second, first, third)
    press(app, "Back to the fair order")
    assert read_control(settings).first == ()

    app.button(key=f"queue-cancel-{first}").click().run()
    assert RunStore(settings).get(first).state() is RunState.STOPPED
    assert not app.exception


def test_the_leaderboard_shows_a_tie_as_a_tie_and_is_shared_on_demand(
    raced: Settings, come_as: Come, open_page: Open
) -> None:
    come_as("Grace the presenter")
    app = scene(open_page("pages/room.py"), "leaderboard")
    table = app.dataframe[0].value
    assert list(table["Rank"]) == ["1 =", "1 ="]  # eight test pictures show nothing
    assert "Too close to call" in texts(app)
    next(toggle for toggle in app.toggle if "Leaderboard" in toggle.label).set_value(True).run()
    assert read_board(raced).leaderboard_shared
    come_as("Ada")
    attendee = open_page("pages/room.py")
    assert len(attendee.dataframe) == 1
    assert not attendee.error
    assert not attendee.button
    assert attendee.title[0].value == "Leaderboard"
    share_leaderboard(raced, False, PRESENTER)
    assert "presenter only" in open_page("pages/room.py").info[0].value


def test_settings_are_sent_and_fill_everyones_form(raced: Settings, come_as: Come, open_page: Open) -> None:
    sent = parse_config(
        {
            "dataset": "drawn",
            "model": "scratch_cnn",
            "strategy": "scratch",
            "epochs": 7,
            "batch_size": 16,
            "learning_rate": 0.002,
            "filters": [8, 16],
            "kernel_size": 5,
            "dropout": 0.1,
            "seed": 3,
            "optimizer": "sgd",
        }
    )
    send_config(raced, sent, PRESENTER)
    come_as("Ada")
    app = open_page("pages/train.py")
    assert "Grace" in texts(app)
    app.button(key="sent-change").click().run()
    assert not app.exception
    assert not [button for button in app.button if str(button.key).startswith("sent-")]
    app.button(key="start").click().run()
    run = next(run for run in RunStore(raced).all() if run.meta().owner != "local")
    assert run.config() == sent


def test_home_greets_by_name_and_offers_what_the_presenter_sends(
    raced: Settings, small_config: TrainConfig, come_as: Come, open_page: Open
) -> None:
    come_as("Ada")
    app = open_page("streamlit_app.py")
    assert "Hello, **Ada**." in texts(app)
    assert "Continue with drawn" in texts(app)
    assert "Best result" not in texts(app), "nobody else's result is Ada's"
    send_config(raced, small_config.model_copy(update={"dataset": "drawn"}), PRESENTER)
    app.run()
    assert "**Grace** sent settings to everyone" in texts(app)
    press(app, "Use these settings")
    assert not app.exception


@pytest.mark.parametrize(
    "values",
    [
        {"model": "petnet", "strategy": "partial", "freeze_point": None, "backbone_factor": 0.2, "stored_views": 3},
        {"model": "petnet", "strategy": "gradual", "head_epochs": 2, "label_smoothing": 0.1, "find_rate": True},
        {"model": "petnet", "strategy": "head", "augment_colour": True, "augment_strength": 0.25, "note": "try *this*"},
    ],
)
def test_every_strategys_settings_arrive_as_they_were_sent(
    raced: Settings, come_as: Come, open_page: Open, values: dict[str, object]
) -> None:
    sent = parse_config({"dataset": "drawn", "epochs": 6, **values})
    send_config(raced, sent, PRESENTER)
    come_as("Ada")
    app = open_page("pages/train.py")
    app.button(key="sent-change").click().run()
    app.segmented_control(key="train-mode").set_value("single").run()
    app.button(key="start").click().run()
    run = next(run for run in RunStore(raced).all() if run.meta().owner != "local")
    given = run.config()
    chosen = {name: getattr(given, name) for name in values if values[name] is not None}
    assert chosen == {name: value for name, value in values.items() if value is not None}
    assert given.epochs == 6


def test_sent_settings_are_started_as_a_race_with_one_tap(raced: Settings, come_as: Come, open_page: Open) -> None:
    sent = parse_config({"dataset": "drawn", "model": "petnet", "epochs": 3})
    send_config(raced, sent, PRESENTER)
    come_as("Ada")
    app = open_page("pages/train.py")
    app.button(key="sent-start").click().run()
    assert not app.exception
    race = str(app.query_params["race"])
    configs = [run.config() for run in RunStore(raced).all() if run.meta().race == race]
    assert sent in configs
    assert sorted(config.model for config in configs) == ["petnet", "scratch_cnn"]


def test_the_presenter_sends_pins_and_locks_from_the_room_page(raced: Settings, come_as: Come, open_page: Open) -> None:
    come_as("Grace the presenter")
    app = open_page("pages/room.py")
    press(app, "Send its settings")
    board = read_board(raced)
    assert board.sent is not None
    assert board.sent.sender == "Grace"
    press(app, "Pin it")
    (pinned,) = read_board(raced).pins
    next(toggle for toggle in app.toggle if "Lock" in toggle.label).set_value(True).run()
    assert read_board(raced).uploads_locked
    come_as("Ada")
    assert "Pinned by the presenter" in texts(open_page("streamlit_app.py"))
    come_as("Grace the presenter")
    app = open_page("pages/room.py")
    press(app, "Send this dataset")
    sent = read_board(raced).sent
    assert sent is not None
    assert sent.config == TrainConfig(dataset="drawn")
    app.button(key=f"room-unpin-{pinned}").click().run()
    press(app, "Withdraw")
    assert read_board(raced).pins == ()
    assert read_board(raced).sent is None


def test_a_pinned_run_that_was_deleted_is_no_trouble(raced: Settings, come_as: Come, open_page: Open) -> None:
    run = RunStore(raced).all()[0]
    pin_run(raced, run.id, PRESENTER)
    RunStore(raced).delete(run.id)
    come_as("Grace the presenter")
    assert not open_page("streamlit_app.py").exception
    assert "was deleted" in texts(open_page("pages/room.py"))


def test_only_the_presenter_can_send_from_the_form(raced: Settings, come_as: Come, open_page: Open) -> None:
    come_as("Ada")
    assert not any("everyone" in button.label for button in open_page("pages/train.py").button)
    come_as("Grace the presenter")
    press(open_page("pages/train.py"), "Send these settings")
    assert read_board(raced).sent is not None


def test_people_are_listed_with_what_they_look_at(settings: Settings, come_as: Come, open_page: Open) -> None:
    come_as("Grace the presenter")
    app = unfold(open_page("pages/room.py"), "people")
    table = app.dataframe[0].value
    assert dict(zip(table["Nickname"], table["Page"], strict=True))["Grace"] == "Room"
    open_page("pages/home.py")
    assert "Home" in {visit.page for visit in visitors.visits()}


def test_everyones_trainings_are_lanes_and_a_run_that_is_started_counts_as_running(
    settings: Settings, drawn: object, small_config: TrainConfig, come_as: Come, open_page: Open
) -> None:
    ada, ben = come_as("Ada"), come_as("Ben")
    first, second = queued(settings, small_config, ada, ben)
    write_queue(settings, QueueView((Turn(second, 1, None),), running=(first,)))
    come_as("Grace the presenter")
    app = scene(open_page("pages/room.py"), "train")
    assert "1 training, 1 waiting, 0 done" in texts(app)
    assert {metric.label: metric.value for metric in app.metric} == {"People here": "1", "Running": "1", "Waiting": "1"}
    lanes = html_of(app)
    assert lanes.index("<b>Ada</b>") < lanes.index("starting") < lanes.index("<b>Ben</b>") < lanes.index("waiting")
    assert STRATEGY_STYLES["scratch"].colour in lanes


def test_the_demo_is_started_and_followed_from_its_scene(
    raced: Settings, come_as: Come, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_scene, "ensure_scheduler", lambda _: None)
    monkeypatch.setattr(demo_scene.demo, "demo_dataset", lambda _: "drawn")
    come_as("Grace the presenter")
    app = scene(open_page("pages/room.py"), "demo")
    press(app, "again")
    assert not app.exception
    active = [run for run in RunStore(raced).summaries() if run.state.active]
    assert len(active) == 2
    assert "PetNet" in html_of(app)


def test_shutting_down_asks_first_then_says_goodbye_everywhere_and_ends_the_app(
    settings: Settings, come_as: Come, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(asgi_app, "stop", ended.set)
    monkeypatch.setattr(farewell, "_said", threading.Event())
    come_as("Grace the presenter")
    app = open_page("pages/room.py")
    assert "closes the app for everyone" in texts(app)
    assert not ended.is_set()
    app.button(key="room-shut-down").click().run()
    assert "Goodbye" in texts(app)
    come_as("Ada")
    assert "Goodbye" in texts(open_page("streamlit_app.py"))
    assert ended.wait(30)


def test_explore_shows_that_uploads_are_locked(settings: Settings, come_as: Come, open_page: Open) -> None:
    lock_uploads(settings, True, PRESENTER)
    come_as("Ada")
    app = open_page("pages/explore.py")
    app.segmented_control(key="bring-way").set_value("Zip").run()
    assert "The presenter has locked uploads" in texts(app)


def test_the_presenter_sees_the_machines_of_a_cluster(
    open_page: Open, come_as: Come, monkeypatch: pytest.MonkeyPatch
) -> None:
    come_as("Grace the presenter")
    app = open_page("pages/room.py")
    assert "Cluster" not in [item.label for item in app.expander]
    monkeypatch.setenv("TUNEMYPETS_CLUSTER", "auto")
    settings = Settings.from_environment()
    app = unfold(open_page("pages/room.py"), "cluster")
    assert "Waiting for the Ray cluster auto." in app.warning[0].value
    nodes = (
        Node("a", "server", 16, processor="AMD EPYC", speed=31.5),
        Node("b", "old", 8, problem="old has torch 2.13.0, this machine 2.14.0: install the same version on both."),
        Node("c", "laptop", 4, known=False),
    )
    write_cluster(settings, Cluster("auto", time.time(), "", nodes))
    app = unfold(open_page("pages/room.py"), "cluster")
    assert not app.warning
    table = app.dataframe[0].value
    assert list(table["Machine"]) == ["server", "old", "laptop"]
    assert table["State"][0] == "Ready"
    assert "torch 2.13.0" in table["State"][1]
    assert table["State"][2] == "Joining"
    assert table["Training now"][0] == f"0 of {16 // min(16, settings.threads)}"
