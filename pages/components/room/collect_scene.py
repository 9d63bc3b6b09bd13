"""Collecting photos with the room: the code of the phone page and the mosaic; the presenter opens, closes, freezes."""

import html

import streamlit as st

from core.actor import Actor
from core.collection.collection import CollectionView
from core.collection.collection_store import MAX_TITLE, CollectionStore
from core.errors import TuneMyPetsError
from core.jobs.freezing import start_freezing
from core.room.access import RoomStore
from core.settings import Settings
from pages.components.room.join_scene import show_closed
from pages.components.shared import door, frame, progress_bar
from pages.components.shared.dataset_cache import forget_datasets
from pages.components.shared.pictures.mosaic import current_collection, describe_people, forget_collections, show_mosaic
from pages.components.shared.qr_code import draw_qr, reachable_address
from pages.server.collect_page import PAGE

FREEZING = "freezing"  # in the address: the import that is followed
SPLITS = ("60/20/20", "70/15/15", "80/10/10")


def show_collecting(settings: Settings) -> None:
    """Draw how to add photos, and those that are there."""
    if not settings.room:
        show_closed()
    view = current_collection(settings)
    if view is None:
        st.info("Nothing is collected yet: give it a title, and everyone's phone can add photos.")
        return
    room = RoomStore(settings).current() if settings.room else None
    state = describe_people(view) if view.collection.open else f"Closed · {describe_people(view)}"
    words = (
        f'<div class="collect-title">{html.escape(view.collection.title)}</div><div class="collect-count">{state}</div>'
    )
    if room is not None and view.collection.open:
        address = f"{reachable_address()}{PAGE}"
        code = draw_qr(f"{address}?{door.PASSCODE}={room.passcode}")
        words = (
            f'<img class="collect-code" alt="QR code of the page that collects photos" src="{code}">'
            f'<div class="collect-words">{words}<div>Scan the code, or open <b>{html.escape(address)}</b> '
            f"with the passcode <b>{room.shown_passcode}</b></div></div>"
        )
    st.html(f'<div class="collect">{words}</div>')
    show_mosaic(settings, view)


def show_controls(settings: Settings, by: Actor) -> None:
    """Draw the presenter's buttons; they do not refresh by themselves."""
    job = st.query_params.get(FREEZING)
    if job and _follow(settings, job):
        return
    view = CollectionStore(settings).current()
    if view is None:
        _offer_start(settings, by)
        return
    opened = view.collection.open
    with st.container(horizontal=True, key="collect-controls"):
        label, icon = ("Close it", ":material/lock:") if opened else ("Collect for everyone", ":material/lock_open:")
        if st.button(label, icon=icon, key="collect-open", help="Only while it is open can people add and delete."):
            CollectionStore(settings).set_open(view.id, not opened, by=by)
            _redraw()
        with st.popover("Freeze and train", icon=":material/model_training:", key="collect-freeze"):
            _offer_freezing(settings, view, by)
        st.link_button("Classes and photos", PAGE.lstrip("/"), icon=":material/edit:")
        with st.popover("New or delete", icon=":material/more_horiz:", key="collect-more"):
            _offer_start(settings, by)
            _offer_earlier(settings, view, by)
            st.caption("Deletes every photo of this collection for good; datasets that were made of it stay.")
            if st.button("Delete this collection", icon=":material/delete:", key="collect-delete"):
                CollectionStore(settings).delete(view.id, by=by)
                _redraw()


def _offer_start(settings: Settings, by: Actor) -> None:
    with st.form("collect-start", border=False):
        title = st.text_input("Title", "Our photos", max_chars=MAX_TITLE, key="collect-title", help="Of the dataset.")
        if st.form_submit_button("Collect for everyone", type="primary", icon=":material/add_a_photo:"):
            with frame.explained():
                CollectionStore(settings).start(title, by=by)
                _redraw()


def _offer_earlier(settings: Settings, view: CollectionView, by: Actor) -> None:
    titles = {item.id: item.collection.title for item in CollectionStore(settings).all() if item.id != view.id}
    if titles:
        chosen = st.selectbox("Earlier collection", list(titles), format_func=titles.__getitem__, key="collect-earlier")
        if st.button("Show this one", icon=":material/history:", key="collect-choose"):
            CollectionStore(settings).choose(chosen, by=by)
            _redraw()


def _offer_freezing(settings: Settings, view: CollectionView, by: Actor) -> None:
    plan = st.selectbox("Split", SPLITS, key="collect-split", help="Per cent for training, validation and test.")
    st.caption(
        "Closes the collection and makes a dataset of the classes that are switched on. All pictures of a person are "
        "in one split, or with few people the frames of a clip. The collection stays."
    )
    if st.button("Freeze now", type="primary", icon=":material/model_training:", key="collect-freeze-now"):
        with frame.explained():
            st.query_params[FREEZING] = start_freezing(settings, view.id, plan, by=by)
            _redraw()


def _follow(settings: Settings, job: str) -> bool:
    """Show the import of a collection, then open Train with its dataset; False where it failed."""
    try:
        status = frame.imports(settings).status(job)
    except TuneMyPetsError as error:
        st.error(frame.plain(str(error)), icon=":material/block:")
        return False
    if status.state == "finished" and status.dataset:
        forget_datasets()
        frame.go(frame.TRAIN, query_params={"dataset": status.dataset})
    if status.state != "running":
        st.error(frame.plain(status.text), icon=":material/block:")
        return False
    st.fragment(_wait, run_every=0.5)(settings, job)
    return True


def _wait(settings: Settings, job: str) -> None:
    status = frame.imports(settings).status(job)
    if status.state != "running":
        st.rerun()
    progress_bar.draw_bar(status.text, status.done, status.total, status.eta_seconds, unit=status.unit)


def _redraw() -> None:
    forget_collections()
    st.rerun()
