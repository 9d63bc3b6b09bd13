"""Train: choose settings, start a run, a race or a sweep, and watch it. The URL names what is watched."""

import streamlit as st

from core.errors import RunError
from core.room.board import send_config
from core.scheduling.scheduler import warm_up
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.results import recent_runs
from pages.components.train import live_run
from pages.components.train.form import race_form, sent_settings, start_bar, train_form
from pages.components.train.form.form_values import Chosen
from pages.components.train.sweeps import sweep_form, sweep_view


def page() -> None:
    race_id, run_id, sweep_id = (st.query_params.get(name) for name in ("race", "run", "sweep"))
    settings = frame.open_page("Train")
    # a link from this page to itself changes its parameters, not the browser's address: Back and a reload need that
    st.query_params.from_dict(st.query_params.to_dict())
    with frame.explained():
        if race_id:
            _open_race(race_id)
        if run_id:
            _watch(settings, run_id)
        elif sweep_id:
            sweep_view.watch_sweep(settings, sweep_id)
        else:
            _choose(settings)


def _open_race(race_id: str) -> None:
    """A race has its own page: old addresses lead there, once, so that Back comes here and not there again."""
    if frame.has_router() and start_bar.note_opened(race_id):
        frame.go(frame.COMPARE, query_params={"race": race_id})
    frame.link(frame.COMPARE, label="Open this race", icon=":material/flag:", query_params={"race": race_id})


def _watch(settings: Settings, run_id: str) -> None:
    try:
        frame.runs(settings).get(run_id)
    except RunError:
        st.warning(
            "This training is not here any more: it was deleted, or the address is incomplete.",
            icon=":material/search_off:",
        )
        frame.link(frame.TRAIN, label="New training", icon=":material/add:")
        frame.link(frame.COMPARE, label="All trainings", icon=":material/balance:")
        return
    live_run.watch(settings, run_id)


def _choose(settings: Settings) -> None:
    datasets = frame.datasets(settings).summaries()
    if not datasets:
        st.info(
            "There is no dataset yet: start with the demo, or add your own photos.", icon=":material/photo_library:"
        )
        frame.link_to_start()
        return
    warm_up(settings)
    bar = start_bar.reserve_start()
    sent_settings.show_sent_card(settings)
    asked = st.query_params.get("dataset")
    if asked and asked not in [item.id for item in datasets]:
        st.warning(
            f"There is no dataset {frame.plain(asked)} any more: choose another one.", icon=":material/search_off:"
        )
    chosen = train_form.fill_in(settings, datasets, asked)
    if chosen.config is not None:
        race_form.offer_race(settings, chosen.config)
        race_form.offer_curve(settings, chosen.config)
        sweep_form.offer_sweep(settings, chosen)
    _offer_recent(settings)
    if settings.room and frame.actor().presenter:
        _offer_sending(settings, chosen)
    start_bar.show_start(bar, settings, chosen)


def _offer_recent(settings: Settings) -> None:
    box = st.expander("Latest trainings", icon=":material/history:", key="recent", on_change="rerun")
    if box.open:
        with box:
            recent_runs.show_recent(settings)


def _offer_sending(settings: Settings, chosen: Chosen) -> None:
    sent = chosen.config is not None and st.button(
        "Send these settings to everyone", icon=":material/campaign:", help="Everyone can start from them.", key="send"
    )
    if sent and chosen.config is not None:
        send_config(settings, chosen.config, frame.actor())
        st.success("Everyone sees them on Home and Train; withdraw them on Room.", icon=":material/campaign:")


page()
