"""The page of a sweep, from its first trial to the race of its best settings; redrawn while it may change."""

import time

import streamlit as st

from core.errors import SweepError
from core.formatting import (
    format_count,
    format_duration,
    format_estimate,
    format_level,
    format_percent,
    format_points,
    join_names,
)
from core.settings import Settings
from core.statistics.race_sentences import describe_race
from core.sweeps.final_race import BASE, SEEDS, Luck
from core.sweeps.sweep import Sweep, Trial
from pages.components.shared import frame
from pages.components.shared.progress_bar import describe_left
from pages.components.shared.refresh_rate import keep_up
from pages.components.shared.results.verdict import draw_verdict
from pages.components.shared.snapshots.runs_snapshot import look_at_queue
from pages.components.shared.snapshots.sweep_snapshot import SweepSnapshot, forget_sweeps, look_at_sweep
from pages.components.shared.waits import HELD
from pages.components.train.form.form_fields import show_value, title_of
from pages.components.train.large_number import large_number
from pages.components.train.sweeps import sweep_actions, sweep_details

HEAD_PX = 192  # of state, accuracy and progress: two lines of each on a phone
MAX_NAMED = 2  # searched settings in the headline
REST_TIMES = 3  # refreshes of the head for one of the folded parts


def watch_sweep(settings: Settings, sweep_id: str) -> None:
    """Show a sweep and keep it up to date; where it is gone or damaged, a sentence and links."""
    try:
        look_at_sweep(settings, sweep_id)
    except SweepError as error:
        st.warning(frame.plain(str(error)), icon=":material/search_off:")
        frame.link(frame.TRAIN, label="New training", icon=":material/add:")
        frame.link(frame.HOME, label="Home", icon=":material/home:")
        return
    seconds = keep_up(
        settings,
        f"sweep-{sweep_id}",
        look=lambda: look_at_sweep(settings, sweep_id),
        is_active=lambda snapshot: snapshot.moving,
        draw=lambda snapshot: _draw_panel(settings, snapshot),
        forget=forget_sweeps,
    )
    every = REST_TIMES * seconds if seconds else None
    st.fragment(sweep_details.show_details, run_every=every, key=f"sweep-rest-{sweep_id}")(settings, sweep_id)


def _draw_panel(settings: Settings, snapshot: SweepSnapshot) -> None:
    sweep = snapshot.sweep
    with st.container(height=HEAD_PX if snapshot.running else "content", border=False, gap="small"):
        st.markdown(_headline(settings, sweep))
        st.html(_figure(snapshot))
        _progress(settings, snapshot)
    if sweep.best is not None or snapshot.running:
        values = "none yet" if sweep.best is None else _name_values(sweep.best)
        st.markdown(f"Best settings{' so far' if snapshot.running else ''}: {values}")
    if sweep.result is not None and sweep.result.state == "failed":
        st.error(frame.plain(sweep.result.text), icon=":material/error:")
    _show_race(snapshot)
    sweep_actions.show_actions(settings, snapshot)


def _headline(settings: Settings, sweep: Sweep) -> str:
    owner = frame.owner_name(settings, sweep.meta.owner)
    names = [title_of(name).lower() for name in sweep.plan.space]
    more = len(names) - MAX_NAMED  # the head of a phone has place for two lines
    named = names if more <= 0 else [*names[:MAX_NAMED], f"{more} more"]
    small = [
        "sweep" if sweep.plan.title else f"sweep of {join_names(named)}",
        f"on {sweep.plan.base.dataset}",
        f"by {owner}" if owner else "",
    ]
    words = " · ".join(frame.plain(part) for part in small if part)
    title = f"**{frame.plain(sweep.plan.title)}** · " if sweep.plan.title else ""
    return f"{frame.format_state(sweep.state)} {title}{words}"


def _figure(snapshot: SweepSnapshot) -> str:
    best, interval = snapshot.sweep.best, snapshot.interval
    if best is None or best.accuracy is None:
        when = "measured when the first trial ends" if snapshot.running else "no trial has finished"
        return large_number("–", "accuracy (validation)", when)
    seeds = snapshot.sweep.plan.seeds
    several = f", mean of {seeds} seeds" if seeds > 1 else ""
    detail = f"of trial {best.number}{several}"
    if interval is not None:
        detail = (
            f"{format_level(interval.level)} interval {format_points(interval.low)} to "
            f"{format_points(interval.high)} %, n = {snapshot.pictures:,} pictures{several}"
        )
    return large_number(format_percent(best.accuracy), "accuracy (validation), best trial", detail)


def _progress(settings: Settings, snapshot: SweepSnapshot) -> None:
    """A bar with the trials and the time left; once it has ended, how it ended."""
    sweep, now = snapshot.sweep, time.time()
    goal = sweep.goal
    if sweep.result is not None:
        ended = format_count(sweep.counted, "trial")
        took = sweep.seconds_busy(sweep.result.ended)
        text = "" if sweep.result.state == "failed" else f" {frame.plain(sweep.result.text)}"
        st.markdown(f"{ended} in {format_duration(took)}.{text}")
        return
    if goal.trials is not None:
        share, text = sweep.counted / max(1, goal.trials), f"{sweep.counted:,} of {goal.trials:,} trials"
    else:
        begun, until = sweep.meta.created, goal.until or now
        share, text = (now - begun) / max(1.0, until - begun), format_count(sweep.counted, "trial")
    held, left = look_at_queue(settings).held, sweep.seconds_left(now)
    if sweep.stopping:
        text = f"{text} · stopping …"
    elif held:
        text = f"{text} · {HELD[held]}"
    else:
        parts = [
            text,
            f"{snapshot.training} running" if snapshot.training else "",
            "" if left is None else f"{format_estimate(left)} left",
        ]
        text = " · ".join(part for part in parts if part)
    st.progress(min(1.0, max(0.0, share)), text=text)


def _name_values(trial: Trial) -> str:
    return " · ".join(f"**{title_of(name)}** {show_value(value)}" for name, value in trial.values.items())


def _show_race(snapshot: SweepSnapshot) -> None:
    """The best settings against the base on the test pictures, and how much of the gain was luck."""
    race = snapshot.race
    if race is None:
        if snapshot.running:
            st.caption(
                "The best of many trials is partly lucky: expect less on other pictures. "
                "After the last trial it is trained again."
            )
        elif snapshot.sweep.best_config not in (None, snapshot.sweep.plan.base):
            st.caption(
                "The best of many trials is partly lucky: *Train the best* shows what its settings are worth on the "
                "test pictures."
            )
        return
    if race.moving:
        words = f"Best settings and base, trained again with {SEEDS} seeds each"
        st.progress(race.progress, text=f"{words}{describe_left(race.seconds_left)}")
    elif race.result is not None and race.result.comparison is not None:
        found = race.result.comparison
        draw_verdict(describe_race(found), found.caveats, found=any(pair.better for pair in found.pairs))
        st.caption(f"{BASE}: the settings that the sweep began with.")
    else:
        st.warning(
            "The race of the best settings has no verdict: open it to see what is missing.", icon=":material/warning:"
        )
    if snapshot.luck is not None:
        st.markdown(_describe_luck(snapshot.sweep, snapshot.luck))


def _describe_luck(sweep: Sweep, luck: Luck) -> str:
    interval = luck.interval
    chance = "" if interval.low > 0 else " As 0 is within that interval, the pictures alone may explain it."
    return (
        f"**Luck**: {format_points(luck.difference)} points ({format_level(interval.level)} interval "
        f"{format_points(interval.low)} to {format_points(interval.high)}). Chosen among "
        f"{format_count(sweep.counted, 'trial')}, the best one had {format_percent(luck.validation)} on "
        f"{luck.validation_pictures:,} validation pictures; trained again, its settings have "
        f"{format_percent(luck.test)} on {luck.test_pictures:,} test pictures.{chance}"
    )
