"""Buttons that correct pictures: another class, or left out. With keys 1 to 9 for classes, X to leave out."""

from collections.abc import Sequence

import streamlit as st

from core.datasets.dataset import Dataset
from core.revisions.corrections import Corrected, drop, relabel
from pages.components.shared import frame

BUTTONS = 9  # classes that have a button and a key of their own


def offer_corrections(dataset: Dataset, found: Corrected, rows: Sequence[int], key: str) -> bool:
    """Draw the buttons for these pictures; whether one was pressed, and the correction is noted."""
    labels = {found.labels[row] for row in rows}
    pressed: str | None = None
    with st.container(horizontal=True, gap="xsmall", key=f"{key}-classes"):
        names = sorted(found.classes)
        for place, name in enumerate(names[:BUTTONS], start=1):
            chosen = labels == {name}
            if st.button(
                frame.plain(name), key=f"{key}-to-{place}", shortcut=str(place), disabled=not rows or chosen,
                icon=":material/check:" if chosen else None, type="primary" if chosen else "secondary",
            ):  # fmt: skip
                pressed = name
        left_out = labels == {None}
        dropped = st.button(
            "Leave out", key=f"{key}-drop", icon=":material/hide_image:", shortcut="X", disabled=not rows or left_out,
            type="primary" if left_out else "secondary",
        )  # fmt: skip
        with st.popover("Another class", icon=":material/add:", key=f"{key}-more", disabled=not rows):
            other = st.selectbox(
                "Class", names, index=None, accept_new_options=True, key=f"{key}-other",
                placeholder="Choose or write a name",
            )  # fmt: skip
            if st.button("Give this class", key=f"{key}-give", disabled=not other):
                pressed = str(other)
    with frame.explained():
        if dropped:
            drop(dataset, rows, by=frame.actor())
        elif pressed is not None:
            relabel(dataset, rows, pressed, by=frame.actor())
        return dropped or pressed is not None
    return False
