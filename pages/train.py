"""Train: choose settings, start a run or a race, and watch it. The URL names what is watched."""

import streamlit as st

from core.config.train_config import TrainConfig
from core.errors import ConfigError, QuotaError
from core.jobs.scheduler import ensure_scheduler, warm_up
from core.races.presets import plan_pair
from core.races.race_actions import start_race
from core.room.board import send_config
from core.settings import Settings
from pages.components.shared import frame, notices, recent_runs
from pages.components.shared.runs_snapshot import forget_runs, look_at, race_ids
from pages.components.shared.verdict import compare_once, show_verdict
from pages.components.train import live_run, race_form, time_estimate, train_form


def page() -> None:
    settings = frame.open_page(
        "Train", "Train one network, or let scratch and transfer learning race on the same pictures."
    )
    with frame.explained():
        run_id, race_id = st.query_params.get("run"), st.query_params.get("race")
        if race_id:
            _watch_race(settings, race_id)
        elif run_id:
            _new_training_link()
            live_run.watch(settings, [run_id])
        else:
            notices.show_sent(settings, on_train=True)
            _choose(settings)
            recent_runs.show_recent(settings)


def _new_training_link() -> None:
    frame.link(frame.TRAIN, label="New training", icon=":material/add:")


def _watch_race(settings: Settings, race_id: str) -> None:
    ids = race_ids(settings, race_id)
    left, right = st.columns(2)
    with left:
        _new_training_link()
    with right:
        frame.link(
            frame.COMPARE, label="Compare these runs", icon=":material/balance:", query_params={"runs": ",".join(ids)}
        )
    snapshots = [look_at(settings, run_id) for run_id in ids]
    if frame.has_router() and any(item.meta.plan is not None and not item.meta.plan.is_pair for item in snapshots):
        frame.go(frame.COMPARE, query_params={"race": race_id})
    if st.query_params.get("demo") and frame.has_router() and all(item.history.tested for item in snapshots):
        frame.go(frame.COMPARE, query_params={"runs": ",".join(ids)})
    if st.query_params.get("demo"):
        st.caption("The comparison opens when both networks have been evaluated.")
    if len(snapshots) == 2 and all(item.history.tested is not None for item in snapshots):
        show_verdict(compare_once(settings, *ids))
    live_run.watch(settings, ids)


def _choose(settings: Settings) -> None:
    summaries = frame.datasets(settings).summaries()
    if not summaries:
        st.info(
            "There is no dataset yet: create the drawn sample or add your own photos.", icon=":material/photo_library:"
        )
        frame.link(frame.EXPLORE, label="Get a dataset", icon=":material/folder_open:")
        return
    warm_up(settings)
    chosen = train_form.fill_in(settings, [item.id for item in summaries], st.query_params.get("dataset"))
    wrong = isinstance(chosen, ConfigError)
    if isinstance(chosen, ConfigError):
        train_form.show_problems(chosen)
    else:
        classes = next(len(item.classes) for item in summaries if item.id == chosen.dataset)
        train_form.show_plan(chosen, classes)
        time_estimate.show_estimate(settings, chosen)
    left, right = st.columns(2)
    race = left.button(
        "Start a race: scratch against transfer",
        type="primary",
        icon=":material/flag:",
        disabled=wrong,
        width="stretch",
        help="Two runs on the same split, seed and number of epochs: yours, and a network from scratch.",
    )
    single = right.button(
        "Train only this",
        icon=":material/play_arrow:",
        disabled=wrong,
        width="stretch",
        help="One run with these settings.",
    )
    if isinstance(chosen, ConfigError):
        return
    if settings.room and frame.actor().presenter:
        _offer_sending(settings, chosen)
    if race or single:
        _start(settings, chosen, race=race)
    race_form.offer_race(settings, chosen)
    race_form.offer_curve(settings, chosen)


def _offer_sending(settings: Settings, chosen: TrainConfig) -> None:
    if st.button("Send these settings to everyone", icon=":material/campaign:", help="Everyone can start from them."):
        send_config(settings, chosen, frame.actor())
        st.toast("Everyone sees them on Home and Train; withdraw them on Room.", icon=":material/campaign:")


def _start(settings: Settings, chosen: TrainConfig, *, race: bool) -> None:
    try:
        if race:
            race_id, _ = start_race(settings, *plan_pair(chosen), by=frame.actor())
            target = {"race": race_id}
        else:
            target = {"run": frame.runs(settings).create(chosen, by=frame.actor()).id}
    except ConfigError as error:
        train_form.show_problems(error)
        return
    except QuotaError as error:
        st.error(str(error), icon=":material/block:")
        return
    ensure_scheduler(settings)
    forget_runs()
    frame.go(frame.TRAIN, query_params=target)


page()
