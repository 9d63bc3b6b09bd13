"""The training form, filled in with a configuration from elsewhere: a run, the coach, the presenter."""

import streamlit as st

from core.config.train_config import TrainConfig
from pages.components.shared import frame

MODE = "train-mode"
RACE, SINGLE = "race", "single"  # what the form starts: two networks, or one


def field_key(name: str) -> str:
    """Where the session keeps what the form has for a field."""
    return f"train-{name}"


def prefill(config: TrainConfig, mode: str | None = None) -> None:
    """Fill the form with a configuration, before it is drawn.

    Args:
        mode: RACE or SINGLE; by default as it was, except that a network from scratch is trained alone.
    """
    values = config.model_dump()
    values["filters"] = ", ".join(str(count) for count in config.filters)
    for name, value in values.items():
        st.session_state[field_key(name)] = value
    if mode is not None or config.strategy == "scratch":
        st.session_state[MODE] = mode or SINGLE


def offer_prefilled(config: TrainConfig, label: str, help: str, *, key: str) -> None:
    """A button that opens the form with these settings filled in; it starts nothing."""
    if st.button(label, icon=":material/tune:", key=key, help=help, on_click=prefill, args=(config,)):
        frame.go(frame.TRAIN, query_params={"dataset": config.dataset})
