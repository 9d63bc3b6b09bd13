"""The details of evaluated runs, one section at a time: only the open one is computed."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from core.errors import ComparisonError, RunError
from core.races.race import Race
from core.report.documents import FORMATS, make_document
from core.settings import Settings
from pages.components.compare import agreement, hard_pictures, mistakes, prediction_cache
from pages.components.compare.details import (
    class_scores_table,
    confusion_matrix,
    cost_table,
    reliability_diagram,
    risk_coverage_chart,
    why,
)
from pages.components.shared import coach_findings, frame, lessons
from pages.components.shared.named_runs import Named
from pages.components.shared.verdict import compare_once, show_verdict

VIEW = "view"  # in the address, so that a section can be shared


@dataclass(frozen=True)
class Selection:
    """The runs that the page shows.

    Attributes:
        named: evaluated runs, with their names on this page.
        race: that they belong to, if one was chosen.
    """

    named: Sequence[Named]
    race: Race | None = None


def show_details(settings: Settings, named: Sequence[Named], race: Race | None = None) -> None:
    """Draw the choice of section and the chosen one, for the runs whose predictions can be read."""
    selection = Selection(prediction_cache.keep_readable(settings, named), race)
    if selection.named:
        _show_sections(settings, selection)


@st.fragment
def _show_sections(settings: Settings, selection: Selection) -> None:
    with frame.explained():
        _draw(settings, selection)


def _draw(settings: Settings, selection: Selection) -> None:
    st.subheader("Details")
    given = st.query_params.get(VIEW, "")
    picked = st.segmented_control(
        "Section",
        list(SECTIONS),
        default=given if given in SECTIONS else next(iter(SECTIONS)),
        required=True,
        format_func=lambda name: SECTIONS[name][0],
        key="closer",
        label_visibility="collapsed",
    )
    st.query_params[VIEW] = picked
    SECTIONS[picked][1](settings, selection)


def choose_pair(settings: Settings, selection: Selection) -> prediction_cache.Pair | None:
    """Two of the runs and their comparison; offers a choice if there are more."""
    by_id = {item.id: (name, item) for name, item in selection.named}
    ids = list(by_id)
    if len(ids) < 2:
        st.info(
            "This section compares two runs with a test result: choose another run above.", icon=":material/balance:"
        )
        return None
    first, second = ids[0], ids[1]
    if len(ids) > 2:
        left, right = st.columns(2)
        first = left.selectbox("A", ids, format_func=lambda run_id: by_id[run_id][0], help="The baseline.")
        others = [run_id for run_id in ids if run_id != first]
        second = right.selectbox("B", others, format_func=lambda run_id: by_id[run_id][0], help="Compared with A.")
    try:
        comparison = compare_once(settings, first, second)
    except (ComparisonError, RunError) as error:
        st.warning(frame.plain(str(error)))
        return None
    return prediction_cache.Pair(by_id[first], by_id[second], comparison)


def _pictures(settings: Settings, selection: Selection) -> None:
    pair = choose_pair(settings, selection)
    if pair is not None:
        several = selection.race is not None and len(selection.race.plan.seeds) > 1
        if several or len(selection.named) > 2:  # of two runs alone it is at the top of the page
            show_verdict(pair.comparison)
        agreement.show_agreement(settings, pair)
    if selection.race is not None:
        arms = [(arm, [run.id for run in selection.race.arm(arm) if run.tested]) for arm in selection.race.arms]
        arms = [(arm, ids) for arm, ids in arms if ids]
        if len(arms) > 1:
            hard_pictures.show_hard_pictures(settings, arms)


def _classes(settings: Settings, selection: Selection) -> None:
    confusion_matrix.show_confusions(settings, selection.named)
    class_scores_table.show_class_scores(settings, selection.named)


def _mistakes(settings: Settings, selection: Selection) -> None:
    mistakes.show_mistakes(settings, selection.named)


def _confidence(settings: Settings, selection: Selection) -> None:
    reliability_diagram.show_calibration(settings, selection.named)
    risk_coverage_chart.show_risk_coverage(settings, selection.named)


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
        st.markdown(f"##### {frame.plain(name)}")
        coach_findings.show_findings(
            coach_findings.review_once(settings, item), key=f"closer-{item.id}", config=item.config
        )
    with st.container(horizontal=True):
        for lesson in LESSONS:
            lessons.explain(lesson, key=f"closer-{lesson}")


def _report(settings: Settings, selection: Selection) -> None:
    ids = [selection.race.id] if selection.race is not None else [item.id for _, item in selection.named]
    if selection.race is None and len(ids) < 2:
        st.info("A report compares at least two runs: choose another run above.", icon=":material/description:")
        return
    _offer_report(settings, ids, "verdict, curves, pictures and costs")


def show_curve_report(settings: Settings, race: Race) -> None:
    """The report of a learning curve that has finished."""
    if not race.state.active:
        st.subheader("Report")
        _offer_report(settings, [race.id], "the curve and its numbers")


def _offer_report(settings: Settings, ids: Sequence[str], parts: str) -> None:
    st.write(f"One file that opens in any browser, even offline: {parts}, with all settings and software versions.")
    with st.container(horizontal=True):
        for form, (label, icon) in REPORTS.items():
            st.download_button(
                label,
                lambda form=form: make_document(settings, ids, form).content,
                file_name=f"tunemypets-{ids[0]}.{form}",
                mime=FORMATS[form],
                icon=icon,
                type="primary" if form == "html" else "secondary",
                on_click="ignore",
                key=f"report-{form}",
            )
    st.caption(f"On the command line: `python -m core report {' '.join(ids)} --output report.html`.")


LESSONS = ("fair-comparison", "confidence-intervals", "overfitting", "validation-and-test", "shortcuts")
REPORTS = {
    "html": ("Report as HTML", ":material/description:"),
    "json": ("Everything as JSON", ":material/download:"),
}
SECTIONS: Mapping[str, tuple[str, Callable[[Settings, Selection], None]]] = {
    "pictures": (":material/photo_library: Pictures", _pictures),
    "classes": (":material/pin: Classes", _classes),
    "mistakes": (":material/error: Mistakes", _mistakes),
    "confidence": (":material/target: Confidence", _confidence),
    "why": (":material/search: Why", _why),
    "cost": (":material/timer: Cost", _cost),
    "coach": (":material/lightbulb: Coach", _coach),
    "report": (":material/description: Report", _report),
}
