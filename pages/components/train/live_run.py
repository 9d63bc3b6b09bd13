"""The live view of a run or a race, redrawn about once a second while a run is active."""

import time
from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.config.seen_views import sum_up_augmentation
from core.errors import DatasetError
from core.formatting import format_duration, format_estimate, format_number, format_percent
from core.runs.run import RunState
from core.runs.summary import is_curve
from core.settings import Settings
from core.statistics.metrics import Accuracy
from pages.components.shared import coach_findings, frame, gallery
from pages.components.shared.dataset_cache import open_dataset
from pages.components.shared.refresh_rate import keep_up
from pages.components.shared.runs_snapshot import RunSnapshot, forget_runs, look_at
from pages.components.shared.shared_cache import SharedCache
from pages.components.shared.waits import describe_wait
from pages.components.train import live_charts
from pages.components.train.run_actions import show_actions

REST_TIMES = 3  # refreshes of the charts for one of the rest
_strips: SharedCache[tuple[Settings, str, int], gallery.Tiles] = SharedCache(None, max_entries=64)
PHASES = {"preparing": "Preparing", "training": "Training", "testing": "Testing"}


def watch(settings: Settings, run_ids: Sequence[str]) -> None:
    """Show runs together and keep them up to date.

    Raises:
        RunError: if one does not exist.
    """
    ids = tuple(run_ids)
    identity = "-".join(ids)
    seconds = keep_up(
        settings,
        f"live-{identity}",
        look=lambda: tuple(look_at(settings, run_id) for run_id in ids),
        is_active=lambda snapshots: any(item.moving for item in snapshots),
        draw=lambda snapshots: _draw_panel(settings, snapshots),
        forget=forget_runs,
    )
    with frame.explained():
        coach_findings.show_run(settings, [look_at(settings, run_id) for run_id in ids])  # once, when they have ended
    # what changes once an epoch, or lies in a closed expander, is sent less often
    st.fragment(_rest, run_every=REST_TIMES * seconds if seconds else None, key=f"rest-{identity}")(settings, ids)


def _draw_panel(settings: Settings, snapshots: tuple[RunSnapshot, ...]) -> None:
    for snapshot in snapshots:
        _headline(settings, snapshot, alone=len(snapshots) == 1)
    live_charts.draw_charts(snapshots)


def _rest(settings: Settings, run_ids: tuple[str, ...]) -> None:
    with frame.explained():
        snapshots = tuple(look_at(settings, run_id) for run_id in run_ids)
        if any(item.history.batches for item in snapshots):
            live_charts.draw_more_charts(snapshots)
        for snapshot in snapshots:
            _draw_strip(settings, snapshot, alone=len(snapshots) == 1)
        for snapshot in snapshots:
            _draw_details(snapshot)


def _headline(settings: Settings, snapshot: RunSnapshot, *, alone: bool) -> None:
    with st.container(border=True):
        name = snapshot.title if alone else snapshot.arm
        owner = frame.owner_name(settings, snapshot.meta.owner)
        by = f" · by {frame.plain(owner)}" if owner else ""
        title = f"**{frame.plain(name)}** {frame.format_state(snapshot.state)}{_phase(snapshot)}{by}"
        st.markdown("  \n".join([title, *_figures(snapshot)]))
        _progress(snapshot)
        if snapshot.result is not None and snapshot.result.text not in ("", "Finished."):
            show = st.error if snapshot.state is RunState.FAILED else st.info
            show(frame.plain(snapshot.result.text))
        _trouble(snapshot)
        show_actions(settings, snapshot)


def _trouble(snapshot: RunSnapshot) -> None:
    """What is wrong with a run that has not ended, and what happens next."""
    if snapshot.state is RunState.INTERRUPTED and snapshot.moving:
        st.warning("The training process ended unexpectedly. It resumes by itself in a moment.", icon=":material/bolt:")
    elif snapshot.state is RunState.INTERRUPTED:
        st.warning("The training process ended unexpectedly. Saved work is safe.", icon=":material/bolt:")
    elif snapshot.stalled_since is not None:
        silent = format_duration(time.time() - snapshot.stalled_since)
        st.warning(
            f"No progress for {silent}. If this continues, the training is ended and resumes from its last checkpoint.",
            icon=":material/bedtime:",
        )


def _phase(snapshot: RunSnapshot) -> str:
    if snapshot.state is not RunState.RUNNING:
        return ""
    phase = snapshot.history.phase
    return f", {PHASES[phase.phase].lower()}" if phase else ", starting"


def _progress(snapshot: RunSnapshot) -> None:
    history = snapshot.history
    if snapshot.state is RunState.QUEUED:
        turn = snapshot.turn
        st.progress(0.0, text=describe_wait(snapshot.held, turn.before if turn else 0, snapshot.starts_in))
    elif snapshot.state is RunState.RUNNING:
        step = history.progress
        if history.phase is not None and history.phase.phase == "training" and history.batches:
            batch = history.batches[-1]
            of = "" if snapshot.config.budgeted else f" of {snapshot.config.epochs}"
            text = f"Epoch {batch.epoch}{of}, step {batch.step} of {batch.steps}"
            if step is not None:
                text = f"Epoch {batch.epoch}{of}: validating"
            st.progress(batch.progress, text=text + _left(snapshot.seconds_left))
        elif step is not None and step.total:
            st.progress(min(1.0, step.done / step.total), text=f"{step.text}{_left(snapshot.seconds_left)}")
        else:
            st.progress(0.0, text="Starting the training process")


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f" · {format_estimate(seconds)} left"


def _figures(snapshot: RunSnapshot) -> list[str]:
    history = snapshot.history
    parts: list[str] = []
    if snapshot.meta.plan is not None and is_curve(snapshot.meta):
        parts.append(f"{len(history.points)} of {snapshot.meta.plan.points} points")
    if history.epochs:
        best = max(epoch.val_accuracy for epoch in history.epochs)
        parts.append(f"best validation **{format_percent(best)}**")
    if history.batches and snapshot.state.active:
        batch = history.batches[-1]
        parts.append(f"{batch.images_per_second:.0f} pictures/s")
        parts.append(f"learning rate {format_number(batch.learning_rate, 2)}")
    if history.tested is not None:
        accuracy = Accuracy(history.tested.correct, history.tested.images)
        word = "test" if history.tested.split == "test" else "validation (no test split)"
        parts.insert(0, f"{word} accuracy **{accuracy.text()}**")
    if snapshot.result is not None and snapshot.result.seconds is not None:
        parts.append(f"took {format_duration(snapshot.result.seconds)}")
    return [" · ".join(parts)] if parts else []


def _draw_strip(settings: Settings, snapshot: RunSnapshot, *, alone: bool) -> None:
    described, strip = snapshot.history.described, snapshot.history.strip
    if described is None:
        return
    key = settings, snapshot.id, strip.epoch if strip else 0
    try:
        tiles = _strips.get(key, lambda: _build_strip(settings, snapshot))
    except DatasetError:
        return
    right = sum(1 for answer in strip.predictions if answer["correct"]) if strip else 0
    name = "" if alone else f" — {frame.plain(snapshot.arm)}"
    count = len(described.strip)
    after = f"after epoch {strip.epoch}: {right} of {count} right" if strip else "before the first epoch"
    st.markdown(f"##### The same {count} validation pictures{name}, {after}")
    gallery.show_tiles(tiles)


def _build_strip(settings: Settings, snapshot: RunSnapshot) -> gallery.Tiles:
    """The fixed validation pictures with the predictions after an epoch.

    Raises:
        DatasetError: if the dataset was deleted or changed.
    """
    described, strip = snapshot.history.described, snapshot.history.strip
    dataset = open_dataset(settings, snapshot.config.dataset, snapshot.meta.dataset_fingerprint)
    answers = {item["index"]: item for item in strip.predictions} if strip else {}
    tiles = []
    for picture in described.strip if described else []:
        row = dataset.rows[picture["index"]]
        answer = answers.get(picture["index"])
        truth = dataset.classes[row.label]
        if answer is None:
            tiles.append(gallery.Tile(dataset.thumbnail_path(row), truth, "waiting"))
            continue
        predicted = dataset.classes[answer["predicted"]]
        tiles.append(
            gallery.Tile(
                dataset.thumbnail_path(row),
                f"{predicted} {format_percent(answer['probability'], 0)}",
                "right" if answer["correct"] else "wrong",
                "" if answer["correct"] else f"is: {truth}",
            )
        )
    return gallery.arrange(tiles, width_px=92)


def _draw_details(snapshot: RunSnapshot) -> None:
    details = st.expander(
        f"Log and configuration — {frame.plain(snapshot.arm)}", key=f"details-{snapshot.id}", on_change="rerun"
    )
    if not details.open:
        return
    described = snapshot.history.described
    with details:
        lines = [f"{_clock(moment)}  {message.text}" for moment, message in snapshot.history.messages]
        if snapshot.result is not None:
            lines.append(f"{_clock(snapshot.result.ended)}  {snapshot.result.text}")
        st.code("\n".join(lines) or "Nothing yet.", language=None, wrap_lines=True)
        if described is not None:
            hardware = described.hardware
            st.markdown(
                f"- **Device**: {frame.plain(hardware['device_name'])} "
                f"({hardware['device']}, {hardware['threads']} threads)\n"
                f"- **Precision**: {hardware['precision']}, {frame.plain(hardware['precision_reason'])}\n"
                f"{_frozen_part(hardware)}"
                f"- **Parameters**: {described.parameters:,}, {described.trainable:,} of them trainable\n"
                f"- **Augmentation**: {sum_up_augmentation(snapshot.config)}\n"
                f"- **Pictures**: {described.pictures['train']} train, {described.pictures['val']} validation, "
                f"{described.pictures['test']} test"
            )
        st.json(snapshot.config.model_dump(mode="json"), expanded=False)
        st.caption(f"Run {snapshot.id}. On the command line: `python -m core show {snapshot.id}`.")


def _frozen_part(hardware: dict[str, Any]) -> str:
    if not hardware.get("prefix_reason"):
        return ""
    return f"- **Frozen part**: {hardware['prefix_precision']}, {frame.plain(hardware['prefix_reason'])}\n"


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))
