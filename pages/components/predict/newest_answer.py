"""The newest picture, large: the answer in words, the probabilities as bars, and why, one tap away."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import DatasetError
from core.formatting import capitalise, format_probability
from core.novelty.not_sure import describe_promise
from core.predict.answers_in_words import (
    STRANGE,
    describe_sureness,
    introduce_class,
    is_open,
    is_strange,
    join_classes,
    may_be,
)
from core.predict.predictor_answers import Prediction
from core.settings import Settings
from pages.components.predict import promise_choice
from pages.components.predict.chosen_network import Chosen
from pages.components.predict.own_pictures import Picture
from pages.components.predict.previews import preview
from pages.components.predict.questions import Answers
from pages.components.shared import frame
from pages.components.shared.pictures import gallery
from pages.components.shared.predictor_requests import request


@dataclass(frozen=True)
class Places:
    """Where picture, answers and reasons stand."""

    picture: DeltaGenerator
    answers: list[DeltaGenerator]
    reasons: list[DeltaGenerator]


def reserve(chosen: Sequence[Chosen]) -> Places:
    """The places, as large as what comes there."""
    with st.container(border=True, key="predict-newest"):
        left, right = st.columns([2, 3])
        columns = right.columns(len(chosen))
        return Places(left.empty(), [column.empty() for column in columns], [column.container() for column in columns])


def draw(
    settings: Settings, places: Places, chosen: Sequence[Chosen], pictures: Sequence[Picture], answers: Answers
) -> None:
    """Draw what is known of the newest picture that can be read."""
    place = find_newest(answers)
    picture, given = (
        pictures[place],
        [answers[item.run.id][place] if item.run.id in answers else None for item in chosen],
    )
    known = [answer for answer in given if answer is not None]
    if not known:
        places.picture.markdown(":material/hourglass_top: Looking at it; the first time takes a few seconds.")
        return
    if all(answer.error is not None for answer in known):
        places.picture.error(frame.plain(str(known[0].error)), icon=":material/broken_image:")
        return
    found = preview(settings, chosen[0].run, picture)
    if found is not None:
        places.picture.image(
            found, caption=frame.plain(picture.name), width="stretch", alt=f"Your picture {picture.name}"
        )
    for where, item, answer in zip(places.answers, chosen, given, strict=True):
        if answer is not None:
            with where.container():
                st.html(_words(item, answer, named=len(chosen) > 1))
                if is_strange(answer, promise_choice.current()):
                    _show_nearest(settings, item, answer)


def find_newest(answers: Answers) -> int:
    """The place of the newest picture that is not known to be damaged; 0 where all are."""
    found = next(iter(answers.values()), [])
    return next((place for place, answer in enumerate(found) if answer is None or answer.error is None), 0)


def offer_reasons(
    settings: Settings, places: Places, chosen: Sequence[Chosen], pictures: Sequence[Picture], answers: Answers
) -> None:
    """A heatmap of each network's answer, computed once it is opened."""
    place = find_newest(answers)
    for where, item in zip(places.reasons, chosen, strict=True):
        answer = answers[item.run.id][place] if item.run.id in answers else None
        if answer is None or answer.error is not None:
            continue
        why = where.expander("Why?", icon=":material/lightbulb:", key=f"predict-why-{item.run.id}", on_change="rerun")
        if why.open:
            with why:
                _show_reason(settings, item, pictures[place])


def _show_reason(settings: Settings, item: Chosen, picture: Picture) -> None:
    found = request(
        "Computing the heatmap; the first takes a few seconds",
        (str(settings.home), "own picture", item.identity, picture.id),
        lambda on_progress: frame.predictor(settings).explain(
            item.run.id, picture.name, picture.data, (None,), ("grad_cam",), on_progress
        ),
    )
    if found is None:
        return
    (saliency,) = found.maps
    st.image(saliency.heatmap, width="stretch", alt=f"Heatmap for {saliency.label}: {saliency.description}")
    st.caption(f"Light areas support {frame.plain(saliency.label)} most: {saliency.description}.")


def _words(item: Chosen, answer: Prediction, *, named: bool) -> str:
    parts = [f'<div class="answer-network">{html.escape(item.name)}</div>'] if named else []
    if answer.label is None or answer.probability is None:
        return "".join([*parts, f"<div>{html.escape(answer.error or '')}</div>"])
    parts.append(_headline(answer, answer.label, answer.probability, promise_choice.current()))
    bars = "".join(_bar(label, share, item.style.colour) for label, share in answer.top)
    parts.append(f'<div role="img" aria-label="Probabilities of the classes">{bars}</div>')
    if answer.notes:
        parts.append(f'<div class="answer-note">{html.escape(capitalise(", ".join(answer.notes)))}</div>')
    return f'<div class="answer">{"".join(parts)}</div>'


def _headline(answer: Prediction, label: str, probability: float, promised: float) -> str:
    """The answer in large letters, and how sure it is in smaller ones."""
    share = format_probability(probability)
    if is_strange(answer, promised):
        large = STRANGE
        small = f"At most {describe_promise(promised)} known pictures looks so strange. If it had to choose: {label}."
    elif answer.not_sure is not None and is_open(answer, promised):
        large = f"Not sure: <b>{html.escape(join_classes(may_be(answer, promised)))}</b>"
        small = f"{label} is the most probable, {share}."
    else:
        large = f"{introduce_class(label, probability)}<b>{html.escape(label)}</b>"
        small = f"{share}, {describe_sureness(probability)}"
    return f'<div class="answer-class">{large}</div><div class="answer-sure">{html.escape(small)}</div>'


def _show_nearest(settings: Settings, item: Chosen, answer: Prediction) -> None:
    """The training pictures that are least unlike a strange one."""
    if answer.not_sure is None or not answer.not_sure.nearest:
        return
    st.caption("The training pictures that it resembles most:")
    try:
        dataset = frame.datasets(settings).get(item.run.config.dataset)
    except DatasetError:
        dataset = None
    if dataset is None or dataset.fingerprint != item.run.meta.dataset_fingerprint:
        st.markdown(frame.plain(", ".join(near.label for near in answer.not_sure.nearest)))
        return
    gallery.show_tiles(
        [
            gallery.Tile(dataset.thumbnail_path(dataset.rows[near.index]), near.label)
            for near in answer.not_sure.nearest
        ],
        width_px=80,
    )


def _bar(label: str, share: float, colour: str) -> str:
    return (
        f'<div class="answer-row"><span>{html.escape(label)}</span>'
        f"<span>{html.escape(format_probability(share))}</span></div>"
        f'<div class="answer-bar"><div style="width:{100 * share:.2f}%;background:{colour}"></div></div>'
    )
