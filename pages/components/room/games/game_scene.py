"""The scene of games on the wall, the presenter's choice of one, and what attendees open on their phones."""

from collections.abc import Callable

import streamlit as st

from core.actor import Actor
from core.formatting import capitalise
from core.room.access import RoomStore
from core.room.board import GAMES, open_game, read_board
from core.settings import Settings
from pages.components.room import leaderboard_scene
from pages.components.room.games import (
    bet_controls,
    bet_form,
    bet_scene,
    hunt_controls,
    hunt_gallery,
    hunt_scene,
    promise_controls,
    promise_form,
    promise_scene,
)
from pages.components.room.games.game_snapshot import current_bets, current_hunt, current_promise
from pages.components.shared import door
from pages.components.shared.page_links import GAME_HINTS, GAME_LINKS
from pages.components.shared.qr_code import draw_qr, reachable_address

CLOSED = "Off"
PLAYED = "game-played"  # in the session: what this attendee was playing
WALLS: dict[str, Callable[[Settings], None]] = {
    "bets": bet_scene.show_bets,
    "hunt": hunt_scene.show_hunt,
    "promise": promise_scene.show_promise,
}
CONTROLS: dict[str, Callable[[Settings, Actor], None]] = {
    "bets": bet_controls.show_controls,
    "hunt": hunt_controls.show_controls,
    "promise": promise_controls.show_controls,
}
PHONES: dict[str, Callable[[Settings, Actor], None]] = {
    "bets": bet_form.show_bet,
    "hunt": hunt_gallery.show_hunting,
    "promise": promise_form.show_showing,
}


def describe_state(settings: Settings) -> tuple[object, ...]:
    """What decides which buttons the presenter has."""
    game = read_board(settings).game
    bets, hunt = current_bets(settings), current_hunt(settings)
    if game == "bets" and bets is not None:
        return game, bets.id, bets.open, bets.round.race
    promise = current_promise(settings)
    if game == "promise" and promise is not None:
        return game, promise.id, promise.open
    return (game, hunt.id, hunt.over) if game == "hunt" and hunt is not None else (game,)


def show_game(settings: Settings) -> None:
    """Draw the open game for everyone to see."""
    game = read_board(settings).game
    if not game:
        st.info("No game is open: choose one, and everyone can join with a phone.", icon=":material/casino:")
        return
    if _is_joining(settings, game):
        _show_way(settings, game)
    elif _is_new(settings):
        st.markdown(f"#### {GAME_LINKS[game][1]}\n{capitalise(GAME_HINTS[game])}")
    WALLS[game](settings)


def show_controls(settings: Settings, by: Actor) -> None:
    """Draw the presenter's choice of a game, and the buttons of the one that is open."""
    game = read_board(settings).game

    def change() -> None:
        chosen = st.session_state["room-game"]
        open_game(settings, "" if chosen == CLOSED else chosen, by)

    st.session_state["room-game"] = game or CLOSED
    st.segmented_control(
        "Game",
        [CLOSED, *GAMES],
        format_func=lambda name: GAME_LINKS[name][1] if name in GAME_LINKS else name,
        required=True,
        key="room-game",
        on_change=change,
        help="Everyone finds the open game among the links at the top.",
    )
    if game:
        CONTROLS[game](settings, by)
    else:
        st.markdown("\n".join(f"- **{GAME_LINKS[name][1]}**: {hint}" for name, hint in GAME_HINTS.items()))


def play(settings: Settings, by: Actor) -> bool:
    """Draw the open game for an attendee; False where none is open."""
    board = read_board(settings)
    if not board.game:
        if st.session_state.get(PLAYED) is None:
            return False
        st.info("The game is closed: look at the screen for what is next.", icon=":material/casino:")
        return True
    st.session_state[PLAYED] = board.game
    if board.leaderboard_shared:
        title = GAME_LINKS[board.game][1]
        shown = st.segmented_control(
            "Show", [title, "Leaderboard"], default=title, required=True, key="game-or-board",
            label_visibility="collapsed",
        )  # fmt: skip
        if shown == "Leaderboard":
            leaderboard_scene.show_leaderboard(settings)
            return True
    st.fragment(_watch, run_every=3.0)(settings, board.game)
    PHONES[board.game](settings, by)
    if _is_new(settings):
        st.caption(f"{GAME_LINKS[board.game][1]}: {GAME_HINTS[board.game]}")
    return True


def _watch(settings: Settings, game: str) -> None:
    """Draw the page again when the presenter opens another game, or closes this one."""
    if read_board(settings).game != game:
        st.rerun()


def _is_new(settings: Settings) -> bool:
    """Whether the open game was never played here."""
    return len(describe_state(settings)) == 1


def _is_joining(settings: Settings, game: str) -> bool:
    """Whether people still need the way to the game."""
    joining = {"bets": bet_scene.is_open, "hunt": hunt_scene.is_running, "promise": promise_scene.is_taking}
    return joining[game](settings)


def _show_way(settings: Settings, game: str) -> None:
    room = RoomStore(settings).current() if settings.room else None
    if room is None:
        return
    address = f"{reachable_address()}/room"
    code = draw_qr(f"{address}?{door.PASSCODE}={room.passcode}")
    st.html(
        f'<div class="game-way"><img alt="QR code of the game" src="{code}"><div>Scan the code, or choose '
        f"<b>{GAME_LINKS[game][0]}</b> at the top of your page</div></div>"
    )
