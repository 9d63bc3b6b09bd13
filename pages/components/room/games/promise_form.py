"""The test of a promise on a phone: say whether a picture is known or strange, show it, see what the network says."""

import streamlit as st

from core.actor import Actor
from core.formatting import format_probability, join_names
from core.games.promise import EACH, PromiseStore, PromiseView
from core.novelty.not_sure import NotSure
from core.settings import Settings
from pages.components.room.games import promise_scene
from pages.components.room.games.game_snapshot import current_promise, redraw_games
from pages.components.shared import frame
from pages.components.shared.pictures import gallery

KINDS = {True: "Known", False: "Strange"}
LAST, ROUND = "promise-last", "promise-round"  # in the session: the newest answer, and how many pictures were shown


def show_showing(settings: Settings, by: Actor) -> None:
    """Draw what a person can do now."""
    view = current_promise(settings)
    st.fragment(_watch, run_every=2.0)(settings, () if view is None else (view.id, view.open))
    if view is None:
        st.info("No promise is tested yet: the presenter starts in a moment.", icon=":material/handshake:")
        return
    st.markdown(f"##### {promise_scene.state_promise(view)}")
    if view.open:
        with frame.explained():
            _ask(settings, view, by)
    else:
        promise_scene.show_counts(view)


def _watch(settings: Settings, drawn: tuple[object, ...]) -> None:
    view = current_promise(settings)
    if (() if view is None else (view.id, view.open)) != drawn:
        st.rerun()


def _ask(settings: Settings, view: PromiseView, by: Actor) -> None:
    _show_last(view)
    done = {known: view.of(by.id, known=known) for known in KINDS}
    if all(count >= EACH for count in done.values()):
        st.success("You have shown all your pictures: look at the screen.", icon=":material/check_circle:")
        return
    names = join_names([frame.plain(name) for name in view.test.classes[:6]])
    st.markdown(f"Show {EACH} known pictures ({names}) and {EACH} strange ones (anything else).")
    number = st.session_state.setdefault(ROUND, 0)
    known = st.segmented_control(
        "What does your picture show?",
        list(KINDS),
        format_func=lambda kind: f"{KINDS[kind]} ({done[kind]} of {EACH})",
        key=f"promise-kind-{view.id}-{number}",
        help="Decide before the network answers.",
    )
    if known is None:
        st.caption("Decide first, then take or choose the picture. It is not kept, only what the network said.")
        return
    file = st.file_uploader(
        "Your picture", type=gallery.IMAGE_TYPES, max_upload_size=gallery.UPLOAD_MB,
        key=f"promise-file-{view.id}-{number}",
    )  # fmt: skip
    if file is None:
        return
    store, data = PromiseStore(settings), file.getvalue()
    store.check_turn(view.id, data, known, by=by)
    with st.spinner("Asking the network"):
        (found,) = frame.predictor(settings).predict(view.test.run, [(file.name, data)], top=1)
    if found.error or found.not_sure is None:
        st.error(
            frame.plain(found.error or "The network cannot say how strange this is: ask the presenter for a new test.")
        )
        return
    store.add(view.id, data, known, found.not_sure, by=by)
    top = f"{found.top[0][0]}, {format_probability(found.top[0][1])}" if found.top else ""
    st.session_state[LAST] = view.id, known, found.not_sure, top
    st.session_state[ROUND] = number + 1
    redraw_games()


def _show_last(view: PromiseView) -> None:
    place, known, answer, top = st.session_state.get(LAST, ("", False, None, ""))
    if place != view.id or not isinstance(answer, NotSure):
        return
    refused = answer.refused(view.test.promise)
    said = "**Not sure**: unlike the training pictures" if refused else f"**{frame.plain(top)}**"
    right = refused != known
    (st.success if right else st.warning)(
        f"You said {KINDS[known].lower()}. The network: {said}.",
        icon=":material/check_circle:" if right else ":material/error:",
    )
