"""The presenter's settings for everyone: `room/board.json`, which only the presenter changes."""

import dataclasses
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.actor import Actor
from core.config.train_config import TrainConfig, load_config
from core.errors import ConfigError, QuotaError, RunError
from core.formatting import join_names
from core.locks import hold_lock
from core.settings import Settings
from core.storage import is_id, read_json, write_json

LOCK_SECONDS = 5.0
MAX_PINS = 6  # Home shows all of them
SCENES = ("join", "demo", "collect", "train", "games", "leaderboard", "goodbye")  # of a workshop, in their order
GAMES = ("bets", "hunt", "promise")  # that a room plays together


@dataclass(frozen=True)
class Sent:
    """A configuration that the presenter sent to everyone."""

    config: TrainConfig
    sender: str  # nickname
    time: float  # seconds since 1970


@dataclass(frozen=True)
class Board:
    """The presenter's settings for everyone.

    Attributes:
        pins: runs that Home shows to everyone.
        sent: a configuration to start from, if any.
        uploads_locked: only the presenter can add datasets.
        leaderboard_shared: attendees see the leaderboard too.
        scene: of `SCENES`, which the presenter's pages show: the projector follows the phone.
        game: of `GAMES`, which everyone can open; empty while there is none.
    """

    pins: tuple[str, ...] = ()
    sent: Sent | None = None
    uploads_locked: bool = False
    leaderboard_shared: bool = False
    scene: str = SCENES[0]
    game: str = ""


def read_board(settings: Settings) -> Board:
    """The presenter's settings; the file is read only when it has changed."""
    path = _path(settings)
    try:
        facts = path.stat()
    except OSError:
        return Board()
    return _read(path, facts.st_mtime_ns, facts.st_ino)


def pin_run(settings: Settings, run_id: str, by: Actor) -> Board:
    """Show a run on everyone's Home, before the others; at most six.

    Raises:
        RightsError: unless `by` is the presenter.
        RunError: if it is no run's id.
    """
    by.check_presenter("Pinning a run")
    if not is_id(run_id):
        raise RunError(f"There is no run {run_id[:64]!r}: choose one from the list.")

    def change(board: Board) -> Board:
        others = [pinned for pinned in board.pins if pinned != run_id]
        return dataclasses.replace(board, pins=(run_id, *others)[:MAX_PINS])

    return _change(settings, change)


def unpin_run(settings: Settings, run_id: str, by: Actor) -> Board:
    """Take a run from Home again.

    Raises:
        RightsError: unless `by` is the presenter.
    """
    by.check_presenter("Taking a pinned run away")
    return _change(
        settings, lambda board: dataclasses.replace(board, pins=tuple(pin for pin in board.pins if pin != run_id))
    )


def send_config(settings: Settings, config: TrainConfig, by: Actor) -> Board:
    """Offer a configuration to everyone; it replaces the one before.

    Raises:
        RightsError: unless `by` is the presenter.
    """
    by.check_presenter("Sending a configuration to everyone")
    return _change(settings, lambda board: dataclasses.replace(board, sent=Sent(config, by.name, time.time())))


def withdraw_config(settings: Settings, by: Actor) -> Board:
    """Take the sent configuration back.

    Raises:
        RightsError: unless `by` is the presenter.
    """
    by.check_presenter("Withdrawing a configuration")
    return _change(settings, lambda board: dataclasses.replace(board, sent=None))


def lock_uploads(settings: Settings, locked: bool, by: Actor) -> Board:
    """Let only the presenter add datasets, or everyone again.

    Raises:
        RightsError: unless `by` is the presenter.
    """
    by.check_presenter("Locking uploads")
    return _change(settings, lambda board: dataclasses.replace(board, uploads_locked=locked))


def share_leaderboard(settings: Settings, shared: bool, by: Actor) -> Board:
    """Show the leaderboard to attendees, or to the presenter alone.

    Raises:
        RightsError: unless `by` is the presenter.
    """
    by.check_presenter("Sharing the leaderboard")
    return _change(settings, lambda board: dataclasses.replace(board, leaderboard_shared=shared))


def show_scene(settings: Settings, scene: str, by: Actor) -> Board:
    """Show a scene on all pages of the presenter.

    Raises:
        RightsError: unless `by` is the presenter.
        RunError: if there is no such scene.
    """
    by.check_presenter("Choosing the scene")
    if scene not in SCENES:
        raise RunError(f"There is no scene {scene[:64]!r}: choose one of {join_names(SCENES)}.")
    return _change(settings, lambda board: dataclasses.replace(board, scene=scene))


def open_game(settings: Settings, game: str, by: Actor) -> Board:
    """Open a game for everyone; an empty name closes the one that is open.

    Raises:
        RightsError: unless `by` is the presenter.
        RunError: if there is no such game.
    """
    by.check_presenter("Opening a game")
    if game not in ("", *GAMES):
        raise RunError(f"There is no game {game[:64]!r}: choose one of {join_names(GAMES)}.")
    return _change(settings, lambda board: dataclasses.replace(board, game=game))


def check_uploads(settings: Settings, by: Actor) -> None:
    """Refuse a new dataset while uploads are locked.

    Raises:
        QuotaError: unless `by` is the presenter.
    """
    if not by.presenter and read_board(settings).uploads_locked:
        raise QuotaError("The presenter has locked uploads: use an existing dataset, or ask the presenter.")


def _change(settings: Settings, change: Callable[[Board], Board]) -> Board:
    path = _path(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    busy = RunError("The room's settings are being changed: try again in a few seconds.")
    with hold_lock(settings.home / "board.lock", LOCK_SECONDS, busy):
        board = change(read_board(settings))
        sent = board.sent
        values = {
            "pins": list(board.pins),
            "sent": sent and {"config": sent.config.model_dump_json(), "sender": sent.sender, "time": sent.time},
            "uploads_locked": board.uploads_locked,
            "leaderboard_shared": board.leaderboard_shared,
            "scene": board.scene,
            "game": board.game,
        }
        write_json(path, values)
        return board


def _path(settings: Settings) -> Path:
    return settings.room_dir / "board.json"


@functools.lru_cache(maxsize=8)
def _read(path: Path, *_stamp: int) -> Board:
    try:
        values = read_json(path)
        return Board(
            tuple(pin for pin in values["pins"] if is_id(pin)),
            _read_sent(values["sent"]),
            values["uploads_locked"] is True,
            values["leaderboard_shared"] is True,
            scene if (scene := values.get("scene")) in SCENES else SCENES[0],
            game if (game := values.get("game")) in GAMES else "",
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Board()


def _read_sent(values: dict[str, object] | None) -> Sent | None:
    if values is None:
        return None
    try:
        return Sent(load_config(str(values["config"])), str(values["sender"]), float(str(values["time"])))
    except (ConfigError, KeyError, ValueError):
        return None  # made by another version: it cannot be used
