"""The choice between accuracy and loss above a live chart."""

import streamlit as st

from core.races.bands import Measure

MEASURES: dict[Measure, str] = {"accuracy": "Accuracy", "loss": "Loss"}


def choose_measure(key: str) -> Measure:
    """Accuracy, and the loss one tap away."""
    chosen: Measure = st.segmented_control(
        "Measure",
        list(MEASURES),
        default="accuracy",
        required=True,
        format_func=MEASURES.__getitem__,
        key=key,
        label_visibility="collapsed",
    )
    return chosen
