"""How long a training will take on this machine, below the form; a network that is new here is measured first."""

import streamlit as st

from core.errors import ConfigError, DatasetError
from core.jobs.calibrator import ensure_calibrated
from core.runs.races import default_race
from core.settings import Settings
from core.training.config import TrainConfig
from core.training.estimate import Estimate, estimate, tell_seconds
from pages.components import frame
from pages.components.live import load_dataset

REFRESH_SECONDS = 1.0
PATIENCE = 20  # looks, until it is said that nothing can be told
ASKED = "estimates-asked"


def show_estimate(settings: Settings, config: TrainConfig) -> None:
    """One line: seconds of this training, and of a race with its arms."""
    try:
        arms = [arm.config for arm in default_race(config.model_dump())]
    except ConfigError:
        arms = [config]
    waiting = any(_look(settings, item) is None for item in (config, *arms))
    line = st.fragment(_line, run_every=REFRESH_SECONDS if waiting else None, key="estimate")
    line(settings, config, arms, waiting)


def _line(settings: Settings, config: TrainConfig, arms: list[TrainConfig], was_waiting: bool) -> None:
    with frame.explained():
        single = _look(settings, config)
        both = [_look(settings, arm) for arm in arms]
        missing = [item for item in (config, *arms) if _look(settings, item) is None]
        if not missing and was_waiting:
            st.rerun()  # the timer may go
        if single is not None:
            text = f"⏱️ This training takes about **{tell_seconds(single.seconds)}** on this machine"
            told = [item for item in both if item is not None]
            if len(told) == len(arms) > 1:
                text += f", a race about **{tell_seconds(sum(item.seconds for item in told))}**"
            st.caption(f"{text}. {_longest(single)}")
        if missing:
            expected = _ask(settings, missing[0])
            if single is None:
                st.caption(
                    "⏱️ Measuring how fast this machine is with this network …"
                    if expected
                    else "⏱️ How long it takes can be told when this network has run here once."
                )


def _ask(settings: Settings, config: TrainConfig) -> bool:
    """Let a configuration be measured, once a session; whether its figures are to be expected."""
    asked: dict[str, int] = st.session_state.setdefault(ASKED, {})
    name = config.model_dump_json(include={"model", "strategy", "freeze_point", "filters", "image_size"})
    looks = asked[name] = asked.get(name, 0) + 1
    if looks == 1:
        return ensure_calibrated(settings, config)
    return looks < PATIENCE


def _look(settings: Settings, config: TrainConfig) -> Estimate | None:
    try:
        return estimate(settings, config, load_dataset(str(settings.home), config.dataset, ""))
    except DatasetError:
        return None


def _longest(found: Estimate) -> str:
    name, seconds = max(found.parts.items(), key=lambda item: item[1])
    return f"Most of it: {name} ({tell_seconds(seconds)})." if name != "start" and seconds > 3 else ""
