"""What the coach reads in runs and datasets: drawn once for everybody, and only when something has ended."""

from collections.abc import Sequence
from statistics import median_low

import streamlit as st

from core.coach.coach import read_run
from core.coach.fairness import Entrant, Outcome, read_race
from core.coach.reading import LEVELS, Level, Reading
from core.coach.run_facts import gather_facts, training_shares
from core.coach.shortcuts import GROUPS, ShortcutReport, find_shortcuts, read_shortcuts
from core.config.train_config import STRATEGIES, TrainConfig
from core.datasets.dataset import Dataset
from core.errors import TuneMyPetsError
from core.formatting import format_number
from core.settings import Settings
from core.statistics.comparison import Comparison
from models.catalog import CATALOG
from pages.components.shared import frame
from pages.components.shared.lessons import LESSONS, explain
from pages.components.shared.prefilled_form import offer_prefilled
from pages.components.shared.runs_snapshot import RunSnapshot
from pages.components.shared.shared_cache import SharedCache

COLOURS: dict[Level, str] = {"alarm": "red", "warning": "orange", "note": "blue", "fine": "green"}
ICONS: dict[Level, str] = {"alarm": "‼", "warning": "!", "note": "i", "fine": "✓"}  # colour is never the only signal
# what has ended never changes; a test that comes later changes the key
_readings: SharedCache[tuple[Settings, str, float, bool], tuple[Reading, ...]] = SharedCache(None, max_entries=256)
_shortcuts: SharedCache[tuple[str, str], ShortcutReport] = SharedCache(None, max_entries=16)


def show_run(settings: Settings, snapshots: Sequence[RunSnapshot]) -> None:
    """The readings of the runs among these that have ended; nothing while they move.

    One run is shown at once, several wait in an expander until somebody opens it.
    """
    ended = [item for item in snapshots if item.result is not None and not item.moving]
    if not ended:
        return
    if len(snapshots) == 1:
        st.markdown("##### What the curves say")
        show_readings(read_once(settings, ended[0]), key=ended[0].id, config=ended[0].config)
        return
    identity = "-".join(item.id for item in ended)
    folded = st.expander("What the curves say", key=f"coach-{identity}", on_change="rerun")
    if not folded.open:
        return
    with folded:
        for item in ended:
            seed = f", seed {item.config.seed}" if item.meta.plan is not None else ""
            st.markdown(f"**{frame.plain(item.arm)}{seed}**")
            show_readings(read_once(settings, item), key=item.id, config=item.config)


def read_once(settings: Settings, snapshot: RunSnapshot) -> tuple[Reading, ...]:
    """The readings of a run that has ended, computed once for everybody.

    Raises:
        RunError: if the run is gone or cannot be read.
    """
    ended = snapshot.result.ended if snapshot.result else 0.0
    key = settings, snapshot.id, ended, snapshot.history.tested is not None

    def read() -> tuple[Reading, ...]:
        run = frame.runs(settings).get(snapshot.id)
        return read_run(gather_facts(run, training_shares(settings, run)))

    return _readings.get(key, read)


def show_fairness(named: Sequence[tuple[str, RunSnapshot]], comparison: Comparison | None = None) -> None:
    """Whether a comparison of runs is fair, open, flattering or dear; nothing where nothing is to be said.

    Args:
        named: runs with what people call them; runs that differ in nothing but their seed count as one.
        comparison: of the first two, in their order.
    """
    outcome = None if comparison is None else Outcome.of(comparison, named[0][0], named[1][0])
    readings = read_race(entrants_of(named), outcome)
    if readings:
        show_readings(readings, key="fairness-" + "-".join(item.id for _, item in named))


def entrants_of(named: Sequence[tuple[str, RunSnapshot]]) -> list[Entrant]:
    """The arms of a comparison: runs with the same settings but for their seed are one, its figures in the middle."""
    groups: dict[str, list[tuple[str, RunSnapshot]]] = {}
    for name, item in named:
        settled = item.config.model_dump_json(exclude={"seed", "note"})
        groups.setdefault(f"{item.meta.arm} {item.meta.dataset_fingerprint} {settled}", []).append((name, item))
    entrants = []
    for group in groups.values():
        name, first = group[0]
        items = [item for _, item in group]
        seen = [item.history.epochs[-1].images_seen for item in items if item.history.epochs]
        seconds = [item.result.seconds for item in items if item.result and item.result.seconds]
        entrants.append(
            Entrant(
                name=first.arm if len(group) > 1 else name,
                config=first.config,
                classes=tuple(first.meta.classes),
                fingerprint=first.meta.dataset_fingerprint,
                seeds=tuple(sorted({item.config.seed for item in items})),
                epochs=median_low([len(item.history.epochs) for item in items]),
                images_seen=median_low(seen) if seen else None,
                seconds=median_low(seconds) if seconds else None,
            )
        )
    return entrants


def show_readings(readings: Sequence[Reading], *, key: str, config: TrainConfig | None = None) -> None:
    """Readings, the most important first: what was seen, on which figures, and one thing to try.

    Args:
        key: tells this place from others on the page.
        config: what the readings are about, where what they propose can be tried by changing it.
    """
    if not readings:
        st.caption("The coach has nothing to say here: there are too few epochs or pictures to read anything from.")
    for reading in readings:
        with st.container(border=True, gap="small"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.badge(f"{ICONS[reading.level]} {LEVELS[reading.level]}", color=COLOURS[reading.level])
                st.markdown(f"**{frame.plain(reading.title)}**", width="content")
            st.markdown(frame.plain(reading.evidence))
            if reading.advice:
                st.markdown(f"→ {frame.plain(reading.advice)}")
            fields = _fields(reading)
            if fields:
                st.caption(fields)
                if config is not None:
                    offer_prefilled(
                        config.variant(**reading.change),
                        "Fill in the form with this",
                        "Opens the training form with this run's settings and this one change. You start it.",
                        key=f"try-{key}-{reading.kind}",
                    )
            if reading.lesson in LESSONS:
                explain(reading.lesson, key=f"lesson-{key}-{reading.kind}")


def _fields(reading: Reading) -> str:
    """The settings to change, as the form calls them."""
    named = [
        f"{TrainConfig.model_fields[name].title or name}: {'as fitted' if value is None else _value(name, value)}"
        for name, value in reading.change.items()
        if not (value is None and name != "learning_rate") and value is not False
    ]
    return f"In the form: {frame.plain(' · '.join(named))}" if named else ""


def _value(name: str, value: object) -> str:
    if name == "model":
        return CATALOG[str(value)].title
    if name == "strategy":
        return STRATEGIES[str(value)][0]
    if value is True:
        return "on"
    return format_number(value, 2) if isinstance(value, float) else str(value)


def show_shortcuts(settings: Settings, dataset: Dataset) -> None:
    """“Could a network cheat?”: computed when somebody opens it, once for everybody."""
    folded = st.expander("Could a network cheat?", key=f"shortcuts-{dataset.id}", on_change="rerun")
    if not folded.open:
        return
    with folded:
        st.caption(
            "Small classifiers see only what is not the subject. If one of them does well, a network may cheat the "
            "same way, and its accuracy says less than it seems to."
        )
        try:
            with st.spinner("Looking at the pictures", show_time=True):
                report = _shortcuts.get((str(settings.home), dataset.fingerprint), lambda: find_shortcuts(dataset))
        except TuneMyPetsError as error:
            st.info(frame.plain(str(error)))
            return
        _draw_shortcuts(dataset, report)


def _draw_shortcuts(dataset: Dataset, report: ShortcutReport) -> None:
    import pandas as pd

    readings = read_shortcuts(report)
    if readings:
        show_readings(readings, key=f"shortcuts-{dataset.id}")
    else:
        st.success("None of these tells the classes apart, as far as these pictures show.")
    titles = {group.name: group.title for group in GROUPS}
    table = pd.DataFrame(
        [
            {
                "seen alone": titles[item.group][0].upper() + titles[item.group][1:],
                "right (%)": round(100 * item.accuracy.correct / item.accuracy.n, 1),
                "interval from (%)": round(100 * item.accuracy.interval.low, 1),
                "to (%)": round(100 * item.accuracy.interval.high, 1),
                "commonest class (%)": round(100 * item.baseline.correct / item.baseline.n, 1),
                "pictures (n)": item.accuracy.n,
                "tells the classes apart": "yes" if item.found else "not shown",
            }
            for item in report.shortcuts
        ]
    )
    st.dataframe(table, hide_index=True, key=f"shortcuts-table-{dataset.id}")
    st.caption(
        f"Fitted on {report.train:,} training pictures, judged on {report.judged:,} validation and test pictures; 95 % "
        "intervals. “Yes” where the gain over the commonest class is beyond chance (1 % for each row) and at least ten "
        "points."
    )
    frame.offer_csv("Download as CSV", table, f"tunemypets-shortcuts-{dataset.id}.csv")
