"""A visitor's pictures: uploaded, or taken with the camera."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pages.components.shared.pictures import gallery

MAX_IMAGES = 200
SEEN = "predict-seen"  # the pictures in the order they came
ROUND = "predict-round"


@dataclass(frozen=True)
class Picture:
    """A picture of the visitor.

    Attributes:
        id: unique among all uploads of a session.
    """

    id: str
    name: str
    data: bytes


def take() -> list[Picture]:
    """Draw uploader and camera, and return the pictures, newest first."""
    number = st.session_state.setdefault(ROUND, 0)
    suffix = f"-{number}" if number else ""
    with st.container(key="predict-upload"):
        files: list[UploadedFile] = st.file_uploader(
            "Pictures",
            type=gallery.IMAGE_TYPES,
            accept_multiple_files=True,
            max_upload_size=gallery.UPLOAD_MB,
            label_visibility="collapsed",
            key=f"predict-files{suffix}",
        )
    if len(files) > MAX_IMAGES:
        st.warning(f"Only the first {MAX_IMAGES} pictures are used: *Many pictures* below takes all.")
    found = {file.file_id: Picture(file.file_id, file.name, file.getvalue()) for file in files[:MAX_IMAGES]}
    with st.container(horizontal=True, vertical_alignment="center", key="predict-camera-row"):
        # browsers ask for permission as soon as the widget is there
        camera = _camera_works() and st.toggle("Camera", key="predict-camera-on")
        if not files:
            st.caption(
                f"At most {MAX_IMAGES} photos, {gallery.UPLOAD_MB} MB each; *Many pictures* below takes a zip. "
                "On a phone, *Upload* can also take one."
            )
        elif st.button("Start over", icon=":material/restart_alt:", type="tertiary", key="predict-again"):
            st.session_state[ROUND] = number + 1
            st.rerun()
    if camera:
        shot = st.camera_input("Take a picture", key=f"predict-camera{suffix}", label_visibility="collapsed")
        if shot is not None:
            found[shot.file_id] = Picture(shot.file_id, "camera.jpg", shot.getvalue())
    seen: dict[str, None] = st.session_state.setdefault(SEEN, {})
    seen.update(dict.fromkeys(found))
    return [found[name] for name in reversed(seen) if name in found]


def _camera_works() -> bool:
    """Browsers allow the camera on https and on the machine itself only."""
    parts = urlsplit(st.context.url or "")
    return parts.scheme == "https" or (parts.hostname or "") in ("localhost", "127.0.0.1", "::1")
