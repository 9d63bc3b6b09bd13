"""Compare: a race, a learning curve or runs of one dataset, evaluated on the same held-out pictures."""

from collections.abc import Sequence

import streamlit as st

from core.races.race import Race
from core.runs.summary import RunSummary
from core.settings import Settings
from pages.components.compare import learning_curve_view, race_choice, run_choice
from pages.components.compare.live import race_view
from pages.components.compare.result import race_result, runs_view
from pages.components.shared import frame
from pages.components.shared.dataset_cache import list_datasets
from pages.components.shared.snapshots.race_snapshot import forget_races, look_at_race, races_of
from pages.components.shared.snapshots.runs_snapshot import list_runs


def page() -> None:
    settings = frame.open_page("Compare")
    with frame.explained():
        summaries = [item for item in list_runs(settings) if item.epochs_done or item.tested]
        races = races_of(settings)
        if st.query_params.get("race", "") not in ("", *(race.id for race in races)):  # it may have begun just now
            forget_races()
            races = races_of(settings)
        if not summaries and not races:
            st.info("Nothing to compare yet: start a race first.", icon=":material/flag:")
            if list_datasets(settings):
                frame.link(frame.TRAIN, label="Start a race", icon=":material/flag:")
            else:
                frame.link_to_start()
            return
        race = race_choice.choose(settings, races) if races else None
        if race is None:
            if not races or "runs" in st.query_params:
                _compare_runs(settings, summaries)
        elif race.plan.kind == "curve":
            _show_curve(settings, race)
        elif not race_view.watch_race(settings, race.id):
            race_result.show_race_result(settings, look_at_race(settings, race.id))


def _show_curve(settings: Settings, curve: Race) -> None:
    learning_curve_view.watch_curve(settings, curve.id)


def _compare_runs(settings: Settings, summaries: Sequence[RunSummary]) -> None:
    if not summaries:
        st.info("No single run has finished its first epoch yet: look at the races.", icon=":material/hourglass_top:")
        return
    chosen = run_choice.choose_runs(summaries)
    if chosen:
        runs_view.show_runs_result(settings, chosen)
    else:
        st.info("Choose at least one run above.", icon=":material/touch_app:")


page()
