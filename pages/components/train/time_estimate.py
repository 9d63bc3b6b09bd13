"""The time estimate below the training form; a network that is new on this machine is measured first."""

import json
from collections.abc import Sequence

import streamlit as st

from core.config.race_plan import RacePlan
from core.config.stages import describe_network, plan_stages
from core.config.train_config import TrainConfig
from core.errors import ConfigError, DatasetError
from core.formatting import format_rough_duration
from core.jobs.benchmark_job import can_be_measured, is_measuring, start_benchmark
from core.jobs.durations import estimate_race
from core.races.presets import plan_pair
from core.settings import Settings
from core.training.estimate import Estimate, estimate
from pages.components.shared import frame
from pages.components.shared.dataset_cache import open_dataset

REFRESH_SECONDS = 1.0
MAX_LOOKS = 60  # at one form, before it stops to wait for a measurement
ASKED = "estimates-asked"
LOOKS = "estimates-looks"


def show_estimate(settings: Settings, config: TrainConfig) -> None:
    """One line: seconds of this training, and of a race with its arms."""
    try:
        arms = [arm.config for arm in plan_pair(config)[1]]
    except ConfigError:
        arms = [config]
    st.session_state[LOOKS] = 0
    line = st.fragment(_line, run_every=REFRESH_SECONDS if _is_open(settings, config, arms) else None, key="estimate")
    line(settings, config, arms)


def _line(settings: Settings, config: TrainConfig, arms: list[TrainConfig]) -> None:
    with frame.explained():
        st.session_state[LOOKS] += 1
        single = _look(settings, config)
        waiting = _is_open(settings, config, arms)
        if waiting:
            _ask(
                settings, [item for item in (config, *arms) if _look(settings, item) is None and can_be_measured(item)]
            )
        elif st.session_state[LOOKS] > 1:
            st.rerun()  # without the timer
        if single is not None:
            text = f":material/timer: About **{format_rough_duration(single.seconds)}** on this machine"
            race = _look_at_race(settings, config, arms) if len(arms) > 1 else None
            if race is not None:
                text += f", a race about **{format_rough_duration(race)}**"
            st.caption(f"{text}. {_longest(single)}")
        elif waiting and is_measuring(settings):
            st.caption(":material/timer: Measuring the speed of this machine …")
        else:
            st.caption(":material/timer: No time estimate until this network has run here once.")


def _is_open(settings: Settings, config: TrainConfig, arms: list[TrainConfig]) -> bool:
    """Whether a missing estimate may still come."""
    missing = [item for item in (config, *arms) if _look(settings, item) is None]
    return any(can_be_measured(item) for item in missing) and st.session_state[LOOKS] < MAX_LOOKS


def _ask(settings: Settings, missing: list[TrainConfig]) -> None:
    """Measure the first configuration that this session has not asked for yet."""
    asked: set[str] = st.session_state.setdefault(ASKED, set())
    for item in missing:
        name = json.dumps(describe_network(item, plan_stages(item, item.entry())), sort_keys=True)
        if name not in asked:
            if start_benchmark(settings, item):
                asked.add(name)
            return


def _look(settings: Settings, config: TrainConfig) -> Estimate | None:
    try:
        return estimate(settings, config, open_dataset(settings, config.dataset))
    except DatasetError:
        return None


def _look_at_race(settings: Settings, config: TrainConfig, arms: Sequence[TrainConfig]) -> float | None:
    try:
        return estimate_race(settings, arms, plan_pair(config)[0], open_dataset(settings, config.dataset))
    except (ConfigError, DatasetError):
        return None


def format_total(settings: Settings, configs: Sequence[TrainConfig], plan: RacePlan) -> str:
    """How long all runs of a race or learning curve take; empty while it is unknown."""
    try:
        seconds = estimate_race(settings, configs, plan, open_dataset(settings, configs[0].dataset))
    except DatasetError:
        return ""
    return "" if seconds is None else f"About {format_rough_duration(seconds)} on this machine."


def _longest(found: Estimate) -> str:
    name, seconds = max(found.parts.items(), key=lambda item: item[1])
    return f"Most of it: {name} ({format_rough_duration(seconds)})." if name != "start" and seconds > 3 else ""
