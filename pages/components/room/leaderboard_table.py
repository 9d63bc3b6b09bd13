"""The leaderboard: one table per dataset, ties shown as ties."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.errors import RunError
from core.runs.summary import RunSummary
from core.settings import Settings
from core.statistics.leaderboard import Rank, rank
from pages.components.shared import frame
from pages.components.shared.runs_snapshot import list_runs
from pages.components.shared.shared_cache import SharedCache

MAX_RUNS = 60  # of one dataset, the newest
Key = tuple[str, tuple[tuple[str, int], ...]]
# test results never change: ranked once for all sessions, until there is a new one
_rankings: SharedCache[Key, list[list[Rank]]] = SharedCache(None, max_entries=16)


def show_leaderboard(settings: Settings) -> None:
    """Draw the rankings, or what is missing for one."""
    tested = [item for item in list_runs(settings) if item.tested is not None and item.tested.split == "test"]
    if not tested:
        st.info("The leaderboard starts with the first test result.", icon=":material/emoji_events:")
        return
    names = list(dict.fromkeys(item.config.dataset for item in tested))
    if len(names) > 1:
        chosen = st.selectbox(
            "Dataset", names, key="leaderboard-dataset", help="Only runs on the same pictures can be compared."
        )
    else:
        chosen = names[0]
    runs = [item for item in tested if item.config.dataset == chosen][:MAX_RUNS]
    by_id = {item.id: item for item in runs}
    for number, places in enumerate(_rank(settings, runs)):
        n = places[0].accuracy.n
        st.markdown(f"**{frame.plain(chosen)}**, {n} test pictures")
        table = _table(settings, places, by_id)
        st.dataframe(
            table,
            hide_index=True,
            width="stretch",
            column_config={
                "Rank": st.column_config.TextColumn(width=60),
                # a phone shows the first columns: the figure is nothing without its interval
                "Accuracy": st.column_config.NumberColumn(format="%.1f %%", width=80, help="On test pictures."),
                "95 % interval": st.column_config.TextColumn(width=110),
            },
        )
        frame.offer_csv("Download as CSV", table, "tunemypets-leaderboard.csv", key=f"leaderboard-csv-{number}")
    st.caption(
        "Rank: one more than the number of runs that are better beyond chance (95 % for the whole table); = is a tie. "
        "A lead within the same rank may be luck."
    )


def _rank(settings: Settings, runs: Sequence[RunSummary]) -> list[list[Rank]]:
    stamp = tuple((item.id, item.tested.correct if item.tested else 0) for item in runs)

    def make() -> list[list[Rank]]:
        tables = {}
        for item in runs:
            try:
                tables[item.id] = frame.runs(settings).get(item.id).predictions()
            except RunError:
                continue  # deleted meanwhile, or damaged: its own page shows that
        return rank(tables)

    return _rankings.get((str(settings.home), stamp), make)


def _table(settings: Settings, places: Sequence[Rank], by_id: dict[str, RunSummary]) -> pd.DataFrame:
    rows = []
    for item in places:
        run, interval = by_id[item.id], item.accuracy.interval
        rows.append(
            {
                "Rank": f"{item.place}{' =' if item.tied else ''}",
                "Accuracy": 100 * (item.accuracy.value or 0.0),
                "95 % interval": f"{100 * interval.low:.1f} to {100 * interval.high:.1f}",
                "By": frame.owner_name(settings, run.meta.owner),
                "Run": run.title,
                "Better than": item.worse,
            }
        )
    table = pd.DataFrame(rows)
    return table if any(table["By"]) else table.drop(columns="By")
