"""The end of the server: every open page says goodbye before it is gone."""

import logging
import threading

from streamlit import runtime

_said = threading.Event()

log = logging.getLogger("tunemypets.web")


def say_goodbye() -> None:
    """Draw every open page again: from now on, each shows the goodbye (`pages/components/shared/frame.py`)."""
    _said.set()
    if not runtime.exists():
        return
    try:
        for tab in runtime.get_instance()._session_mgr.list_active_sessions():
            tab.session.request_rerun(None)
    except (AttributeError, TypeError):  # not a part of Streamlit that is promised to stay
        log.exception("open pages say goodbye at their next click only")


def is_goodbye() -> bool:
    """Whether the server is about to end."""
    return _said.is_set()
