"""The Confidence part: how far each network's confidence can be trusted in a line, and one of three views of it."""

from collections.abc import Sequence

import streamlit as st

from core.settings import Settings
from pages.components.compare.details.promise_chart import show_promises
from pages.components.compare.details.reliability_diagram import read_calibration, show_calibration
from pages.components.compare.details.risk_coverage_chart import show_risk_coverage
from pages.components.shared.results.named_runs import Named, list_sentences

VIEWS = {"Reliability": show_calibration, "Not sure": show_risk_coverage, "Strangers": show_promises}


def show_confidence(settings: Settings, named: Sequence[Named]) -> None:
    """Draw the lines and the chosen view.

    Raises:
        RunError: if a run has no predictions.
    """
    st.markdown(list_sentences((f"{name}:", read_calibration(settings, item.id)[0].finding) for name, item in named))
    view = st.segmented_control(
        "Show",
        list(VIEWS),
        default="Reliability",
        required=True,
        help="Reliability: how often answers of each confidence are right. Not sure: what is gained if unsure answers "
        "are left to a person. Strangers: whether pictures of other things are noticed.",
        key="confidence-view",
        persist_state="page",
    )
    VIEWS[view](settings, named)
