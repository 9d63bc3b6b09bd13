"""The latest runs, races and sweeps, each with its state, result and link."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.formatting import SPLIT_NAMES, format_count, format_percent
from core.races.race import Race
from core.runs.summary import RunSummary
from core.settings import Settings
from core.sweeps.sweep import Sweep
from pages.components.shared import frame
from pages.components.shared.snapshots.race_snapshot import races_of
from pages.components.shared.snapshots.runs_snapshot import list_runs
from pages.components.shared.snapshots.sweep_snapshot import list_sweeps

SHOWN = 8


def show_recent(settings: Settings) -> None:
    """Draw the newest runs, races and sweeps; nothing while there are none."""
    summaries, sweeps = list_runs(settings), {item.id: item for item in list_sweeps(settings)}
    if not summaries and not sweeps:
        return
    planned = {race.id: race for race in races_of(settings) if race.meta.plan is not None and not race.plan.is_pair}
    begun = [(item.meta.created, item.meta.race if item.meta.race in planned else item.id) for item in summaries]
    begun += [(item.meta.created, item.id) for item in sweeps.values()]
    rows = list(dict.fromkeys(row for _, row in sorted(begun, key=lambda pair: pair[0], reverse=True)))
    by_id = {item.id: item for item in summaries}
    for row in rows[:SHOWN]:
        if row in by_id:
            draw_run(settings, by_id[row])
        elif row in sweeps:
            _show_sweep(settings, sweeps[str(row)])
        else:
            _show_race(settings, planned[str(row)])
    if len(rows) > SHOWN:
        st.caption(f"{len(rows) - SHOWN} more on the Compare page.")


def _show_race(settings: Settings, race: Race) -> None:
    """A race or learning curve in one frame."""
    ended = sum(not run.state.active for run in race.runs)
    words = f"{ended} of {len(race.entries)} runs done"
    with _row(settings, race.meta.owner, frame.format_state(race.state), words):
        frame.link(
            frame.COMPARE,
            label=f"{frame.plain(race.title)} on {frame.plain(race.dataset)}",
            icon=":material/flag:" if race.plan.kind == "race" else ":material/trending_up:",
            query_params={"race": race.id},
        )


def _show_sweep(settings: Settings, sweep: Sweep) -> None:
    """A sweep in one frame; its trials have no rows of their own."""
    title = f"{frame.plain(sweep.title)} on {frame.plain(sweep.plan.base.dataset)}"
    best = "" if sweep.best is None else f"best validation {format_percent(sweep.best.accuracy or 0.0)}"
    words = format_count(sweep.counted, "trial")
    with _row(settings, sweep.meta.owner, frame.format_state(sweep.state), words, best):
        frame.link_to_sweep(
            sweep.id, label=f"{'Sweep: ' if sweep.plan.title else ''}{title}", icon=":material/travel_explore:"
        )


def draw_run(settings: Settings, item: RunSummary) -> None:
    """One run in a frame: link, state, result, owner."""
    label = f"{frame.plain(item.title)} on {frame.plain(item.config.dataset)}"
    with _row(settings, item.meta.owner, result_text(item)):
        frame.link_to_run(item.id, item.meta.race, label=label)


@contextmanager
def _row(settings: Settings, owner: str, *words: str) -> Iterator[None]:
    """A frame with a link, drawn within, and on its right words, the first of them larger, and whose it is."""
    name = frame.owner_name(settings, owner)
    first, *rest = (*filter(None, words), *([f"by {frame.plain(name)}"] if name else []))
    with st.container(border=True):
        left, right = st.columns(2, vertical_alignment="center")
        with left:
            yield
        # a badge in a caption would be too pale to read
        right.markdown(f"{first} :small[{' · '.join(rest)}]" if rest else first)


def result_text(item: RunSummary) -> str:
    """State and result of a run in one line of Markdown."""
    state = frame.format_state(item.state)
    if item.is_curve:
        return f"{state} {item.points_text}"
    if item.accuracy is not None and item.tested is not None:
        word = SPLIT_NAMES[item.tested.split]
        return f"{state} {word} {item.accuracy.text()}"
    if item.best_val_accuracy is not None:
        return f"{state} best validation {format_percent(item.best_val_accuracy)}"
    return state


def short_result(item: RunSummary) -> str:
    """Result and the end of the id, for lists of runs to choose from."""
    if item.is_curve:
        return f"{item.points_text} · {item.id[-6:]}"
    accuracy = format_percent(item.accuracy.value) if item.accuracy and item.accuracy.value is not None else None
    return f"{accuracy or item.state.value} · {item.id[-6:]}"
