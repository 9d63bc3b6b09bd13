"""The dialog of one picture among several; its buttons lead to the ones before and after."""

from collections.abc import Callable

import streamlit as st

from pages.components.shared import frame


def open_close_up(key: str, count: int, place: int, draw: Callable[[int], None], *, changes_page: bool = False) -> None:
    """Open the dialog.

    Args:
        key: of the dialog, in the session.
        count: how many pictures there are.
        place: of the first one that is shown.
        draw: what shows the picture at a place.
        changes_page: draw the page again when the dialog is closed.
    """
    st.session_state[key] = place

    @st.dialog("One picture", width="large", on_dismiss="rerun" if changes_page else "ignore")
    def look() -> None:
        at = min(st.session_state[key], count - 1)
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            previous = st.button("Previous", key=f"{key}-previous", icon=":material/arrow_back:", disabled=at == 0)
            st.markdown(f"**{at + 1:,}** of {count:,}", width="content")
            following = st.button("Next", key=f"{key}-next", icon=":material/arrow_forward:", disabled=at == count - 1)
        if previous or following:
            st.session_state[key] = at + (1 if following else -1)
            st.rerun(scope="fragment")
        with frame.explained():
            draw(at)

    look()
