"""Data roots for the page tests: with a finished race, made once."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.jobs import scheduler
from core.settings import PROJECT_ROOT
from pages.components import estimates

SECONDS = 120  # a bound, for machines that do much else


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the form of the Train page start no process: that would slow every other test down."""
    monkeypatch.setattr(estimates, "start_calibration", lambda *_: False)
    monkeypatch.setattr(scheduler, "warm_up", lambda *_: None)


@pytest.fixture
def open_page(ended_processes: None, quiet: None) -> Callable[..., AppTest]:
    """Open a page as a fresh session would: `open_page("pages/train.py", run="…")`.

    Opening some pages starts the predictor: it ends with the test.
    """
    import streamlit as st

    st.cache_resource.clear()
    st.cache_data.clear()

    def opened(path: str, **query: str) -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / path), default_timeout=SECONDS)
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    return opened
