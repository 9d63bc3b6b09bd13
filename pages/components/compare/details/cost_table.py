"""The costs of runs: a table, and bars of their seconds by part of the work."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.coach.run_cost import ASSUMED, BACKWARD, NOT_MEASURED, Cost, add_up, format_large, format_ratio, part_names
from core.formatting import format_bytes, format_duration
from core.palette import CLASS_COLOURS
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot

# a second signal beside colour: stripes one way, the other way, dots, squares …
DECALS: tuple[dict[str, Any], ...] = (
    {"symbol": "none"},
    {"symbol": "rect", "dashArrayX": [1, 0], "dashArrayY": [2, 5], "rotation": 0.785},
    {"symbol": "circle", "dashArrayX": [[8, 8], [0, 8, 8, 0]], "dashArrayY": [6, 0], "symbolSize": 0.7},
    {"symbol": "rect", "dashArrayX": [1, 0], "dashArrayY": [2, 5], "rotation": -0.785},
    {"symbol": "triangle", "dashArrayX": [[9, 9], [0, 9, 9, 0]], "dashArrayY": [7, 2], "symbolSize": 0.8},
    {"symbol": "rect", "dashArrayX": [4, 4], "dashArrayY": [4, 4]},
)


def cost_of(settings: Settings, name: str, snapshot: RunSnapshot) -> Cost:
    """The cost of a run, from its snapshot."""
    return add_up(settings, name, snapshot.config, snapshot.history, snapshot.result)


def show_costs(costs: Sequence[Cost], *, key: str = "cost") -> None:
    """Draw the costs of runs; ratios are relative to the first.

    Args:
        key: distinguishes this place from others on the page.
    """
    for cost in costs[1:]:
        sentence = format_ratio(costs[0], cost)
        if sentence:
            st.markdown(frame.plain(sentence))
    parts = part_names(costs)
    if parts:
        summary = "; ".join(
            f"{cost.name}: "
            + ", ".join(f"{part} {format_duration(cost.parts[part])}" for part in parts if part in cost.parts)
            for cost in costs
            if cost.parts
        )
        st.markdown("##### Seconds by part of the work")
        st.echarts_chart(
            seconds_chart(costs), height=126 + 44 * len(costs), key=f"{key}-seconds", alt=f"Seconds by part. {summary}"
        )
    unmeasured = [cost.name for cost in costs if not cost.parts]
    if unmeasured:
        st.caption(f"Seconds by part were not measured for {frame.plain(', '.join(unmeasured))}.")
    reused = [f"{cost.name}: {', '.join(cost.reused)}" for cost in costs if cost.reused]
    if reused:
        st.caption(f"Reused from an earlier run, and counted as if computed here: {frame.plain('; '.join(reused))}.")
    table = cost_table(costs)
    st.dataframe(table, hide_index=True, key=f"{key}-table")
    frame.offer_csv("Download costs as CSV", cost_figures(costs), "tunemypets-costs.csv")
    with st.popover("How costs are counted", type="tertiary", key=f"{key}-how"):
        st.markdown(_assumptions(costs))


def seconds_chart(costs: Sequence[Cost]) -> dict[str, Any]:
    """Stacked bars, one for each run: seconds by part, distinguished by colour and pattern."""
    names = [cost.name for cost in costs]
    series = [
        {
            "name": part,
            "type": "bar",
            "stack": "seconds",
            "data": [round(cost.parts[part], 2) if part in cost.parts else None for cost in costs],
            "itemStyle": {
                "color": CLASS_COLOURS[place % len(CLASS_COLOURS)],
                "decal": {"color": "rgba(255,255,255,0.65)", **DECALS[place % len(DECALS)]},
            },
            "emphasis": {"disabled": True},
        }
        for place, part in enumerate(part_names(costs))
    ]
    return {
        "animation": False,
        "grid": {"left": 12, "right": 24, "top": 52, "bottom": 26, "containLabel": True},
        "legend": {"type": "scroll", "top": 0, "left": 0, "textStyle": {"fontSize": 12}},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}},
        "xAxis": {"type": "value", "name": "Seconds", "nameLocation": "middle", "nameGap": 26},
        "yAxis": {
            "type": "category",
            "name": "Run",
            "nameLocation": "start",
            "nameTextStyle": {"align": "right"},
            "inverse": True,
            "data": names,
            "axisLabel": {"width": 110, "overflow": "truncate"},
        },
        "series": series,
    }


def cost_table(costs: Sequence[Cost]) -> pd.DataFrame:
    """The table on the page: one row for each run; unknown figures are called so."""
    return pd.DataFrame(
        [
            {
                "run": cost.name,
                "time": NOT_MEASURED if cost.seconds is None else format_duration(cost.seconds),
                "pictures seen": format_large(cost.images_seen),
                "parameters": format_large(cost.parameters),
                "trainable": format_large(cost.trainable),
                "multiply-adds per picture": format_large(cost.multiply_adds),
                "multiply-adds of the training": format_large(cost.training_multiply_adds),
                "peak memory": _bytes(cost.peak_memory_bytes),
                "size of the weights": _bytes(cost.weights_bytes),
                "energy (estimate)": cost.energy.text() if cost.energy else "not known",
            }
            for cost in costs
        ]
    )


def cost_figures(costs: Sequence[Cost]) -> pd.DataFrame:
    """The table to download: plain numbers with their units in the column names; empty where not measured."""
    return pd.DataFrame(
        [
            {
                "run": cost.name,
                "seconds": cost.seconds,
                **{f"seconds: {part}": cost.parts.get(part) for part in part_names(costs)},
                "pictures seen": cost.images_seen,
                "parameters": cost.parameters,
                "trainable parameters": cost.trainable,
                "multiply-adds per picture": cost.multiply_adds,
                "multiply-adds of the training": cost.training_multiply_adds,
                "peak memory (bytes)": cost.peak_memory_bytes,
                "weights (bytes)": cost.weights_bytes,
                "energy (Wh, estimate)": cost.energy.watt_hours if cost.energy else None,
                "power (W)": cost.energy.watts if cost.energy else None,
            }
            for cost in costs
        ]
    )


def _bytes(count: int | None) -> str:
    return NOT_MEASURED if count is None else format_bytes(count)


def _assumptions(costs: Sequence[Cost]) -> str:
    sources = list(dict.fromkeys(cost.energy.source for cost in costs if cost.energy))
    lines = [
        "*Time* runs from the start of a run's process to its end; waiting in the queue is not counted.",
        f"*Multiply-adds* count training pictures. The backward pass through trainable parts costs {BACKWARD} times "
        "the forward pass; frozen parts only run forward, and only once where their outputs are stored.",
        "*Energy* is time multiplied by power, and only as exact as the power ("
        + (frame.plain("; ".join(sources)) if sources else "not known here")
        + "). Set `TUNEMYPETS_WATTS` to what a power meter shows during training."
        + (
            " A core draws 4 to 15 W, including its share of the machine." if any(ASSUMED in s for s in sources) else ""
        ),
        "*Not measured* stands for figures that older runs did not record.",
    ]
    return "\n".join(f"- {line}" for line in lines)
