"""The lanes of a live race or learning curve: where each arm is, as one block of HTML that all watchers share."""

import html
import time
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.config.arm_names import describe_arm
from core.formatting import capitalise, format_count, format_duration, format_number, format_percent
from core.palette import ArmStyle, style_arms
from core.races.demo import follow_race
from core.runs.run import RunState
from core.runs.summary import is_curve
from pages.components.shared.pictures.gallery import Tiles
from pages.components.shared.progress_bar import describe_left
from pages.components.shared.snapshots.race_snapshot import RaceSnapshot, share_done
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot
from pages.components.shared.snapshots.shared_cache import SharedCache
from pages.components.shared.waits import describe_wait

ROOMY = 2  # lanes; more are compact
HEAD_PX, LANE_PX, COMPACT_PX = 52, 72, 48  # as in the style: reserved, so that nothing below moves
STATES = {  # word of a lane: Material icon and colour
    "queued": ("hourglass_top", "gray"),
    "starting": ("play_arrow", "blue"),
    "preparing": ("play_arrow", "blue"),
    "training": ("play_arrow", "blue"),
    "evaluating": ("science", "blue"),
    "stopping": ("stop_circle", "orange"),
    "finished": ("check_circle", "green"),
    "stopped": ("stop_circle", "orange"),
    "failed": ("error", "red"),
    "interrupted": ("bolt", "orange"),
    "deleted": ("delete", "gray"),
}
MARKS = {  # a style's symbol in CSS
    "circle": "border-radius:50%",
    "triangle": "clip-path:polygon(50% 4%,100% 96%,0 96%)",
    "diamond": "clip-path:polygon(50% 0,100% 50%,50% 100%,0 50%)",
    "rect": "",
    "roundRect": "border-radius:30%",
    "pin": "border-radius:50% 50% 50% 0;transform:rotate(-45deg)",
}
DEMO_PHASES = {
    "waiting": "starting",
    "starting": "starting",
    "training": "training",
    "evaluating": "evaluating on the test pictures",
    "ended": "comparing",
}
PHASES = {"preparing": "preparing", "training": "training", "testing": "evaluating"}
# of an arm with several seeds, the first of these words that one of its runs has
FIRST = ("training", "evaluating", "preparing", "starting", "stopping", "interrupted", "queued", "failed", "stopped")

_blocks: SharedCache[tuple[RaceSnapshot, str], Tiles] = SharedCache(None, max_entries=32)


@dataclass(frozen=True)
class Lane:
    """One arm.

    Attributes:
        detail: network and strategy.
        word: of STATES.
        share: of its trainings that is done, 0 to 1.
        text: the figures, in one line.
    """

    name: str
    detail: str
    style: ArmStyle
    word: str
    share: float
    text: str


def show_lanes(snapshot: RaceSnapshot, about: str) -> None:
    """Draw how far the race is, and a lane for each arm.

    Args:
        about: what is the same for all arms, in one line.
    """
    count = len(snapshot.race.arms)
    with st.container(height=HEAD_PX + count * (LANE_PX if count <= ROOMY else COMPACT_PX), border=False):
        st.html(_blocks.get((snapshot, about), lambda: _arrange(snapshot, about)))


def describe_progress(snapshot: RaceSnapshot) -> str:
    """What a race that has not ended waits for, or how far it is and how long it will take."""
    runs = list(snapshot.runs.values())
    if all(word_of(run) == "queued" for run in runs):
        first = min(runs, key=lambda run: run.turn.before if run.turn is not None else 0)
        return describe_wait(first.held, first.turn.before if first.turn is not None else 0, first.starts_in)
    late = ""
    if snapshot.race.meta.deadline is not None:
        demo = follow_race(runs)
        seconds = demo.seconds_left(time.time())
        if seconds > 0:
            return f"{seconds:.0f} s left · {DEMO_PHASES[demo.phase]}"
        late = "This machine is busy, so the minute is over: "
    if {word_of(run) for run in runs if run.moving} == {"evaluating"}:
        return "Evaluating on held-out pictures"
    left = snapshot.seconds_left
    if {word_of(run) for run in runs} <= {"starting", "queued"}:
        return capitalise(f"{late}starting")
    done = f"{late}{format_percent(min(1.0, snapshot.progress), 0)} trained"
    return f"{done}{describe_left(left)}"


def list_lanes(snapshot: RaceSnapshot) -> list[Lane]:
    """The lanes of a race in the order of its arms."""
    race = snapshot.race
    brief = len(race.arms) > ROOMY or len(race.plan.seeds) > 1
    return [
        _describe(arm, style, brief, [snapshot.runs[run.id] for run in race.arm(arm) if run.id in snapshot.runs])
        for arm, style in zip(race.arms, style_race(snapshot), strict=True)
    ]


def style_race(snapshot: RaceSnapshot) -> list[ArmStyle]:
    """How the arms of a race are drawn, in their order."""
    race = snapshot.race
    return style_arms([runs[0].config.strategy if (runs := race.arm(arm)) else "scratch" for arm in race.arms])


def word_of(run: RunSnapshot) -> str:
    """The state of a run as its lane shows it; one that is starting counts as running."""
    if run.evaluating:
        return "evaluating"
    if run.state is RunState.QUEUED:
        return "starting" if run.starting else "queued"
    if run.state is not RunState.RUNNING:
        return run.state.value
    if run.stopping:
        return "stopping"
    return PHASES[run.history.phase.phase] if run.history.phase is not None else "starting"


def _describe(name: str, style: ArmStyle, brief: bool, runs: Sequence[RunSnapshot]) -> Lane:
    if not runs:
        return Lane(name, "", style, "deleted", 0.0, "Its runs were deleted.")
    words = [word_of(run) for run in runs]
    word = next((word for word in FIRST if word in words), "finished")
    place = words.index(word)
    text = _figures(runs[place], word, brief)
    if len(runs) > 1:
        text = _results(runs) if word == "finished" else f"Seed {place + 1} of {len(runs)}: {text}"
    return Lane(name, describe_arm(runs[0].config), style, word, sum(map(share_done, runs)) / len(runs), text)


def _figures(run: RunSnapshot, word: str, brief: bool) -> str:
    """How far a run is, how good, and how fast."""
    history = run.history
    match word:
        case "queued":
            return "waits for its turn"
        case "starting":
            return "the training process starts"
        case "preparing":
            step = history.progress
            return f"{step.text}: {step.done:,} of {step.total:,}" if step and step.total else "reading the pictures"
        case "evaluating":
            how = f"{run.state.value}, now being tested" if run.evaluating else "being tested"
            split = "test" if history.described is None or history.described.pictures["test"] else "validation"
            return " · ".join([f"{how} on the {split} pictures", *_best(run, brief)])
        case "training" | "stopping":
            speed = history.batches[-1].images_per_second if history.batches else None
            pace = [] if speed is None else [f"{format_number(speed, 2)} pictures/s"]
            return " · ".join([_place(run), *_best(run, brief), *pace])
        case "interrupted" if run.moving:
            return "its process ended unexpectedly; it resumes by itself"
        case "finished":
            return _result(run)
    text = (run.result.text if run.result else "") or "its process ended unexpectedly"
    return text if history.tested is None else f"{_result(run)} · {text}"


def _place(run: RunSnapshot) -> str:
    history, config = run.history, run.config
    batch = history.batches[-1] if history.batches else None
    if is_curve(run.meta) and run.meta.plan is not None:
        return f"{len(history.points)} of {run.meta.plan.points} points"
    if batch is None:
        return "first step"
    if config.max_seconds is not None:
        return f"{min(batch.seconds, config.max_seconds):.0f} of {config.max_seconds:g} s"
    if config.max_images is not None:
        return f"{batch.images_seen:,} of {config.max_images:,} pictures"
    return f"epoch {batch.epoch} of {config.epochs}"


def _best(run: RunSnapshot, brief: bool) -> list[str]:
    epochs = run.history.epochs
    accuracy = format_percent(max(epoch.val_accuracy for epoch in epochs)) if epochs else ""
    return [f"best {accuracy}" if brief else f"best validation {accuracy}"] if epochs else []


def _result(run: RunSnapshot) -> str:
    parts = []
    tested = run.history.tested
    if is_curve(run.meta):
        parts.append(f"{len(run.history.points)} points")
    if tested is not None:
        split = "test" if tested.split == "test" else "validation"
        parts.append(f"{split} accuracy {format_percent(tested.accuracy)}")
    if run.result is not None and run.result.seconds is not None:
        parts.append(f"took {format_duration(run.result.seconds)}")
    return " · ".join(parts)


def _results(runs: Sequence[RunSnapshot]) -> str:
    tested = [run.history.tested.accuracy for run in runs if run.history.tested is not None]
    mean = f" · mean test accuracy {format_percent(sum(tested) / len(tested))}" if tested else ""
    return f"{format_count(len(runs), 'seed')} done{mean}"


def _arrange(snapshot: RaceSnapshot, about: str) -> Tiles:
    lanes = list_lanes(snapshot)
    size = "compact" if len(lanes) > ROOMY else "roomy"
    about, progress = html.escape(about), html.escape(describe_progress(snapshot))
    return Tiles(
        f'<div class="race-line quiet" title="{about}">{about}</div>'
        f'<div class="race-line progress"><b>{progress}</b></div>'
        f'<div class="race-lanes {size}">{"".join(map(_draw, lanes))}</div>'
    )


def _draw(lane: Lane) -> str:
    icon, colour = STATES[lane.word]
    name, detail, text = (html.escape(part) for part in (lane.name, lane.detail, capitalise(lane.text)))
    done = f"{100 * lane.share:.0f}"
    mark = f"background:{lane.style.colour};{MARKS[lane.style.symbol]}"
    return (
        '<div class="race-lane"><div class="race-lane-head">'
        f'<span class="race-mark" style="{mark}"></span>'
        f'<span class="race-lane-name" style="color:{lane.style.colour}" title="{name}">{name}</span>'
        f'<span class="race-lane-detail" title="{detail}">{detail}</span>'
        f'<span class="race-state {colour}"><span aria-hidden="true">{icon}</span>'
        f'<b class="race-state-word" style="font-weight:400">{lane.word}</b></span></div>'
        f'<div class="race-bar" role="progressbar" aria-label="{name}, {lane.word}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{done}">'
        f'<span style="width:{done}%;background:{lane.style.colour}"></span></div>'
        f'<div class="race-lane-text" title="{text}">{text}</div></div>'
    )
