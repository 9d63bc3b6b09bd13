"""The page of one training, from the queue to its result; redrawn about once a second while it is active.

Every part has its place from the start and keeps its height, so that nothing moves while the training runs.
"""

import time

import streamlit as st

from core.config.arm_names import describe_arm
from core.formatting import format_duration, format_level, format_percent, format_points
from core.runs.run import RunState
from core.runs.summary import is_curve
from core.settings import Settings
from core.statistics.metrics import Accuracy
from pages.components.shared import frame
from pages.components.shared.progress_bar import describe_left
from pages.components.shared.refresh_rate import keep_up
from pages.components.shared.results import coach_findings
from pages.components.shared.results.take_home import offer_exports
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot, forget_runs, look_at
from pages.components.shared.waits import describe_wait
from pages.components.train import live_charts, run_actions
from pages.components.train.large_number import large_number
from pages.components.train.run_strip import show_strip
from pages.components.train.training_details import show_details

HEAD_PX = 192  # of state, accuracy and progress: two lines of each on a phone
REST_TIMES = 3  # refreshes of the chart for one of the rest
PHASES = {"preparing": "Preparing", "training": "Training", "testing": "Testing"}


def watch(settings: Settings, run_id: str) -> None:
    """Show a run and keep it up to date.

    Raises:
        RunError: if it does not exist.
    """
    seconds = keep_up(
        settings,
        f"live-{run_id}",
        look=lambda: look_at(settings, run_id),
        is_active=lambda snapshot: snapshot.moving,
        draw=lambda snapshot: _draw_panel(settings, snapshot),
        forget=forget_runs,
    )
    # what changes once an epoch, or lies in a closed part, is sent less often
    st.fragment(_rest, run_every=REST_TIMES * seconds if seconds else None, key=f"rest-{run_id}")(settings, run_id)


def _draw_panel(settings: Settings, snapshot: RunSnapshot) -> None:
    with st.container(height=HEAD_PX, border=False, gap="small"):
        st.markdown(_headline(settings, snapshot))
        st.html(_figure(snapshot))
        _progress(snapshot)
    _trouble(snapshot)
    if snapshot.meta.sweep is not None:
        st.caption(
            f"Trial {snapshot.meta.trial} of a sweep. It is not evaluated on the test split: a sweep chooses among its "
            "trials by validation alone, then trains the best settings again and evaluates those."
        )
    run_actions.show_actions(settings, snapshot)
    if not is_curve(snapshot.meta) and (snapshot.moving or snapshot.history.batches):
        live_charts.draw_chart(snapshot)


def _rest(settings: Settings, run_id: str) -> None:
    with frame.explained():
        snapshot = look_at(settings, run_id)
        if not is_curve(snapshot.meta):
            show_strip(settings, snapshot)
        _advise(settings, snapshot)
        if snapshot.history.tested is not None and snapshot.has_weights and not snapshot.state.active:
            offer_exports(settings, run_id)
        show_details(snapshot)


def _headline(settings: Settings, snapshot: RunSnapshot) -> str:
    owner = frame.owner_name(settings, snapshot.meta.owner)
    small = [
        describe_arm(snapshot.config),
        snapshot.config.note if snapshot.meta.title is None else snapshot.meta.title,
        f"on {snapshot.config.dataset}",
        f"by {owner}" if owner else "",
    ]
    words = " · ".join(frame.plain(part) for part in small if part)
    return f"{_badge(snapshot)} **{frame.plain(snapshot.arm)}** {words}"


def _badge(snapshot: RunSnapshot) -> str:
    """The state in a word; a run that is starting counts as running."""
    if snapshot.starting:
        return frame.format_state(RunState.RUNNING)
    return frame.format_state(snapshot.state)


def _figure(snapshot: RunSnapshot) -> str:
    """The accuracy so far, or the test result: a large number with what it means."""
    history = snapshot.history
    if history.tested is not None:
        found = Accuracy(history.tested.correct, history.tested.images)
        split = "test" if history.tested.split == "test" else "validation, as there is no test split"
        interval = found.interval
        return large_number(
            "unknown" if found.value is None else format_percent(found.value),
            f"accuracy ({split})",
            f"{format_level(interval.level)} interval {format_points(interval.low)} to "
            f"{format_points(interval.high)} %, n = {found.n:,} pictures",
        )
    if is_curve(snapshot.meta) and snapshot.meta.plan is not None:
        return large_number(f"{len(history.points)} of {snapshot.meta.plan.points}", "points", "of the learning curve")
    if history.epochs:
        best = max(epoch.val_accuracy for epoch in history.epochs)
        reached = history.epochs[-1].epoch
        return large_number(format_percent(best), "accuracy (validation, best so far)", f"after epoch {reached}")
    when = "measured after the first epoch" if snapshot.moving else "not measured: it ended before its first epoch"
    return large_number("–", "accuracy", when)


def _progress(snapshot: RunSnapshot) -> None:
    """A bar with what is being done and the time left; once it has ended, how it ended."""
    if snapshot.state is RunState.QUEUED:
        before = snapshot.turn.before if snapshot.turn else 0
        st.progress(0.0, text=describe_wait(snapshot.held, before, snapshot.starts_in))
    elif snapshot.state is RunState.RUNNING:
        share, text = _step(snapshot)
        left = describe_left(snapshot.seconds_left)
        st.progress(share, text=_stalled(snapshot) or ("Stopping …" if snapshot.stopping else f"{text}{left}"))
    elif snapshot.evaluating:
        st.progress(0.0, text="Evaluating on the test split …")
    elif snapshot.result is not None:
        seconds = snapshot.result.seconds
        took = "" if seconds is None else f"Took {format_duration(seconds)}. "
        said = snapshot.state is RunState.FAILED or snapshot.result.text == "Finished."
        st.markdown(f"{took}{'' if said else frame.plain(snapshot.result.text)}")


def _stalled(snapshot: RunSnapshot) -> str:
    """That nothing moves, in the place of what is being done; empty while something does."""
    if snapshot.stalled_since is None:
        return ""
    silent = format_duration(time.time() - snapshot.stalled_since)
    return (
        f":material/bedtime: No progress for {silent}. If this continues, the training is ended and resumes from its "
        "last checkpoint."
    )


def _step(snapshot: RunSnapshot) -> tuple[float, str]:
    """How far it is, from 0 to 1, and what is being done."""
    history = snapshot.history
    step, phase = history.progress, history.phase.phase if history.phase else None
    if phase == "training" and history.batches:
        batch = history.batches[-1]
        of = "" if snapshot.config.budgeted else f" of {snapshot.config.epochs}"
        doing = "validating" if step is not None else f"step {batch.step} of {batch.steps}"
        return batch.progress, f"Epoch {batch.epoch}{of}, {doing}"
    if step is not None and step.total:
        return min(1.0, step.done / step.total), frame.plain(step.text)
    return 0.0, PHASES[phase] if phase else "Starting"


def _trouble(snapshot: RunSnapshot) -> None:
    """What is wrong with a run, and what happens next."""
    if snapshot.state is RunState.FAILED and snapshot.result is not None:
        st.error(frame.plain(snapshot.result.text), icon=":material/error:")
    elif snapshot.state is RunState.INTERRUPTED and snapshot.moving:
        st.warning("The training process ended unexpectedly. It resumes by itself in a moment.", icon=":material/bolt:")
    elif snapshot.state is RunState.INTERRUPTED:
        st.warning("The training process ended unexpectedly. Saved work is safe.", icon=":material/bolt:")


def _advise(settings: Settings, snapshot: RunSnapshot) -> None:
    """The coach's one best next step, or that there is none, once the run has ended; the rest folded."""
    if snapshot.moving or snapshot.result is None:
        return
    findings = coach_findings.review_once(settings, snapshot)
    if not findings:
        return
    st.markdown("##### Next step" if findings[0].advice else "##### How it went")
    coach_findings.show_findings(findings[:1], key=snapshot.id, config=snapshot.config)
    if len(findings) > 1:
        with st.expander("More from the coach", icon=":material/school:"):
            coach_findings.show_findings(findings[1:], key=f"{snapshot.id}-more", config=snapshot.config)
