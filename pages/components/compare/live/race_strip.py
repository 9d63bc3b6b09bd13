"""The same ten validation pictures in one row, with the answer of each arm below every picture."""

import html
from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.datasets.dataset import Dataset
from core.errors import DatasetError
from core.formatting import format_percent
from core.settings import Settings
from pages.components.shared.dataset_cache import open_dataset
from pages.components.shared.pictures.gallery import MARKS, Tiles, data_uri
from pages.components.shared.snapshots.race_snapshot import RaceSnapshot, look_at_race
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot
from pages.components.shared.snapshots.shared_cache import SharedCache

Answers = Mapping[str, RunSnapshot | None]  # by arm: its run with the seed that is shown
_blocks: SharedCache[tuple[Settings, str, tuple[tuple[str, str, int], ...]], Tiles] = SharedCache(None, max_entries=64)


def show_strip(settings: Settings, race_id: str) -> None:
    """Draw the row of a race, as far as its runs have described their pictures."""
    snapshot = look_at_race(settings, race_id)
    seed = _choose_seed(snapshot)
    arms = _runs_of(snapshot, seed)
    shown = next((run for run in arms.values() if run is not None and run.history.described is not None), None)
    if shown is None or shown.history.described is None:
        return
    pictures = shown.history.described.strip
    key = settings, race_id, tuple((arm, run.id if run else "", _epoch(run)) for arm, run in arms.items())
    try:
        block = _blocks.get(key, lambda: _arrange(settings, shown, pictures, arms))
    except DatasetError:  # it was deleted or changed
        return
    seeds = f", seed {seed}" if len(snapshot.race.plan.seeds) > 1 else ""
    st.markdown(f"**The same {len(pictures)} validation pictures after each epoch{seeds}**")
    st.html(block)


def _choose_seed(snapshot: RaceSnapshot) -> int:
    """The newest seed of which an arm has answered; the seeds train one after the other."""
    seeds = snapshot.race.plan.seeds
    answered = {run.config.seed for run in snapshot.runs.values() if run.history.strip is not None}
    return max((seed for seed in seeds if seed in answered), key=seeds.index, default=seeds[0])


def _runs_of(snapshot: RaceSnapshot, seed: int) -> Answers:
    found: dict[str, RunSnapshot | None] = dict.fromkeys(snapshot.race.arms)
    for entry in snapshot.race.entries:
        if entry.run is not None and entry.seed == seed:
            found[entry.arm] = snapshot.runs.get(entry.run.id)
    return found


def _epoch(run: RunSnapshot | None) -> int:
    return run.history.strip.epoch if run is not None and run.history.strip is not None else 0


def _arrange(settings: Settings, shown: RunSnapshot, pictures: list[dict[str, Any]], arms: Answers) -> Tiles:
    """The table of pictures and answers.

    Raises:
        DatasetError: if the dataset was deleted or changed.
    """
    dataset = open_dataset(settings, shown.config.dataset, shown.meta.dataset_fingerprint)
    rows = [dataset.rows[picture["index"]] for picture in pictures]
    head = "".join(
        f'<th scope="col" title="{name}"><img alt="" src="{data_uri(dataset.thumbnail_path(row))}">{name}</th>'
        for row in rows
        for name in [html.escape(dataset.classes[row.label])]
    )
    body = "".join(
        f'<tr><th scope="row" title="{name}">{name}</th>{_answers(dataset, pictures, run)}</tr>'
        for name, run in ((html.escape(arm), run) for arm, run in arms.items())
    )
    label = f"The same {len(pictures)} validation pictures, and what each arm answers"
    return Tiles(
        f'<div class="race-strip" tabindex="0" role="region" aria-label="{label}">'
        f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _answers(dataset: Dataset, pictures: list[dict[str, Any]], run: RunSnapshot | None) -> str:
    strip = run.history.strip if run is not None else None
    answers = {item["index"]: item for item in strip.predictions} if strip is not None else {}
    return "".join(_answer(dataset, answers.get(picture["index"])) for picture in pictures)


def _answer(dataset: Dataset, answer: dict[str, Any] | None) -> str:
    if answer is None:
        sign, _, word = MARKS["waiting"]
        return f'<td><span aria-label="{word}" role="img">{sign}</span></td>'
    sign, colour, word = MARKS["right" if answer["correct"] else "wrong"]
    predicted = html.escape(dataset.classes[answer["predicted"]])
    said = format_percent(answer["probability"], 0) if answer["correct"] else predicted
    title = f"{word}: {predicted}, {format_percent(answer['probability'], 0)}"
    return f'<td title="{title}"><b style="color:{colour}" role="img" aria-label="{word}">{sign}</b> {said}</td>'
