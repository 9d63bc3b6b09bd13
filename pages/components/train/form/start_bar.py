"""The bar at the bottom of the screen that starts a training, or says what to mend first."""

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.config.arm_names import describe_arm
from core.config.train_config import TrainConfig
from core.races.presets import plan_pair
from core.races.race_actions import start_race
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.snapshots.race_snapshot import forget_races
from pages.components.shared.snapshots.runs_snapshot import forget_runs
from pages.components.train.form.form_fields import FIELDS, title_of
from pages.components.train.form.form_values import Chosen
from pages.components.train.form.length_choice import describe_length

EXPERIMENTS = ("race", "curve", "sweep")  # keys of the folded forms that have a start button of their own


def reserve_start() -> DeltaGenerator:
    """The place of the bar, so that nothing moves when it is filled."""
    return st.bottom.container(horizontal=True, vertical_alignment="center", key="start-bar")


def show_start(place: DeltaGenerator, settings: Settings, chosen: Chosen) -> None:
    """Draw the bar. Its button steps back while the form of an experiment is open, which has its own."""
    with place:
        if chosen.config is None:
            field, sentence = next(iter(chosen.problems.items()))
            title = title_of(field) if field in FIELDS else field
            st.markdown(f":red[{frame.plain(sentence)}]", width="stretch")
            st.button(f"First mend: {title}", icon=":material/error:", disabled=True, key="start")
            return
        st.markdown(_describe(chosen, chosen.config), width="stretch")
        label = "Start the race" if chosen.is_race else "Start training"
        experiment = any(st.session_state.get(name) for name in EXPERIMENTS)
        if st.button(label, type="secondary" if experiment else "primary", icon=":material/flag:", key="start"):
            begin(settings, chosen.config, race=chosen.is_race)


def begin(settings: Settings, config: TrainConfig, *, race: bool) -> None:
    """Queue a run or a race and open its page, or show why not."""
    if race:
        open_started(settings, lambda: {"race": start_race(settings, *plan_pair(config), by=frame.actor())[0]})
    else:
        open_started(settings, lambda: {"run": frame.runs(settings).create(config, by=frame.actor()).id})


def open_started(settings: Settings, start: Callable[[], dict[str, str]]) -> None:
    """Queue what `start` makes and open its page, or show why not.

    Args:
        start: makes a race or a run; gives what its address names, such as `{"race": id}`.
    """
    with frame.explained():
        target = start()
        ensure_scheduler(settings)
        forget_runs()
        forget_races()
        note_opened(target.get("race", ""))
        frame.go(frame.COMPARE if "race" in target else frame.TRAIN, query_params=target)


def note_opened(race_id: str) -> bool:
    """Note that this session has opened a race; whether it is the first time.

    Streamlit leaves `/train?race=ID` in the browser's history when it switches to another page with parameters.
    """
    opened: set[str] = st.session_state.setdefault("races-opened", set())
    first = race_id not in opened
    opened.add(race_id)
    return first


def _describe(chosen: Chosen, config: TrainConfig) -> str:
    what = "Scratch vs. Transfer" if chosen.is_race else describe_arm(config)
    each = " each" if chosen.is_race else ""
    return f"**{frame.plain(what)}**, {describe_length(config)}{each}"
