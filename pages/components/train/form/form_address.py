"""What of the training form stands in the address: a reload keeps it, and a link can hold it.

Only what differs from the form's start is written, by the names of the fields. Not by Streamlit's own
`bind="query-params"` (docs/decisions/0045-the-form-in-the-address.md).
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.config.train_config import parse_config
from core.errors import ConfigError
from pages.components.shared.prefilled_form import MODE, RACE, SINGLE, field_key
from pages.components.train.form.form_fields import FIELDS, default_of
from pages.components.train.form.length_choice import LENGTH, LENGTHS

TAKEN = "train-address-taken"  # whether this session has looked at the address
START_MODEL = "train-start-model"  # the network that was chosen for the visitor
QUICK = "quick"  # the length at first
IN_ADDRESS = ("mode", "length", *(name for name in FIELDS if name != "dataset"))


def take_address() -> None:
    """Fill the form with what the address holds: once for each session, and after Back or Forward."""
    state, back = st.session_state, _came_back()
    given = {name: st.query_params[name] for name in IN_ADDRESS if name in st.query_params}
    if not given or (TAKEN in state and not back):
        state[TAKEN] = True
        return
    state[TAKEN] = True
    length = given.pop("length", QUICK)
    base = LENGTHS.get(length, LENGTHS[QUICK])
    if back:  # what this address leaves out was as it is at first
        state.update({field_key(name): default_of(name) for name in FIELDS if name not in ("dataset", "model")})
        state[field_key("model")] = state[field_key("strategy")] = None
    state[MODE] = SINGLE if given.pop("mode", RACE) == SINGLE else RACE
    for name, value in {**base, **_read(base, given)}.items():
        state[field_key(name)] = ", ".join(map(str, value)) if name == "filters" else value
    if back and "dataset" in st.query_params:
        state[field_key("dataset")] = st.query_params["dataset"]


def _read(base: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """The fields of an address, without those that are wrong: a link may be old."""
    left: dict[str, Any] = dict(given)
    if "filters" in left:
        left["filters"] = [part.strip() for part in given["filters"].split(",")]
    while left:
        try:
            config = parse_config({"dataset": "any", **base, **left})
        except ConfigError as error:
            wrong = left.keys() & error.problems.keys()
            left = {name: value for name, value in left.items() if wrong and name not in wrong}
        else:
            return {name: getattr(config, name) for name in left}
    return {}


def write_address(dataset: str, first: str) -> None:
    """Let the address hold what the form holds; nothing where it is as it was at first, so that Back leaves.

    Args:
        dataset: the chosen one.
        first: the one that is chosen at first.
    """
    state, wanted = st.session_state, {}
    if state[MODE] != RACE:
        wanted["mode"] = state[MODE]
    if state[LENGTH] != QUICK:
        wanted["length"] = state[LENGTH]
    start = {name: default_of(name) for name in FIELDS} | LENGTHS[state[LENGTH]] | {"model": state.get(START_MODEL)}
    for name in IN_ADDRESS[2:]:
        value = state[field_key(name)]
        if value is not None and value != start[name]:
            wanted[name] = _write(value)
    if "freeze_point" in wanted:  # a block of this network
        wanted["model"] = state[field_key("model")]
    if wanted or dataset != first or "dataset" in st.query_params:
        wanted["dataset"] = dataset
    others = {name: value for name, value in st.query_params.items() if name not in (*IN_ADDRESS, "dataset")}
    if others | wanted != st.query_params.to_dict():
        st.query_params.from_dict(others | wanted)


def _write(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _came_back() -> bool:
    """Whether the visitor came here by the browser's Back or Forward."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation
