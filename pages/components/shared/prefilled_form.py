"""The training form, filled in with a configuration from elsewhere: a run, the coach, the presenter."""

import streamlit as st

from core.config.train_config import TrainConfig, default_views
from pages.components.shared import frame


def field_key(name: str) -> str:
    """The key of a field's widget."""
    return f"train-{name}"


def prefill(config: TrainConfig) -> None:
    """Fill the form with a configuration, before it is drawn."""
    values = config.model_dump()
    values["filters"] = ", ".join(str(count) for count in config.filters)
    values["kernel_size"] = str(config.kernel_size)
    # a field that the configuration leaves open is left open in the form too, whatever it held before
    for key in list(st.session_state):
        if str(key).startswith((field_key("freeze_point"), field_key("stored_views"), field_key("head_epochs"))):
            del st.session_state[key]
    freeze_point, stored_views = values.pop("freeze_point"), values.pop("stored_views")
    if values["head_epochs"] is None:
        del values["head_epochs"]
    for name, value in values.items():
        st.session_state[field_key(name)] = value
    if freeze_point is not None:
        st.session_state[f"{field_key('freeze_point')}-{config.model}-{config.strategy}"] = freeze_point
    if stored_views is not None:
        default = 1 if config.budgeted else default_views(config.epochs)
        st.session_state[f"{field_key('stored_views')}-{default}"] = stored_views


def offer_prefilled(config: TrainConfig, label: str, help: str, *, key: str) -> None:
    """A button that opens the form with these settings filled in; it starts nothing."""
    if st.button(label, icon=":material/download:", key=key, help=help, on_click=prefill, args=(config,)):
        frame.go(frame.TRAIN, query_params={"dataset": config.dataset})
