"""Questions to the predictor: each picture is asked about once for each network, the newest first."""

import time
from collections.abc import Iterator, Sequence

import streamlit as st

from core.errors import TuneMyPetsError
from core.predict.predictor_answers import Prediction
from core.settings import Settings
from pages.components.predict.chosen_network import Chosen
from pages.components.predict.own_pictures import Picture
from pages.components.shared import frame

REDRAW_SECONDS = 1.5  # between two drawings, about
MAX_BATCH = 50  # pictures between two drawings
KNOWN = "predict-answers"

Answers = dict[str, list[Prediction | None]]  # by run, in the order of the pictures; None until it is there


def forget(item: Chosen) -> None:
    """Ask a network about all pictures again."""
    known: dict[tuple[object, ...], Prediction] = st.session_state.get(KNOWN, {})
    for key in [key for key in known if key[0] == item.identity]:
        del known[key]


def ask(settings: Settings, chosen: Sequence[Chosen], pictures: Sequence[Picture]) -> Iterator[Answers]:
    """The answers so far, again and again until all are there; a network that cannot be used shows why instead."""
    known: dict[tuple[object, ...], Prediction] = st.session_state.setdefault(KNOWN, {})
    usable = list(chosen)

    def look() -> Answers:
        return {item.run.id: [known.get((item.identity, picture.id)) for picture in pictures] for item in usable}

    def is_missing(picture: Picture) -> bool:
        return any((item.identity, picture.id) not in known for item in chosen)

    missing = [picture for picture in pictures if is_missing(picture)]
    yield look()
    size = 1  # the newest picture alone
    while missing and usable:
        batch, missing = missing[:size], missing[size:]
        began = time.monotonic()
        for item in list(usable):
            todo = [picture for picture in batch if (item.identity, picture.id) not in known]
            try:
                found = frame.predictor(settings).predict(item.run.id, [(one.name, one.data) for one in todo])
            except TuneMyPetsError as error:
                st.error(frame.plain(str(error)), icon=":material/block:")
                usable.remove(item)
                continue
            known.update(((item.identity, one.id), answer) for one, answer in zip(todo, found, strict=True))
        yield look()
        pace = len(batch) / max(0.001, time.monotonic() - began)
        size = max(1, min(2 * size, MAX_BATCH, round(pace * REDRAW_SECONDS)))
