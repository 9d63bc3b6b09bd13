"""Predictions on a visitor's pictures: a card for each picture, and all of them as a table."""

import html
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.datasets.pictures.decoder import Limits, render_preview
from core.errors import TuneMyPetsError
from core.formatting import format_percent
from core.predict.predictor_answers import Prediction
from core.runs.summary import RunSummary
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.charts import COLOURS

SHOWN_LARGE = 6
PREVIEW_PX = 512


def show_predictions(settings: Settings, chosen: Sequence[RunSummary], pictures: Sequence[tuple[str, bytes]]) -> None:
    """Ask each chosen network about the pictures, and draw the answers; many of them as a table."""
    answers: dict[str, list[Prediction]] = {}
    with st.spinner("Predicting; the first time takes a few seconds", show_time=True):
        for item in chosen:
            try:
                answers[item.id] = frame.predictor(settings).predict(item.id, pictures)
            except TuneMyPetsError as error:
                st.error(frame.plain(str(error)), icon=":material/block:")
    if not answers:
        return
    shown = pictures[:SHOWN_LARGE]
    limits = Limits.from_settings(settings)
    for place, (name, data) in enumerate(shown):
        with st.container(border=True):
            columns = st.columns([1, *[2] * len(answers)])
            readable = any(found[place].error is None for found in answers.values())
            if readable:
                preview = render_preview(data, limits, name, PREVIEW_PX)
                columns[0].image(preview, caption=frame.plain(name), width="stretch", alt=f"Your picture {name}")
            else:
                columns[0].caption(frame.plain(name))
            for column, item in zip(columns[1:], [i for i in chosen if i.id in answers], strict=True):
                with column:
                    if len(answers) > 1:
                        st.markdown(f"**{frame.plain(item.title)}**")
                    _show(answers[item.id][place])
    if len(pictures) > SHOWN_LARGE:
        st.caption(f"The first {SHOWN_LARGE} are shown; the table has all {len(pictures)}.")
    table = _table(chosen, answers)
    if len(pictures) > 1:
        st.dataframe(
            table,
            hide_index=True,
            column_config={"Probability": st.column_config.NumberColumn(format="percent")},
            key="predict-table",
        )
    frame.offer_csv("Download as CSV", table, "tunemypets-predictions.csv")
    st.caption("A network always answers with one of its own classes, and can be confident and wrong.")


def _show(answer: Prediction) -> None:
    if answer.error is not None:
        st.error(frame.plain(answer.error), icon=":material/block:")
        return
    st.html(_bars(answer))
    notes = f" · {', '.join(answer.notes)}" if answer.notes else ""
    st.caption(f"{answer.milliseconds:.0f} ms{frame.plain(notes)}")


def _bars(answer: Prediction) -> str:
    rows = []
    for place, (label, probability) in enumerate(answer.top):
        weight = "700" if place == 0 else "400"
        rows.append(
            f'<div style="margin:4px 0"><div style="display:flex;justify-content:space-between;font-weight:{weight}">'
            f'<span style="overflow-wrap:anywhere">{html.escape(label)}</span>'
            f"<span>{format_percent(probability)}</span></div>"
            '<div style="height:10px;border-radius:5px;background:rgba(127,127,127,.2)">'
            f'<div style="height:10px;border-radius:5px;width:{100 * probability:.2f}%;background:{COLOURS[0]};'
            f'opacity:{1 if place == 0 else 0.55}"></div></div></div>'
        )
    return f'<div role="img" aria-label="Probabilities of the classes">{"".join(rows)}</div>'


def _table(chosen: Sequence[RunSummary], answers: dict[str, list[Prediction]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Picture": answer.file,
                "Network": item.title,
                "Class": answer.label,
                "Probability": answer.probability,
                "Milliseconds": round(answer.milliseconds, 1),
                "Trouble": answer.error or "",
                "Run": item.id,
            }
            for item in chosen
            for answer in answers.get(item.id, [])
        ]
    )
