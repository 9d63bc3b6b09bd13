"""Whether this page may name folders of the machine that runs the app."""

import streamlit as st

from core.settings import Settings


def may_read_server(settings: Settings) -> bool:
    """Whether the server answers only to its own machine, and its operator allows it: others must not read its disk."""
    here = st.get_option("server.address") in ("127.0.0.1", "localhost", "::1")
    return settings.local_folders and not settings.room and here
