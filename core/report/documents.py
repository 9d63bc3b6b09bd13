"""A report as the bytes of a file, for the command line and for a download on a page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.report.builder import build_report
from core.report.content import ReportData
from core.settings import Settings
from core.storage import slug

FORMATS: Mapping[str, str] = {"html": "text/html", "json": "application/json"}  # to media types


@dataclass(frozen=True)
class Document:
    """A report, ready to be written or sent."""

    name: str  # of the file
    content: bytes
    data: ReportData


def make_document(settings: Settings, ids: Sequence[str], form: str = "html") -> Document:
    """Make a report of a race, a learning curve, or two to six runs.

    Args:
        form: `html` or `json`.
    Raises:
        ComparisonError: the ids are none of that.
        RunError: nothing has such an id, or nothing of it can be read.
    """
    data = build_report(settings, ids, images=form == "html")
    name = f"tunemypets-{slug(data.title, data.kind)}.{form}"
    return Document(name, write(data, form).encode("utf-8"), data)


def write(data: ReportData, form: str) -> str:
    """The text of a report in one of the formats."""
    if form == "json":
        return json.dumps(data.to_json(), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    from core.report.html import render_html

    return render_html(data)
