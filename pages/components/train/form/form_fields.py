"""Widgets of the training form, one for each field of TrainConfig: titles, help and bounds come from the field.

What they hold lies in the session under `field_key`, so that the form can be read before it is drawn, and what is wrong
with a field stands right below it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import streamlit as st

from core.config.sweep_plan import format_value
from core.config.train_config import TrainConfig
from pages.components.shared import frame
from pages.components.shared.prefilled_form import field_key

FIELDS = TrainConfig.model_fields
KEPT: Final = "session"  # what was entered survives a look at another page

Problems = Mapping[str, str]  # field -> what is wrong with it


def title_of(name: str) -> str:
    """A field as the form calls it."""
    return FIELDS[name].title or name


def show_value(value: Any) -> str:
    """A value of a searched field in words; a list has spaces, where a phone breaks it."""
    return frame.plain(format_value(value).replace(",", ", "))


def default_of(name: str) -> Any:
    """What the form holds at first."""
    default = FIELDS[name].get_default(call_default_factory=True, validated_data={})
    return ", ".join(map(str, default)) if name == "filters" else default


@contextmanager
def label_above(label: str, help: str) -> Iterator[None]:
    """A label above a widget that hides its own: then both are as high as their place holders, and nothing moves."""
    with st.container(gap="xxsmall"):
        st.markdown(label, help=help)
        yield


def mark_problem(name: str, problems: Problems) -> None:
    """What is wrong with the field above; nothing where it is right."""
    if name in problems:
        st.error(frame.plain(problems[name]), icon=":material/error:")


def whole(name: str, problems: Problems, placeholder: str | None = None) -> None:
    """A whole number; with a placeholder it may be left open."""
    st.number_input(
        title_of(name), value=None, step=1, format="%d", placeholder=placeholder, help=FIELDS[name].description,
        key=field_key(name), persist_state=KEPT,
    )  # fmt: skip
    mark_problem(name, problems)


def real(name: str, problems: Problems, *, step: float, shown: str, placeholder: str | None = None) -> None:
    """A number; with a placeholder it may be left open."""
    st.number_input(
        title_of(name), value=None, step=step, format=shown, placeholder=placeholder, help=FIELDS[name].description,
        key=field_key(name), persist_state=KEPT, disabled=name == "learning_rate" and placeholder == FOUND,
    )  # fmt: skip
    mark_problem(name, problems)


FOUND = "found before training"  # a learning rate that is not typed


def choice(
    name: str,
    options: Sequence[Any],
    problems: Problems,
    *,
    shown: Callable[[Any], str] = str,
    help: str | None = None,
) -> None:
    """One of a list."""
    st.selectbox(
        title_of(name), options, format_func=shown, help=help or FIELDS[name].description, key=field_key(name),
        persist_state=KEPT,
    )  # fmt: skip
    mark_problem(name, problems)


def switch(name: str) -> None:
    """On or off."""
    st.toggle(title_of(name), help=FIELDS[name].description, key=field_key(name), persist_state=KEPT)
