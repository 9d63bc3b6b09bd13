"""The leaderboard: a bar with its interval for each run of a dataset; what is not shown to differ is a tie."""

import html
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.config.arm_names import describe_arm, name_arm
from core.errors import RunError
from core.formatting import format_percent, format_points
from core.palette import STRATEGY_STYLES
from core.runs.summary import RunSummary
from core.settings import Settings
from core.statistics.leaderboard import Rank, rank
from pages.components.shared import frame
from pages.components.shared.snapshots.runs_snapshot import list_runs
from pages.components.shared.snapshots.shared_cache import SharedCache

MAX_RUNS = 60  # of one dataset, the newest
MAX_BARS = 15
RANK = "One more than the number of runs that are better beyond chance, at 95 % for the whole table."
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
        st.markdown(f"**{frame.plain(chosen)}**, {places[0].accuracy.n} test pictures. {_headline(places)}")
        st.html(
            f'<div class="board">{"".join(_bar(settings, item, by_id[item.id]) for item in places[:MAX_BARS])}</div>'
        )
        if len(places) > MAX_BARS:
            st.caption(f"{len(places) - MAX_BARS} more in the table.")
        with st.expander("All numbers", icon=":material/table:", key=f"leaderboard-numbers-{number}"):
            table = _table(settings, places, by_id)
            st.dataframe(
                table,
                hide_index=True,
                width="stretch",
                column_config={
                    "Rank": st.column_config.TextColumn(width=60, help=RANK),
                    # a phone shows the first columns: the figure is nothing without its interval
                    "Accuracy": st.column_config.NumberColumn(format="%.1f %%", width=80, help="On test pictures."),
                    "95 % interval": st.column_config.TextColumn(width=110),
                },
            )
            frame.offer_csv("Download as CSV", table, "tunemypets-leaderboard.csv", key=f"leaderboard-csv-{number}")
    st.caption("Thin lines: 95 % intervals. =: a tie, where the lead may be luck.")


def _headline(places: Sequence[Rank]) -> str:
    first = [item for item in places if item.place == places[0].place]
    if len(places) == 1:
        return "Only one so far."
    if len(first) > 1:
        return f"**Too close to call** among the first {len(first)}."
    beaten = "all others" if first[0].worse == len(places) - 1 else f"{first[0].worse} of {len(places) - 1} others"
    return f"The first is better than {beaten}, beyond chance."


def _bar(settings: Settings, item: Rank, run: RunSummary) -> str:
    interval, value = item.accuracy.interval, item.accuracy.value or 0.0
    owner = frame.person_name(settings, run.meta.owner)
    low, width = 100 * interval.low, 100 * (interval.high - interval.low)
    return (
        f'<div class="board-row"><div class="board-place">{item.place}{" =" if item.tied else ""}</div>'
        f'<div class="board-who"><b>{html.escape(owner)}</b> '
        f"<span>{name_arm(run.config)} <small>{html.escape(describe_arm(run.config))}</small></span></div>"
        f'<div class="board-figure"><b>{format_percent(value)}</b> '
        f"<small>{format_points(interval.low)} to {format_points(interval.high)}</small></div>"
        f'<div class="board-bar"><span style="width:{100 * value:.1f}%;'
        f'background:{STRATEGY_STYLES[run.config.strategy].colour}"></span>'
        f'<i style="left:{low:.1f}%;width:{width:.1f}%"></i></div></div>'
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
