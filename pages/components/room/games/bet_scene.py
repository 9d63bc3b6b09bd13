"""Bets on the wall: who has bet while they are open; then all bets as a histogram, the result, and who bet best."""

import html
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.formatting import format_count
from core.games.bet_scores import Standing, rank_people
from core.games.bets import BetView
from core.settings import Settings
from pages.components.room.games.game_snapshot import current_bets, list_bets
from pages.components.room.games.lead_histogram import describe_lead, draw_leads
from pages.components.shared import frame

MAX_ROWS = 12
SCORE = "Score: how many points a bet was off, where being too sure or too vague costs extra. Lower is better."


def is_open(settings: Settings) -> bool:
    """Whether bets are taken."""
    view = current_bets(settings)
    return view is not None and view.open


def show_bets(settings: Settings) -> None:
    """Draw the newest round for everyone: no bet is seen before the bets are closed."""
    view = current_bets(settings)
    if view is None:
        st.info("There are no bets yet: choose a race, and take bets on it.", icon=":material/casino:")
        return
    st.markdown(f"#### {ask(view)}")
    if view.open:
        people = "".join(f"<span>{html.escape(frame.person_name(settings, bet.person))}</span>" for bet in view.bets)
        said = format_count(len(view.bets), "bet") if view.bets else "No bet yet"
        st.html(f'<div class="game-count">{said}</div><div class="join-people">{people}</div>')
        return
    show_result(settings, view)


def ask(view: BetView) -> str:
    """The question of a round, as Markdown."""
    a, b, dataset = (frame.plain(text) for text in (view.round.a, view.round.b, view.round.dataset))
    return f"By how many points of test accuracy will **{b}** beat **{a}** on {dataset}?"


def show_result(settings: Settings, view: BetView, own: int | None = None) -> None:
    """Draw all bets; with the result, once it is there, and how good everyone is so far."""
    arms, outcome = (view.round.a, view.round.b), view.outcome
    if outcome is not None:
        said = frame.plain(describe_lead(*arms, outcome.difference, 1))
        st.markdown(
            f"**Result: {said}** on {format_count(outcome.n, 'test picture')} "
            f"(95 % interval {outcome.low:+.1f} to {outcome.high:+.1f}).".replace("-", "−")
        )
    elif not view.open:
        st.markdown("Bets are closed: the result appears here when the race has ended.")
    st.html(draw_leads([bet.lead for bet in view.bets], *arms, outcome, own))
    show_standings(settings)


def show_standings(settings: Settings) -> None:
    """Draw everyone's mean score over the races that have a result."""
    settled = [view for view in reversed(list_bets(settings)) if view.scores]
    if not settled:
        return
    ranked = rank_people([view.scores for view in settled])
    rows = "".join(_row(settings, place, item) for place, item in enumerate(ranked[:MAX_ROWS], start=1))
    st.html(f'<div class="board">{rows}</div>')
    if len(ranked) > MAX_ROWS:
        st.caption(f"{len(ranked) - MAX_ROWS} more in the table.")
    st.caption(SCORE)
    with st.expander("All bets", icon=":material/table:", key="bets-table"):
        table = _table(settings, settled)
        st.dataframe(table, hide_index=True, width="stretch")
        frame.offer_csv("Download as CSV", table, "tunemypets-bets.csv", key="bets-csv")


def _row(settings: Settings, place: int, item: Standing) -> str:
    last = "not in the last race" if item.last is None else f"last {item.last:.1f}"
    detail = "1 race" if item.bets == 1 and item.last is not None else f"{format_count(item.bets, 'race')}, {last}"
    return (
        f'<div class="board-row"><div class="board-place">{place}</div>'
        f'<div class="board-who"><b>{html.escape(frame.person_name(settings, item.person))}</b></div>'
        f'<div class="board-figure"><b>{item.score:.1f}</b> '
        f"<small>{'mean of ' if item.bets > 1 else ''}{detail}</small></div></div>"
    )


def _table(settings: Settings, views: Sequence[BetView]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "By": frame.person_name(settings, bet.person),
                "Race": f"{view.round.b} against {view.round.a} on {view.round.dataset}",
                "Bet (points)": bet.lead,
                "Give or take (points)": bet.spread,
                "Result (points)": round(view.outcome.difference, 1),
                "Score (points)": round(view.scores[bet.person], 2),
            }
            for view in views
            if view.outcome is not None
            for bet in view.bets
        ]
    )
