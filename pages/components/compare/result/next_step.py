"""The one best next step after a result: the coach's gravest advice, with a button that prepares it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from core.coach.coach_finding import CoachFinding, choose_next_step
from core.coach.fairness import PairOutcome, review_comparison
from core.errors import TuneMyPetsError
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.lessons import LESSONS, explain
from pages.components.shared.prefilled_form import offer_prefilled
from pages.components.shared.results.coach_findings import group_arms, review_once
from pages.components.shared.results.named_runs import Named


@dataclass(frozen=True)
class Step:
    """A finding, and the run that it is about; None where it is about the comparison."""

    finding: CoachFinding
    run: Named | None = None


def show_next_step(settings: Settings, named: Sequence[Named], outcome: PairOutcome | None, *, key: str) -> None:
    """Draw it; nothing where the coach advises nothing.

    Args:
        named: the evaluated runs, the best first.
    """
    if any(item.meta.deadline for _, item in named):
        _invite()
        return
    step = find_step(settings, named, outcome)
    if step is None:
        return
    finding = step.finding
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="next-step"
    ):
        why = f" :small[{frame.plain(step.run[0])}: {frame.plain(finding.title)}.]" if step.run else ""
        st.markdown(f"**Next step.** {frame.plain(finding.advice)}{why}", width="content")
        if finding.change and step.run is not None:
            offer_prefilled(
                step.run[1].config.variant(**finding.change),
                "Use these settings",
                "Opens the training form with this run's settings and this one change; you start it.",
                key=f"next-step-{key}",
            )
        elif finding.kind in ("few-epochs", "unequal-views"):
            query = {"dataset": named[0][1].config.dataset}
            frame.link(frame.TRAIN, label="Train again", icon=":material/model_training:", query_params=query)
        elif finding.kind == "open":
            _offer_photos("Add photos")
        elif finding.lesson in LESSONS:
            explain(finding.lesson, key=f"next-step-lesson-{key}")


def _invite() -> None:
    """After the demo: its pictures are drawn, so advice on its figures would lead nowhere."""
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="next-step"
    ):
        st.markdown("**Next step.** These were drawings: now race on your own photos.", width="content")
        _offer_photos("Use my photos")


def _offer_photos(label: str) -> None:
    frame.link(frame.EXPLORE, label=label, icon=":material/add_photo_alternate:", query_params={"add": "1"})


def find_step(settings: Settings, named: Sequence[Named], outcome: PairOutcome | None) -> Step | None:
    """The gravest finding with advice in the comparison and the best run; in the others only what is an alarm."""
    steps = [Step(finding) for finding in review_comparison(group_arms(named), outcome)]
    strategies = {item.config.strategy for _, item in named}
    for place, (name, item) in enumerate(named):
        with suppress(TuneMyPetsError):  # a damaged run: the verdict shows why
            steps += [
                Step(finding, (name, item))
                for finding in review_once(settings, item)
                if place == 0 or finding.level == "alarm"
                if finding.change.get("strategy") not in strategies  # that was tried: it is in this result
            ]
    chosen = choose_next_step([step.finding for step in steps])
    return next((step for step in steps if step.finding is chosen), None)
