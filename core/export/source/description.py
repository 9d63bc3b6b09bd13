"""What an exported file says about itself: where it comes from, its labels and its preprocessing."""

import re
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from core.config.arm_names import describe_arm, name_arm
from core.export.source.exported_run import ExportedRun
from core.formatting import format_percent
from core.novelty.conformal import DEFAULT_PROMISE, images_for
from core.novelty.not_sure import describe_promise
from core.statistics.metrics import measure_accuracy
from core.version import VERSION
from models.catalog import head_neurons

ANY_PICTURE = "It answers with one of its classes whatever the picture shows"
MARKUP = re.compile(r"[\\`*_{}\[\]#+!|&~]")


def describe_run(source: ExportedRun) -> dict[str, Any]:
    """Facts for JSON and for the README of an export."""
    found = measure_accuracy(source.tested)
    spec, entry = source.spec, source.config.entry()
    licence = entry.weights.licence if entry.weights is not None and source.config.pretrained else None
    return {
        "architecture": source.network.name,
        "network": entry.title,
        "head": source.network.head_kind,
        "neurons": head_neurons(len(source.classes), source.network.head_kind),
        "classes": list(source.classes),
        "image_size": spec.crop_px,
        "resize": spec.resize_px,
        "interpolation": spec.interpolation,
        "fit": spec.fit,
        "mean": list(spec.mean),
        "std": list(spec.std),
        "trained": f"{name_arm(source.config)} ({describe_arm(source.config)})",
        "dataset": source.run.meta().dataset_title,
        "run": source.run.id,
        "test_accuracy": found.value,
        "test_interval": [found.interval.low, found.interval.high],
        "test_images": found.n,
        "test_split": source.tested.split,
        "weights_licence": licence,
        "made": time.strftime("%Y-%m-%d"),
        "made_by": f"TuneMyPets {VERSION}",
    }


def why_never_strange(source: ExportedRun) -> str | None:
    """Why the files of this run call no picture strange, as a sentence; None where they can."""
    known, promise = source.novelty, describe_promise(DEFAULT_PROMISE)
    if known is None:
        return f"{ANY_PICTURE}."
    if known.images < images_for(DEFAULT_PROMISE):
        needed = f"calling at most {promise} known ones strange needs {images_for(DEFAULT_PROMISE)} validation pictures"
        return f"{ANY_PICTURE}, because {needed}, and this run has {known.images}."
    return None


def label_lines(classes: Sequence[str]) -> str:
    """The class names, one line each, in the order of the probabilities."""
    return "".join(f"{name}\n" for name in classes)


def read_template(name: str, **values: Any) -> str:
    """A text file of an export, with these values in place."""
    return _environment().get_template(name).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("core.export", "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown and Python, not HTML
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(cell=_cell, percent=lambda share: format_percent(share, 1), literal=repr)
    return environment


def _cell(text: str) -> str:
    """A name as it is in a cell of a Markdown table: no markup, no HTML, no end of the cell."""
    plain = " ".join(str(text).split())
    return MARKUP.sub(lambda found: "\\" + found.group(), plain).replace("<", "&lt;")
