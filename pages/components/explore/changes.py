"""Rename or delete a dataset; for its owner and the presenter."""

import streamlit as st

from core.datasets.dataset import Dataset
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.dataset_cache import forget_datasets


def offer_changes(settings: Settings, dataset: Dataset) -> None:
    """Draw the menu, or who may change the dataset."""
    owner = dataset.summary.owner
    if not frame.actor().may_change(owner):
        st.caption(f"{frame.only_owner(settings, owner)} can rename or delete this dataset.")
        return
    with st.popover("Rename or delete", icon=":material/edit:", key=f"change-{dataset.id}"):
        title = st.text_input(
            "Title",
            dataset.title,
            max_chars=80,
            key=f"title-{dataset.id}-{dataset.title}",
            help="Shown in lists; existing runs stay as they are.",
        )
        if st.button("Rename", key=f"rename-{dataset.id}", icon=":material/save:"):
            with frame.explained():
                frame.datasets(settings).rename(dataset.id, title, by=frame.actor())
                forget_datasets()
                st.rerun()
        st.caption("Deletes the pictures for good. Runs keep their results but no longer show pictures.")
        if st.button("Delete this dataset", key=f"delete-{dataset.id}", icon=":material/delete:"):
            with frame.explained():
                frame.runs(settings).delete_dataset(dataset.id, by=frame.actor())
                forget_datasets()
                st.query_params.clear()
                st.rerun()
