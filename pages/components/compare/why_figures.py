"""Figures and words of the section that tells why: pure functions, no widgets."""

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from core.formatting import format_number
from core.predict.explanations import ImageMap, Moved, Movement
from core.predict.heatmap import COLOURS as HEAT_COLOURS
from core.predict.heatmap import OUTLINE
from core.statistics.metrics import Accuracy
from pages.components.compare.why_requests import SPLIT_WORDS
from pages.components.shared.charts import COLOURS, marker_of

RING = "#888888"  # grey is seen on white and on black
PATTERNS = ("", "x")  # of the runs' bars: colour is not the only sign
FROZEN_PATTERN = "/"


def images_map(
    found: ImageMap, classes: Sequence[str], names: Sequence[str], wrong: Sequence[bool] | None, *, neighbours: bool
) -> go.Figure:
    """The pictures as points: a class by colour and marker; a ring marks what the network got wrong.

    Args:
        names: of the pictures, in the map's order.
        wrong: of each picture; None where it is not known.
        neighbours: t-SNE's places in place of the principal directions.
    """
    points = found.tsne if neighbours and found.tsne is not None else found.pca
    figure = go.Figure()
    for label, name in enumerate(classes):
        places = [place for place, given in enumerate(found.labels) if given == label]
        if not places:
            continue
        figure.add_scatter(
            name=name,
            mode="markers",
            x=[points[place][0] for place in places],
            y=[points[place][1] for place in places],
            customdata=[found.indices[place] for place in places],
            text=[names[place] for place in places],
            hovertemplate="%{text}<extra>" + name.replace("<", "&lt;") + "</extra>",
            marker={
                "color": COLOURS[label % len(COLOURS)],
                "symbol": marker_of(label),
                "size": 9,
                "opacity": 0.75,
            },
        )
    missed = [place for place, bad in enumerate(wrong or ()) if bad]
    if missed:
        figure.add_scatter(
            name="answered wrong",
            mode="markers",
            x=[points[place][0] for place in missed],
            y=[points[place][1] for place in missed],
            customdata=[found.indices[place] for place in missed],
            text=[f"{names[place]}, answered wrong" for place in missed],
            hovertemplate="%{text}<extra></extra>",
            marker={"color": RING, "symbol": "circle-open", "size": 16, "line": {"width": 2}},
        )
    if neighbours and found.tsne is not None:
        titles = ("t-SNE 1 (no unit: only who is near whom counts)", "t-SNE 2 (no unit)")
    else:
        titles = (
            f"Direction 1 (feature units; {100 * found.shares[0]:.0f} % of the differences)",
            f"Direction 2 (feature units; {100 * found.shares[1]:.0f} %)",
        )
    figure.update_layout(
        xaxis={"title": titles[0], "zeroline": False},
        yaxis={"title": titles[1], "zeroline": False},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "title": {"text": ""}},
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        height=420,
        showlegend=True,
        clickmode="event+select",
        dragmode=False,  # a finger scrolls the page
    )
    return figure


def map_words(found: ImageMap) -> str:
    """How well the classes are apart, as a number with its interval, in all dimensions."""
    n = len(found.indices)
    told = Accuracy(found.told, n)
    some = f" ({n} of {found.total}, evenly taken)" if n < found.total else ""
    return (
        f"Among all {found.width} numbers that reach the output layer, the {found.neighbours} nearest other pictures "
        f"tell the class of {told.text()} of the {SPLIT_WORDS.get(found.split, found.split)} pictures{some}; "
        f"always naming the largest class would give {100 * found.largest_class / n:.1f} %."
    )


def map_table(name: str, found: ImageMap, classes: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """The points behind a map."""
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


def movement_bars(
    found: Sequence[tuple[str, Movement]], *, logarithmic: bool, among: Sequence[tuple[str, Movement]] = ()
) -> go.Figure:
    """How far each block moved, from input to output; blocks that did not move are hatched and say so.

    Args:
        among: runs with which this figure is compared: all get the same axis.
    """
    figure = go.Figure()
    order = [block.name for block in max((movement.blocks for _, movement in found), key=len)]
    moved = [100 * b.relative for _, movement in (*found, *among) for b in movement.blocks if b.relative] or [1.0]
    # never longer than what moved
    stub = min(moved) / 3 if logarithmic else min(max(moved) / 40, 0.9 * min(moved))
    for place, (name, movement) in enumerate(found):
        values = [100 * (block.relative or 0.0) for block in movement.blocks]
        still = [block.still for block in movement.blocks]
        figure.add_bar(
            name=name,
            orientation="h",
            y=[block.name for block in movement.blocks],
            # a bar of no length cannot be hatched: what stands still gets a stub, and says that it is 0
            x=[value or stub for value in values],
            text=[_bar_text(block) for block in movement.blocks],
            textposition="outside",
            cliponaxis=False,
            hovertext=[block.title for block in movement.blocks],
            hovertemplate="%{hovertext}: %{text}<extra>" + name.replace("<", "&lt;") + "</extra>",
            marker={
                "color": COLOURS[place % len(COLOURS)],
                "opacity": [0.7 if unmoved else 1.0 for unmoved in still],
                "pattern": {"shape": [FROZEN_PATTERN if unmoved else PATTERNS[place % 2] for unmoved in still]},
            },
        )
    figure.update_layout(
        barmode="group",
        xaxis={
            "title": "Change of the weights (% of their length at the start)",
            "type": "log" if logarithmic else "linear",
            "automargin": True,
            "range": [math.log10(stub / 2), math.log10(max(moved) * 4)] if logarithmic else [0, 1.3 * max(moved)],
        },
        yaxis={"title": "Block, from input to output", "categoryorder": "array", "categoryarray": order[::-1]},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        margin={"l": 10, "r": 70, "t": 10, "b": 10},
        height=130 + 30 * len(order) * max(1, len(found)),
        dragmode=False,
    )
    return figure


def _bar_text(block: Moved) -> str:
    if block.still:
        return "0 (frozen, bit for bit)" if block.frozen else "0 (bit for bit)"
    return "from 0" if block.relative is None else f"{format_number(100 * block.relative, 3)} %"


def movement_table(found: Sequence[tuple[str, Movement]]) -> pd.DataFrame:
    """All numbers of the movement, weights and BatchNorm's statistics apart."""
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
            for name, movement in found
            for block in movement.blocks
        ]
    )


def movement_words(movement: Movement) -> str:
    """What a reader should see in the bars."""
    frozen = [block for block in movement.blocks if block.frozen]
    start = "the pretrained weights" if movement.pretrained else "the random start of this seed"
    moved = max(movement.blocks, key=lambda block: block.relative or 0.0)
    words = f"Compared with {start}, after epoch {movement.epoch}: "
    if frozen:
        held = [block for block in frozen if block.still]
        words += (
            f"all {len(frozen)} frozen blocks are the same bit for bit, BatchNorm included; "
            if len(held) == len(frozen)
            else f"only {len(held)} of {len(frozen)} frozen blocks are the same bit for bit — tell whoever runs this; "
        )
    title = f"{moved.title[:1].lower()}{moved.title[1:]}"
    return words + f"{title} moved most, by {format_number(100 * (moved.relative or 0.0), 3)} % of its length."


def heat_legend() -> str:
    """The colours of a heat map, in words and as a bar."""
    stops = ", ".join(f"rgb{colour}".replace(" ", "") for colour in HEAT_COLOURS)
    return (
        '<div role="img" aria-label="Colours of the heat: dark is little, light yellow is most; a white line '
        f'goes round what has at least {100 * OUTLINE:.0f} % of the most" style="max-width:420px;font-size:.85rem">'
        f'<div style="height:12px;border-radius:6px;border:1px solid rgba(127,127,127,.5);'
        f'background:linear-gradient(90deg,{stops})"></div>'
        '<div style="display:flex;justify-content:space-between"><span>nothing</span>'
        f"<span>white line: {100 * OUTLINE:.0f} % of the most</span><span>most</span></div></div>"
    )
