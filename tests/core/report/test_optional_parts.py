"""Each part of a report may be missing, and none may bring another down."""

import dataclasses
import json

import pytest

from core.datasets.dataset import Dataset
from core.report.builder import build_report
from core.report.content import (
    ChartLine,
    Confusion,
    CostRow,
    Fact,
    FindingRow,
    LineChart,
    Point,
    Reliability,
    ReliabilityBin,
    ReportData,
    Share,
)
from core.report.documents import FORMATS, write
from core.settings import Settings
from tests.support.finished_runs import finish, start_race

OPTIONAL = (
    "verdict", "curves", "learning_curve", "confusions", "per_class", "groups", "reliability", "answering",
    "answering_notes", "costs", "cost_notes", "readings", "equal", "differing", "versions", "commands", "notes",
    "begun", "runs",
)  # fmt: skip


def emptied(data: ReportData, *names: str) -> ReportData:
    return dataclasses.replace(data, **{name: () if isinstance(getattr(data, name), tuple) else None for name in names})


@pytest.fixture
def full(settings: Settings, drawn: Dataset) -> ReportData:
    """A report with every part that there is."""
    race_id, runs = start_race(settings, drawn)
    for run in runs:
        finish(run, drawn)
    bins = (ReliabilityBin(0.0, 0.5, 0, None, None), ReliabilityBin(0.5, 1.0, 8, 0.7, Share(0.75, 0.4, 0.9, 8)))
    answering = LineChart(
        "accuracy by share answered", "Share of pictures answered", "Accuracy (%)", "fraction",
        (ChartLine("Transfer", (Point(0.5, 0.9), Point(1.0, 0.8))),),
    )  # fmt: skip
    return dataclasses.replace(
        build_report(settings, [race_id]),
        reliability=(
            Reliability("Transfer", runs[1].id, 8, Share(0.05, 0.01, 0.2, 8), bins, 1.4, 0.02, "Few pictures."),
        ),
        answering=answering,
        costs=(CostRow("Transfer", (Fact("Energy", "about 2 Wh"),)),),
        cost_notes=("Energy is an estimate.",),
        readings=(FindingRow("Transfer", "warning", "Still improving", "The last epoch was the best.", "Try more."),),
    )


@pytest.mark.parametrize("form", FORMATS)
def test_a_report_with_every_part_shows_each(full: ReportData, form: str):
    text = write(full, form)

    for words in ("Still improving", "about 2 Wh", full.verdict.sentence, full.groups.groups[0].name):
        assert words in text
    if form == "html":
        assert "Expected calibration error" in text
        assert "Share of pictures answered" in text


@pytest.mark.parametrize("form", FORMATS)
def test_any_part_may_be_missing(full: ReportData, form: str):
    for name in OPTIONAL:
        assert write(emptied(full, name), form)
    assert write(emptied(full, *OPTIONAL), form)


def test_the_page_names_no_section_that_is_not_there(full: ReportData):
    for data in (full, emptied(full, *OPTIONAL)):
        page = write(data, "html")
        named = [part.split('"')[0] for part in page.split('href="#')[1:]]
        assert named
        assert all(f'id="{name}"' in page for name in named)
        assert len(set(named)) == len(named)


def test_many_classes_give_the_largest_confusions_in_place_of_a_table(full: ReportData):
    names = tuple(f"class {place}" for place in range(120))
    counts = [[0] * 120 for _ in names]
    counts[3][7] = 11
    many = Confusion("Transfer", "test", 1, names, tuple(map(tuple, counts)))

    page = write(dataclasses.replace(full, confusions=(many,)), "html")

    assert "120 classes are too many" in page
    assert '<bdi>class 7</bdi></td><td class="number">11</td>' in page


def test_the_json_is_strict(full: ReportData):
    def refuse(name: str) -> None:
        raise AssertionError(name)

    assert json.loads(write(full, "json"), parse_constant=refuse)["format"] == 1
