"""The settings that the presenter sent to everyone: one card, to start from them or to change them first."""

import streamlit as st

from core.config.arm_names import describe_arm
from core.room.board import Sent, read_board
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.prefilled_form import RACE, SINGLE, prefill
from pages.components.train.form.length_choice import describe_length
from pages.components.train.form.start_bar import begin

USED = "sent-used"  # when those were sent that this visitor has taken


def show_sent_card(settings: Settings) -> None:
    """Draw the card; nothing where nothing was sent, or it was used."""
    sent = read_board(settings).sent
    if sent is None or st.session_state.get(USED) == sent.time:
        return
    race = sent.config.strategy != "scratch"
    with st.container(border=True, key="sent"):
        st.markdown(f":material/campaign: **{frame.plain(sent.sender)}** sent settings: {_describe(sent, race)}")
        if not any(item.id == sent.config.dataset for item in frame.datasets(settings).summaries()):
            st.caption("Their dataset was deleted.")
            return
        with st.container(horizontal=True):
            started = st.button("Start", type="primary", icon=":material/flag:", key="sent-start")
            changed = st.button("Change", icon=":material/tune:", key="sent-change", on_click=_fill, args=(sent, race))
    if started:
        st.session_state[USED] = sent.time
        begin(settings, sent.config, race=race)
    if changed:
        st.rerun()  # without the card


def _fill(sent: Sent, race: bool) -> None:
    prefill(sent.config, RACE if race else SINGLE)
    st.session_state[USED] = sent.time


def _describe(sent: Sent, race: bool) -> str:
    network = (
        f"Scratch vs. Transfer ({describe_arm(sent.config)})" if race else f"Scratch ({describe_arm(sent.config)})"
    )
    return f"**{frame.plain(network)}** on {frame.plain(sent.config.dataset)}, {describe_length(sent.config)}"
