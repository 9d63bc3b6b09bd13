"""A bet on a phone: who wins, by how much, how sure; then everyone's bets, and the result."""

import streamlit as st

from core.actor import Actor
from core.games.bets import MAX_LEAD, MAX_SPREAD, Bet, BetStore, BetView
from core.settings import Settings
from pages.components.room.games import bet_scene
from pages.components.room.games.game_snapshot import current_bets, redraw_games
from pages.components.room.games.lead_histogram import describe_lead
from pages.components.shared import frame

REFRESH_SECONDS = 2.0
FIRST_LEAD, FIRST_SPREAD = 0, 15


def show_bet(settings: Settings, by: Actor) -> None:
    """Draw what a person can do now. Other bets are drawn only when their own is in, or bets are closed."""
    view = current_bets(settings)
    st.fragment(_watch, run_every=REFRESH_SECONDS)(settings, by, _state(view, by))
    if view is None:
        st.info("There are no bets yet: the presenter takes some in a moment.", icon=":material/casino:")
        return
    st.markdown(f"##### {bet_scene.ask(view)}")
    bet = view.bet_of(by.id)
    if bet is not None:
        _show_own(view, bet)
    if view.open and bet is None:
        _ask(settings, view, by)
        return
    st.fragment(_show_all, run_every=REFRESH_SECONDS)(settings, view.id, bet)


def _state(view: BetView | None, by: Actor) -> tuple[object, ...]:
    """What decides which part of the page is drawn."""
    return () if view is None else (view.id, view.open, view.bet_of(by.id) is not None, view.outcome is not None)


def _watch(settings: Settings, by: Actor, drawn: tuple[object, ...]) -> None:
    if _state(current_bets(settings), by) != drawn:
        st.rerun()


def _ask(settings: Settings, view: BetView, by: Actor) -> None:
    arms = view.round.a, view.round.b
    winner = st.segmented_control("Who wins?", arms, format_func=frame.plain, key=f"bet-winner-{view.id}")
    lead = st.slider("By how many points?", 0, MAX_LEAD, FIRST_LEAD, key=f"bet-lead-{view.id}")
    spread = st.slider(
        "Give or take", 1, MAX_SPREAD, FIRST_SPREAD, key=f"bet-spread-{view.id}",
        help="How sure you are: the result should lie within it two times in three.",
    )  # fmt: skip
    signed = lead if winner == arms[1] else -lead
    if winner is not None:
        low, high = (describe_lead(*arms, signed + side * spread) for side in (-1, 1))
        st.markdown(
            f"You bet on **{frame.plain(describe_lead(*arms, signed))}** and expect, two times in three, something "
            f"between {frame.plain(low)} and {frame.plain(high)}."
        )
    st.caption("A bet is made once. A sure bet that is wrong costs more than a careful one.")
    if st.button("Bet", type="primary", icon=":material/casino:", width="stretch", key="bet-place"):
        with frame.explained():
            if winner is None:
                st.error("Choose who wins first.", icon=":material/block:")
                return
            BetStore(settings).place(view.id, signed, spread, by=by)
            redraw_games()


def _show_own(view: BetView, bet: Bet) -> None:
    said = frame.plain(describe_lead(view.round.a, view.round.b, bet.lead))
    score = view.scores.get(bet.person)
    end = "" if score is None else f" Your score: **{score:.1f}**."
    st.success(f"You bet on **{said}**, give or take {bet.spread}.{end}", icon=":material/check_circle:")


def _show_all(settings: Settings, drawn: str, bet: Bet | None) -> None:
    view = current_bets(settings)
    if view is not None and view.id == drawn:
        bet_scene.show_result(settings, view, bet.lead if bet else None)
