"""Home: what this app does, the demo, and the next step."""

from typing import NoReturn

import streamlit as st

from core.datasets.dataset import DatasetSummary
from core.datasets.drawn_sample import SAMPLE_NOTE
from core.errors import TuneMyPetsError
from core.jobs.import_jobs import ImportRequest
from core.jobs.scheduler import ensure_scheduler
from core.races import demo
from core.settings import Settings
from pages.components.shared import frame, import_progress, notices, recent_runs
from pages.components.shared.runs_snapshot import forget_runs, list_runs

STEPS = (
    (frame.EXPLORE, "**1 · Explore**", "Add a folder or zip of photos and look through them."),
    (frame.TRAIN, "**2 · Train**", "From scratch or from a pretrained network, live."),
    (frame.COMPARE, "**3 · Compare**", "On the same test pictures, with confidence intervals."),
    (frame.PREDICT, "**4 · Predict**", "Try your own photo, or the camera."),
)


def page() -> None:
    settings = frame.open_page(
        "TuneMyPets", "Drop in labelled photos, press one button, and watch scratch and transfer learning race."
    )
    with frame.explained():
        demo_job, import_job = st.query_params.get("demo"), st.query_params.get("import")
        if demo_job:
            _follow_demo(settings, demo_job)
            return
        notices.show_sent(settings, on_train=False)
        notices.show_pins(settings)
        _offer_demo(settings)
        _show_steps()
        datasets = frame.datasets(settings).summaries()
        if import_job:
            import_progress.follow(settings, import_job, then_page=frame.TRAIN)
        elif datasets:
            _offer_next_step(settings, datasets[0])
        else:
            _offer_first_dataset(settings)
        recent_runs.show_recent(settings)


def _offer_demo(settings: Settings) -> None:
    with st.container(border=True):
        left, right = st.columns([1, 2], vertical_alignment="center")
        if left.button("60-second demo", type="primary", icon=":material/timer:", width="stretch", key="demo"):
            dataset = demo.demo_dataset(settings)
            if dataset:
                _race_demo(settings, dataset)
            st.query_params["demo"] = demo.make_demo_dataset(settings, by=frame.actor())
            st.rerun()
        right.write(
            "Draws cats and dogs, trains one network from scratch and one from pretrained weights, and compares "
            "them on the same pictures. No internet needed."
        )


def _follow_demo(settings: Settings, job: str) -> None:
    """The drawing first; the race as soon as it is done."""
    status = frame.imports(settings).status(job)
    if status.state == "finished" and status.dataset:
        _race_demo(settings, status.dataset)
    st.subheader("60-second demo")
    st.caption("The race starts when the pictures are drawn.")
    import_progress.follow(settings, job, then_page=frame.TRAIN)


def _race_demo(settings: Settings, dataset: str) -> NoReturn:
    race = demo.start_demo(settings, dataset, by=frame.actor())
    ensure_scheduler(settings)
    forget_runs()
    frame.go(frame.TRAIN, query_params={"race": race, "demo": "1"})


def _show_steps() -> None:
    for column, (page_file, label, text) in zip(st.columns(len(STEPS)), STEPS, strict=True):
        with column, st.container(border=True, height="stretch"):
            frame.link(page_file, label=label)
            st.caption(text)


def _offer_next_step(settings: Settings, newest: DatasetSummary) -> None:
    st.subheader("Next step")
    finished = any(item.tested is not None for item in list_runs(settings))
    if not finished:
        st.write(f"**{frame.plain(newest.title)}** is ready: start a race between scratch and transfer learning.")
    columns = st.columns(3)
    if columns[0].button("Start a race", type="primary", icon=":material/flag:", width="stretch"):
        frame.go(frame.TRAIN, query_params={"dataset": newest.id})
    with columns[1]:
        frame.link(
            frame.EXPLORE,
            label="Look at the pictures",
            icon=":material/photo_library:",
            query_params={"dataset": newest.id},
        )
    if finished:
        with columns[2]:
            frame.link(frame.PREDICT, label="Try your own photo", icon=":material/image_search:")


def _offer_first_dataset(settings: Settings) -> None:
    st.subheader("Start here")
    st.write("There is no dataset yet. Create the drawn sample, or add your own photos.")
    st.caption(SAMPLE_NOTE)
    left, right = st.columns([1, 2])
    if left.button("Draw cats and dogs", icon=":material/pets:", key="home-drawn"):
        try:
            job = frame.imports(settings).start(ImportRequest(None, "drawn", "70/15/15", 0), by=frame.actor())
        except TuneMyPetsError as error:
            st.error(str(error), icon=":material/block:")
        else:
            st.query_params["import"] = job
            st.rerun()
    with right:
        frame.link(frame.EXPLORE, label="Add your own photos", icon=":material/folder_open:")


page()
