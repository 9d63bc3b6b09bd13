"""The card “Continue”: the latest dataset, the best result on it, and the next step."""

from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from core.actor import Actor
from core.config.arm_names import describe_arm, name_arm
from core.datasets.dataset import DatasetSummary
from core.formatting import SPLIT_NAMES, format_count
from core.runs.summary import RunSummary
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.dataset_cache import list_datasets
from pages.components.shared.snapshots.runs_snapshot import list_runs


@dataclass(frozen=True)
class Latest:
    """Where a visitor left off.

    Attributes:
        dataset: the one that the visitor imported or trained on last; else the newest of everyone's.
        best: of the visitor's runs on it, the one whose accuracy is surely the highest (lower end of its interval).
        active: the newest of them that is queued or running.
    """

    dataset: DatasetSummary
    best: RunSummary | None
    active: RunSummary | None


def find_latest(settings: Settings, visitor: Actor) -> Latest | None:
    """The latest dataset with its runs; None while there is no dataset."""
    datasets = list_datasets(settings)
    if not datasets:
        return None
    own = [item for item in list_runs(settings) if item.meta.owner == visitor.id and not item.is_curve]
    dataset = next((item for item in datasets if item.owner == visitor.id), datasets[0])
    by_fingerprint = {item.fingerprint: item for item in datasets}
    trained = next((item for item in own if item.meta.dataset_fingerprint in by_fingerprint), None)
    if trained is not None and trained.meta.created > datetime.fromisoformat(dataset.created).timestamp():
        dataset = by_fingerprint[trained.meta.dataset_fingerprint]
    runs = [item for item in own if item.meta.dataset_fingerprint == dataset.fingerprint]
    tested = [item for item in runs if item.accuracy is not None and item.accuracy.value is not None]
    best = max(tested, key=lambda item: item.accuracy.interval.low if item.accuracy else 0.0, default=None)
    return Latest(dataset, best, next((item for item in runs if item.state.active), None))


def show_card(settings: Settings, visitor: Actor) -> None:
    """Draw the card; nothing while there is no dataset."""
    latest = find_latest(settings, visitor)
    if latest is None:
        return
    dataset, best = latest.dataset, latest.best
    query = {"dataset": dataset.id}
    with st.container(border=True, key="continue"):
        owner = frame.owner_name(settings, dataset.owner) if dataset.owner != visitor.id else ""
        st.markdown(
            f"##### Continue with {_name(dataset)}\n"
            f"{format_count(dataset.images, 'picture')}, {len(dataset.classes):,} classes"
            + (f", from {frame.plain(owner)}" if owner else "")
        )
        if best is not None and best.accuracy is not None and best.tested is not None:
            st.markdown(
                f"Best result: **{name_arm(best.config)}** {best.accuracy.text()} on {SPLIT_NAMES[best.tested.split]} "
                f"pictures :small[({frame.plain(describe_arm(best.config))})]"
            )
        with st.container(horizontal=True, vertical_alignment="center"):
            if latest.active is not None:
                frame.link_to_run(
                    latest.active.id, latest.active.meta.race, label="Watch the training", icon=":material/monitoring:"
                )
            elif best is not None:
                frame.link_to_run(best.id, best.meta.race, label="See the result", icon=":material/balance:")
                frame.link(
                    frame.PREDICT,
                    label="Try your own photo",
                    icon=":material/image_search:",
                    query_params={"run": best.id},
                )
            frame.link(
                frame.TRAIN, label="Train on these pictures", icon=":material/model_training:", query_params=query
            )
            frame.link(frame.EXPLORE, label="Look at them", icon=":material/photo_library:", query_params=query)


def _name(dataset: DatasetSummary) -> str:
    """Its title; the demo's says too little alone."""
    unnamed = dataset.drawn and dataset.title == dataset.id
    return "drawn cats and dogs" if unnamed else frame.plain(dataset.title)
