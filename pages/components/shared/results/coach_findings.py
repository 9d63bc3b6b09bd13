"""The coach's findings in runs, comparisons and datasets: computed once for all sessions, after a run has ended."""

from collections.abc import Sequence

import streamlit as st

from core.coach.coach_finding import LEVELS, CoachFinding, Level
from core.coach.fairness import PairOutcome, review_comparison
from core.coach.picture_facts import pictures_of
from core.coach.review import review_run
from core.coach.run_facts import gather_facts
from core.coach.shortcuts import ShortcutReport, find_shortcuts, review_shortcuts
from core.config.strategies import STRATEGIES
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import TuneMyPetsError
from core.formatting import capitalise, format_number
from core.races.arm_facts import gather_arm
from core.settings import Settings
from core.statistics.caveats import ArmFacts
from core.statistics.comparison import Comparison
from models.catalog import CATALOG
from pages.components.shared import frame
from pages.components.shared.lessons import LESSONS, explain
from pages.components.shared.prefilled_form import offer_prefilled
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot
from pages.components.shared.snapshots.shared_cache import SharedCache

COLOURS: dict[Level, str] = {"alarm": "red", "warning": "orange", "note": "blue", "fine": "green"}
ICONS: dict[Level, str] = {"alarm": "‼", "warning": "!", "note": "i", "fine": "✓"}  # colour is never the only signal
# a run that has ended never changes; a later test result changes the key
_findings: SharedCache[tuple[Settings, str, float, bool], tuple[CoachFinding, ...]] = SharedCache(None, max_entries=256)
_shortcuts: SharedCache[tuple[str, str], ShortcutReport] = SharedCache(None, max_entries=16)


def show_run(settings: Settings, snapshots: Sequence[RunSnapshot]) -> None:
    """The findings in the runs that have ended; nothing while they are active.

    One run is shown at once; several are in an expander, computed when it is opened.
    """
    ended = [item for item in snapshots if item.result is not None and not item.moving]
    if not ended:
        return
    if len(snapshots) == 1:
        st.markdown("##### What the curves show")
        show_findings(review_once(settings, ended[0]), key=ended[0].id, config=ended[0].config)
        return
    identity = "-".join(item.id for item in ended)
    folded = st.expander("What the curves show", key=f"coach-{identity}", on_change="rerun")
    if not folded.open:
        return
    with folded:
        for item in ended:
            seed = f", seed {item.config.seed}" if item.meta.plan is not None and len(item.meta.plan.seeds) > 1 else ""
            st.markdown(f"**{frame.plain(item.arm)}{seed}**")
            show_findings(review_once(settings, item), key=item.id, config=item.config)


def review_once(settings: Settings, snapshot: RunSnapshot) -> tuple[CoachFinding, ...]:
    """The findings in a run that has ended, computed once for all sessions.

    Raises:
        RunError: if the run is gone or cannot be read.
    """
    ended = snapshot.result.ended if snapshot.result else 0.0
    key = settings, snapshot.id, ended, snapshot.history.tested is not None

    def read() -> tuple[CoachFinding, ...]:
        run = frame.runs(settings).get(snapshot.id)
        return review_run(gather_facts(run, pictures_of(settings, run)))

    return _findings.get(key, read)


def show_fairness(named: Sequence[tuple[str, RunSnapshot]], comparison: Comparison | None = None) -> None:
    """Whether a comparison of runs is fair, beyond chance, flattering or costly; nothing where there are no findings.

    Args:
        named: runs with their names on the page; runs that differ only in their seed count as one arm.
        comparison: of the first two, in this order.
    """
    outcome = None if comparison is None else PairOutcome.of(comparison, named[0][0], named[1][0])
    findings = review_comparison(group_arms(named), outcome)
    if findings:
        show_findings(findings, key="fairness-" + "-".join(item.id for _, item in named))


def group_arms(named: Sequence[tuple[str, RunSnapshot]]) -> list[ArmFacts]:
    """The arms of a comparison: runs that differ only in their seed are one arm, with the median of their figures."""
    groups: dict[str, list[tuple[str, RunSnapshot]]] = {}
    for name, item in named:
        shared = item.config.model_dump_json(exclude={"seed", "note"})
        groups.setdefault(f"{item.meta.arm} {item.meta.dataset_fingerprint} {shared}", []).append((name, item))
    return [
        gather_arm(group[0][1].arm if len(group) > 1 else group[0][0], [(item, item.history) for _, item in group])
        for group in groups.values()
    ]


def show_findings(findings: Sequence[CoachFinding], *, key: str, config: TrainConfig | None = None) -> None:
    """Draw findings, the most important first: what was seen, the figures behind it, and one thing to try.

    Args:
        key: distinguishes this place from others on the page.
        config: of the run that the findings are about, so that their advice can be filled into the form.
    """
    if not findings:
        st.caption("No findings yet: there are too few epochs or pictures.")
    for finding in findings:
        with st.container(border=True, gap="small"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.badge(f"{ICONS[finding.level]} {LEVELS[finding.level]}", color=COLOURS[finding.level])
                st.markdown(f"**{frame.plain(finding.title)}**", width="content")
            st.markdown(frame.plain(finding.evidence))
            if finding.advice:
                st.markdown(f"→ {frame.plain(finding.advice)}")
            fields = _fields(finding)
            if fields:
                st.caption(fields)
                if config is not None:
                    offer_prefilled(
                        config.variant(**finding.change),
                        "Use these settings",
                        "Opens the training form with this run's settings and this one change; you start it.",
                        key=f"try-{key}-{finding.kind}",
                    )
            if finding.lesson in LESSONS:
                explain(finding.lesson, key=f"lesson-{key}-{finding.kind}")


def _fields(finding: CoachFinding) -> str:
    """The settings to change, under their names in the form."""
    named = [
        f"{TrainConfig.model_fields[name].title or name}: {'automatic' if value is None else _value(name, value)}"
        for name, value in finding.change.items()
        if not (value is None and name != "learning_rate") and (name, value) != ("find_rate", False)
    ]
    return f"Changes: {frame.plain(' · '.join(named))}" if named else ""


def _value(name: str, value: object) -> str:
    if name == "model":
        return CATALOG[str(value)].title
    if name == "strategy":
        return STRATEGIES[str(value)][0]
    if isinstance(value, bool):
        return "on" if value else "off"
    return format_number(value, 2) if isinstance(value, float) else str(value)


def show_shortcuts(settings: Settings, dataset: Dataset) -> None:
    """“Could a network take a shortcut?”: computed when it is opened, once for all sessions."""
    folded = st.expander("Could a network take a shortcut?", key=f"shortcuts-{dataset.id}", on_change="rerun")
    if not folded.open:
        return
    with folded:
        st.caption(
            "Each row is a small classifier that sees one cue and never the subject. If one does well, a network may "
            "use the same shortcut, and its accuracy means less than it seems."
        )
        try:
            with st.spinner("Measuring the pictures", show_time=True):
                report = _shortcuts.get((str(settings.home), dataset.fingerprint), lambda: find_shortcuts(dataset))
        except TuneMyPetsError as error:
            st.info(frame.plain(str(error)))
            return
        _draw_shortcuts(dataset, report)


def _draw_shortcuts(dataset: Dataset, report: ShortcutReport) -> None:
    import pandas as pd

    findings = review_shortcuts(report)
    if findings:
        show_findings(findings, key=f"shortcuts-{dataset.id}")
    else:
        st.success("No shortcut found in these pictures.")
    table = pd.DataFrame(
        [
            {
                "cue": capitalise(item.cue.title),
                "accuracy (%)": round(100 * item.accuracy.correct / item.accuracy.n, 1),
                "interval from (%)": round(100 * item.accuracy.interval.low, 1),
                "to (%)": round(100 * item.accuracy.interval.high, 1),
                "most common class (%)": round(100 * item.baseline.correct / item.baseline.n, 1),
                "pictures (n)": item.accuracy.n,
                "predicts the class": "yes" if item.found else "not shown",
            }
            for item in report.shortcuts
        ]
    )
    st.dataframe(table, hide_index=True, key=f"shortcuts-table-{dataset.id}")
    st.caption(
        f"Fitted on {report.train:,} training pictures, evaluated on {report.held_out:,} validation and test pictures, "
        "with 95 % intervals. “Yes”: at least ten points better than always predicting the most common class, and "
        "beyond chance (1 % for each row)."
    )
    frame.offer_csv("Download as CSV", table, f"tunemypets-shortcuts-{dataset.id}.csv")
