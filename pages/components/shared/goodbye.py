"""What every page shows when the app is closed: the last that a browser gets from this server."""

import streamlit as st

# the browser's own complaints that the server is gone
_NO_COMPLAINTS = (
    '<style>[data-testid="stDialog"], [data-testid="stStatusWidget"], [data-testid="stConnectionStatus"] '
    "{display: none}</style>"
)


def show_goodbye() -> None:
    """Draw the goodbye."""
    st.html(_NO_COMPLAINTS)
    with st.container(height=460, border=False, horizontal_alignment="center", vertical_alignment="center"):
        st.title(":material/waving_hand: Goodbye", text_alignment="center")
        st.markdown("The presenter has closed the app. Thank you for being here.", text_alignment="center")
        st.markdown(
            "Trainings are paused and resume when the app starts again. You can close this tab.",
            text_alignment="center",
        )
