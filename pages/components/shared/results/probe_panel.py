"""Linear probes of a network on a dataset: started by a button, followed while they run, drawn when they are there.

Drawn as a fragment that refreshes itself while they run, whoever started them.
"""

from collections.abc import Callable

import streamlit as st

from core.datasets.dataset import Dataset
from core.errors import TuneMyPetsError
from core.formatting import format_estimate
from core.probes.ladder import Ladder, ladder_path, read_ladder
from core.probes.probing import ProbeState, cancel_probes, check_network, look, start_probes
from core.settings import Settings
from core.storage import stamp_of
from pages.components.shared import frame
from pages.components.shared.snapshots.shared_cache import SharedCache

REFRESH_SECONDS = 1.0

_found: SharedCache[tuple[object, ...], Ladder | None] = SharedCache(None, max_entries=64)


def read_once(settings: Settings, dataset: Dataset, network: str) -> Ladder | None:
    """The probes, read once for all sessions; None where there are none."""
    path = ladder_path(settings, dataset, network)
    stamp = stamp_of(path)
    return None if stamp is None else _found.get((path, stamp), lambda: read_ladder(path))


def show_probes(settings: Settings, dataset: Dataset, network: str, draw: Callable[[Ladder], None], key: str) -> None:
    """Draw the probes, how far they are, or the button that starts them.

    Args:
        key: of this place on the page.
    """
    active = _look(settings, dataset, network).job.active
    name = f"probes-{key}-{dataset.id}-{network}"
    st.fragment(_show, run_every=REFRESH_SECONDS if active else None, key=name)(settings, dataset, network, draw, name)


def _look(settings: Settings, dataset: Dataset, network: str) -> ProbeState:
    ladder = read_once(settings, dataset, network)
    return look(settings, dataset, network) if ladder is None else ProbeState(ladder)


def _show(settings: Settings, dataset: Dataset, network: str, draw: Callable[[Ladder], None], name: str) -> None:
    with frame.explained():
        state = _look(settings, dataset, network)
        active = state.job.active
        seen = f"seen-{name}"
        if st.session_state.get(seen, active) != active:  # the fragment starts or stops to refresh
            st.session_state[seen] = active
            st.rerun()
        st.session_state[seen] = active
        if state.ladder is not None:
            draw(state.ladder)
        elif active:
            _show_progress(settings, dataset, network, state, name)
        else:
            _offer(settings, dataset, network, state, name)


def _offer(settings: Settings, dataset: Dataset, network: str, state: ProbeState, name: str) -> None:
    try:
        check_network(dataset, network)
    except TuneMyPetsError as error:
        st.info(frame.plain(str(error)), icon=":material/inventory_2:")
        return
    if state.job.problem:
        st.warning(frame.plain(state.job.problem), icon=":material/warning:")
    about = f" ({format_estimate(state.estimate)})" if state.estimate else ""
    if st.button(f"Measure each block{about}", key=f"start-{name}", icon=":material/stairs:"):
        start_probes(settings, dataset, network, by=frame.actor())
        st.rerun()


def _show_progress(settings: Settings, dataset: Dataset, network: str, state: ProbeState, name: str) -> None:
    item = state.job.progress
    share = item.done / item.total if item and item.total else 0.0
    count = f" {item.done:,} of {item.total:,}" if item and item.total > 1 else ""
    left = f" · {format_estimate(item.eta_seconds)} left" if item and item.eta_seconds else ""
    st.progress(min(1.0, share), text=f"{item.text if item else 'Starting'}{count}{left}")
    st.caption("It continues when you leave this page, and everyone sees the result.")
    visitor = frame.actor()
    may = visitor.may_change(state.job.owner) or visitor.may_change(dataset.summary.owner)
    if may and st.button("Cancel", key=f"cancel-{name}", icon=":material/close:"):
        cancel_probes(settings, dataset, network, by=visitor)
