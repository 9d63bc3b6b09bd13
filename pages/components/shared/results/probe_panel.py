"""Linear probes of a network on a dataset: started by a button, followed while they run, drawn when they are there.

Drawn as a fragment that refreshes itself while they run, whoever started them.
"""

from collections.abc import Callable

import streamlit as st

from core.datasets.dataset import Dataset
from core.errors import TuneMyPetsError
from core.jobs.shared_job import JobState
from core.probes.ladder import Ladder, ladder_path, read_ladder
from core.probes.probing import cancel_probes, check_network, look, start_probes
from core.settings import Settings
from core.storage import stamp_of
from pages.components.shared import frame, progress_bar
from pages.components.shared.refresh_rate import keep_up
from pages.components.shared.snapshots.shared_cache import SharedCache

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
    name = f"probes-{key}-{dataset.id}-{network}"

    def draw_state(state: JobState[Ladder]) -> None:
        if state.result is not None:
            draw(state.result)
        elif state.active:
            progress_bar.show_job(
                state,
                dataset.summary.owner,
                lambda by: cancel_probes(settings, dataset, network, by=by),
                f"cancel-{name}",
                result=", and everyone sees the result",
            )
        else:
            _offer(settings, dataset, network, state, name)

    keep_up(settings, name, lambda: _look(settings, dataset, network), lambda state: state.active, draw_state)


def _look(settings: Settings, dataset: Dataset, network: str) -> JobState[Ladder]:
    ladder = read_once(settings, dataset, network)
    return look(settings, dataset, network) if ladder is None else JobState(ladder)


def _offer(settings: Settings, dataset: Dataset, network: str, state: JobState[Ladder], name: str) -> None:
    try:
        check_network(dataset, network)
    except TuneMyPetsError as error:
        st.info(frame.plain(str(error)), icon=":material/inventory_2:")
        return
    progress_bar.offer_job(
        state,
        "Measure each block",
        f"start-{name}",
        ":material/stairs:",
        lambda: start_probes(settings, dataset, network, by=frame.actor()),
    )
