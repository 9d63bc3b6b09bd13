"""The presenter's settings for everyone."""

import pytest

from core.actor import OPERATOR, Actor
from core.config.train_config import TrainConfig
from core.errors import QuotaError, RightsError, RunError
from core.room.board import (
    MAX_PINS,
    Board,
    check_uploads,
    lock_uploads,
    open_game,
    pin_run,
    read_board,
    send_config,
    share_leaderboard,
    show_scene,
    unpin_run,
    withdraw_config,
)
from core.settings import Settings

PRESENTER = Actor("p-1", "Grace", presenter=True)
ATTENDEE = Actor("p-2", "Ada")


def test_a_room_begins_with_nothing_decided(settings: Settings) -> None:
    assert read_board(settings) == Board()


def test_pins_are_newest_first_and_few(settings: Settings) -> None:
    for number in range(MAX_PINS + 2):
        pin_run(settings, f"run-{number}", PRESENTER)
    pin_run(settings, "run-5", PRESENTER)
    assert read_board(settings).pins[:2] == ("run-5", f"run-{MAX_PINS + 1}")
    assert len(read_board(settings).pins) == MAX_PINS
    unpin_run(settings, "run-5", PRESENTER)
    assert "run-5" not in read_board(settings).pins


def test_the_presenter_chooses_the_scene(settings: Settings) -> None:
    assert read_board(settings).scene == "join"
    show_scene(settings, "leaderboard", PRESENTER)
    assert read_board(settings).scene == "leaderboard"
    with pytest.raises(RightsError, match="presenter only"):
        show_scene(settings, "goodbye", ATTENDEE)
    with pytest.raises(RunError, match="There is no scene"):
        show_scene(settings, "../x", PRESENTER)


def test_a_game_is_open_from_when_the_presenter_chooses_it_until_they_close_it(settings: Settings) -> None:
    assert read_board(settings).game == ""
    open_game(settings, "hunt", PRESENTER)
    show_scene(settings, "games", PRESENTER)  # other changes keep it
    assert read_board(settings).game == "hunt"
    with pytest.raises(RightsError, match="presenter only"):
        open_game(settings, "", ATTENDEE)
    with pytest.raises(RunError, match="There is no game"):
        open_game(settings, "chess", PRESENTER)
    open_game(settings, "", PRESENTER)
    assert read_board(settings).game == ""


def test_a_path_is_no_run_to_pin(settings: Settings) -> None:
    with pytest.raises(RunError):
        pin_run(settings, "../../etc/passwd", PRESENTER)


def test_a_sent_configuration_comes_back_as_it_was(settings: Settings, small_config: TrainConfig) -> None:
    send_config(settings, small_config, PRESENTER)
    sent = read_board(settings).sent
    assert sent is not None
    assert (sent.config, sent.sender) == (small_config, "Grace")
    withdraw_config(settings, PRESENTER)
    assert read_board(settings).sent is None


def test_locked_uploads_are_refused_to_all_but_the_presenter(settings: Settings) -> None:
    check_uploads(settings, ATTENDEE)
    lock_uploads(settings, True, PRESENTER)
    with pytest.raises(QuotaError, match="locked uploads"):
        check_uploads(settings, ATTENDEE)
    check_uploads(settings, PRESENTER)
    check_uploads(settings, OPERATOR)
    lock_uploads(settings, False, PRESENTER)
    check_uploads(settings, ATTENDEE)


def test_one_decision_leaves_the_others_alone(settings: Settings, small_config: TrainConfig) -> None:
    pin_run(settings, "run-1", PRESENTER)
    send_config(settings, small_config, PRESENTER)
    share_leaderboard(settings, True, PRESENTER)
    lock_uploads(settings, True, PRESENTER)
    board = read_board(settings)
    assert (board.pins, board.leaderboard_shared, board.uploads_locked) == (("run-1",), True, True)
    assert board.sent is not None


def test_an_attendee_decides_nothing(settings: Settings, small_config: TrainConfig) -> None:
    for deed in (
        lambda: pin_run(settings, "run-1", ATTENDEE),
        lambda: unpin_run(settings, "run-1", ATTENDEE),
        lambda: send_config(settings, small_config, ATTENDEE),
        lambda: withdraw_config(settings, ATTENDEE),
        lambda: lock_uploads(settings, True, ATTENDEE),
        lambda: share_leaderboard(settings, True, ATTENDEE),
    ):
        with pytest.raises(RightsError, match="presenter only"):
            deed()
    assert read_board(settings) == Board()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"pins": 1, "sent": 2, "uploads_locked": 3, "leaderboard_shared": 4}']
)
def test_a_damaged_board_is_an_empty_one(settings: Settings, text: str) -> None:
    lock_uploads(settings, True, PRESENTER)
    (settings.room_dir / "board.json").write_text(text, encoding="utf-8")
    assert read_board(settings) == Board()


def test_a_configuration_of_another_version_is_not_offered(settings: Settings, small_config: TrainConfig) -> None:
    send_config(settings, small_config, PRESENTER)
    path = settings.room_dir / "board.json"
    path.write_text(path.read_text(encoding="utf-8").replace("scratch_cnn", "network_of_tomorrow"), encoding="utf-8")
    assert read_board(settings).sent is None
