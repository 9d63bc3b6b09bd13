"""A race or learning curve while it may change: its headline, what it waits for or how long it takes, and its lanes."""

from collections.abc import Callable

import streamlit as st

from core.config.race_plan import MAX_TITLE
from core.formatting import format_count, join_names
from core.races.race import Race, RaceState
from core.races.race_actions import can_evaluate, delete_race, evaluate_race, restart_race, stop_race
from core.runs.run import RunState
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from core.statistics.race_sentences import describe_race
from pages.components.compare.live import race_chart, race_lanes, race_strip
from pages.components.shared import frame
from pages.components.shared.progress_bar import offer_stop
from pages.components.shared.refresh_rate import keep_up
from pages.components.shared.results.verdict import draw_verdict
from pages.components.shared.snapshots.race_snapshot import RaceSnapshot, forget_races, look_at_race

MAX_NAMES = 2  # of runs that ended in the same way; of more, their number is shown
STRIP_TIMES = 3  # refreshes of the lanes for one of the pictures, which change once an epoch
EQUAL_HELP = {
    "epochs": "Every arm sees every training picture equally often.",
    "images": "Every arm sees the same number of training pictures, repeats included.",
    "seconds": "Every arm trains equally long on this machine, frozen layers included. Results vary slightly.",
}


def watch_race(settings: Settings, race_id: str) -> bool:
    """Show the headline of a race, and while it may change its lanes, curves and pictures; returns whether it may.

    Raises:
        RunError: if it has no runs.
    """
    seconds = watch(settings, race_id, _show_live)
    if seconds is not None:
        st.fragment(_strip, run_every=STRIP_TIMES * seconds, key=f"strip-{race_id}")(settings, race_id)
    return seconds is not None


def watch(settings: Settings, race_id: str, show: Callable[[Settings, RaceSnapshot], None]) -> float | None:
    """Show a race or learning curve with its headline, and keep it up to date while it may change.

    Returns:
        Seconds between two refreshes; None if it has ended.
    Raises:
        RunError: if it has no runs.
    """

    def draw(snapshot: RaceSnapshot) -> None:
        _show_headline(settings, snapshot)
        show(settings, snapshot)

    return keep_up(
        settings,
        f"race-{race_id}",
        look=lambda: look_at_race(settings, race_id),
        is_active=lambda snapshot: snapshot.moving,
        draw=draw,
        forget=forget_races,
    )


def _show_live(_: Settings, snapshot: RaceSnapshot) -> None:
    if not snapshot.moving:
        return
    race_chart.show_chart(snapshot)
    found = snapshot.result.comparison if snapshot.result is not None else None
    if found is not None:  # of the seeds that are done
        draw_verdict(f"So far: {describe_race(found)}", found.caveats, found=False)


def _strip(settings: Settings, race_id: str) -> None:
    with frame.explained():
        race_strip.show_strip(settings, race_id)


def _show_headline(settings: Settings, snapshot: RaceSnapshot) -> None:
    """Title, state, the actions that this visitor may take, and while it moves what is left and the lanes."""
    race = snapshot.race
    owner = frame.owner_name(settings, race.meta.owner)
    title = race.title if race.plan.title or len(race.arms) <= race_lanes.ROOMY else f"Race of {len(race.arms)} arms"
    mine = frame.actor().may_change(race.meta.owner)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{frame.plain(title)}** {_badge(snapshot)}", width="stretch")
        if mine and snapshot.moving:
            _offer_stop(settings, snapshot)
        elif mine:
            _offer_changes(settings, race)
    about = _describe_plan(race) + (f" · by {owner}" if owner else "")
    if snapshot.moving:
        race_lanes.show_lanes(snapshot, about)
        return
    st.caption(frame.plain(about), help=EQUAL_HELP[race.plan.budget])
    _show_problems(snapshot)
    if mine and race.state is RaceState.INCOMPLETE:
        _offer_more(settings, race)


def _badge(snapshot: RaceSnapshot) -> str:
    race, words = snapshot.race, {race_lanes.word_of(run) for run in snapshot.runs.values()}
    if "evaluating" in words and not race.state.active:
        return ":blue-badge[:material/science: evaluating]"
    if "interrupted" in words and snapshot.moving and not race.state.active:
        return frame.format_state(RunState.INTERRUPTED)
    if race.state is RaceState.INCOMPLETE and "stopped" in words and not words & {"failed", "interrupted"}:
        return frame.format_state(RunState.STOPPED)
    return frame.format_state(RaceState.RUNNING if "starting" in words else race.state)


def _describe_plan(race: Race) -> str:
    kind = ["Learning curve"] if race.plan.kind == "curve" else []
    parts = [*kind, race.dataset, f"{race.plan.describe_budget()} each"]
    if race.plan.sizes:
        parts.append(f"{len(race.plan.sizes)} sizes")
    if len(race.plan.seeds) > 1:
        parts.append(f"{len(race.plan.seeds)} seeds")
    return " · ".join(parts)


def _show_problems(snapshot: RaceSnapshot) -> None:
    """Why arms have no result; the verdict names those that have less of one than others."""
    race, ended = snapshot.race, dict[str, list[str]]()  # what happened: to whom
    compared = snapshot.result is not None and snapshot.result.comparison is not None
    for run in race.runs:
        named = compared and run.tested is not None
        if run.state.value in ("failed", "interrupted", "stopped") and not named:
            seed = f", seed {run.config.seed}" if len(race.plan.seeds) > 1 else ""
            ended.setdefault(run.text or f"The training was {run.state.value}.", []).append(race.name_of(run) + seed)
    lines = [
        f"**{frame.plain(join_names(names) if len(names) <= MAX_NAMES else format_count(len(names), 'run'))}**: "
        f"{frame.plain(text)}"
        for text, names in ended.items()
    ]
    gone = sum(entry.run is None for entry in race.entries)
    if gone:
        lines.append(f"{gone} {'run was' if gone == 1 else 'runs were'} deleted: the others still count.")
    if lines:
        st.warning("  \n".join(lines), icon=":material/warning:")


def _offer_more(settings: Settings, race: Race) -> None:
    with st.container(horizontal=True):
        if st.button(
            "Start again",
            key=f"restart-{race.id}",
            icon=":material/replay:",
            type="primary",
            help="A new race with the same arms and settings; this one stays.",
        ):
            restarted = restart_race(settings, race, by=frame.actor())
            ensure_scheduler(settings)
            forget_races()
            frame.go(frame.COMPARE, query_params={"race": restarted})
        if can_evaluate(settings, race) and st.button(
            "Evaluate",
            key=f"evaluate-{race.id}",
            icon=":material/science:",
            help="Computes the test results of the stopped arms, once, with their best weights so far.",
        ):
            with st.spinner("Starting …"):
                evaluate_race(settings, race, by=frame.actor())
            forget_races()
            st.rerun()


def _offer_stop(settings: Settings, snapshot: RaceSnapshot) -> None:
    race = snapshot.race
    offer_stop(
        lambda: stop_race(settings, race, by=frame.actor()),
        forget_races,
        f"stop-{race.id}",
        kept="Ends every run and keeps the results so far.",
        stopping=all(run.stopping or run.evaluating or not run.moving for run in snapshot.runs.values()),
    )


def _offer_changes(settings: Settings, race: Race) -> None:
    with st.popover("Change", icon=":material/edit:", key=f"change-{race.id}"):
        if race.meta.plan is not None:
            title = st.text_input(
                "Title",
                race.plan.title,
                max_chars=MAX_TITLE,
                key=f"title-{race.id}",
                placeholder="its arms",
                help="Shown in lists and in new reports.",
            )
            if st.button("Rename", key=f"rename-{race.id}", icon=":material/save:"):
                frame.runs(settings).rename_race(race.id, title, by=frame.actor())
                forget_races()
                st.rerun()
        st.caption("Permanently deletes the weights and results of all its runs. The dataset stays.")
        if st.button("Delete this race", key=f"delete-{race.id}", icon=":material/delete:"):
            delete_race(settings, race, by=frame.actor())  # the page shows its error
            forget_races()
            frame.go(frame.COMPARE, query_params={})
