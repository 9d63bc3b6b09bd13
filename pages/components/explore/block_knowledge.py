"""What each block of a pretrained network knows about the pictures: accuracy of linear probes by depth."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.datasets.dataset import Dataset
from core.formatting import format_duration, format_percent, format_points
from core.palette import STRATEGY_STYLES
from core.probes.forecast import describe_depth, describe_head, describe_pretraining
from core.probes.forecast_score import ArmTruth, describe_score, find_truths, score
from core.probes.ladder import Ladder
from core.settings import Settings
from core.statistics.metrics import Accuracy
from models import weights
from models.catalog import CATALOG
from pages.components.shared import frame
from pages.components.shared.names import plotly_text
from pages.components.shared.results.probe_panel import read_once, show_probes
from pages.components.shared.snapshots.runs_snapshot import list_runs

PRETRAINED, RANDOM = STRATEGY_STYLES["head"].colour, STRATEGY_STYLES["scratch"].colour
GREY = "#888888"  # is seen on white and on black
HEIGHT_PX = 360


def show_knowledge(settings: Settings, dataset: Dataset) -> None:
    """Draw the section."""
    with frame.explained():
        st.markdown("##### What each block knows")
        st.caption(
            "How well a simple classifier separates your classes with the output of each block, before any training. "
            "Where the line stops rising, later blocks add little."
        )
        names = [name for name, entry in CATALOG.items() if entry.weights is not None and weights.find(entry)]
        network = st.selectbox(
            "Network",
            names,
            index=names.index(_first_choice(settings, dataset, names)),
            format_func=lambda name: CATALOG[name].title,
            help="Networks whose pretrained weights are on this machine.",
            width=320,
            key="knowledge-network",
        )
        show_probes(settings, dataset, network, lambda ladder: _show(settings, dataset, ladder), "explore")


def _first_choice(settings: Settings, dataset: Dataset, names: Sequence[str]) -> str:
    """The network that was measured last on this dataset, or the usual one."""
    ladders = [read_once(settings, dataset, name) for name in names]
    newest = max((item for item in ladders if item is not None), key=lambda item: item.made, default=None)
    return weights.default_network() if newest is None else newest.network


def _show(settings: Settings, dataset: Dataset, ladder: Ladder) -> None:
    st.markdown(f"**{describe_head(ladder)}** {describe_depth(ladder)} {describe_pretraining(ladder)}")
    st.plotly_chart(
        draw_ladder(ladder),
        key=f"knowledge-chart-{dataset.id}-{ladder.network}",
        alt=describe_ladder(ladder),
        config={"displayModeBar": False},
    )
    st.caption(
        f"Fitted on {ladder.train:,} training pictures, evaluated on {ladder.val:,} validation pictures in "
        f"{format_duration(ladder.seconds)}; bars are 95 % intervals. The test pictures were not used."
    )
    table = tabulate_ladder(ladder)
    with st.expander("All numbers", icon=":material/table:"):
        st.dataframe(table, hide_index=True, key=f"knowledge-table-{dataset.id}-{ladder.network}")
        frame.offer_csv("Download the probes as CSV", table, f"tunemypets-{dataset.id}-{ladder.network}-probes.csv")
    _show_truths(settings, dataset, ladder)


def _show_truths(settings: Settings, dataset: Dataset, ladder: Ladder) -> None:
    every = find_truths(settings, list_runs(settings))
    own = [arm for arm in every if (arm.fingerprint, arm.network) == (dataset.fingerprint, ladder.network)]
    if own:
        st.markdown("##### Forecast and result")
        st.dataframe(tabulate_truths(own), hide_index=True, key=f"knowledge-truth-{dataset.id}-{ladder.network}")
    if every:
        st.caption(describe_score(score(every)))
    else:
        link = {"dataset": dataset.id}
        frame.link(frame.TRAIN, label="Train and compare", icon=":material/model_training:", query_params=link)


def draw_ladder(ladder: Ladder) -> go.Figure:
    """Two lines with intervals, and the level of guessing."""
    blocks = [plotly_text(item.block) for item in ladder.blocks]
    places = range(len(blocks))
    figure = go.Figure()
    for name, colour, symbol, dash, found in (
        ("Pretrained", PRETRAINED, "triangle-up", "solid", [ladder.accuracy(place) for place in places]),
        ("Random weights", RANDOM, "circle-open", "dash", [ladder.untrained(place) for place in places]),
    ):
        values = [100 * (item.value or 0) for item in found]
        figure.add_scatter(
            name=name,
            x=blocks,
            y=values,
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2.5},
            marker={"symbol": symbol, "size": 10},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [100 * item.interval.high - value for item, value in zip(found, values, strict=True)],
                "arrayminus": [value - 100 * item.interval.low for item, value in zip(found, values, strict=True)],
                "thickness": 1.2,
            },
            hovertemplate="%{x}: %{y:.1f} %<extra>%{fullData.name}</extra>",
        )
    level = 100 * (ladder.chance.value or 0)
    figure.add_scatter(
        name="Guessing",
        x=blocks,
        y=[level] * len(blocks),
        mode="lines",
        line={"color": GREY, "dash": "dot", "width": 2},
        marker={"symbol": "line-ew"},
        hovertemplate="%{y:.1f} %<extra>%{fullData.name}</extra>",
    )
    figure.update_layout(
        xaxis={"title": "Block, from input to output", "type": "category", "automargin": True},
        yaxis={"title": "Accuracy (%)", "range": [0, 104]},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        height=HEIGHT_PX,
        dragmode=False,
    )
    return figure


def describe_ladder(ladder: Ladder) -> str:
    """The chart in words."""
    found = [
        f"{item.block} {format_percent(ladder.accuracy(place).value or 0)}, random weights "
        f"{format_percent(ladder.untrained(place).value or 0)}"
        for place, item in enumerate(ladder.blocks)
    ]
    return (
        f"Accuracy of a linear classifier after each block of {ladder.entry.title}: {'; '.join(found)}; guessing "
        f"{format_percent(ladder.chance.value or 0)}."
    )


def tabulate_ladder(ladder: Ladder) -> pd.DataFrame:
    """A row for each block."""
    chance = 100 * (ladder.chance.value or 0)
    return pd.DataFrame(
        [
            {
                "block": item.block,
                "features": item.width,
                "accuracy (%)": 100 * (ladder.accuracy(place).value or 0),
                "95 % interval": _limits(ladder.accuracy(place)),
                "random weights (%)": 100 * (ladder.untrained(place).value or 0),
                "their 95 % interval": _limits(ladder.untrained(place)),
                "guessing (%)": chance,
                "validation pictures": ladder.val,
            }
            for place, item in enumerate(ladder.blocks)
        ]
    ).round(1)


def tabulate_truths(arms: list[ArmTruth]) -> pd.DataFrame:
    """A row for each way to train that was tried."""
    return pd.DataFrame(
        [
            {
                "strategy": arm.name,
                "forecast (%)": 100 * (arm.expected.value or 0),
                "test accuracy (%)": 100 * (arm.measured.value or 0),
                "95 % interval": _limits(arm.measured),
                "runs": arm.runs,
                "test pictures": arm.measured.n,
            }
            for arm in arms
        ]
    ).round(1)


def _limits(accuracy: Accuracy) -> str:
    return f"{format_points(accuracy.interval.low)} to {format_points(accuracy.interval.high)}"
