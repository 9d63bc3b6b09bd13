"""The step of an import: the form, then its progress or its question; an error stands above the form."""

import streamlit as st

from core.errors import DatasetError
from core.settings import Settings
from pages.components.explore.importing import collecting, import_form
from pages.components.shared import frame
from pages.components.shared.importing import import_progress

ADD, IMPORT = "add", "import"  # in the URL: the form is open; the id of the import that is followed


def finished_dataset(settings: Settings) -> str | None:
    """The dataset of the import in the URL, once it is there."""
    job = st.query_params.get(IMPORT)
    if not job:
        return None
    try:
        status = frame.imports(settings).status(job)
    except DatasetError:
        return None
    return status.dataset if status.state == "finished" else None


def is_open() -> bool:
    """Whether the URL asks for this step."""
    return bool({ADD, IMPORT} & st.query_params.keys())


def open_step() -> None:
    """Open the form; a callback."""
    st.query_params.from_dict({ADD: "1"})


def show_step(settings: Settings, *, first: bool) -> None:
    """Draw the step, alone on the page.

    Args:
        first: whether there is no dataset yet, to which one could return.
    """
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Add photos", width="content")
        if not first:
            st.button(
                "Close", icon=":material/close:", type="tertiary", key="step-close", on_click=st.query_params.clear
            )
    job, before = st.query_params.get(IMPORT), None
    if job:
        with frame.explained():
            before = frame.imports(settings).request(job)
            if import_progress.follow(settings, job, may_end=True).state in ("running", "asking"):
                return
    collecting.show_collection(settings)
    with frame.explained():
        import_form.show_import_form(settings, before)
    collecting.offer_collection(settings)
