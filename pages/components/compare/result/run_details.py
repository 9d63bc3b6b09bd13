"""The folded parts of a result: each is computed when it is opened."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st
from streamlit.elements.lib.mutable_expander_container import ExpanderContainer

from core.errors import ComparisonError, RunError
from core.races.race import Race
from core.settings import Settings
from pages.components.compare.details import (
    class_scores_table,
    confidence,
    confusion_matrix,
    cost_table,
    why,
)
from pages.components.compare.pictures import picture_groups, prediction_cache
from pages.components.compare.pictures.picture_groups import Arms
from pages.components.shared import frame, lessons
from pages.components.shared.results import coach_findings
from pages.components.shared.results.named_runs import Named
from pages.components.shared.results.verdict import compare_once

VIEW = "view"  # in the address: names of the parts that are open at first, with commas between them


@dataclass(frozen=True)
class Selection:
    """What the folded parts show.

    Attributes:
        named: evaluated runs of one seed, with their names on this page.
        arms: all evaluated runs.
        numbers: draws the tables and downloads.
        race: that the runs belong to, if they are one.
    """

    named: Sequence[Named]
    arms: Arms
    numbers: Callable[[], None]
    race: Race | None = None


def show_details(
    settings: Settings,
    named: Mapping[int, Sequence[Named]],
    arms: Arms,
    numbers: Callable[[], None],
    race: Race | None = None,
) -> None:
    """Draw the parts, folded.

    Args:
        named: seed -> the evaluated runs.
    """
    with st.container(key="details"):
        _show_parts(settings, named, arms, numbers, race)


@st.fragment
def _show_parts(
    settings: Settings,
    named: Mapping[int, Sequence[Named]],
    arms: Arms,
    numbers: Callable[[], None],
    race: Race | None,
) -> None:
    with frame.explained():
        seeds = list(named)
        seed = seeds[0] if seeds else 0
        if len(seeds) > 1:
            seed = st.selectbox("Seed", seeds, key="details-seed", help="The parts below show the runs of one seed.")
        readable = prediction_cache.keep_readable(settings, named.get(seed, []))
        selection = Selection(readable, arms, numbers, race)
        for name in PARTS:
            if readable or name == "numbers":
                _show_part(settings, selection, name)


@st.fragment
def _show_part(settings: Settings, selection: Selection, name: str) -> None:
    title, icon, draw = PARTS[name]
    folded = fold(name, title, icon, opened_parts())
    if folded.open:
        with folded, frame.explained():
            draw(settings, selection)


def fold(name: str, title: str, icon: str, opened: Sequence[str]) -> ExpanderContainer:
    """A part that is folded at first, unless it is among the opened ones."""
    return st.expander(title, icon=icon, expanded=name in opened, key=f"part-{name}", on_change="rerun")


def opened_parts() -> list[str]:
    """The parts that the address names."""
    return [RENAMED.get(name, name) for name in st.query_params.get(VIEW, "").split(",")]


def _pictures(settings: Settings, selection: Selection) -> None:
    picture_groups.show_gallery(settings, selection.arms)


def _confusion(settings: Settings, selection: Selection) -> None:
    confusion_matrix.show_confusions(settings, selection.named)


def _classes(settings: Settings, selection: Selection) -> None:
    class_scores_table.show_class_scores(settings, selection.named)


def _confidence(settings: Settings, selection: Selection) -> None:
    confidence.show_confidence(settings, selection.named)


def _why(settings: Settings, selection: Selection) -> None:
    named = list(selection.named)
    if len(named) > why.MAX_RUNS:
        picked = st.multiselect(
            "Networks",
            [item.id for _, item in named],
            default=[item.id for _, item in named[: why.MAX_RUNS]],
            format_func={item.id: name for name, item in named}.get,
            max_selections=why.MAX_RUNS,
            key="why-runs",
            help=f"At most {why.MAX_RUNS} at a time.",
        )
        named = [(name, item) for name, item in named if item.id in picked]
    if named:
        why.show_why(settings, named)
    else:
        st.info("Choose one or two networks above.", icon=":material/touch_app:")


def _cost(settings: Settings, selection: Selection) -> None:
    cost_table.show_costs([cost_table.cost_of(settings, name, item) for name, item in selection.named])


def _coach(settings: Settings, selection: Selection) -> None:
    comparison = None
    # with several seeds only the race's own verdict counts: a single pair may contradict it
    if len(selection.named) == 2 and (selection.race is None or len(selection.race.plan.seeds) == 1):
        with suppress(ComparisonError, RunError):  # shown at the top of the page
            comparison = compare_once(settings, *(item.id for _, item in selection.named))
    coach_findings.show_fairness(selection.named, comparison)
    for name, item in selection.named:
        findings = coach_findings.review_once(settings, item)
        title = f"**{frame.plain(name)}**{f': {frame.plain(findings[0].title)}' if findings else ''}"
        alone = len(selection.named) == 1
        folded = st.expander(title, expanded=alone, key=f"coach-{item.id}", on_change="rerun")
        if folded.open:
            with folded:
                coach_findings.show_findings(findings, key=f"closer-{item.id}", config=item.config)
    with st.container(horizontal=True):
        for lesson in LESSONS:
            lessons.explain(lesson, key=f"closer-{lesson}")


def _numbers(_: Settings, selection: Selection) -> None:
    selection.numbers()


LESSONS = ("validation-and-test", "shortcuts")  # findings offer the others
RENAMED = {"mistakes": "pictures", "report": "numbers"}  # of older addresses
Draw = Callable[[Settings, Selection], None]
PARTS: Mapping[str, tuple[str, str, Draw]] = {  # by their names in the address: title, icon
    "pictures": ("All pictures", ":material/photo_library:", _pictures),
    "confusion": ("Confusion matrices", ":material/grid_on:", _confusion),
    "classes": ("Scores by class", ":material/category:", _classes),
    "confidence": ("Confidence", ":material/target:", _confidence),
    "why": ("Why do they answer like this?", ":material/search:", _why),
    "cost": ("Cost", ":material/timer:", _cost),
    "coach": ("Advice from the coach", ":material/lightbulb:", _coach),
    "numbers": ("All numbers", ":material/table:", _numbers),
}
