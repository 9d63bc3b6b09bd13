"""Corrections: what waits, who made it, undo, the revision that holds it, and the race of before and after."""

import time

import streamlit as st

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.formatting import capitalise, format_count
from core.races.presets import plan_revisions
from core.races.race_actions import start_race
from core.revisions.corrections import Corrected, add_pictures, corrected, rename_class, undo
from core.revisions.kept_together import Chains
from core.revisions.revision import describe_corrections, read_revision, revise, revisions_of
from core.runs.run import RunState
from core.settings import Settings
from core.steps import run_step
from pages.components.shared import frame, progress_bar
from pages.components.shared.dataset_cache import forget_datasets
from pages.components.shared.snapshots.runs_snapshot import list_runs

SHOWN = 12  # corrections in the list


def show_bar(settings: Settings, dataset: Dataset) -> None:
    """Draw what waits to be corrected, if anything does; for whom the dataset belongs to."""
    if not frame.actor().may_change(dataset.summary.owner):
        return
    found = corrected(dataset)
    if not found.standing:
        return
    with st.container(border=True, key="corrections"):
        st.markdown(f":material/edit: **{capitalise(describe_corrections(found.standing))}**, in no revision yet.")
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Make a revision", type="primary", icon=":material/library_add_check:", key="revise"):
                make_revision(settings, dataset)
            if st.button("Undo the last", icon=":material/undo:", key="undo", shortcut="U"):
                with frame.explained():
                    undo(dataset, by=frame.actor())
                    st.rerun()
            with st.popover("List", icon=":material/list:", key="corrections-list"):
                _list(settings, found)
        st.caption("The dataset stays as it is; a revision is a dataset of its own that shares its files.")


def _list(settings: Settings, found: Corrected) -> None:
    for item in reversed(found.standing[-SHOWN:]):
        made = time.strftime("%d %b, %H:%M", time.localtime(item.at))
        owner = frame.owner_name(settings, item.by)
        st.markdown(f"{frame.plain(item.describe())} · {made}{f' · {frame.plain(owner)}' if owner else ''}")
    if len(found.standing) > SHOWN:
        st.caption(f"And {len(found.standing) - SHOWN:,} earlier ones.")


def make_revision(settings: Settings, dataset: Dataset, chains: Chains = ()) -> None:
    """Make the revision, with chains of near-copies in one split each, and go to it."""
    with frame.explained():
        place = st.empty()
        progress_bar.draw_bar("Making the revision", 0, 0, place=place)
        made = run_step(
            revise(settings, dataset, chains=chains, by=frame.actor()),
            lambda at: progress_bar.draw_bar(at.phase, at.done, at.total, at.eta_seconds, place=place),
        )
        forget_datasets()
        st.query_params.from_dict({"dataset": made})
        st.rerun()


def show_revision(settings: Settings, dataset: Dataset) -> None:
    """Of a revision: what it changed, and the race that shows whether it helped."""
    if not dataset.summary.parent:
        return
    facts = read_revision(dataset.folder)
    store = frame.datasets(settings)
    family = [item for item in revisions_of(store, dataset.root) if item.id != dataset.id]
    before = next((item for item in family if item.id == dataset.summary.parent), None)
    if facts is None:
        return
    with st.container(key="revision"):
        changed = frame.plain(describe_corrections(facts.corrections, facts.moved))
        st.markdown(f":material/history: Revision {dataset.summary.revision}: {changed}.")
        if before is None or not frame.actor().may_change(dataset.summary.owner):
            return
        config = _last_config(settings, dataset.summary.parent)
        if config is None:
            st.caption(f"Nothing was trained on {frame.plain(before.title)}, so there is nothing to compare with yet.")
            return
        if st.button(
            "Train again and compare",
            icon=":material/compare_arrows:",
            key="before-after",
            help=f"Trains {config.title()} on {before.title} and on this revision, and compares both on the test "
            "pictures that both held out.",
        ):
            with frame.explained():
                plan, arms = plan_revisions(config, before.id, dataset.id)
                race_id, _ = start_race(settings, plan, arms, by=frame.actor())
                frame.wake_scheduler(settings)
                frame.go(frame.COMPARE, query_params={"race": race_id})


def _last_config(settings: Settings, dataset_id: str) -> TrainConfig | None:
    """The settings of the newest training that finished on a dataset, other than a learning curve."""
    trained = (item for item in list_runs(settings) if item.config.dataset == dataset_id and not item.is_curve)
    return next((item.config for item in trained if item.state is RunState.FINISHED), None)


def offer_class_changes(settings: Settings, dataset: Dataset) -> None:
    """Rename and merge classes, and add the pictures of another dataset."""
    classes = corrected(dataset).classes
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.selectbox("Class", sorted(classes), key=f"class-{dataset.id}")
        name = st.text_input("New name", max_chars=100, key=f"class-to-{dataset.id}", placeholder=str(label))
        rename = st.button("Rename", icon=":material/edit:", key="rename-class")
    st.caption("With the name of another class, both become one.")
    others = [item for item in frame.datasets(settings).summaries() if (item.root or item.id) != dataset.root]
    more = False
    if others:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            other = st.selectbox(
                "Pictures of another dataset",
                others,
                format_func=lambda item: f"{item.title} ({format_count(item.images, 'picture')})",
                key=f"add-{dataset.id}",
            )
            more = st.button("Add", icon=":material/add_photo_alternate:", key="add-dataset")
        st.caption("Copies are left out. Pictures that look like one that is here join its split.")
    with frame.explained():
        if rename:
            rename_class(dataset, str(label), name, by=frame.actor())
            st.rerun()
        if more:
            add_pictures(dataset, frame.datasets(settings).get(other.id), by=frame.actor())
            st.rerun()
