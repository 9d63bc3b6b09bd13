"""Chosen runs of one dataset: the verdict on two of them, curves, and a table with the settings that differ."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.config.stages import plan_training
from core.config.train_config import TrainConfig
from core.errors import ComparisonError, RunError
from core.formatting import SPLIT_NAMES
from core.runs.summary import RunSummary
from core.settings import Settings
from pages.components.shared import chart_tables, charts, frame
from pages.components.shared.named_runs import name_runs, style_runs
from pages.components.shared.runs_snapshot import RunSnapshot
from pages.components.shared.verdict import compare_once, show_verdict

COLUMN_CONFIG = {
    "Test accuracy": st.column_config.NumberColumn(
        format="%.1f %%", help="Share of the held-out pictures that it gets right."
    ),
    "from": st.column_config.NumberColumn("95 % from", format="%.1f %%", help="Lower end of Wilson's 95 % interval."),
    "to": st.column_config.NumberColumn("95 % to", format="%.1f %%", help="Upper end of Wilson's 95 % interval."),
    "n": st.column_config.NumberColumn(help="Number of pictures it was evaluated on."),
    "Trainable": st.column_config.NumberColumn(format="compact", help="Trainable parameters (in the last stage)."),
    "Seconds": st.column_config.NumberColumn(format="%.0f", help="From the start of the worker to the result."),
    "Differs in": st.column_config.TextColumn(width="large", help="Settings in which the chosen runs differ."),
}
NOT_COMPARED = ("dataset", "note")


def show_runs_verdict(settings: Settings, tested: Sequence[RunSnapshot]) -> None:
    """The verdict on the first run and another one, and in which settings they differ."""
    first = tested[0]
    second = tested[1]
    if len(tested) > 2:
        others = {item.id: item for item in tested[1:]}
        picked = st.selectbox(
            "Compare the first run with",
            list(others),
            format_func=lambda run_id: f"{others[run_id].arm} · {run_id[-6:]}",
            help="A verdict compares two runs.",
        )
        second = others[picked]
    try:
        comparison = compare_once(settings, first.id, second.id)
    except (ComparisonError, RunError) as error:
        st.warning(frame.plain(str(error)))
        return
    st.subheader("Verdict")
    show_verdict(comparison)
    fields = differing_fields([first.config, second.config])
    if fields:
        titles = [(TrainConfig.model_fields[name].title or name).lower() for name in fields]
        st.caption(f"They differ in: {', '.join(titles)}.")


def show_curves(snapshots: Sequence[RunSnapshot]) -> None:
    """Accuracy and loss of all runs, by epochs, pictures or time."""
    st.subheader("Curves")
    named = name_runs(snapshots)
    styles = style_runs(named)
    curves = [charts.Curve(name, styles[name], item.history.batches, item.history.epochs) for name, item in named]
    left, right = st.columns(2)
    with left:
        axis = choose_axis("seconds" if any(item.config.max_seconds for item in snapshots) else "epochs")
    training = right.toggle("Show training curves", value=False, help="Adds the smoothed curves of the training split.")
    show_accuracy_and_loss(
        charts.accuracy_chart(curves, axis, training=training),
        charts.loss_chart(curves, axis, training=training),
        key="compare",
    )
    frame.offer_csv(
        "Download the curves as CSV",
        lambda: chart_tables.list_epochs([(name, item.config.seed, item.history.epochs) for name, item in named]),
        "tunemypets-curves.csv",
        key="compare-curves-csv",
    )


def choose_axis(default: charts.Axis, key: str | None = None) -> charts.Axis:
    """What the curves run over."""
    return st.segmented_control(
        "Horizontal axis",
        list(charts.AXIS_TITLES),
        default=default,
        required=True,
        format_func=lambda name: charts.AXIS_TITLES[name],
        key=key,
        help="Equal epochs, equal pictures or equal time: three ways to compare fairly.",
    )


def show_accuracy_and_loss(accuracy: dict[str, Any], loss: dict[str, Any], key: str) -> None:
    """Two charts, side by side where there is room."""
    for column, (name, spec) in zip(st.columns(2), (("Accuracy", accuracy), ("Loss", loss)), strict=True):
        with column:
            st.markdown(f"##### {name} on validation pictures")
            st.echarts_chart(spec, height=340, key=f"{key}-{name.lower()}", alt=charts.describe(spec))


def show_table(chosen: Sequence[RunSummary]) -> None:
    """A row for each run."""
    st.subheader("Table")
    table = tabulate_runs(chosen)
    st.dataframe(table, hide_index=True, column_config=COLUMN_CONFIG, key="compare-table")
    frame.offer_csv("Download as CSV", table, "tunemypets-comparison.csv")


def differing_fields(configs: Sequence[TrainConfig]) -> list[str]:
    """Names of the fields in which configurations differ."""
    return [
        name
        for name in TrainConfig.model_fields
        if name not in NOT_COMPARED and len({getattr(config, name) for config in configs}) > 1
    ]


def tabulate_runs(summaries: Sequence[RunSummary]) -> pd.DataFrame:
    """The comparison table; percentages as numbers, unknown values empty."""
    differing = differing_fields([item.config for item in summaries])
    rows = []
    for item in summaries:
        accuracy, tested = item.accuracy, item.tested
        plan = plan_training(item.config, len(item.meta.classes))
        rows.append(
            {
                "Run": item.id,
                "Network": item.config.model,
                "Strategy": item.config.strategy,
                "Test accuracy": 100 * accuracy.value if accuracy and accuracy.value is not None else None,
                "from": 100 * accuracy.interval.low if accuracy else None,
                "to": 100 * accuracy.interval.high if accuracy else None,
                "n": tested.images if tested else None,
                "Split": SPLIT_NAMES[tested.split] if tested else None,
                "Trainable": plan.trainable,
                "Epochs": item.epochs_done,
                "Seconds": item.seconds,
                "State": item.state.value,
                "Differs in": ", ".join(f"{name}={_format(getattr(item.config, name))}" for name in differing),
                "Note": item.config.note,
            }
        )
    return pd.DataFrame(rows)


def _format(value: object) -> str:
    return "-".join(str(part) for part in value) if isinstance(value, tuple) else str(value)
