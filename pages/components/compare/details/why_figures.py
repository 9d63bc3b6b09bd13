"""Figures, tables and descriptions of the Why section: pure functions, no widgets."""

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from core.formatting import SPLIT_NAMES, format_number, format_percent
from core.palette import CLASS_COLOURS
from core.predict.explanations.explanation_answers import BlockChange, Projection, WeightChange
from core.predict.explanations.heatmap import HEATMAP_COLOURS, OUTLINE
from core.statistics.metrics import Accuracy
from pages.components.shared.charts.charts import marker_of
from pages.components.shared.names import category_axis, legend_px, plotly_text, tell_apart
from pages.components.shared.results.named_runs import Styles

RING = "#888888"  # grey is seen on white and on black
PATTERNS = ("", "x")  # of the runs' bars: colour is not the only sign
UNCHANGED_PATTERN = "/"


def draw_projection(
    found: Projection, classes: Sequence[str], names: Sequence[str], wrong: Sequence[bool] | None, *, tsne: bool
) -> go.Figure:
    """The images as points: classes by colour and marker, mistakes with a ring.

    Args:
        names: of the images, in the projection's order.
        wrong: of each image; None where it is not known.
        tsne: by t-SNE rather than PCA.
    """
    points = found.tsne if tsne and found.tsne is not None else found.pca
    figure = go.Figure()
    for label, name in enumerate(classes):
        places = [place for place, given in enumerate(found.labels) if given == label]
        if not places:
            continue
        figure.add_scatter(
            name=plotly_text(name),
            mode="markers",
            x=[points[place][0] for place in places],
            y=[points[place][1] for place in places],
            customdata=[found.indices[place] for place in places],
            text=[plotly_text(names[place]) for place in places],
            hovertemplate="%{text}<extra>%{fullData.name}</extra>",
            marker={
                "color": CLASS_COLOURS[label % len(CLASS_COLOURS)],
                "symbol": marker_of(label),
                "size": 9,
                "opacity": 0.75,
            },
        )
    missed = [place for place, bad in enumerate(wrong or ()) if bad]
    if missed:
        figure.add_scatter(
            name=plotly_text(tell_apart("mistake", classes)),
            mode="markers",
            x=[points[place][0] for place in missed],
            y=[points[place][1] for place in missed],
            customdata=[found.indices[place] for place in missed],
            text=[f"{plotly_text(names[place])}, mistake" for place in missed],
            hovertemplate="%{text}<extra></extra>",
            marker={"color": RING, "symbol": "circle-open", "size": 16, "line": {"width": 2}},
        )
    if tsne and found.tsne is not None:
        titles = ("t-SNE 1 (no unit)", "t-SNE 2 (no unit)")
    else:
        titles = (
            f"Component 1 (feature units; {format_percent(found.shares[0], 0)} of variance)",
            f"Component 2 (feature units; {format_percent(found.shares[1], 0)})",
        )
    figure.update_layout(
        xaxis={"title": titles[0], "zeroline": False},
        yaxis={"title": titles[1], "zeroline": False},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "title": {"text": ""}},
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        hoverlabel={"namelength": -1},
        height=420 + legend_px(classes),
        showlegend=True,
        clickmode="event+select",
        dragmode=False,  # a finger scrolls the page
    )
    return figure


def describe_projection(found: Projection) -> str:
    """How well the classes are separated in all dimensions, as a number with its interval."""
    n = len(found.indices)
    accuracy = Accuracy(found.knn_correct, n)
    sample = f", an even sample of {found.total:,}" if n < found.total else ""
    return (
        f"In all {found.width} dimensions, the {found.neighbours} nearest neighbours predict the class of "
        f"{accuracy.text()} of the {SPLIT_NAMES[found.split]} pictures{sample}. "
        f"Always naming the largest class: {format_percent(found.largest_class / n)}."
    )


def tabulate_projection(name: str, found: Projection, classes: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """The points of a projection."""
    table = pd.DataFrame(
        {
            "run": name,
            "picture": names,
            "class": [classes[label] for label in found.labels],
            "pca 1": [x for x, _ in found.pca],
            "pca 2": [y for _, y in found.pca],
        }
    )
    if found.tsne is not None:
        table["t-SNE 1"] = [x for x, _ in found.tsne]
        table["t-SNE 2"] = [y for _, y in found.tsne]
    return table


def weight_change_bars(
    found: Sequence[tuple[str, WeightChange]],
    styles: Styles,
    *,
    logarithmic: bool,
    among: Sequence[tuple[str, WeightChange]] = (),
) -> go.Figure:
    """The change of each block, from input to output; unchanged blocks are hatched and labelled.

    Args:
        among: runs with which this figure is compared: all get the same axis.
    """
    figure = go.Figure()
    order = [block.name for block in max((change.blocks for _, change in found), key=len)]
    changes = [100 * b.relative for _, change in (*found, *among) for b in change.blocks if b.relative] or [1.0]
    # never longer than the bar of a changed block
    stub = min(changes) / 3 if logarithmic else min(max(changes) / 40, 0.9 * min(changes))
    for place, (name, change) in enumerate(found):
        values = [100 * (block.relative or 0.0) for block in change.blocks]
        unchanged = [block.unchanged for block in change.blocks]
        figure.add_bar(
            name=plotly_text(name),
            orientation="h",
            y=[plotly_text(block.name) for block in change.blocks],
            # a bar of no length cannot be hatched: an unchanged block gets a stub, labelled 0
            x=[value or stub for value in values],
            text=[_bar_text(block) for block in change.blocks],
            textposition="outside",
            cliponaxis=False,
            hovertext=[plotly_text(block.title) for block in change.blocks],
            hovertemplate="%{hovertext}: %{text}<extra>%{fullData.name}</extra>",
            marker={
                "color": styles[name].colour,
                "opacity": [0.7 if same else 1.0 for same in unchanged],
                "pattern": {"shape": [UNCHANGED_PATTERN if same else PATTERNS[place % 2] for same in unchanged]},
            },
        )
    figure.update_layout(
        barmode="group",
        xaxis={
            "title": "Change of the weights (% of their norm at the start)",
            "type": "log" if logarithmic else "linear",
            "automargin": True,
            "range": [math.log10(stub / 2), math.log10(max(changes) * 4)] if logarithmic else [0, 1.3 * max(changes)],
        },
        yaxis=category_axis(order[::-1], "Block, from input to output"),
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        margin={"l": 10, "r": 70, "t": 10, "b": 10},
        height=130 + 30 * len(order) * max(1, len(found)),
        dragmode=False,
    )
    return figure


def _bar_text(block: BlockChange) -> str:
    if block.unchanged:
        return "0 (frozen, unchanged)" if block.frozen else "0 (unchanged)"
    return "from 0" if block.relative is None else f"{format_number(100 * block.relative, 3)} %"


def tabulate_weight_changes(found: Sequence[tuple[str, WeightChange]]) -> pd.DataFrame:
    """All numbers: weights and BatchNorm statistics, block by block."""
    return pd.DataFrame(
        [
            {
                "run": name,
                "block": block.name,
                "what it is": block.title,
                "frozen by the configuration": block.frozen,
                "weights": block.numbers,
                "change (% of length)": None if block.relative is None else 100 * block.relative,
                "largest change": block.largest,
                "same bit for bit": block.same,
                "BatchNorm statistics": block.statistics,
                "their change (% of length)": None
                if block.statistics_relative is None or not block.statistics
                else 100 * block.statistics_relative,
                "their largest change": block.statistics_largest if block.statistics else None,
                "they are the same bit for bit": block.statistics_same if block.statistics else None,
            }
            for name, change in found
            for block in change.blocks
        ]
    )


def describe_weight_change(change: WeightChange) -> str:
    """The message of the bars: whether frozen blocks are unchanged, and which block changed most."""
    frozen = [block for block in change.blocks if block.frozen]
    start = "the pretrained weights" if change.pretrained else "this seed's random start"
    most = max(change.blocks, key=lambda block: block.relative or 0.0)
    words = f"After epoch {change.epoch}, compared with {start}: "
    if frozen:
        held = [block for block in frozen if block.unchanged]
        words += (
            f"all {len(frozen)} frozen blocks are unchanged to the bit, BatchNorm included; "
            if len(held) == len(frozen)
            else f"only {len(held)} of {len(frozen)} frozen blocks are unchanged: please report this; "
        )
    title = f"{most.title[:1].lower()}{most.title[1:]}"
    return words + f"the largest change is {format_number(100 * (most.relative or 0.0), 3)} % of the norm ({title})."


def heatmap_legend() -> str:
    """The colours of a heatmap, in words and as a bar."""
    stops = ", ".join(f"rgb{colour}".replace(" ", "") for colour in HEATMAP_COLOURS)
    return (
        '<div role="img" aria-label="Colours of the heatmap: dark is little, light yellow is most; a white line '
        f'outlines what reaches {format_percent(OUTLINE, 0)} of the maximum" style="max-width:420px;font-size:.85rem">'
        f'<div style="height:12px;border-radius:6px;border:1px solid rgba(127,127,127,.5);'
        f'background:linear-gradient(90deg,{stops})"></div>'
        '<div style="display:flex;justify-content:space-between"><span>none</span>'
        f"<span>white line: {format_percent(OUTLINE, 0)} of the maximum</span><span>maximum</span></div></div>"
    )
