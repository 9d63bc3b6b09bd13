"""Predict: the best network's answers to pictures of one's own; alone, or next to the network that it raced against."""

import streamlit as st

from pages.components.predict import answer_grid, chosen_network, newest_answer, own_pictures
from pages.components.predict.questions import ask
from pages.components.shared import frame
from pages.components.shared.runs_snapshot import list_usable


def page() -> None:
    settings = frame.open_page("Predict")
    with frame.explained():
        usable = list_usable(settings)
        if not usable:
            st.info("There is no trained network yet: train one first.", icon=":material/flag:")
            frame.link(frame.TRAIN, label="Train a network", icon=":material/flag:")
            return
        frame.predictor(settings).warm_up()
        chosen = chosen_network.choose(settings, usable)
        if not chosen:
            return
        pictures = own_pictures.take()
        if not pictures:
            return
        newest = newest_answer.reserve(chosen)
        rest = answer_grid.reserve(len(pictures))
        for answers in ask(settings, chosen, pictures):
            newest_answer.draw(settings, newest, chosen, pictures, answers)
            answer_grid.draw(settings, rest, chosen, pictures, answers)
        newest_answer.offer_reasons(settings, newest, chosen, pictures, answers)
        answer_grid.offer_table(chosen, answers)


page()
