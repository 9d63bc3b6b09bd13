"""How long to train: presets in seconds, the same for each network of a race, or one's own numbers."""

import math
import time
from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.config.train_config import TrainConfig
from core.formatting import format_count, format_duration
from core.races.presets import MAX_EPOCHS
from pages.components.shared.prefilled_form import field_key
from pages.components.train.form.form_fields import KEPT, Problems, label_above, whole

LENGTH = "train-length"
TAPPED = "train-length-tapped"  # the newest choice: the length, what the fields held before it, and when
SETTLED_SECONDS = 10.0  # after which a browser has drawn the numbers of a choice, also on a busy machine
CUSTOM = "custom"
BUDGET_FIELDS = ("epochs", "max_seconds", "max_images")


def _seconds(seconds: float) -> dict[str, Any]:
    return {"epochs": MAX_EPOCHS, "max_seconds": seconds, "max_images": None}


LENGTHS: Mapping[str, Mapping[str, Any]] = {
    "quick": _seconds(30.0),
    "medium": _seconds(120.0),
    "thorough": _seconds(600.0),
    CUSTOM: {"epochs": 5, "max_seconds": None, "max_images": None},
}  # what each sets at first
LABELS = {
    "quick": "Quick 30\u00a0s",
    "medium": "Medium 2\u00a0min",
    "thorough": "Thorough 10\u00a0min",
    CUSTOM: "Custom",
}
HELP = (
    "A time for training, the same for each network of a race; starting, validating and testing come on top. Custom: "
    "a number of epochs, or any limit under Learning."
)


def show_length() -> None:
    """Let the choice say what the fields hold, wherever they were changed."""
    _keep_tapped()
    held = {name: st.session_state[field_key(name)] for name in BUDGET_FIELDS}
    fitting = [name for name, fields in LENGTHS.items() if name != CUSTOM and held == fields]
    st.session_state[LENGTH] = fitting[0] if fitting else CUSTOM


def choose_length(problems: Problems) -> None:
    """Draw the choice."""
    with label_above("How long", HELP):
        st.segmented_control(
            "How long",
            list(LENGTHS),
            required=True,
            format_func=LABELS.__getitem__,
            key=LENGTH,
            on_change=_take,
            label_visibility="collapsed",
            width="stretch",
            persist_state=KEPT,
        )
    if is_custom():
        whole("epochs", problems)


def is_custom() -> bool:
    """Whether the epochs stand right below the choice."""
    return bool(st.session_state[LENGTH] == CUSTOM)


def describe_length(config: TrainConfig) -> str:
    """When a training ends: `30 s`, `5 epochs`, `after 2,000 pictures, at most 40 epochs`."""
    if config.max_seconds is None and config.max_images is None:
        return format_count(config.epochs, "epoch")
    limit = f"{config.max_images:,} pictures" if config.max_images else _in_minutes(config.max_seconds or 0)
    return limit if config.epochs == MAX_EPOCHS else f"{limit}, at most {format_count(config.epochs, 'epoch')}"


def _in_minutes(seconds: float) -> str:
    """Such as `30 s`, `2 min` and `2 min 30 s`."""
    return format_duration(seconds).removesuffix(" 00 s")


def _take() -> None:
    state = st.session_state
    state[TAPPED] = state[LENGTH], {name: state[field_key(name)] for name in BUDGET_FIELDS}, time.monotonic()
    _keep_tapped()


def _keep_tapped() -> None:
    """Fill in the numbers of the newest choice, also where a quick next tap brings those before it again.

    A browser sends all it holds with each tap: old numbers, where it has not drawn the new ones yet.
    """
    length, before, moment = st.session_state.get(TAPPED, (CUSTOM, {}, -math.inf))
    if time.monotonic() - moment > SETTLED_SECONDS:
        return
    if all(st.session_state[field_key(name)] in (value, before[name]) for name, value in LENGTHS[length].items()):
        st.session_state.update({field_key(name): value for name, value in LENGTHS[length].items()})
