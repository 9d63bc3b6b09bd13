"""Predict: the best network's answers to pictures of one's own; alone, or next to the network that it raced against."""

from collections.abc import Sequence

import streamlit as st

from core.settings import Settings
from pages.components.predict import (
    answer_grid,
    batch_form,
    batch_view,
    chosen_network,
    newest_answer,
    own_pictures,
    promise_choice,
)
from pages.components.predict.chosen_network import Chosen
from pages.components.predict.own_pictures import Picture
from pages.components.predict.questions import ask
from pages.components.shared import frame
from pages.components.shared.dataset_cache import list_datasets
from pages.components.shared.results.take_home import offer_exports
from pages.components.shared.snapshots.runs_snapshot import list_usable


def page() -> None:
    settings = frame.open_page("Predict")
    if batch_view.is_open():
        batch_view.show_batch(settings)
        return
    with frame.explained():
        usable = list_usable(settings)
        if not usable:
            st.info("There is no trained network yet: train one first.", icon=":material/flag:")
            if list_datasets(settings):
                frame.link(frame.TRAIN, label="Train a network", icon=":material/flag:")
            else:
                frame.link_to_start()
            return
        frame.predictor(settings).warm_up()
        chosen = chosen_network.choose(settings, usable)
        if not chosen:
            return
        pictures = own_pictures.take()
        if pictures:
            _answer(settings, chosen, pictures)
        first = chosen[0]
        batch_form.offer_batch(settings, first)
        if first.run.tested is not None and not first.run.state.active:
            offer_exports(settings, first.run.id, first.name)


def _answer(settings: Settings, chosen: Sequence[Chosen], pictures: Sequence[Picture]) -> None:
    newest = newest_answer.reserve(chosen)
    rest = answer_grid.reserve(len(pictures))
    for answers in ask(settings, chosen, pictures):
        newest_answer.draw(settings, newest, chosen, pictures, answers)
        answer_grid.draw(settings, rest, chosen, pictures, answers)
    newest_answer.offer_reasons(settings, newest, chosen, pictures, answers)
    promise_choice.offer(settings, chosen, answers)
    answer_grid.offer_table(chosen, answers)


page()
