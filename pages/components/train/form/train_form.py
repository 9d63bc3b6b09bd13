"""The training form: the choices that everyone makes, the blocks of the network, and the rest folded."""

from collections.abc import Sequence

import streamlit as st

from core.config.arm_names import describe_arm
from core.datasets.dataset import DatasetSummary
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.prefilled_form import MODE, RACE, SINGLE, field_key
from pages.components.train.block_forecast import show_forecast
from pages.components.train.form import time_estimate
from pages.components.train.form.block_picture import choose_strategy, show_blocks
from pages.components.train.form.form_fields import KEPT, Problems, label_above, mark_problem
from pages.components.train.form.form_values import Chosen, read_form
from pages.components.train.form.learning_choice import (
    AUGMENTATION_FIELDS,
    LEARNING_FIELDS,
    choose_augmentation,
    choose_learning,
    write_note,
)
from pages.components.train.form.length_choice import choose_length
from pages.components.train.form.network_choice import (
    NETWORK_FIELDS,
    SCRATCH_CNN,
    announce_download,
    choose_network,
    shape_scratch,
)

MODE_HELP = "A race trains a small network from scratch and a pretrained one on the same pictures, side by side."
MODES = {RACE: "Race: Scratch vs. Transfer", SINGLE: "One network"}


def fill_in(settings: Settings, datasets: Sequence[DatasetSummary], preferred: str | None) -> Chosen:
    """Draw the form; returns what was chosen, or what is wrong with it by field."""
    chosen = read_form(settings, [item.id for item in datasets], preferred)
    left, right = st.columns([5, 4], gap="large")
    with left:
        _essentials(settings, chosen, datasets)
        choose_strategy(chosen.strategies)
    with right:
        st.markdown("##### What is trained")
        dataset = next(item for item in datasets if item.id == chosen.dataset)
        if chosen.config is not None:
            show_blocks(chosen.config, len(dataset.classes))
            show_forecast(settings, dataset, chosen.config)
            announce_download(chosen.config.model)
    _details(settings, chosen)
    return chosen


def _essentials(settings: Settings, chosen: Chosen, datasets: Sequence[DatasetSummary]) -> None:
    titles = {item.id: f"{item.id} · {item.images:,} pictures, {len(item.classes)} classes" for item in datasets}
    with label_above("Dataset", "The pictures to train on; Explore adds more."):
        st.selectbox(
            "Dataset", list(titles), format_func=titles.__getitem__, key=field_key("dataset"),
            label_visibility="collapsed",
        )  # fmt: skip
    mark_problem("dataset", chosen.problems)
    with label_above("Train", MODE_HELP):
        st.segmented_control(
            "Train",
            list(MODES),
            required=True,
            format_func=MODES.__getitem__,
            key=MODE,
            label_visibility="collapsed",
            width="stretch",
            persist_state=KEPT,
        )
    choose_length(chosen.problems)
    with st.container(key="estimate-line", gap=None):
        if chosen.config is not None:
            arms = " · ".join(f"**{name}** {frame.plain(text)}" for name, text in _name_arms(chosen))
            st.caption(arms)
            time_estimate.show_estimate(settings, chosen.arms, chosen.plan)


def _name_arms(chosen: Chosen) -> list[tuple[str, str]]:
    return [("Scratch:" if arm.strategy == "scratch" else "Transfer:", describe_arm(arm)) for arm in chosen.arms]


def _details(settings: Settings, chosen: Chosen) -> None:
    problems = chosen.problems
    with st.expander("Network", icon=_icon(NETWORK_FIELDS, problems, ":material/account_tree:")):
        choose_network(settings, chosen.networks, chosen.recommended, problems)
        if chosen.is_race or (chosen.config and chosen.config.model == SCRATCH_CNN):
            st.markdown("**Scratch**: the small network of your own")
            shape_scratch(problems)
    with st.expander(
        "Learning: limits, rates, batch, precision", icon=_icon(LEARNING_FIELDS, problems, ":material/tune:")
    ):
        choose_learning(settings, problems)
        write_note(problems)
    with st.expander(
        "Augmentation: crops, flips, colours", icon=_icon(AUGMENTATION_FIELDS, problems, ":material/crop_rotate:")
    ):
        choose_augmentation(chosen.config, problems)
    for name in problems:
        if name not in (*NETWORK_FIELDS, *LEARNING_FIELDS, *AUGMENTATION_FIELDS, "dataset"):
            mark_problem(name, problems)


def _icon(fields: Sequence[str], problems: Problems, usual: str) -> str:
    """The icon of a folded part, which shows that something in it is wrong."""
    return ":material/error:" if any(name in problems for name in fields) else usual
