"""The form that starts a batch: a zip or pictures of this device, or a folder on the server; and earlier batches."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.batches.batch import Batch
from core.batches.batch_store import BatchStore
from core.errors import TuneMyPetsError
from core.formatting import format_count, format_limit
from core.room.board import check_uploads
from core.settings import Settings
from pages.components.predict.chosen_network import Chosen
from pages.components.shared import frame
from pages.components.shared.importing.server_disk import may_read_server
from pages.components.shared.importing.upload_memory import drop_uploads
from pages.components.shared.pictures import gallery

BATCH = "batch"  # in the address: the id of one
ZIP, PICTURES, FOLDER = "Zip", "Pictures", "Folder on the server"
ROUND = "batch-round"
LISTED = 10
ICONS = {
    "running": ":material/hourglass_top:",
    "finished": ":material/check_circle:",
    "failed": ":material/error:",
    "interrupted": ":material/bolt:",
    "cancelled": ":material/cancel:",
}


def offer_batch(settings: Settings, chosen: Chosen) -> None:
    """Draw the folded form, and below it the visitor's earlier batches."""
    with st.expander("Many pictures", icon=":material/photo_library:", key="batch-form"):
        st.markdown(
            f"A whole folder, answered by **{frame.plain(chosen.name)}**: counts, a table, and sorted pictures."
        )
        with frame.explained():
            check_uploads(settings, frame.actor())
            _draw_form(settings, chosen)
        _list_earlier(settings)


def _draw_form(settings: Settings, chosen: Chosen) -> None:
    ways = [ZIP, PICTURES, *([FOLDER] if may_read_server(settings) else [])]
    way = st.segmented_control("As", ways, default=ZIP, required=True, key="batch-way", label_visibility="collapsed")
    files: list[UploadedFile] = []
    path = ""
    number = st.session_state.setdefault(ROUND, 0)
    limit = f"Your uploads may take {format_limit(settings.session_upload_bytes)} together."
    if way == FOLDER:
        path = st.text_input(
            "Folder or zip on the server", key="batch-path", help="Its full path on the machine that runs this app."
        ).strip()
    elif way == ZIP:
        archive = st.file_uploader("Zip file", type=["zip"], key=f"batch-zip-{number}", help=limit)
        files = [archive] if archive else []
    else:
        files = st.file_uploader(
            "Many pictures",
            type=gallery.IMAGE_TYPES,
            accept_multiple_files=True,
            key=f"batch-files-{number}",
            help=limit,
        )
    if st.button(
        "Predict all",
        type="primary",
        icon=":material/play_arrow:",
        disabled=not files and way != FOLDER,  # a tap on it ends the typing of a path
        key="batch-go",
        help="Choose the pictures first." if not files and way != FOLDER else None,
    ):
        _start(settings, chosen, path, files, zipped=way == ZIP)


def _start(settings: Settings, chosen: Chosen, path: str, files: Sequence[UploadedFile], *, zipped: bool) -> None:
    store, by = BatchStore(settings), frame.actor()
    if not files:
        if not path:
            st.error("Write the path of a folder first, such as /home/me/pictures.", icon=":material/block:")
            return
        batch = store.start(chosen.run.id, Path(path), by=by)
    else:
        with st.spinner("Copying the upload"):
            if zipped:
                archive, title = store.receive_zip(files[0]), files[0].name
            else:
                archive = store.receive_files([(file.name, file) for file in files])
                title = format_count(len(files), "picture")
        batch = store.start_upload(chosen.run.id, archive, title, by=by)
        drop_uploads(files)
        st.session_state[ROUND] += 1
    open_batch(batch.id)
    st.rerun()


def open_batch(batch_id: str) -> None:
    """Show a batch; also a callback."""
    st.query_params[BATCH] = batch_id


def _list_earlier(settings: Settings) -> None:
    """The visitor's batches, newest first; the presenter sees all."""
    try:
        found = BatchStore(settings).all(frame.actor())
    except TuneMyPetsError:
        return
    if not found:
        return
    st.markdown("**Earlier**")
    for batch in found[:LISTED]:
        _offer_earlier(settings, batch)
    if len(found) > LISTED:
        st.caption(f"{len(found) - LISTED} older ones. Each is removed a week after it has ended.")


def _offer_earlier(settings: Settings, batch: Batch) -> None:
    with frame.explained():
        request, status = batch.request(), batch.status()
        owner = frame.owner_name(settings, request.owner)
        count = format_count(status.total or status.done, "file")
        title = f"{owner}: {request.title}" if owner else request.title
        st.button(
            f"{frame.plain(title)} · {count} · {status.state}",
            icon=ICONS[status.state],
            type="tertiary",
            key=f"batch-open-{batch.id}",
            on_click=open_batch,
            args=(batch.id,),
        )
