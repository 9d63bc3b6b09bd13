"""The presenter's buttons for bets: choose a race, take bets, start it, close the bets."""

import streamlit as st

from core.actor import Actor
from core.config.train_config import TrainConfig
from core.games.bet_outcome import can_bet_on
from core.games.bets import BetStore
from core.races.demo import demo_dataset
from core.room.board import read_board
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from models.weights import default_network
from pages.components.room.games.game_snapshot import current_bets, redraw_games
from pages.components.shared import frame
from pages.components.shared.dataset_cache import list_datasets
from pages.components.shared.snapshots.race_snapshot import forget_races, races_of

DEMO, SENT, NEW, QUEUED = "demo", "sent", "new", "queued"


def show_controls(settings: Settings, by: Actor) -> None:
    """Draw the buttons; they do not refresh by themselves."""
    view = current_bets(settings)
    with st.container(horizontal=True, vertical_alignment="bottom", key="bet-controls"):
        waits = view is not None and not view.round.race
        if waits and st.button("Start the race", type="primary", icon=":material/flag:", key="bet-start"):
            with frame.explained():
                BetStore(settings).start_race(view.id, by=by)
                ensure_scheduler(settings)
                _redraw()
        taken = view is not None and view.open
        if taken and st.button("Close the bets", icon=":material/lock:", key="bet-close", help="Shows them to all."):
            BetStore(settings).close(view.id, by=by)
            _redraw()
        if view is not None and view.round.race:
            frame.link_to_run("", view.round.race, label="Open the race", icon=":material/open_in_full:")
        if view is None:
            _offer_round(settings, by)
        else:
            with st.popover("New bets", icon=":material/casino:", key="bet-new"):
                _offer_round(settings, by)


def _offer_round(settings: Settings, by: Actor) -> None:
    choices = _choices(settings)
    if not choices:
        st.info("There is nothing to bet on yet: add a dataset on Explore, or run the demo once.")
        return
    chosen = st.selectbox(
        "Race", list(choices), format_func=choices.__getitem__, key="bet-race",
        help="Bets end when the race shows its first figure, so take them before you start it.",
    )  # fmt: skip
    if st.button("Take bets", type="primary", icon=":material/casino:", key="bet-open"):
        with frame.explained():
            kind, name = chosen
            store, sent = BetStore(settings), read_board(settings).sent
            if kind == DEMO:
                store.open_demo(by=by)
            elif kind == QUEUED:
                store.open_queued(name, by=by)
            elif kind == SENT and sent is not None:
                store.open_new(sent.config, by=by)
            else:
                store.open_new(TrainConfig(dataset=name, model=default_network()), by=by)
            _redraw()


def _choices(settings: Settings) -> dict[tuple[str, str], str]:
    """What can be bet on: races that wait, new ones, the demo."""
    found = {
        (QUEUED, race.id): f"Waiting: {race.title} on {race.dataset}"
        for race in races_of(settings)
        if race.state.active and can_bet_on(settings, race)
    }
    datasets, sent = list_datasets(settings), read_board(settings).sent
    if sent is not None and any(item.id == sent.config.dataset for item in datasets):
        found[SENT, sent.config.dataset] = f"The settings that you sent, on {sent.config.dataset}"
    if demo_dataset(settings) is not None:
        found[DEMO, ""] = "The 60-second demo"
    for item in datasets:
        found[NEW, item.id] = f"Scratch against transfer on {item.title}"
    return found


def _redraw() -> None:
    forget_races()
    redraw_games()
