"""A report as one HTML page that works offline: no script, no font, no picture from elsewhere.

Jinja2 escapes every value (autoescape); the page's own policy forbids any network request.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from core.coach.coach_finding import LEVELS
from core.formatting import SPLIT_NAMES, format_level, format_number, format_percent, format_points
from core.palette import style_arms
from core.report.chart_geometry import DASHES, draw, marker_path
from core.report.content import ChartLine, Confusion, Fact, LineChart, Point, ReportData, RunRow, Share
from core.report.setup_section import format_time
from core.version import VERSION

TEMPLATES = Path(__file__).parent / "templates"
MAX_CLASSES = 20  # of a matrix; with more a table is unreadable
MAX_CONFUSIONS = 20
MAX_CLASS_ROWS = 240
KIND_WORDS = {"comparison": "Comparison", "race": "Race", "curve": "Learning curve"}
NOTHING = "–"


@dataclass(frozen=True)
class Cell:
    """A cell of a confusion matrix; `share` of its row."""

    count: int
    share: float
    right: bool


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix to show: its cells, or with too many classes its most frequent confusions."""

    arm: str
    classes: tuple[str, ...]
    cells: tuple[tuple[str, tuple[Cell, ...]], ...]
    most: tuple[tuple[str, str, int], ...]


def render_html(data: ReportData) -> str:
    """The page; a few hundred milliseconds, and about a megabyte with all of its pictures."""
    names, strategies = [arm.name for arm in data.arms], [arm.strategy for arm in data.arms]
    styles = dict(zip(names, style_arms(strategies), strict=True))
    growth = next((item for item in data.curves if item.log_x), None)
    charts = [draw(item, styles) for item in data.curves if not item.log_x]
    reliability = reliability_curves(data)
    notes = tuple(dict.fromkeys((*(item.note for item in data.reliability if item.note), *data.answering_notes)))
    context: dict[str, Any] = {
        "data": data,
        "version": VERSION,
        "css": Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "kind_word": KIND_WORDS[data.kind],
        "verdict_found": data.verdict is not None and any(pair.better for pair in data.verdict.pairs),
        "percent_level": format_level(data.verdict.level if data.verdict else 0.95),
        "several_seeds": any(arm.judged > 1 for arm in data.arms) or any(item.seeds > 1 for item in data.confusions),
        "growth": draw(growth, styles) if growth else None,
        "charts": charts,
        "dataset_facts": _dataset_facts(data),
        "matrices": [_matrix(item) for item in data.confusions],
        "class_rows": sorted(data.per_class, key=lambda row: data.dataset.classes.index(row.label))[:MAX_CLASS_ROWS]
        if all(row.label in data.dataset.classes for row in data.per_class)
        else data.per_class[:MAX_CLASS_ROWS],
        "classes_left_out": max(0, len(data.per_class) - MAX_CLASS_ROWS),
        "reliability": draw(reliability, styles, diagonal=True) if reliability else None,
        "reliability_notes": notes,
        "answering": draw(data.answering, styles) if data.answering else None,
        "cost_rows": _cost_rows(data),
        "cost_notes": data.cost_notes,
        "run_facts": _run_facts,
        "levels": LEVELS,
        "styles": styles,
    }
    context["contents"] = _contents(data, context)
    return _environment().get_template("report.html").render(context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # whatever the file is called
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        dashes=DASHES,
        marker_path=marker_path,
        format_time=format_time,
        percent=_format_percent,
        points=_format_points,
        span=_format_span,
        with_span=_format_with_span,
        p_value=_format_p,
        count=_format_count,
        number=_format_number,
        split_word=lambda split: SPLIT_NAMES.get(split, split),
        as_json=lambda value: json.dumps(value, ensure_ascii=False, indent=1),
    )
    return environment


def _contents(data: ReportData, context: dict[str, Any]) -> list[tuple[str, str]]:
    there = {
        "verdict": ("Verdict", data.verdict),
        "growth": ("Learning curve", context["growth"]),
        "arms": ("Runs" if data.kind == "comparison" else "Arms", True),
        "choices": ("Settings", True),
        "dataset": ("Dataset", True),
        "curves": ("Curves", context["charts"]),
        "readings": ("Coach", data.readings),
        "confusions": ("Confusions", context["matrices"]),
        "classes": ("Classes", data.per_class),
        "pictures": ("Picture by picture", data.groups),
        "calibration": ("Calibration", context["reliability"] or context["answering"]),
        "costs": ("Costs", data.costs),
        "repeat": ("Repeat it", True),
    }
    return [(name, text) for name, (text, shown) in there.items() if shown]


def _dataset_facts(data: ReportData) -> list[Fact]:
    dataset = data.dataset
    facts = [Fact("Name", dataset.title if dataset.title == dataset.id else f"{dataset.title} ({dataset.id})")]
    facts.append(Fact("Classes", f"{len(dataset.classes)}: {', '.join(dataset.classes)}"))
    if dataset.pictures:
        splits = ", ".join(f"{SPLIT_NAMES.get(split, split)} {n:,}" for split, n in dataset.pictures.items())
        facts.append(Fact("Pictures", f"{sum(dataset.pictures.values()):,} ({splits})"))
    if dataset.drawn:
        facts.append(Fact("Origin", "drawn by the program, not photographed"))
    return [*facts, *dataset.facts, Fact("Fingerprint", dataset.fingerprint)]


def _matrix(confusion: Confusion) -> Matrix:
    if len(confusion.classes) > MAX_CLASSES:
        cells = [
            (confusion.classes[true], confusion.classes[predicted], count)
            for true, row in enumerate(confusion.counts)
            for predicted, count in enumerate(row)
            if true != predicted and count
        ]
        most = sorted(cells, key=lambda cell: -cell[2])[:MAX_CONFUSIONS]
        return Matrix(confusion.arm, confusion.classes, (), tuple(most))
    rows = tuple(
        (
            confusion.classes[true],
            tuple(
                Cell(count, round(count / max(1, sum(row)), 3), true == predicted)
                for predicted, count in enumerate(row)
            ),
        )
        for true, row in enumerate(confusion.counts)
    )
    return Matrix(confusion.arm, confusion.classes, rows, ())


def reliability_curves(data: ReportData) -> LineChart | None:
    """The reliability diagram: accuracy by confidence."""
    curves = tuple(
        ChartLine(
            item.arm,
            tuple(
                Point(found.confidence, found.accuracy.value, found.accuracy.low, found.accuracy.high)
                for found in item.bins
                if found.confidence is not None and found.accuracy is not None
            ),
        )
        for item in data.reliability
    )
    curves = tuple(curve for curve in curves if curve.points)
    if not curves:
        return None
    return LineChart(
        name="accuracy by confidence",
        x_title="Confidence (mean of each bin, 0 to 1)",
        y_title="Accuracy in each bin (%)",
        unit="fraction",
        curves=curves,
        band="On the dotted line confidence equals accuracy. The band is the 95 % interval of each bin.",
    )


def _cost_rows(data: ReportData) -> list[tuple[str, list[str]]]:
    names = list(dict.fromkeys(fact.name for row in data.costs for fact in row.costs))
    found = [{fact.name: fact.text for fact in row.costs} for row in data.costs]
    return [(name, [costs.get(name, NOTHING) for costs in found]) for name in names]


def _run_facts(run: RunRow) -> Sequence[Fact]:
    facts = [Fact("Created", format_time(run.created)), Fact("Epochs", str(run.epochs))]
    if run.best_epoch is not None:
        facts.append(Fact("Best epoch", str(run.best_epoch)))
    if run.pictures_seen is not None:
        facts.append(Fact("Pictures seen", f"{run.pictures_seen:,}"))
    if run.seconds is not None:
        facts.append(Fact("Seconds of training", _format_number(run.seconds)))
    if run.loss is not None:
        facts.append(Fact("Loss", f"{run.loss:.4f} nats ({SPLIT_NAMES.get(run.split or '', 'test')})"))
    stages = [Fact(f"Stage {stage.name}", stage.text) for stage in run.stages]
    return [*facts, *stages, *run.hardware]


def _format_percent(value: float | None) -> str:
    return NOTHING if value is None else format_percent(value)


def _format_points(value: float) -> str:
    text = format_points(value)
    return f"+{text}" if value > 0 else text


def _format_span(share: Share | None) -> str:
    if share is None or share.low is None or share.high is None:
        return NOTHING
    return f"{format_points(share.low)} to {format_points(share.high)}"


def _format_with_span(share: Share | None) -> str:
    if share is None:
        return NOTHING
    span = _format_span(share)
    return format_points(share.value) if span == NOTHING else f"{format_points(share.value)} ({span})"


def _format_p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _format_count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def _format_number(value: float | None) -> str:
    return NOTHING if value is None else format_number(value, 3)
