"""Predict: upload pictures or use the camera; one run, or two side by side."""

import html
from collections.abc import Sequence
from urllib.parse import urlsplit

import pandas as pd
import streamlit as st

from core.datasets.decoder import Limits, render_preview
from core.errors import TuneMyPetsError
from core.formatting import format_percent
from core.predict.predictor_answers import Prediction
from core.runs.summary import RunSummary
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.charts import COLOURS
from pages.components.shared.recent_runs import short_result
from pages.components.shared.runs_snapshot import list_usable

IMAGE_TYPES = ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "avif", "mpo"]
MAX_IMAGES = 200
SHOWN_LARGE = 6
UPLOAD_MB = 64
PREVIEW_PX = 512


def page() -> None:
    settings = frame.open_page("Predict", "Try your own photo on a network that was trained here.")
    with frame.explained():
        usable = list_usable(settings)
        if not usable:
            st.info("There is no trained network yet: train one first.", icon="🏁")
            frame.link(frame.TRAIN, label="Train a network", icon="🏁")
            return
        frame.predictor(settings).warm_up()
        chosen = _choose(usable)
        pictures = _images()
        if not chosen or not pictures:
            st.caption("Choose a network and add a picture.")
            return
        _answer(settings, chosen, pictures)


def _choose(usable: Sequence[RunSummary]) -> list[RunSummary]:
    by_id = {item.id: item for item in usable}
    wanted = [run_id for run_id in st.query_params.get("run", "").split(",") if run_id in by_id]
    chosen = st.multiselect(
        "Network",
        list(by_id),
        default=wanted[:2] or _default(usable),
        format_func=lambda run_id: (
            f"{by_id[run_id].title} on {by_id[run_id].config.dataset} · {short_result(by_id[run_id])}"
        ),
        max_selections=2,
        help="One network, or two side by side.",
        key="predict-runs",
    )
    st.query_params["run"] = ",".join(chosen)
    return [by_id[run_id] for run_id in chosen]


def _default(usable: Sequence[RunSummary]) -> list[str]:
    """Both arms of the newest race, or the newest run."""
    race = usable[0].meta.race
    if race:
        return [item.id for item in reversed(usable) if item.meta.race == race][:2]
    return [usable[0].id]


def _images() -> list[tuple[str, bytes]]:
    uploads = st.file_uploader(
        "Pictures",
        type=IMAGE_TYPES,
        accept_multiple_files=True,
        max_upload_size=UPLOAD_MB,
        help=f"Up to {MAX_IMAGES} pictures of at most {UPLOAD_MB} MB.",
        key="predict-files",
    )
    pictures = [(item.name, item.getvalue()) for item in uploads[:MAX_IMAGES]]
    if len(uploads) > MAX_IMAGES:
        st.warning(f"Only the first {MAX_IMAGES} pictures are used.")
    if _camera_works():
        with st.expander("Use the camera", icon="📷"):
            # browsers ask for permission as soon as the widget is there
            if st.toggle("Camera on", key="predict-camera-on"):
                shot = st.camera_input("Take a picture", key="predict-camera")
                if shot is not None:
                    pictures.append(("camera.jpg", shot.getvalue()))
    else:
        st.caption("📷 Browsers allow the camera only on https and localhost: upload a photo instead.")
    return pictures


def _camera_works() -> bool:
    """Browsers allow the camera on https and on the machine itself only."""
    parts = urlsplit(st.context.url or "")
    return parts.scheme == "https" or (parts.hostname or "") in ("localhost", "127.0.0.1", "::1")


def _answer(settings: Settings, chosen: Sequence[RunSummary], pictures: Sequence[tuple[str, bytes]]) -> None:
    answers: dict[str, list[Prediction]] = {}
    with st.spinner("Predicting; the first time takes a few seconds", show_time=True):
        for item in chosen:
            try:
                answers[item.id] = frame.predictor(settings).predict(item.id, pictures)
            except TuneMyPetsError as error:
                st.error(frame.plain(str(error)), icon="🚫")
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
        st.error(frame.plain(answer.error), icon="🚫")
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


page()
