"""Plotly figures of a dataset, and the same in words. Pure functions, no widgets."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.datasets.dataset import Dataset, ImageRow
from core.formatting import SPLIT_NAMES, capitalise
from core.palette import CLASS_COLOURS
from pages.components.shared.charts.charts import marker_of
from pages.components.shared.names import category_axis, legend_px, plotly_text

PATTERNS = {"train": "", "val": "/", "test": "x"}
MAX_MARKS = 3000
MAX_CLASSES = 12  # in words
MAX_BOXES = 40  # more would make a figure of many screens


def class_counts(dataset: Dataset) -> go.Figure:
    """Pictures per class and split, as stacked bars."""
    figure = go.Figure()
    for place, (split, name) in enumerate(SPLIT_NAMES.items()):
        counted = Counter(row.label for row in dataset.rows_of(split))
        if not counted:
            continue
        figure.add_bar(
            name=capitalise(name),
            x=[plotly_text(name) for name in dataset.classes],
            y=[counted[label] for label in range(len(dataset.classes))],
            marker={"color": CLASS_COLOURS[place], "pattern": {"shape": PATTERNS[split]}},
        )
    figure.update_layout(
        barmode="stack",
        xaxis=category_axis(dataset.classes, "Class"),
        yaxis_title="Pictures",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        height=320,
    )
    return figure


def image_sizes(dataset: Dataset) -> go.Figure:
    """Width against height of the pictures, by class."""
    figure = go.Figure()
    chosen = [dataset.rows[place] for place in _some(len(dataset.rows))]
    for label, (name, rows) in enumerate(zip(dataset.classes, _by_class(dataset, chosen), strict=True)):
        figure.add_scatter(
            name=plotly_text(name),
            mode="markers",
            x=[row.width for row in rows],
            y=[row.height for row in rows],
            marker={
                "color": CLASS_COLOURS[label % len(CLASS_COLOURS)],
                "symbol": marker_of(label),
                "size": 7,
                "opacity": 0.6,
            },
            text=[plotly_text(row.name) for row in rows],
            hovertemplate="%{text}<br>%{x} × %{y} pixels",
        )
    figure.update_layout(
        xaxis_title="Width (pixels)",
        yaxis_title="Height (pixels)",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        hoverlabel={"namelength": -1},
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        height=320 + legend_px(dataset.classes),
    )
    return figure


def file_sizes(dataset: Dataset) -> go.Figure:
    """File sizes by class: a network may learn a difference here instead of the subject."""
    figure = go.Figure()
    shown = dataset.classes[:MAX_BOXES]
    for label, (name, rows) in enumerate(zip(shown, _by_class(dataset, dataset.rows), strict=False)):
        if not rows:
            continue
        # five numbers of each class instead of every size: 25,000 are 170 kB for a phone
        sizes = np.quantile([row.bytes / 1000 for row in rows], [0, 0.25, 0.5, 0.75, 1], method="hazen").round(3)
        least, low, middle, high, most = ([value] for value in sizes.tolist())
        figure.add_box(
            name=plotly_text(name),
            y=[plotly_text(name)],
            orientation="h",
            lowerfence=least,
            q1=low,
            median=middle,
            q3=high,
            upperfence=most,
            marker={"color": CLASS_COLOURS[label % len(CLASS_COLOURS)]},
        )
    figure.update_layout(
        xaxis_title="File size (kB)",
        yaxis={**category_axis(shown, "Class"), "autorange": "reversed"},  # the first class on top
        showlegend=False,
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        height=max(220, 90 + 34 * len(shown)),
    )
    return figure


def list_images(dataset: Dataset) -> pd.DataFrame:
    """A row for each picture."""
    return pd.DataFrame(
        {
            "picture": [row.name for row in dataset.rows],
            "class": [dataset.classes[row.label] for row in dataset.rows],
            "split": [capitalise(SPLIT_NAMES[row.split]) for row in dataset.rows],
            "width in pixels": [row.width for row in dataset.rows],
            "height in pixels": [row.height for row in dataset.rows],
            "file size in kB": [row.bytes / 1000 for row in dataset.rows],
        }
    )


def format_counts(dataset: Dataset) -> str:
    """The bars in words."""
    counted = Counter((row.label, row.split) for row in dataset.rows)
    counts = [
        f"{name}: " + ", ".join(f"{title} {counted[label, split]:,}" for split, title in SPLIT_NAMES.items())
        for label, name in enumerate(dataset.classes)
    ]
    return f"Pictures per class and split. {_first(counts)}"


def format_sizes(dataset: Dataset) -> str:
    """The scatter plot of sizes in words."""
    sides = [[row.width for row in dataset.rows], [row.height for row in dataset.rows]]
    ranges = [f"{min(side):,} to {max(side):,} pixels, median {np.median(side):,.0f}" for side in sides]
    return f"Width against height of {len(dataset.rows):,} pictures, by class. Width {ranges[0]}; height {ranges[1]}."


def format_bytes(dataset: Dataset) -> str:
    """The box plot in words."""
    spreads = []
    for name, rows in zip(dataset.classes, _by_class(dataset, dataset.rows), strict=True):
        sizes = [row.bytes / 1000 for row in rows]
        if sizes:
            low, middle, high = np.quantile(sizes, [0.25, 0.5, 0.75])
            spreads.append(f"{name}: median {middle:,.0f} kB, half of them from {low:,.0f} to {high:,.0f}")
    return f"File sizes of each class. {_first(spreads)}"


def _by_class(dataset: Dataset, rows: Sequence[ImageRow]) -> list[list[ImageRow]]:
    """The rows of each class, in one pass: there may be 25,000 rows of 500 classes."""
    found: list[list[ImageRow]] = [[] for _ in dataset.classes]
    for row in rows:
        found[row.label].append(row)
    return found


def _first(texts: Sequence[str]) -> str:
    """The first classes in words: a screen reader reads all of it."""
    more = len(texts) - MAX_CLASSES
    return "; ".join(texts[:MAX_CLASSES]) + (f"; and {more} more classes." if more > 0 else ".")


def _some(count: int) -> Sequence[int]:
    """At most MAX_MARKS places, evenly chosen."""
    if count <= MAX_MARKS:
        return range(count)
    return [int(place) for place in np.linspace(0, count - 1, MAX_MARKS)]
