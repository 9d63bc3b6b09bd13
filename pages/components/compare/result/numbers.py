"""All numbers of a result: tables, what differs in the settings, and everything to download."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.config.stages import plan_training
from core.config.train_config import TrainConfig
from core.formatting import SPLIT_NAMES
from core.races.race import Race
from core.runs.summary import RunSummary
from core.settings import Settings
from core.statistics.race_comparison import RaceComparison
from core.statistics.race_sentences import describe_pair
from pages.components.compare.result.report_downloads import offer_report, show_command
from pages.components.shared import frame
from pages.components.shared.charts import chart_tables
from pages.components.shared.results.named_runs import Named
from pages.components.shared.snapshots.race_snapshot import RaceSnapshot

COLUMNS = {
    "Test accuracy": st.column_config.NumberColumn(format="%.1f %%", help="On held-out pictures; mean of the seeds."),
    "95 % from": st.column_config.NumberColumn(format="%.1f %%", help="Lower end of the 95 % interval."),
    "95 % to": st.column_config.NumberColumn(format="%.1f %%", help="Upper end of the 95 % interval."),
    "n": st.column_config.NumberColumn(help="Number of pictures it was evaluated on."),
    "Each seed": st.column_config.TextColumn(help="Test accuracy of each run, in per cent."),
    "Seconds": st.column_config.NumberColumn(format="%.1f", help="Training time, median of the seeds."),
    "Trainable": st.column_config.NumberColumn(format="compact", help="Trainable parameters (in the last stage)."),
    "Differs in": st.column_config.TextColumn(width="large", help="Settings in which the chosen runs differ."),
}
NOT_COMPARED = ("dataset", "note")


def show_race_numbers(settings: Settings, snapshot: RaceSnapshot) -> None:
    """The arms of a race, all pairs, and the downloads."""
    race = snapshot.race
    comparison = snapshot.result.comparison if snapshot.result is not None else None
    table = tabulate_arms(race, comparison)
    st.dataframe(table, hide_index=True, column_config=COLUMNS, key=f"race-table-{race.id}")
    if comparison is not None and len(comparison.pairs) > 1:
        _show_pairs(comparison)
    with st.container(horizontal=True):
        frame.offer_csv("Table as CSV", table, f"tunemypets-{race.id}-arms.csv", key=f"arms-csv-{race.id}")
        frame.offer_csv(
            "Curves as CSV",
            lambda: chart_tables.list_epochs(
                [(race.name_of(run), run.config.seed, snapshot.epochs[run.id]) for run in race.runs]
            ),
            f"tunemypets-{race.id}-curves.csv",
            key=f"curves-csv-{race.id}",
        )
        offer_report(settings, [race.id], "json")
    show_command([race.id])


def show_run_numbers(
    settings: Settings, chosen: Sequence[RunSummary], named: Sequence[Named], comparison: RaceComparison | None
) -> None:
    """A row for each of the chosen runs, all pairs, and the downloads.

    Args:
        named: the chosen runs, with their curves.
    """
    identity = "-".join(item.id for item in chosen)
    table = tabulate_runs(chosen, [name for name, _ in named])
    st.dataframe(table, hide_index=True, column_config=COLUMNS, key="compare-table")
    if comparison is not None and len(comparison.pairs) > 1:
        _show_pairs(comparison)
    with st.container(horizontal=True):
        frame.offer_csv("Table as CSV", table, "tunemypets-comparison.csv", key=f"runs-csv-{identity}")
        frame.offer_csv(
            "Curves as CSV",
            lambda: chart_tables.list_epochs([(name, item.config.seed, item.history.epochs) for name, item in named]),
            "tunemypets-curves.csv",
            key=f"curves-csv-{identity}",
        )
        if comparison is not None:
            offer_report(settings, [item.id for item in chosen if item.tested], "json")
    if comparison is not None:
        show_command([item.id for item in chosen if item.tested])


def tabulate_arms(race: Race, comparison: RaceComparison | None) -> pd.DataFrame:
    """A row for each arm of a race; columns that are not known of any arm are left out."""
    scores = {arm.name: arm for arm in comparison.arms} if comparison is not None else {}
    rows = []
    for arm in race.arms:
        runs, score = race.arm(arm), scores.get(arm)
        each = [100 * run.tested.accuracy for run in runs if run.tested is not None]
        rows.append(
            {
                "Arm": arm,
                "Network": runs[0].config.model if runs else None,
                "Strategy": runs[0].config.strategy if runs else None,
                "Test accuracy": 100 * score.mean if score else None,
                "95 % from": 100 * score.interval.low if score else None,
                "95 % to": 100 * score.interval.high if score else None,
                "n": score.n if score else None,
                "Each seed": ", ".join(f"{value:.1f}" for value in each) or None,
                "Seconds": score.seconds if score else None,
                "Trainable": plan_training(runs[0].config, len(race.meta.classes)).trainable if runs else None,
                "Runs": ", ".join(run.id for run in runs),
            }
        )
    return pd.DataFrame(rows).dropna(axis="columns", how="all")


def tabulate_runs(summaries: Sequence[RunSummary], names: Sequence[str]) -> pd.DataFrame:
    """A row for each run; percentages as numbers, unknown values empty."""
    differing = differing_fields([item.config for item in summaries])
    rows = []
    for item, name in zip(summaries, names, strict=True):
        accuracy, tested = item.accuracy, item.tested
        plan = plan_training(item.config, len(item.meta.classes))
        rows.append(
            {
                "Name": name,
                "Network": item.config.model,
                "Strategy": item.config.strategy,
                "Test accuracy": 100 * accuracy.value if accuracy and accuracy.value is not None else None,
                "95 % from": 100 * accuracy.interval.low if accuracy else None,
                "95 % to": 100 * accuracy.interval.high if accuracy else None,
                "n": tested.images if tested else None,
                "Split": SPLIT_NAMES[tested.split] if tested else None,
                "Trainable": plan.trainable,
                "Epochs": item.epochs_done,
                "Seconds": item.seconds,
                "State": item.state.value,
                "Differs in": ", ".join(f"{field}={_format(getattr(item.config, field))}" for field in differing),
                "Note": item.config.note,
                "Run": item.id,
            }
        )
    return pd.DataFrame(rows)


def differing_fields(configs: Sequence[TrainConfig]) -> list[str]:
    """Names of the fields in which configurations differ."""
    return [
        name
        for name in TrainConfig.model_fields
        if name not in NOT_COMPARED and len({getattr(config, name) for config in configs}) > 1
    ]


def _show_pairs(comparison: RaceComparison) -> None:
    st.caption("All pairs: paired tests on the same pictures, corrected for multiple comparisons.")
    for pair in comparison.pairs:
        icon = ":material/emoji_events:" if pair.better else ":material/balance:"
        st.markdown(f"- {icon} {frame.plain(describe_pair(comparison, pair))}")


def _format(value: object) -> str:
    return "-".join(str(part) for part in value) if isinstance(value, tuple) else str(value)
