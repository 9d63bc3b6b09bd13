"""The time estimate below the training form; a network that is new on this machine is measured first."""

import json
import math
import time
from collections.abc import Sequence

import streamlit as st

from core.config.race_plan import RacePlan
from core.config.stages import describe_network, plan_stages
from core.config.train_config import TrainConfig
from core.errors import DatasetError
from core.estimates.estimate import Estimate
from core.formatting import capitalise, format_estimate, format_rough_duration
from core.jobs.benchmark_job import can_be_measured, is_measuring, start_benchmark
from core.scheduling.cluster_team import describe_place, find_team
from core.scheduling.durations import estimate_race, estimate_training, estimate_trainings
from core.settings import Settings
from core.stores.measurements import DOUBT_SECONDS
from pages.components.shared import frame
from pages.components.shared.dataset_cache import open_dataset

REFRESH_SECONDS = 1.0
MAX_LOOKS = 60  # at one form, before it stops to wait for a measurement
ASKED = "estimates-asked"
LOOKS = "estimates-looks"


def show_estimate(settings: Settings, arms: Sequence[TrainConfig], plan: RacePlan | None) -> None:
    """One line: how long a training, or the race of `plan`, takes on this machine from its start to its result."""
    st.session_state[LOOKS] = 0
    waits = _is_open(settings, arms)
    st.fragment(_line, run_every=REFRESH_SECONDS if waits else None, key="estimate")(settings, arms, plan)


def _line(settings: Settings, arms: Sequence[TrainConfig], plan: RacePlan | None) -> None:
    with frame.explained():
        st.session_state[LOOKS] += 1
        waiting = _is_open(settings, arms)
        if waiting:
            _ask(settings, [arm for arm in arms if _is_missing(settings, arm) and can_be_measured(arm)])
        elif st.session_state[LOOKS] > 1:
            st.rerun()  # without the timer
        text = _describe_race(settings, arms, plan) if plan is not None else _describe_run(settings, arms[0])
        if text:
            st.caption(f":material/timer: {text}{describe_doubt(settings, arms)}")
        elif waiting and is_measuring(settings):
            st.caption(":material/timer: Measuring the speed of this machine …")
        else:
            st.caption(":material/timer: No time estimate until this has run here once.")


def _describe_run(settings: Settings, config: TrainConfig) -> str:
    found = _look(settings, config)
    if found is None:
        return ""
    team = find_team(settings, config, len(open_dataset(settings, config.dataset).classes))
    return f"**{capitalise(format_estimate(found.seconds))}** {describe_place(settings, team)}. {_longest(found)}"


def _describe_race(settings: Settings, arms: Sequence[TrainConfig], plan: RacePlan) -> str:
    seconds = _look_at_race(settings, arms, plan)
    if seconds is None:
        return ""
    return f"**{capitalise(format_estimate(seconds))}** {describe_place(settings)}, starting and testing included."


def describe_doubt(settings: Settings, arms: Sequence[TrainConfig]) -> str:
    """Why it may take less, as a sentence after another one; empty where nothing is doubtful."""
    found = [_look(settings, arm) for arm in arms]
    if not any(item.busy for item in found if item is not None):
        return ""
    return " Other programs were busy during the measurement, so it may take less."


def _is_open(settings: Settings, arms: Sequence[TrainConfig]) -> bool:
    """Whether a missing estimate, or a better one, may still come."""
    missing = [item for item in arms if _is_missing(settings, item)]
    return any(can_be_measured(item) for item in missing) and st.session_state[LOOKS] < MAX_LOOKS


def _is_missing(settings: Settings, config: TrainConfig) -> bool:
    found = _look(settings, config)
    return found is None or found.outdated


def _ask(settings: Settings, missing: list[TrainConfig]) -> None:
    """Measure the first configuration that this session has not asked for yet, or not since a measurement is old."""
    asked: dict[str, float] = st.session_state.setdefault(ASKED, {})
    now = time.monotonic()
    for item in missing:
        name = json.dumps(describe_network(item, plan_stages(item, item.entry())), sort_keys=True)
        if now - asked.get(name, -math.inf) > DOUBT_SECONDS:
            if start_benchmark(settings, item):
                asked[name] = now
            return


def _look(settings: Settings, config: TrainConfig) -> Estimate | None:
    try:
        return estimate_training(settings, config, open_dataset(settings, config.dataset))
    except DatasetError:
        return None


def format_total(settings: Settings, configs: Sequence[TrainConfig], plan: RacePlan) -> str:
    """How long all runs of a race or learning curve take; empty while it is unknown."""
    seconds = _look_at_race(settings, configs, plan)
    if seconds is None:
        return ""
    return f"About {format_rough_duration(seconds)} {describe_place(settings)}.{describe_doubt(settings, configs)}"


def format_trainings(settings: Settings, config: TrainConfig, trainings: int) -> str:
    """How long so many trainings like this one take; empty while it is unknown."""
    try:
        seconds = estimate_trainings(settings, config, open_dataset(settings, config.dataset), trainings)
    except DatasetError:
        return ""
    return "" if seconds is None else format_rough_duration(seconds)


def _look_at_race(settings: Settings, arms: Sequence[TrainConfig], plan: RacePlan) -> float | None:
    try:
        return estimate_race(settings, arms, plan, open_dataset(settings, arms[0].dataset))
    except DatasetError:
        return None


def _longest(found: Estimate) -> str:
    name, seconds = max(found.parts.items(), key=lambda item: item[1])
    return f"Most of it: {name} ({format_rough_duration(seconds)})." if name != "start" and seconds > 3 else ""
