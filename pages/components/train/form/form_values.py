"""What the training form holds, read from the session before anything is drawn: a TrainConfig, or what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.config.field_problems import allowed_values
from core.config.race_plan import RacePlan
from core.config.train_config import SCRATCH_FIELDS, TrainConfig, parse_config
from core.datasets.dataset import Dataset
from core.datasets.splits import SPLITS
from core.errors import ConfigError, DatasetError
from core.estimates.recommended import Recommendation, recommend_network
from core.races.presets import plan_pair
from core.settings import Settings
from models.catalog import CATALOG
from pages.components.shared.dataset_cache import open_dataset
from pages.components.shared.prefilled_form import MODE, RACE, SINGLE, field_key
from pages.components.train.form.form_address import START_MODEL, take_address, write_address
from pages.components.train.form.form_fields import FIELDS, default_of, title_of
from pages.components.train.form.length_choice import LENGTHS, show_length
from pages.components.train.form.network_choice import SCRATCH_CNN, network_names

STRATEGY_ORDER = ("head", "partial", "full", "gradual", "scratch")
FREEZABLE = ("partial", "gradual")


@dataclass(frozen=True)
class Chosen:
    """The form as it is now.

    Attributes:
        config: None while something is wrong.
        problems: field -> what is wrong with it, one sentence each.
        recommended: the network that suits the dataset on this machine; None where the dataset cannot be read.
        networks, strategies: that are offered.
    """

    dataset: str
    mode: str
    config: TrainConfig | None
    problems: dict[str, str]
    recommended: Recommendation | None
    networks: tuple[str, ...]
    strategies: tuple[str, ...]

    @property
    def is_race(self) -> bool:
        return self.mode == RACE

    @property
    def plan(self) -> RacePlan | None:
        """Of the race; None where one network is trained, or something is wrong."""
        return plan_pair(self.config)[0] if self.config is not None and self.is_race else None

    @property
    def arms(self) -> list[TrainConfig]:
        """What would be trained; nothing while something is wrong."""
        if self.config is None:
            return []
        return [arm.config for arm in plan_pair(self.config)[1]] if self.is_race else [self.config]


def read_form(settings: Settings, dataset_ids: Sequence[str], preferred: str | None) -> Chosen:
    """Complete what session and address hold, so that every widget has something to show, and read it.

    Args:
        preferred: the dataset that the address names.
    """
    state = st.session_state
    take_address()
    if state.get(field_key("dataset")) not in dataset_ids:  # nothing chosen yet, or deleted
        state[field_key("dataset")] = preferred if preferred in dataset_ids else dataset_ids[0]
    dataset_id = str(state[field_key("dataset")])
    dataset, recommended = _look_at(settings, dataset_id)
    mode = state.setdefault(MODE, RACE)
    networks = tuple(name for name in network_names() if mode == SINGLE or CATALOG[name].weights is not None)
    if state.get(field_key("model")) not in networks:
        state[field_key("model")] = state[START_MODEL] = recommended.network.name if recommended else networks[0]
    entry = CATALOG[state[field_key("model")]]
    pretrained = STRATEGY_ORDER if mode == SINGLE else STRATEGY_ORDER[:-1]
    strategies = pretrained if entry.weights is not None else ("scratch",)
    if state.get(field_key("strategy")) not in strategies:
        state[field_key("strategy")] = strategies[0]
    if field_key("epochs") not in state:
        state.update({field_key(name): value for name, value in LENGTHS["quick"].items()})
    for name in FIELDS:
        state.setdefault(field_key(name), default_of(name))
    if state[field_key("freeze_point")] not in entry.freeze_points:
        state[field_key("freeze_point")] = None
    show_length()
    write_address(dataset_id, dataset_ids[0])
    config, problems = _parse(dataset)
    return Chosen(dataset_id, mode, config, problems, recommended, networks, strategies)


def _look_at(settings: Settings, dataset_id: str) -> tuple[Dataset | None, Recommendation | None]:
    try:
        dataset = open_dataset(settings, dataset_id)
        return dataset, recommend_network(settings, dataset)
    except DatasetError:  # said where the run would be started
        return None, None


def _parse(dataset: Dataset | None) -> tuple[TrainConfig | None, dict[str, str]]:
    try:
        config = parse_config(_values())
    except ConfigError as error:
        return None, {name: _empty(name) or _entitle(name, sentence) for name, sentence in error.problems.items()}
    if dataset is None:
        return None, {"dataset": "This dataset cannot be read: choose another one, or import it again."}
    pictures = {split: len(dataset.rows_of(split)) for split in SPLITS}
    problems = config.problems_with(len(dataset.classes), pictures)
    return (None if problems else config), problems


def _empty(name: str) -> str:
    if name not in FIELDS or st.session_state[field_key(name)] is not None:
        return ""
    return f"{title_of(name)} is empty: choose {allowed_values(TrainConfig, name)}."


def _entitle(name: str, sentence: str) -> str:
    """A sentence that begins with a field's name, with the title that the form shows instead."""
    rest = sentence.removeprefix(f"{name} ")
    return f"{title_of(name)} {rest}" if name in FIELDS and rest != sentence else sentence


def _values() -> dict[str, Any]:
    """The fields that belong to what was chosen."""
    values = {name: st.session_state[field_key(name)] for name in FIELDS}
    values["filters"] = [part.strip() for part in str(values["filters"]).split(",") if part.strip()]
    strategy = values["strategy"]
    without_cnn = st.session_state[MODE] == SINGLE and values["model"] != SCRATCH_CNN
    unused = {
        "freeze_point": strategy not in FREEZABLE,
        "head_epochs": strategy != "gradual",
        "learning_rate": values["find_rate"],
        "workers": strategy == "head",
        "backbone_factor": strategy in ("head", "scratch"),
        **dict.fromkeys(SCRATCH_FIELDS, without_cnn),
    }
    return {name: value for name, value in values.items() if not unused.get(name)}
