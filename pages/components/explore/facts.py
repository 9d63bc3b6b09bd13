"""What a dataset is at a glance: one line of facts, the bar of its splits, and what to know before training."""

from dataclasses import dataclass

import streamlit as st

from core.coach.dataset_rules import find_cautions, other_notes
from core.datasets.dataset import Dataset
from core.datasets.drawn_sample import SAMPLE_NOTE
from core.formatting import SPLIT_NAMES, capitalise, format_count, join_names
from core.palette import CLASS_COLOURS
from pages.components.shared import frame
from pages.components.shared.snapshots.shared_cache import SharedCache

BAR_PX = 50
SHOWN_NOTES = 6
SHOWN_CAUTIONS = 3
STRIPES = {  # colour is never the only signal
    "train": "none",
    "val": "repeating-linear-gradient(45deg,transparent 0 5px,#fff9 5px 8px)",
    "test": "repeating-linear-gradient(90deg,transparent 0 5px,#fff9 5px 8px)",
}


@dataclass(frozen=True)
class Facts:
    """Figures of all pictures; sizes are (width, height) in pixels, by area."""

    smallest: tuple[int, int]
    largest: tuple[int, int]
    cautions: tuple[str, ...]


_facts: SharedCache[tuple[str, str], Facts] = SharedCache(None, max_entries=64)


def show_facts(dataset: Dataset) -> None:
    """Draw the line, the bar, and at most three cautions; more of them folded."""
    facts = _facts.get((str(dataset.folder), dataset.fingerprint), lambda: _gather(dataset))
    st.markdown(_describe(dataset, facts))
    with st.container(height=BAR_PX, border=False):  # at once, so that nothing moves when the bar arrives
        st.html(_draw_bar(dataset))
    if dataset.drawn:
        st.caption(SAMPLE_NOTE)
    _list_cautions(facts.cautions[:SHOWN_CAUTIONS])
    more = facts.cautions[SHOWN_CAUTIONS:]
    if more:
        with st.expander(f"{len(more)} more"):
            _list_cautions(more)


def show_imported(dataset: Dataset) -> None:
    """What the import of this dataset noted; the cautions below say the rest."""
    report = dataset.report()
    notes = other_notes(report)
    said = []
    if report.rejected:
        said.append(f"{format_count(len(report.rejected), 'file')} rejected (see Check)")
    if report.duplicates:
        copies = len(report.duplicates)
        said.append(f"{copies:,} exact {'copy' if copies == 1 else 'copies'} left out")
    text = f"**{frame.plain(dataset.title)}** is imported{f': {join_names(said)}' if said else ''}."
    lines = [f"- {frame.plain(note)}" for note in notes[:SHOWN_NOTES]]
    if len(notes) > SHOWN_NOTES:
        lines.append(f"- and {format_count(len(notes) - SHOWN_NOTES, 'more note')}, listed under Check")
    st.success("\n".join([text, "", *lines]), icon=":material/check_circle:")


def _list_cautions(cautions: tuple[str, ...]) -> None:
    if cautions:
        st.warning("\n\n".join(frame.plain(text) for text in cautions), icon=":material/warning:")


def _gather(dataset: Dataset) -> Facts:
    by_area = sorted({(row.width * row.height, row.width, row.height) for row in dataset.rows})
    return Facts(by_area[0][1:], by_area[-1][1:], tuple(find_cautions(dataset, dataset.report())))


def _describe(dataset: Dataset, facts: Facts) -> str:
    small, large = (f"{width:,} × {height:,}" for width, height in (facts.smallest, facts.largest))
    sizes = f"{small} pixels" if small == large else f"{small} to {large} pixels"
    classes = f"{len(dataset.classes):,} {'class' if len(dataset.classes) == 1 else 'classes'}"
    return f"**{format_count(len(dataset.rows), 'picture')}** · **{classes}** · {sizes}"


def _draw_bar(dataset: Dataset) -> str:
    counts = {split: len(dataset.rows_of(split)) for split in SPLIT_NAMES}
    bars, words = [], []
    for place, (split, count) in enumerate(counts.items()):
        colour = f"background:{STRIPES[split]} {CLASS_COLOURS[place]}"
        if count:
            bars.append(f'<div style="flex:{count} 0 4px;{colour}"></div>')
        words.append(
            f'<span style="white-space:nowrap"><span style="display:inline-block;width:14px;height:14px;'
            f'border-radius:3px;{colour};vertical-align:-2px"></span> {capitalise(SPLIT_NAMES[split])} '
            f"<b>{count:,}</b></span>"
        )
    said = ", ".join(f"{SPLIT_NAMES[split]} {count:,}" for split, count in counts.items())
    return (
        f'<div role="img" aria-label="Pictures in each split: {said}" '
        'style="display:flex;gap:2px;height:16px;border-radius:5px;overflow:hidden">'
        f"{''.join(bars)}</div>"
        '<div style="display:flex;flex-wrap:wrap;gap:0 14px;margin-top:6px;font-size:.9rem">'
        f"{''.join(words)}</div>"
    )
