"""The lesson of leakage: one network under a split that keeps groups apart, and under one that ignores them."""

import streamlit as st

from core.config.train_config import TrainConfig, parse_config
from core.datasets.dataset import Dataset
from core.formatting import format_count, format_percent, format_points
from core.races.leakage import Leakage, find_leakage, start_leakage
from core.revisions.mixed_split import has_groups, mix_groups
from core.settings import Settings
from core.statistics.metrics import Accuracy
from core.steps import run_step
from pages.components.shared import frame
from pages.components.shared.dataset_cache import forget_datasets
from pages.components.shared.snapshots.runs_snapshot import list_runs

EPOCHS = 5  # where nothing was trained here before
LOOK_SECONDS = 2.0


def show_leakage(settings: Settings, dataset: Dataset) -> None:
    """Draw the section, for a dataset whose groups are known."""
    if not has_groups(dataset):
        return
    groups = len({row.group for row in dataset.rows if row.group})
    st.markdown("##### Groups")
    st.caption(
        f"{format_count(groups, 'group')} of pictures that belong together (people, bursts). Each is in one split: a "
        "network that has seen a person in training is not tested on that person."
    )
    found = find_leakage(list_runs(settings), dataset)
    st.fragment(_follow, run_every=LOOK_SECONDS if found and found.active else None, key=f"leakage-{dataset.id}")(
        settings, dataset
    )


def _follow(settings: Settings, dataset: Dataset) -> None:
    found = find_leakage(list_runs(settings), dataset)
    if found is not None:
        _show(found)
    if (found is None or not found.active) and frame.actor().may_change(dataset.summary.owner):
        _offer(settings, dataset, found)


def _show(found: Leakage) -> None:
    left, right = st.columns(2)
    for place, title, run, accuracy in (
        (left, "Groups kept apart", found.kept, found.accuracies and found.accuracies[0]),
        (right, "Groups ignored", found.ignored, found.accuracies and found.accuracies[1]),
    ):
        with place, st.container(border=True):
            st.markdown(f"**{title}**")
            st.markdown(_number(accuracy) if accuracy else f"{frame.format_state(run.state.value)}")
            frame.link(frame.TRAIN, label="Open the run", icon=":material/open_in_new:", query_params={"run": run.id})
    if text := found.describe():
        st.info(frame.plain(text), icon=":material/lightbulb:")


def _number(accuracy: Accuracy) -> str:
    limits = accuracy.interval
    return (
        f"### {format_percent(accuracy.value or 0.0)}\n{format_points(limits.low)} to {format_points(limits.high)}, "
        f"{format_count(accuracy.n, 'test picture')}"
    )


def _offer(settings: Settings, dataset: Dataset, found: Leakage | None) -> None:
    label = "Train both again" if found else "Show what happens if groups are ignored"
    help_ = (
        "Trains the same network twice, with as many pictures of each class: once as the dataset is split, and once "
        "with each group spread over all splits."
    )
    if st.button(label, icon=":material/compare_arrows:", key="leakage", help=help_):
        with frame.explained():
            with st.spinner("Making a split that ignores groups"):
                run_step(mix_groups(settings, dataset, by=frame.actor()))
            start_leakage(settings, dataset, _choose_config(settings, dataset), by=frame.actor())
            frame.wake_scheduler(settings)
            forget_datasets()
            st.rerun()


def _choose_config(settings: Settings, dataset: Dataset) -> TrainConfig:
    """The settings of the newest training here, or the default network's head."""
    trained = (item.config for item in list_runs(settings) if item.config.dataset == dataset.id and not item.is_curve)
    return next(trained, None) or parse_config({"dataset": dataset.id, "epochs": EPOCHS})
