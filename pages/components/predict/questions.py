"""Questions to the predictor: each picture is asked about once for each network, the newest first."""

from collections.abc import Iterator, Sequence

import streamlit as st

from core.errors import TuneMyPetsError
from core.predict.predictor_answers import Prediction
from core.settings import Settings
from pages.components.predict.chosen_network import Chosen
from pages.components.predict.own_pictures import Picture
from pages.components.shared import frame

FIRST_BATCH = 8  # pictures between two drawings, twice as many each time
KNOWN = "predict-answers"

Answers = dict[str, list[Prediction | None]]  # by run, in the order of the pictures; None until it is there


def ask(settings: Settings, chosen: Sequence[Chosen], pictures: Sequence[Picture]) -> Iterator[Answers]:
    """The answers so far, again and again until all are there; a network that cannot be used shows why instead."""
    known: dict[tuple[object, ...], Prediction] = st.session_state.setdefault(KNOWN, {})
    usable = list(chosen)

    def look() -> Answers:
        return {item.run.id: [known.get((item.identity, picture.id)) for picture in pictures] for item in usable}

    def is_missing(picture: Picture) -> bool:
        return any((item.identity, picture.id) not in known for item in chosen)

    missing = [picture for picture in pictures if is_missing(picture)]
    if missing:
        yield look()
    for batch in _batches(missing):
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


def _batches(pictures: Sequence[Picture]) -> list[Sequence[Picture]]:
    """The newest picture alone, then more and more at once; one empty batch where there is nothing to ask."""
    batches, size = [pictures[:1]], FIRST_BATCH
    done = 1
    while done < len(pictures):
        batches.append(pictures[done : done + size])
        done, size = done + size, 2 * size
    return batches
