"""Answers to many pictures: the totals as one bar, all pictures with the least sure first, and a table."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.formatting import format_probability
from core.palette import CLASS_COLOURS
from core.predict.answers_in_words import UNSURE_NOTE, count_answers, is_open, is_strange, join_classes, may_be
from core.predict.predictor_answers import Prediction
from core.settings import Settings
from pages.components.predict import promise_choice
from pages.components.predict.chosen_network import Chosen
from pages.components.predict.own_pictures import Picture
from pages.components.predict.previews import SMALL_PX, preview
from pages.components.predict.questions import Answers
from pages.components.shared import frame
from pages.components.shared.pictures import gallery

UNSURE_COLOUR, STRANGE_COLOUR, DAMAGED_COLOUR = "#B0B0B0", "#8A6FB0", "#555555"
MAX_DAMAGED = 12  # with a card of their own
PICTURE_PX = 110  # of the names in the table
MAX_NAME = 24  # letters below a small picture


@dataclass(frozen=True)
class Places:
    """Where totals and pictures stand."""

    totals: DeltaGenerator
    pictures: DeltaGenerator


def reserve(count: int) -> Places | None:
    """The places; None for a single picture, which is shown large."""
    return Places(st.empty(), st.empty()) if count > 1 else None


def draw(
    settings: Settings, places: Places | None, chosen: Sequence[Chosen], pictures: Sequence[Picture], answers: Answers
) -> None:
    """Draw what is known so far."""
    if places is None:
        return
    shown = [item for item in chosen if item.run.id in answers]
    bars = [_totals_bar(item, answers[item.run.id], named=len(shown) > 1) for item in shown]
    places.totals.html(f'<div class="totals">{"".join(bars)}{_disagreement(list(answers.values()))}</div>')
    if not shown:
        return
    first = answers[shown[0].run.id]
    good = [place for place, answer in enumerate(first) if answer is not None and answer.probability is not None]
    good.sort(key=lambda place: _sureness(first[place]))
    tiles = [_tile(settings, shown, pictures[place], place, answers) for place in good]
    with places.pictures.container():
        damaged = [answer for answer in first if answer is not None and answer.error]
        for answer in damaged[: MAX_DAMAGED if good else 0]:
            st.error(frame.plain(str(answer.error)), icon=":material/broken_image:")
        if tiles:
            with_promise = any(answer is not None and answer.not_sure is not None for answer in first)
            st.caption(f"Least sure first.{'' if with_promise else f' {UNSURE_NOTE}'}")
            gallery.show_tiles(tiles, width_px=132)


def offer_table(chosen: Sequence[Chosen], answers: Answers) -> None:
    """All numbers, folded."""
    rows = [
        {
            "Picture": answer.file,
            "Class": answer.label,
            "Probability": answer.probability,
            "Network": item.name,
            "Strange": is_strange(answer, promise_choice.current()),
            "May be": ", ".join(may_be(answer, promise_choice.current())),
            "Nearest": ", ".join(near.label for near in answer.not_sure.nearest) if answer.not_sure else "",
            "Milliseconds": round(answer.milliseconds, 1),
            "Trouble": answer.error or "",
            "Run": item.run.id,
        }
        for item in chosen
        for answer in answers.get(item.run.id, [])
        if answer is not None
    ]
    if not rows:
        return
    table = pd.DataFrame(rows)
    with st.expander("All numbers", icon=":material/table:", key="predict-numbers"):
        st.dataframe(
            table,
            hide_index=True,
            column_config={  # the answer is seen on a phone without scrolling, however long the names of files are
                "Picture": st.column_config.TextColumn(width=PICTURE_PX),
                "Probability": st.column_config.NumberColumn(format="percent"),
            },
            key="predict-table",
        )
        frame.offer_csv("Download as CSV", table, "tunemypets-predictions.csv")
    known = [answer for found in answers.values() for answer in found if answer is not None and answer.error is None]
    if any(answer.not_sure is None for answer in known):
        st.caption("This network answers every picture with one of its classes, and can be confident and wrong.")


def _sureness(answer: Prediction | None) -> tuple[bool, bool, float]:
    """Strange pictures first, then those that may be of several classes, each from the least probable answer on."""
    if answer is None or answer.probability is None:
        return False, False, 0.0
    strange = is_strange(answer, promise_choice.current())
    return not strange, not is_open(answer, promise_choice.current()), answer.probability


def _totals_bar(item: Chosen, found: Sequence[Prediction | None], *, named: bool) -> str:
    totals = count_answers((answer for answer in found if answer is not None), promise_choice.current())
    colours = {
        name: CLASS_COLOURS[place % len(CLASS_COLOURS)] for place, name in enumerate(sorted(item.run.meta.classes))
    }
    parts = [(html.escape(name), count, colours.get(name, CLASS_COLOURS[-1])) for name, count in totals.classes]
    parts += [
        (word, count, colour)
        for word, count, colour in (
            ("unsure", totals.unsure, UNSURE_COLOUR),
            ("unlike anything it knows", totals.strange, STRANGE_COLOUR),
            ("damaged", totals.damaged, DAMAGED_COLOUR),
        )
        if count
    ]
    bar = "".join(f'<span style="flex:{count};background:{colour}"></span>' for _, count, colour in parts)
    left = len(found) - totals.answered
    bar += f'<span style="flex:{left}"></span>' if left else ""
    words = ", ".join(f'<i style="background:{colour}"></i>{count} {name}' for name, count, colour in parts)
    head = f"<b>{html.escape(item.name)}:</b> " if named else ""
    progress = f" · {totals.answered} of {len(found)} answered" if left else ""
    return f'<div class="totals-words">{head}{words}{progress}</div><div class="totals-bar">{bar}</div>'


def _disagreement(both: Sequence[Sequence[Prediction | None]]) -> str:
    if len(both) < 2:
        return ""
    pairs = [(a, b) for a, b in zip(*both, strict=True) if a is not None and b is not None and a.label and b.label]
    differ = sum(a.label != b.label for a, b in pairs)
    return f'<div class="totals-words">Different answers for {differ} of {len(pairs)} pictures.</div>'


def _tile(settings: Settings, shown: Sequence[Chosen], picture: Picture, place: int, answers: Answers) -> gallery.Tile:
    def words(item: Chosen) -> str:
        answer = answers[item.run.id][place]
        if answer is None or answer.probability is None:
            return "…"
        if is_strange(answer, promise_choice.current()):
            return "unlike anything it knows"
        names = may_be(answer, promise_choice.current())
        if len(names) > 1:
            return f"not sure: {join_classes(names)}"
        text = f"{answer.label} {format_probability(answer.probability)}"
        return f"unsure: {text}" if is_open(answer, promise_choice.current()) else text

    others = [f"{item.name}: {words(item)}" for item in shown[1:]]
    thumbnail = preview(settings, shown[0].run, picture, SMALL_PX) or b""
    return gallery.Tile(thumbnail, words(shown[0]), detail=" · ".join([*others, _shorten(picture.name)]))


def _shorten(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 6]}…{name[-5:]}"
