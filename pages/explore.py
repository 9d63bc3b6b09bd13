"""Explore: add a dataset and look through it."""

from collections.abc import Sequence

import streamlit as st

from core.datasets.dataset import DatasetSummary
from core.settings import Settings
from pages.components.explore import block_knowledge, changes, class_strips, corrections_bar, facts, training_views
from pages.components.explore.check import inspection
from pages.components.explore.importing import import_step
from pages.components.shared import frame
from pages.components.shared.dataset_cache import open_dataset

WIDGET_PX = 68  # with its label: nothing moves when its code has loaded
CHOSEN = "explore-dataset"
SECTIONS = ("Pictures", "Check", "Networks", "Augmentation")


def page() -> None:
    settings = frame.open_page("Explore")
    with frame.explained():
        summaries = frame.datasets(settings).summaries()
        imported = import_step.finished_dataset(settings)
        if not summaries or (import_step.is_open() and imported is None):
            import_step.show_step(settings, first=not summaries)
            return
        chosen = _choose(settings, summaries, imported)
        dataset = open_dataset(settings, chosen)
        with frame.explained():
            if chosen == imported:
                facts.show_imported(dataset)
            facts.show_facts(dataset)
            corrections_bar.show_revision(settings, dataset)
            corrections_bar.show_bar(settings, dataset)
        if st.button(
            "Train on these pictures", type="primary", icon=":material/model_training:", width="stretch", key="train"
        ):
            frame.go(frame.TRAIN, query_params={"dataset": dataset.id})
        linked = st.query_params.get("section", "").capitalize()
        with st.container(key="sections"):
            section = st.segmented_control(
                "Show",
                SECTIONS,
                default=linked if linked in SECTIONS else SECTIONS[0],
                required=True,
                key="explore-section",
                label_visibility="collapsed",
            )
        if section == "Pictures":
            class_strips.show_pictures(settings, dataset)
        elif section == "Check":
            inspection.show_inspection(settings, dataset)
        elif section == "Networks":
            block_knowledge.show_knowledge(settings, dataset)
        else:
            training_views.show_views(settings, dataset)
        changes.offer_changes(settings, dataset)


def _choose(settings: Settings, summaries: Sequence[DatasetSummary], imported: str | None) -> str:
    """The dataset of the address, of the import that has ended, or the newest.

    The address alone decides, and only a person's choice changes it: Back leads to the one before.
    """
    names = {item.id: item.title for item in summaries}
    asked = st.query_params.get("dataset") or imported
    if asked and asked not in names:
        with frame.explained():
            open_dataset(settings, asked)  # the reason, as a sentence
    st.session_state[CHOSEN] = asked if asked in names else summaries[0].id
    with st.container(
        horizontal=True, wrap=False, vertical_alignment="bottom", height=WIDGET_PX, border=False, key="choice"
    ):
        chosen = st.selectbox(
            "Dataset",
            list(names),
            format_func=lambda name: names[name],
            help="A dataset never changes after its import; corrections make a revision.",
            key=CHOSEN,
            on_change=_go_to_chosen,
        )
        st.button("Add photos", icon=":material/add_photo_alternate:", key="add", on_click=import_step.open_step)
    return str(chosen)


def _go_to_chosen() -> None:
    if import_step.ADD not in st.query_params:  # a tap right after *Add photos* may still report the choice before it
        st.query_params.from_dict({"dataset": st.session_state[CHOSEN]})


page()
