"""Classes whose names are numbers, dates, markup, or the app's own words: nothing is dropped, merged or interpreted."""

import csv
import html
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from markupsafe import Markup
from streamlit.testing.v1 import AppTest

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.formatting import format_cell
from core.jobs.workers.worker import Worker
from core.palette import style_arms
from core.predict.explanations.explanation_answers import BlockChange, Projection, WeightChange
from core.report.documents import make_document
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.statistics.aligned_predictions import align
from core.statistics.class_scores import score_classes
from core.statistics.metrics import confusion_matrix
from core.statistics.predictions import PredictionTable
from pages.components.compare.details import class_scores_table, why_figures
from pages.components.compare.details import confusion_matrix as confusion
from pages.components.compare.pictures import picture_dialog, picture_grid
from pages.components.explore.check import dataset_charts
from pages.components.shared import frame, names
from tests.faults.test_names import assert_inert_html, assert_inert_markdown, markdown_of
from tests.support import tested_runs
from tests.support.finished_runs import start_race
from tests.support.images import encoded, photo
from tests.support.in_process_predictor import InProcessClient
from tests.support.small_runs import SMALL_SCRATCH

Open = Callable[..., AppTest]
GROUPS = {
    "numbers": ("1", "01", "001", "1e3", "1000", "2", "-5", "1_000", "0x10", "Infinity", "1,5"),
    "dates": ("2020-01", "2020-02", "2020-1", "2020-01-01", "12:30", "Jan 2020"),
    "cards": ("2", "3", "10", "ace", "king", "queen"),
    "markup": (
        "<b>", "<i>E. coli<", "<unk>", "<5 mm", ">10 mm", "&lt;b&gt;", "&amp;", "%{y}", "{b}", "[link](x)",
        "*star*", "$5 bill", "$10 bill", ":dog:", ":red[x]", ">= 5 mm", "5 -> 10", "www.example.com", "a@b.com", "`x`",
    ),
    "missing": ("NA", "nan", "None", "null", "true", "-", "NaT", "inf"),
    "formulas": ("=1+1", "+1", "-1", "@home", "'=1", "a;b, \"c\"", "a.b[0]", "x:y"),
    "own words": (
        "All classes", "total", "Average (macro)", "mistake", "index", "_index", "is, predicted",
        "each network's answer", "Class", "all", "Choose a cell",
    ),
}  # fmt: skip
STYLES = dict(zip("AB", style_arms(["scratch", "head"]), strict=True))
EVERY = tuple(dict.fromkeys(name for group in GROUPS.values() for name in group))


@pytest.fixture(params=list(GROUPS))
def dataset(request: pytest.FixtureRequest, settings: Settings) -> Dataset:
    """A dataset with one kind of names."""
    classes = GROUPS[request.param]
    found = tested_runs.make_dataset(settings, classes, 6 * len(classes), size_px=32, name="odd")
    assert set(found.classes) == set(classes)
    return found


@pytest.fixture
def runs(settings: Settings, dataset: Dataset) -> list[Run]:
    """Two finished runs on it."""
    started = start_race(settings, dataset, seeds=(0,))[1]
    for number, run in enumerate(started):
        tested_runs.finish(run, dataset, 0.5, seed=number)
    return started


def tables(runs: list[Run]) -> list[PredictionTable]:
    return [run.predictions() for run in runs]


def shown(texts: Any) -> list[str]:
    """What plotly makes of texts: entities are read, and a tag would be too."""
    texts = list(texts)
    assert not [text for text in texts if "<" in text]
    return [html.unescape(text) for text in texts]


def assert_axis(axis: Any, classes: tuple[str, ...]) -> None:
    assert axis.type == "category"
    assert axis.categoryorder == "array"
    assert shown(axis.categoryarray) == list(classes)
    assert shown(axis.tickvals) == list(classes)


def test_every_plotly_figure_has_each_class_once(dataset: Dataset) -> None:
    figure = dataset_charts.class_counts(dataset)
    assert_axis(figure.layout.xaxis, dataset.classes)
    for bars in figure.data:
        assert shown(bars.x) == list(dataset.classes)
        assert all(isinstance(name, str) for name in figure.to_plotly_json()["data"][0]["x"])

    figure = dataset_charts.file_sizes(dataset)
    assert_axis(figure.layout.yaxis, dataset.classes)
    assert shown(box.y[0] for box in figure.data) == list(dataset.classes)
    assert all(len(box.y) == 1 and not box.x for box in figure.data)  # five numbers, however many pictures

    figure = dataset_charts.image_sizes(dataset)
    assert shown(points.name for points in figure.data) == list(dataset.classes)
    assert not any("<" in text for points in figure.data for text in points.text)

    found = projection(dataset)
    figure = why_figures.draw_projection(
        found, dataset.classes, [row.name for row in dataset.rows], [True] * 6, tsne=False
    )
    legend = shown(points.name for points in figure.data)
    assert legend[:-1] == list(dataset.classes)
    assert legend[-1] not in dataset.classes
    assert not any(name in points.hovertemplate for points in figure.data for name in ("{y}", "<b>"))
    assert len(why_figures.tabulate_projection("run", found, dataset.classes, ["x"] * len(dataset.rows))) == len(
        dataset.rows
    )


def projection(dataset: Dataset) -> Projection:
    rows = dataset.rows
    points = tuple((float(row.index), 1.0) for row in rows)
    places, labels = tuple(row.index for row in rows), tuple(row.label for row in rows)
    return Projection("test", places, labels, len(rows), 4, points, (0.5, 0.2), None, 3, 1, 1, 0.1)


def test_blocks_that_are_called_by_numbers_keep_their_places() -> None:
    blocks = tuple(
        BlockChange(name, f"Block <{name}>", 10, 0.1, 0.1, False, 0, None, 0.0, True, False)
        for name in ("10", "2", "1")
    )
    figure = why_figures.weight_change_bars(
        [("<b>run", WeightChange(blocks, True, 1))], {"<b>run": STYLES["A"]}, logarithmic=False
    )
    assert figure.layout.yaxis.type == "category"
    assert list(figure.layout.yaxis.categoryarray) == ["1", "2", "10"]
    assert shown(figure.data[0].hovertext)[0] == "Block <10>"
    assert shown([figure.data[0].name]) == ["<b>run"]


def test_charts_and_tables_of_a_comparison_have_each_class_once(dataset: Dataset, runs: list[Run]) -> None:
    found = tables(runs)
    reports = [(name, score_classes(table)) for name, table in zip("AB", found, strict=True)]
    order = range(len(dataset.classes))
    axis = class_scores_table.draw_scores(reports, "f1", order, STYLES)["yAxis"]
    assert axis["type"] == "category"
    assert [name.rpartition(" (")[0] for name in axis["data"]] == [
        class_scores_table.prediction_cache.shorten(name, class_scores_table.MAX_NAME) for name in dataset.classes
    ]
    for column in (
        class_scores_table.tabulate(reports, order)["Class"].tolist(),
        class_scores_table.list_scores(reports[:1])["class"].tolist(),
    ):
        assert column[:-1] == list(dataset.classes)
        assert column[-1] not in dataset.classes
    counts = confusion_matrix(found[0].labels, found[0].predicted, found[0].classes)
    table = confusion.style(counts, dataset.classes, "pictures")
    assert list(table.columns) == list(dataset.classes)
    assert table.index.is_unique
    written = confusion.tabulate(counts, dataset.classes)
    assert written.columns.is_unique
    assert list(written.columns[1:]) == written.iloc[:, 0].tolist() == list(dataset.classes)
    assert written.iloc[:, 1:].to_numpy().tolist() == counts.tolist()
    answers = align(found)
    grid = picture_grid.Grid("key", answers, ("A", "B"), dataset)
    assert set(picture_grid.tabulate(grid, np.arange(answers.n))["is"]) == set(dataset.classes)
    assert_inert_html(picture_dialog.draw_bars(answers, 0, 0, "<b>run"))


def test_a_csv_holds_each_name_quoted_where_a_spreadsheet_would_compute(dataset: Dataset, runs: list[Run]) -> None:
    found = tables(runs)[0]
    counts = confusion_matrix(found.labels, found.predicted, found.classes)
    quoted = [format_cell(name) for name in dataset.classes]
    rows = read(frame.write_csv(confusion.tabulate(counts, dataset.classes)))
    assert rows[0][1:] == [row[0] for row in rows[1:]] == quoted
    assert [list(map(int, row[1:])) for row in rows[1:]] == counts.tolist()
    rows = read(frame.write_csv(class_scores_table.list_scores([("=A", score_classes(found))])))
    assert [row[1] for row in rows[1:-1]] == quoted
    assert {row[0] for row in rows[1:]} == {"'=A"}
    assert {row[1] for row in read(frame.write_csv(dataset_charts.list_images(dataset)))[1:]} == set(quoted)


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_numbers_of_a_csv_stay_numbers_and_what_is_missing_is_empty() -> None:
    table = pd.DataFrame(
        {
            "text": ["=1", "-1", "NA"],
            "whole": [-1, 0, 5],
            "part": [-0.5, None, 1e-9],
            "yes": [True, False, True],
            "mixed": [-3, None, "+4"],
            "=title": ["@", None, "\tx"],
        }
    )
    assert read(frame.write_csv(table)) == [
        ["text", "whole", "part", "yes", "mixed", "'=title"],
        ["'=1", "-1", "-0.5", "True", "-3", "'@"],
        ["'-1", "0", "", "False", "", ""],
        ["NA", "5", "1e-09", "True", "'+4", "'\tx"],
    ]
    assert frame.write_csv(pd.concat([table[:1], table[:1]])).count("'=1") == 2
    assert frame.write_csv(table[:0]).splitlines() == ["text,whole,part,yes,mixed,'=title"]
    assert not frame.write_csv(pd.DataFrame([])).strip()


@pytest.mark.parametrize("name", EVERY)
def test_markdown_shows_a_name_as_it_is(name: str) -> None:
    text = f"**{names.plain(name)}**, {names.plain(name)}"
    assert_inert_markdown(text)
    inline = MarkdownIt("commonmark").parseInline(text)[0].children or []
    content = "".join(token.content for token in inline).replace(names.WORD_JOINER, "")
    assert content == f"{name}, {name}"


def test_a_report_has_each_class_as_letters(settings: Settings, dataset: Dataset, runs: list[Run]) -> None:
    page = make_document(settings, [run.id for run in runs]).content.decode("utf-8")
    rows = page.partition('id="classes"')[2].partition("</section>")[0]
    for name in dataset.classes:
        assert rows.count(f'<th scope="row"><bdi>{Markup.escape(name)}</bdi>') == len(runs)
        assert f'<th scope="col"><bdi>{Markup.escape(name)}</bdi>' in page


@pytest.fixture
def awkward(settings: Settings) -> tuple[Dataset, list[Run]]:
    """A dataset with names of every kind, and two finished runs on it."""
    classes = [name for group in GROUPS.values() for name in group[:6]]
    found = tested_runs.make_dataset(settings, classes, 6 * len(classes), size_px=32, name="odd")
    started = start_race(settings, found, seeds=(0,))[1]
    for number, run in enumerate(started):
        tested_runs.finish(run, found, 0.5, seed=number)
    return found, started


def options(app: AppTest, label: str) -> list[list[str]]:
    return [list(box.options) for box in app.selectbox if box.label == label]


def assert_distinct(app: AppTest) -> None:
    assert not app.exception
    for text in markdown_of(app):
        assert_inert_markdown(text)
    for element in app.html:
        assert_inert_html(element.value)
    for box in app.selectbox:
        assert len(set(box.options)) == len(box.options), box.label


def test_explore_offers_each_class_and_all_of_them(awkward: tuple[Dataset, list[Run]], open_page: Open) -> None:
    dataset = awkward[0]
    app = open_page("pages/explore.py", dataset=dataset.id)
    assert_distinct(app)
    offered = options(app, "Class")[0]
    assert offered[1:] == list(dataset.classes)
    assert offered[0] not in dataset.classes
    shown = [item.value for item in app.markdown if item.value.startswith("**")]
    for name in dataset.classes[:8]:  # the classes of the first page
        assert any(text.startswith(f"**{names.plain(name)}** · ") for text in shown), name
    app.selectbox(key="gallery-class").set_value("All classes").run()
    assert any("6 pictures." in str(caption.value) for caption in app.caption)
    app.segmented_control(key="explore-section").set_value("Check").run()
    assert_distinct(app)


def test_compare_shows_each_class(awkward: tuple[Dataset, list[Run]], open_page: Open) -> None:
    dataset, started = awkward
    query = ",".join(run.id for run in started)
    app = open_page("pages/compare.py", runs=query, view="confusion,classes")
    assert_distinct(app)
    matrix = next(item.value for item in app.dataframe if "1e3" in item.value)
    assert list(matrix.columns) == list(dataset.classes)
    for view in ("pictures", "numbers", "coach"):
        app = open_page("pages/compare.py", runs=query, view=view)
        assert_distinct(app)


def test_predict_answers_with_each_name(settings: Settings, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = ("001", "1", "<b>", "=1+1", "NA", "All classes")
    dataset = tested_runs.make_dataset(settings, classes, 36, size_px=32, name="odd")
    config = TrainConfig.model_validate({**SMALL_SCRATCH, "dataset": dataset.id, "epochs": 1})
    run = RunStore(settings).create(config)
    assert Worker(settings, run).work() is RunState.FINISHED
    monkeypatch.setattr(frame, "predictor", InProcessClient)
    app = open_page("pages/predict.py", run=run.id)
    pictures = [(f"{number}.png", encoded(photo(number), "PNG"), "image/png") for number in range(2)]
    app.file_uploader(key="predict-files").set_value(pictures)
    app.run()
    assert_distinct(app)
    bars = "".join(element.value for element in app.html)
    assert sum(bars.count(f">{html.escape(name)}</span>") for name in dataset.classes) == 5  # of the newest
    assert set(app.dataframe[0].value["Class"]) <= set(dataset.classes)
