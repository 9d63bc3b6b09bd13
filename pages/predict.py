"""Predict: upload pictures or use the camera; one run, or two side by side."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import streamlit as st

from core.runs.summary import RunSummary
from pages.components.predict.prediction_cards import show_predictions
from pages.components.shared import frame, gallery
from pages.components.shared.recent_runs import short_result
from pages.components.shared.runs_snapshot import list_usable

MAX_IMAGES = 200


def page() -> None:
    settings = frame.open_page("Predict", "Try your own photo on a network that was trained here.")
    with frame.explained():
        usable = list_usable(settings)
        if not usable:
            st.info("There is no trained network yet: train one first.", icon=":material/flag:")
            frame.link(frame.TRAIN, label="Train a network", icon=":material/flag:")
            return
        frame.predictor(settings).warm_up()
        chosen = _choose(usable)
        pictures = _images()
        if not chosen or not pictures:
            st.caption("Choose a network and add a picture.")
            return
        show_predictions(settings, chosen, pictures)


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
        type=gallery.IMAGE_TYPES,
        accept_multiple_files=True,
        max_upload_size=gallery.UPLOAD_MB,
        help=f"Up to {MAX_IMAGES} pictures of at most {gallery.UPLOAD_MB} MB.",
        key="predict-files",
    )
    pictures = [(item.name, item.getvalue()) for item in uploads[:MAX_IMAGES]]
    if len(uploads) > MAX_IMAGES:
        st.warning(f"Only the first {MAX_IMAGES} pictures are used.")
    if _camera_works():
        with st.expander("Use the camera", icon=":material/photo_camera:"):
            # browsers ask for permission as soon as the widget is there
            if st.toggle("Camera on", key="predict-camera-on"):
                shot = st.camera_input("Take a picture", key="predict-camera")
                if shot is not None:
                    pictures.append(("camera.jpg", shot.getvalue()))
    else:
        st.caption(
            ":material/photo_camera: Browsers allow the camera only on https and localhost: upload a photo instead."
        )
    return pictures


def _camera_works() -> bool:
    """Browsers allow the camera on https and on the machine itself only."""
    parts = urlsplit(st.context.url or "")
    return parts.scheme == "https" or (parts.hostname or "") in ("localhost", "127.0.0.1", "::1")


page()
