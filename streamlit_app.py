"""TuneMyPets: `streamlit run streamlit_app.py`. The router and the home page; everything else is in pages/.

This file is read twice: once as a module, which gives the server (`app`), and for every visit, which draws the page.
"""

from typing import NoReturn

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.datasets.dataset_store import DatasetStore
from core.datasets.drawn_sample import SAMPLE_NOTE
from core.errors import TuneMyPetsError
from core.jobs.import_jobs import ImportRequest
from core.jobs.scheduler import ensure_scheduler
from core.races import demo
from pages.components.shared import frame, import_progress, notices, recent_runs
from pages.components.shared.runs_snapshot import forget, list_runs
from pages.server import asgi_app


def home() -> None:
    """First page: what this is, and what to do next."""
    settings = frame.open_page(
        "TuneMyPets", "Drop in labelled photos, press one button, see scratch and transfer learning race."
    )
    with frame.explained():
        demo_job = st.query_params.get("demo")
        if demo_job:
            _follow_demo(settings, demo_job)
            return
        notices.show_sent(settings, on_train=False)
        notices.show_pins(settings)
        _offer_demo(settings)
        there = DatasetStore(settings).summaries()
        finished = [item for item in list_runs(settings) if item.tested is not None]
        steps = st.columns(4)
        for column, (number, page, label, text) in zip(
            steps,
            (
                ("1", frame.EXPLORE, "Explore", "Bring a folder or zip of photos, and look at them."),
                ("2", frame.TRAIN, "Train", "From scratch, or from a pretrained network. Watch it learn."),
                (
                    "3",
                    frame.COMPARE,
                    "Compare",
                    "The same held-out pictures, image by image, with intervals.",
                ),
                ("4", frame.PREDICT, "Predict", "Try your own photo, also with the camera."),
            ),
            strict=True,
        ):
            with column, st.container(border=True):
                frame.link(page, label=f"**{number} · {label}**")
                st.caption(text)
        job = st.query_params.get("import")
        if job:
            import_progress.follow(settings, job, then_page=frame.TRAIN)
        elif not there:
            _begin_here(settings)
        else:
            best = there[0]
            st.subheader("Next step")
            if not finished:
                st.write(
                    f"The dataset **{frame.plain(best.title)}** is ready: start a race between scratch and transfer."
                )
            columns = st.columns(3)
            if columns[0].button("Start a race", type="primary", icon="🏁", width="stretch"):
                frame.go(frame.TRAIN, query_params={"dataset": best.id})
            with columns[1]:
                frame.link(frame.EXPLORE, label="Look at the pictures", icon="🖼️", query_params={"dataset": best.id})
            if finished:
                with columns[2]:
                    frame.link(frame.PREDICT, label="Try your own photo", icon="🔮")
        recent_runs.show_recent(settings)


def _offer_demo(settings: frame.Settings) -> None:
    with st.container(border=True):
        left, right = st.columns([1, 2], vertical_alignment="center")
        if left.button("60-second demo", type="primary", icon="⏱️", width="stretch", key="demo"):
            dataset = demo.demo_dataset(settings)
            if dataset:
                _race_demo(settings, dataset)
            st.query_params["demo"] = demo.make_demo_dataset(settings, by=frame.actor())
            st.rerun()
        right.write(
            "See transfer learning at work: the program draws cats and dogs, trains one network from scratch and one "
            "from pretrained weights on the same pictures, and compares them. Needs no internet."
        )


def _follow_demo(settings: frame.Settings, job: str) -> None:
    """The drawing first; the race as soon as it is done."""
    status = frame.imports(settings).status(job)
    if status.state == "finished" and status.dataset:
        _race_demo(settings, status.dataset)
    st.subheader("60-second demo")
    st.caption("First the pictures are drawn, then the race starts.")
    import_progress.follow(settings, job, then_page=frame.TRAIN)


def _race_demo(settings: frame.Settings, dataset: str) -> NoReturn:
    race = demo.start_demo(settings, dataset, by=frame.actor())
    ensure_scheduler(settings)
    forget()
    frame.go(frame.TRAIN, query_params={"race": race, "demo": "1"})


def _begin_here(settings: frame.Settings) -> None:
    st.subheader("Begin here")
    st.write("There is no dataset yet. Make the built-in one, which needs no download, or bring your own photos.")
    st.caption(SAMPLE_NOTE)
    left, right = st.columns([1, 2])
    if left.button("Make the drawn cats and dogs", icon="🐱"):
        try:
            job = frame.imports(settings).start(ImportRequest(None, "drawn", "70/15/15", 0), by=frame.actor())
        except TuneMyPetsError as error:
            st.error(str(error), icon="🚫")
        else:
            st.query_params["import"] = job
            st.rerun()
    with right:
        frame.link(frame.EXPLORE, label="Bring your own photos", icon="📁")


def route() -> None:
    """Draw the page that the address names."""
    home_page = st.Page(home, title="Home", icon="🐾", default=True)
    frame.mark_home(home_page)
    others = [st.Page(path, title=title, icon=icon) for path, (title, icon) in frame.NAVIGATION.items()]
    st.navigation([home_page, *others], position="hidden").run()


if get_script_run_ctx(suppress_warning=True) is not None:
    route()
else:
    asgi_app.prepare()
    app = st.App(__file__, middleware=asgi_app.MIDDLEWARE, lifespan=asgi_app.lifespan)
    if __name__ == "__main__":
        asgi_app.serve(app)
