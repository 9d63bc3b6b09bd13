"""Every chart of every page: axis titles with units, the same in words, its values as CSV, a sign besides colour."""

import ast
import json
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.config.events import BatchDone, EpochDone, RateFound, to_record
from core.datasets.dataset_store import DatasetStore
from core.palette import STRATEGY_STYLES
from core.races.bands import join_seeds
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings
from core.statistics.predictions import write_predictions
from pages.components.shared import frame
from pages.components.shared.charts import charts
from tests.core.probes.conftest import keep_ladder
from tests.support.finished_runs import finish, start_race
from tests.support.tested_runs import know_pictures, make_dataset, predict

Open = Callable[..., AppTest]
HEAD = STRATEGY_STYLES["head"]
KINDS = ("echarts_chart", "plotly_chart")
# what counts, or has no unit, says so by its name; everything else names its unit in brackets
BY_NAME = (
    "Epochs", "Pictures", "Pictures seen", "Pictures per second", "Seconds", "Seconds of training", "Learning rate",
    "Learning rate (logarithmic)", "Training pictures per class (logarithmic)", "Class", "Class (pictures)", "Run",
    "Block, from input to output",
)  # fmt: skip
UNIT = re.compile(r"\([^)]*(%|nats|pixels|kB|unit)")


@dataclass
class Drawn:
    """A chart as a page handed it over."""

    place: tuple[str, int]  # file and line
    chart: Any
    alt: str


@dataclass
class Visit:
    """What one look at a page drew and offered."""

    charts: list[Drawn] = field(default_factory=list)
    tables: list[pd.DataFrame] = field(default_factory=list)


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> Visit:
    """Collects from now on."""
    found = Visit()

    def recorded(kind: str) -> Callable[..., Any]:
        original = getattr(st, kind)

        def draw(chart: Any, *args: Any, **options: Any) -> Any:
            caller = sys._getframe(1)
            place = (Path(caller.f_code.co_filename).name, caller.f_lineno)
            found.charts.append(Drawn(place, chart, options.get("alt", "")))
            return original(chart, *args, **options)

        return draw

    offer = frame.offer_csv

    def offered(label: str, table: Any, *args: Any, **options: Any) -> None:
        found.tables.append(table() if callable(table) else table)
        offer(label, table, *args, **options)

    for kind in KINDS:
        monkeypatch.setattr(st, kind, recorded(kind))
    monkeypatch.setattr(frame, "offer_csv", offered)
    return found


def call_sites() -> set[tuple[str, int]]:
    """Where the pages draw charts, without those of a race that trains (`test_live_race`) and of a sweep.

    The first offer no CSV, the second are Optuna's and may have many axes or none (`sweeps/test_sweep_charts.py`).
    """
    sites = set()
    for path in sorted((PROJECT_ROOT / "pages").rglob("*.py")):
        if path.name == "sweep_details.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = [node for node in tree.body if path.parent.name != "live" and getattr(node, "name", "") != "_show_live"]
        for node in (inner for part in parts for inner in ast.walk(part)):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called.endswith("_chart") and called.partition(".")[0] == "st":
                assert called.removeprefix("st.") in KINDS, f"{path.name}:{node.lineno}: no test looks at such a chart"
                sites.add((path.name, node.lineno))
    return sites


def titles(chart: Any) -> tuple[str, str]:
    if isinstance(chart, go.Figure):
        return chart.layout.xaxis.title.text or "", chart.layout.yaxis.title.text or ""
    return chart["xAxis"].get("name", ""), chart["yAxis"].get("name", "")


def signs(chart: Any) -> dict[str, tuple[Any, ...]]:
    """What distinguishes each series apart from colour; a series in a row of its own is identified by the row."""
    if isinstance(chart, go.Figure):
        rows = any(trace.type == "box" for trace in chart.data)
        return {
            trace.name: (
                trace.name if rows else None,
                json.dumps(trace.marker.pattern.shape) if trace.type == "bar" else None,
                trace.marker.symbol if trace.type == "scatter" else None,
            )
            for trace in chart.data
        }
    found: dict[str, tuple[Any, ...]] = {}
    for series in chart["series"]:
        if series.get("silent"):  # the band of a line, or the intervals of its points
            continue
        style, item = series.get("lineStyle", {}), series.get("itemStyle", {})
        dashes = (style.get("type"), style.get("width"), item.get("borderType"), json.dumps(item.get("decal")))
        sign = (series.get("symbol"), series.get("showSymbol"), *dashes)
        found.setdefault(series["name"], sign)
    return found


def xs(chart: Any) -> list[Any]:
    """Where the points are, or what the bars and boxes are called."""
    if isinstance(chart, go.Figure):
        return [x for trace in chart.data if trace.name != "mistake" for x in _of_trace(trace)]
    if chart["yAxis"]["type"] == "category":
        return list(chart["yAxis"]["data"])
    hidden = [series for series in chart["series"] if series.get("silent")]
    return [
        point[0]
        for series in chart["series"]
        if series not in hidden and not series["name"].endswith(", training")
        for point in series["data"]
    ]


def _of_trace(trace: Any) -> Iterable[Any]:
    return trace.y if getattr(trace, "orientation", None) == "h" else trace.x


def is_in_tables(value: Any, tables: list[pd.DataFrame]) -> bool:
    """Whether a table holds a value, as it is or as a share of one."""
    for table in tables:
        if isinstance(value, str):
            words = {str(cell) for column in table for cell in table[column] if isinstance(cell, str)} | {
                *map(str, table)
            }
            if any(word and value.startswith(word) for word in words):
                return True
            continue
        numbers = table.select_dtypes("number").to_numpy(dtype=float, na_value=float("nan")).ravel()
        near = 0.006 + 1e-4 * abs(value)
        if (abs(numbers - value) <= near).any() or (abs(100 * numbers - value) <= near).any():
            return True
    return False


def check(visit: Visit) -> None:
    """Look at everything that was drawn since the last check."""
    assert visit.charts, "this part draws no chart"
    for drawn in visit.charts:
        where = f"{drawn.place[0]}:{drawn.place[1]}"
        for title in titles(drawn.chart):
            assert title in BY_NAME or UNIT.search(title), f"{where}: the axis {title!r} has no unit"
        assert len(drawn.alt) > 40, f"{where}: {drawn.alt!r} does not describe the chart"
        assert re.search(r"\d", drawn.alt), f"{where}: {drawn.alt!r} has no numbers"
        assert not re.search(r"nan|\de[+-]\d", drawn.alt), f"{where}: {drawn.alt!r} is not for people"
        series = signs(drawn.chart)
        assert len(set(series.values())) == len(series), f"{where}: only colour distinguishes {list(series)}"
        points = xs(drawn.chart)
        assert points, f"{where}: nothing is in the chart"
        missing = [value for value in points if not is_in_tables(value, visit.tables)]
        assert not missing, f"{where}: no CSV holds {missing[:5]}"


def seen(visit: Visit) -> set[tuple[str, int]]:
    """Check, and forget what was looked at."""
    check(visit)
    places = {drawn.place for drawn in visit.charts}
    visit.charts.clear()
    visit.tables.clear()
    return places


@pytest.mark.slow
def test_every_chart_has_titles_words_numbers_and_a_second_sign(
    curve_id: str, open_page: Open, visit: Visit, settings: Settings, ended_processes: None
) -> None:
    found: set[tuple[str, int]] = set()
    trained = sorted(run.id for run in RunStore(settings).all() if run.has_weights)
    dataset = DatasetStore(settings).get("drawn")
    larger = make_dataset(settings, ("cat", "dog", "owl"), 90)
    race_id, runs = start_race(settings, larger)
    for run in runs:
        finish(run, larger)
        write_predictions(run.folder / "validation.csv", predict(larger, "val", 0.7))
        know_pictures(run, larger)
    tried = json.dumps({"time": 0.0, **to_record(RateFound([1e-4, 1e-3, 1e-2], [0.7, 0.5, 0.9], 1e-3))})
    with (RunStore(settings).get(trained[0]).folder / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write(tried + "\n")

    app = open_page("pages/explore.py", dataset=dataset.id)
    visit.charts.clear()
    visit.tables.clear()
    app.segmented_control(key="explore-section").set_value("Check").run()
    found |= seen(visit)
    keep_ladder(settings, dataset)
    app.segmented_control(key="explore-section").set_value("Networks").run()
    app.selectbox(key="knowledge-network").set_value("petnet").run()
    found |= seen(visit)

    app = open_page("pages/train.py", run=trained[0])
    visit.charts.clear()
    visit.tables.clear()
    app.session_state[f"more-{trained[0]}"] = True
    app.run()
    found |= seen(visit)

    for query in ({"race": curve_id}, {"race": race_id}, {"runs": ",".join(trained)}):
        open_page("pages/compare.py", view="numbers", **query)  # the CSV of the curves is there
        found |= seen(visit)
    app = open_page("pages/compare.py", race=race_id, view="classes,confidence,numbers")
    found |= seen(visit)
    for view in ("Not sure", "Strangers"):
        visit.charts.clear()
        visit.tables.clear()
        app.segmented_control(key="confidence-view").set_value(view).run()
        found |= seen(visit)
    open_page("pages/compare.py", runs=",".join(trained), view="cost,numbers")
    found |= seen(visit)
    app = open_page("pages/compare.py", runs=",".join(trained), view="why,numbers")
    for part in ("Feature space", "Weight changes"):
        visit.charts.clear()
        visit.tables.clear()
        app.segmented_control(key="why-section").set_value(part).run()
        assert not app.exception
        found |= seen(visit)

    assert found == call_sites()


def test_too_few_pictures_for_a_curve_are_explained(raced: Settings, open_page: Open) -> None:
    app = open_page("pages/compare.py", runs=",".join(run.id for run in RunStore(raced).all()), view="confidence")
    app.segmented_control(key="confidence-view").set_value("Not sure").run()
    assert not app.exception
    assert any("A curve needs more than 10 evaluated pictures" in str(caption.value) for caption in app.caption)


def test_a_chart_in_words_writes_large_and_small_numbers_as_people_do() -> None:
    epochs = [EpochDone(n, "head", 1, 0.5, 1, 0.1 * n, 1e-3, 1.0, 1.0 * n, 840 * n, 80.0, False) for n in range(1, 9)]
    words = charts.describe(charts.accuracy_chart([charts.Curve("a", HEAD, [], [*epochs[:7], epochs[2]])], "images"))
    assert words == "Accuracy (%) by pictures seen. a: 10 at 840, highest 70 at 5,880, 30 at 2,520."

    batches = [
        BatchDone(1, step, 2, 64, 0.5, 0.5, rate, 80.0, 1.0, None, 0.5) for step, rate in ((1, 1e-7), (2, 6.699e-5))
    ]
    words = charts.describe(charts.rate_chart([charts.Curve("a", HEAD, batches, [])]))
    assert words == "Learning rate by epochs. a: 0.0000001 at 0.5, 0.00006699 at 1."


def test_a_line_of_many_epochs_is_not_hidden_by_its_markers() -> None:
    for count, marked in ((charts.MAX_MARKED, True), (charts.MAX_MARKED + 1, False)):
        epochs = [EpochDone(n, "head", 1, 0.5, 1, 0.5, 1e-3, 1.0, 1.0 * n, 840 * n, 80.0, False) for n in range(count)]
        line = charts.accuracy_chart([charts.Curve("a", HEAD, [], epochs)], "seconds")["series"][-1]
        assert line["showSymbol"] is marked


def test_the_axis_of_a_running_training_reaches_to_what_is_planned_from_its_first_step() -> None:
    epochs = [EpochDone(1, "head", 1, 0.5, 1, 0.5, 1e-3, 1.0, 21.5, 840, 80.0, False)]
    curves = [charts.Curve("a", HEAD, [], epochs)]
    for chart in (charts.accuracy_chart, charts.loss_chart):
        assert chart(curves, epochs=5)["xAxis"]["max"] == 5
        assert chart(curves, "seconds", epochs=5, seconds=60)["xAxis"]["max"] == 60
        assert chart(curves, "seconds", seconds=20)["xAxis"]["max"] == 21.5, "the last step ran over"
        assert "max" not in chart(curves, "images", epochs=5, seconds=60)["xAxis"]
    band = join_seeds("a", [epochs], "epochs", "accuracy")
    assert charts.race_chart([band], [HEAD], "epochs", epochs=7)["xAxis"]["max"] == 7
