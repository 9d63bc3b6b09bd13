"""A report as one CSV: a long table, one figure a line, that a spreadsheet can filter and turn.

Columns: `part` (which section), `arm`, `run`, `seed`, `name` (of the figure), `at` (where on its axis, or which class),
`value`, `low`, `high`, `n`. Fractions are fractions; seconds are seconds.
"""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from core.report.content import ReportData, Share

COLUMNS = ("part", "arm", "run", "seed", "name", "at", "value", "low", "high", "n")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a spreadsheet begins to compute

Line = dict[str, Any]


def write_csv(data: ReportData) -> str:
    """The report's figures; texts that a spreadsheet would take for a formula get an apostrophe before them."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({key: _safe(value) for key, value in line.items()} for line in _lines(data))
    return out.getvalue()


def _safe(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return "" if value is None else value


def _lines(data: ReportData) -> Iterator[Line]:
    yield from (
        {"part": "report", "name": name, "value": value}
        for name, value in (
            ("kind", data.kind),
            ("title", data.title),
            ("made", data.made),
            ("begun", data.begun),
            ("state", data.state),
            ("dataset", data.dataset.id),
            ("dataset title", data.dataset.title),
            ("fingerprint", data.dataset.fingerprint),
            *((fact.name, fact.text) for fact in data.versions),
            *(("command", command) for command in data.commands),
            *(("note", note) for note in data.notes),
        )
    )
    for split, count in (data.dataset.pictures or {}).items():
        yield {"part": "dataset", "name": "pictures", "at": split, "value": count}
    for label, counts in data.dataset.per_class:
        for split, count in counts.items():
            yield {"part": "dataset", "name": f"pictures, {split}", "at": label, "value": count}
    yield from ({"part": "equal", "name": fact.name, "value": fact.text} for fact in data.equal)
    for item in data.differing:
        for arm, text in zip(data.arms, item.texts, strict=False):
            yield {"part": "different", "arm": arm.name, "name": item.name, "value": text}
    yield from _verdict(data)
    yield from _trained(data)
    for chart in (*data.curves, *([data.answering] if data.answering else [])):
        for curve in chart.curves:
            for point in curve.points:
                yield {
                    "part": "curve", "arm": curve.arm, "name": chart.name, "at": point.x, "value": point.y,
                    "low": point.low, "high": point.high,
                    "n": point.n if chart is not data.answering else None,
                }  # fmt: skip
    if data.headline:
        yield {"part": "learning curve", "name": "sentence", "value": data.headline}
    for row in data.learning_curve:
        yield {
            "part": "learning curve", "arm": row.arm, "name": "accuracy", "at": row.pictures_per_class,
            **_share(row.accuracy),
        }  # fmt: skip
        for name, value in (("pictures", row.pictures), ("seeds", row.seeds), ("seconds", row.seconds)):
            yield {
                "part": "learning curve", "arm": row.arm, "name": name, "at": row.pictures_per_class, "value": value,
            }  # fmt: skip
    for confusion in data.confusions:
        for true, counts_of in zip(confusion.classes, confusion.counts, strict=True):
            for said, count in zip(confusion.classes, counts_of, strict=True):
                yield {
                    "part": "confusion",
                    "arm": confusion.arm,
                    "name": f"predicted {said}",
                    "at": true,
                    "value": count,
                }
    for scored in data.per_class:
        for name, share in (("precision", scored.precision), ("recall", scored.recall), ("F1", scored.f1)):
            yield {"part": "class", "arm": scored.arm, "name": name, "at": scored.label, **_share(share)}
    yield from _images(data)
    for found in data.reliability:
        yield {
            "part": "calibration",
            "arm": found.arm,
            "run": found.run,
            "name": "ECE",
            **_share(found.ece),
            "n": found.n,
        }
        for name, value in (("temperature", found.temperature), ("ECE after scaling", found.ece_after)):
            yield {"part": "calibration", "arm": found.arm, "run": found.run, "name": name, "value": value}
        for part in found.bins:
            yield {
                "part": "calibration", "arm": found.arm, "run": found.run, "name": "accuracy of a bin",
                "at": part.confidence, **_share(part.accuracy), "n": part.count,
            }  # fmt: skip
    for cost in data.costs:
        yield from ({"part": "cost", "arm": cost.arm, "name": fact.name, "value": fact.text} for fact in cost.costs)
    for reading in data.readings:
        yield {
            "part": "reading", "arm": reading.arm, "name": reading.title, "at": reading.level,
            "value": f"{reading.evidence} {reading.advice}".strip(),
        }  # fmt: skip


def _verdict(data: ReportData) -> Iterator[Line]:
    if data.verdict is None:
        return
    yield {"part": "verdict", "name": "sentence", "value": data.verdict.sentence, "n": data.verdict.n}
    for pair in data.verdict.pairs:
        line = {"part": "verdict", "arm": pair.b, "at": f"minus {pair.a}", "n": data.verdict.n}
        yield {**line, "name": "difference", "value": pair.difference, "low": pair.low, "high": pair.high}
        yield {**line, "name": "p", "value": pair.p_value}
        yield {**line, "name": "p adjusted", "value": pair.p_adjusted}
        yield {**line, "name": "sentence", "value": pair.sentence}


def _trained(data: ReportData) -> Iterator[Line]:
    for arm in data.arms:
        yield {"part": "arm", "arm": arm.name, "name": "accuracy", "at": arm.split, **_share(arm.accuracy)}
        for name, value in (
            ("network", arm.model),
            ("strategy", arm.strategy),
            ("epochs", arm.epochs),
            ("seconds", arm.seconds),
            ("trainable parameters", arm.trainable),
            ("parameters", arm.parameters),
        ):
            yield {"part": "arm", "arm": arm.name, "name": name, "value": value}
    for run in data.runs:
        line = {"part": "run", "arm": run.arm, "run": run.id, "seed": run.seed}
        yield {**line, "name": "accuracy", "at": run.split, **_share(run.accuracy)}
        for key, found in (
            ("state", run.state),
            ("epochs", run.epochs),
            ("seconds", run.seconds),
            ("loss", run.loss),
            ("command", run.command),
            ("configuration", json.dumps(run.config, ensure_ascii=False)),
        ):
            yield {**line, "name": key, "value": found}


def _images(data: ReportData) -> Iterator[Line]:
    if data.groups is None:
        return
    for group in data.groups.groups:
        yield {"part": "pictures", "name": group.name, "value": group.count}
        for image in group.pictures:
            yield {
                "part": "picture", "name": group.name, "at": image.name,
                "value": f"is {image.label}; A: {image.said[0]}; B: {image.said[1]}",
            }  # fmt: skip


def _share(share: Share | None) -> Line:
    if share is None:
        return {"value": None}
    return {"value": share.value, "low": share.low, "high": share.high, "n": share.n}
