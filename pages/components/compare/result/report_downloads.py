"""Downloads of a report, as a page to read and as JSON, and its command."""

from collections.abc import Sequence

import streamlit as st

from core.report.documents import FORMATS, make_document
from core.settings import Settings

REPORTS = {
    "html": ("Report", ":material/description:", "One file that opens in any browser, even offline."),
    "json": ("Everything as JSON", ":material/data_object:", "All numbers, settings and software versions."),
}


def offer_report(settings: Settings, ids: Sequence[str], form: str) -> None:
    """A button that makes a report of a race, a curve or runs on the click, and downloads it.

    Args:
        form: `html` or `json`.
    """
    label, icon, meaning = REPORTS[form]
    st.download_button(
        label,
        lambda: make_document(settings, ids, form).content,
        file_name=f"tunemypets-{ids[0]}.{form}",
        mime=FORMATS[form],
        icon=icon,
        on_click="ignore",
        key=f"report-{form}",
        help=meaning,
    )


def show_command(ids: Sequence[str]) -> None:
    """How the operator of this machine makes the same report."""
    st.caption(f"On the machine that serves this page: `python -m core report {' '.join(ids)} --output report.html`.")
