"""The table of runs: a row for each, and the settings in which they differ."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.config.stages import plan_training
from core.config.train_config import TrainConfig
from core.runs.summary import RunSummary

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


def differing_fields(configs: Sequence[TrainConfig]) -> list[str]:
    """Names of the fields in which configurations differ."""
    return [
        name
        for name in TrainConfig.model_fields
        if name not in NOT_COMPARED and len({getattr(config, name) for config in configs}) > 1
    ]


def runs_table(summaries: Sequence[RunSummary]) -> pd.DataFrame:
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
                "Split": ("test" if tested.split == "test" else "validation") if tested else None,
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
