"""How often a known picture may be called strange: chosen once for a session, one tap away."""

from collections.abc import Sequence

import streamlit as st

from core.novelty.conformal import DEFAULT_PROMISE, PROMISES
from core.novelty.not_sure import describe_promise
from core.settings import Settings
from pages.components.predict.chosen_network import Chosen
from pages.components.predict.questions import Answers, forget
from pages.components.shared import frame
from pages.components.shared.predictor_requests import request

CHOSEN = "predict-promise"  # kept while the widget is not drawn
WIDGET = "predict-promise-choice"


def current() -> float:
    """The promise of this session."""
    return float(st.session_state.get(CHOSEN, DEFAULT_PROMISE))


def offer(settings: Settings, chosen: Sequence[Chosen], answers: Answers) -> None:
    """Draw the choice, why a promise cannot be made, and how a network of an earlier version learns to make it."""
    given = [
        (item, next((one for one in answers.get(item.run.id, []) if one and not one.error), None)) for item in chosen
    ]
    known = [(item, answer.not_sure) for item, answer in given if answer is not None and answer.not_sure is not None]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="predict-promise-row"):
        if known:
            with st.popover(f"Not sure: {describe_promise(current())}", icon=":material/help:", type="tertiary"):
                _choose()
        reasons = {item.name: found.why_not(current()) for item, found in known}
        same = len(set(reasons.values())) == 1  # as in a race, whose arms have the same validation pictures
        for name, why_not in list(reasons.items())[: 1 if same else None]:
            if why_not:
                st.caption(why_not if same else f"{frame.plain(name)}: {why_not}")
        for item, answer in given:
            if answer is not None and answer.not_sure is None and not item.run.state.active:
                _offer_to_learn(settings, item, named=len(chosen) > 1)


def _choose() -> None:
    def keep() -> None:
        st.session_state[CHOSEN] = st.session_state[WIDGET]

    st.select_slider(
        "Known pictures that may be called strange",
        PROMISES,
        value=current(),
        format_func=describe_promise,
        key=WIDGET,
        on_change=keep,
        help="Known pictures are like the training pictures. With fewer false alarms, fewer strangers are caught.",
    )
    share = describe_promise(current())
    st.caption(
        f"At most {share} known pictures is called strange, and for at most {share} the right class is not among those "
        "named. The validation pictures, on which the network was not trained, show what known ones look like. "
        "Nothing is promised about strangers: Compare shows how many are caught."
    )


def _offer_to_learn(settings: Settings, item: Chosen, *, named: bool) -> None:
    label = f"Let {item.name} notice strange pictures" if named else "Let it notice strange pictures"
    if not st.button(
        frame.plain(label),
        icon=":material/visibility:",
        key=f"predict-know-{item.run.id}",
        help="An earlier version did not keep what its training pictures look like: this looks at them once.",
    ):
        return
    found = request(
        "Looking at the training pictures",
        (str(settings.home), "known pictures", item.identity),
        lambda on_progress: frame.predictor(settings).know_pictures(item.run.id, on_progress),
    )
    if found is not None:
        forget(item)
        st.rerun()
