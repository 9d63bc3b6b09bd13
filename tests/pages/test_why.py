"""The Why section without a browser: every part, one run and two, and what is missing."""

import shutil
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from streamlit.delta_generator import DeltaGenerator
from streamlit.testing.v1 import AppTest

from core.config.events import Progress
from core.datasets.drawn_sample import draw_sample
from core.errors import PredictorError
from core.palette import CLASS_COLOURS, style_arms
from core.predict.explanations.explanation_answers import (
    BlockChange,
    Explanation,
    Projection,
    SaliencyMap,
    WeightChange,
)
from core.runs.run_store import RunStore
from core.settings import Settings
from pages.components.compare.details import why_figures
from pages.components.shared import frame, predictor_requests
from tests.pages.test_pages import texts
from tests.support.in_process_predictor import InProcessClient

Open = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    predictor_requests._requests._entries.clear()


@pytest.fixture
def in_process(raced: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A finished race whose predictor answers within this process; test_charts asks the real one."""
    client = InProcessClient(raced)
    monkeypatch.setattr(frame, "predictor", lambda _: client)
    return raced


def section() -> None:
    """What AppTest runs as a page of its own."""
    from core.settings import Settings
    from pages.components.compare.details.why import show_why
    from pages.components.shared.snapshots.runs_snapshot import list_runs, look_at

    settings = Settings.from_environment()
    ids = [item.id for item in reversed(list_runs(settings))]
    show_why(settings, [(f"run {place}", look_at(settings, run_id)) for place, run_id in enumerate(ids[:2])])


def opened() -> AppTest:
    return AppTest.from_function(section, default_timeout=90).run()


def look_at(app: AppTest, name: str) -> AppTest:
    app.segmented_control(key="why-section").set_value(name).run()
    assert not app.exception
    assert not app.error
    return app


def downloads(app: AppTest) -> list[str]:
    return [element.proto.label for element in app.get("download_button")]


def test_every_part_works_for_two_runs(in_process: Settings) -> None:
    app = opened()
    assert not app.exception
    assert not app.warning
    shown = texts(app)
    assert shown.count("Answer: **") == 2
    assert "of the heat is at the" in shown or "nothing in the picture supports" in shown
    app.selectbox(key="why-class").set_value("dog").run()
    app.toggle(key="why-hide").set_value(True).run()
    assert "In words, hiding parts, for dog" in texts(app)

    look_at(app, "Feature space")
    assert len(app.get("plotly_chart")) == 2
    assert texts(app).count("Always naming the largest class") == 2
    assert downloads(app) == ["Download the points as CSV"]
    assert "Install" not in texts(app), "eight pictures are too few for t-SNE, installed or not"
    # a picture that is chosen there opens with its heatmaps
    box = next(box for box in app.selectbox if box.label == "Picture of a point")
    box.select_index(1).run()
    button = next(button for button in app.button if "Heatmaps of this picture" in button.label)
    chosen = next(box for box in app.selectbox if box.label == "Picture of a point").value
    button.click().run()
    assert app.segmented_control(key="why-section").value == "Heatmaps"
    assert next(box for box in app.selectbox if box.label == "Picture").value == chosen

    look_at(app, "Weight changes")
    assert texts(app).count("the largest change is") == 2
    assert downloads(app) == ["Download the weight changes as CSV"]
    look_at(app, "First filters")
    assert "filters of 3 × 3 px" in texts(app)


def slow_section() -> None:
    """What AppTest runs: a request whose answer comes when the test lets it."""
    import streamlit as st

    from pages.components.shared import predictor_requests
    from tests.pages import test_why

    answer = predictor_requests.request("Showing the pictures to a|b", ("slow",), test_why.slow_answer)
    st.write(f"The answer is {answer}.")


released = threading.Event()


def slow_answer(on_progress: Callable[[Progress], None]) -> Any:
    """Forty-two, after progress of a third."""
    on_progress(Progress("testing", "Computing features", 500, 1500, 7.2))
    assert released.wait(30)
    return 42


def test_a_slow_answer_has_a_progress_bar_in_every_session_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[tuple[float, str]] = []
    draw = DeltaGenerator.progress

    def drawn(self: DeltaGenerator, value: float, text: str = "") -> DeltaGenerator:
        bars.append((value, text))
        if len(bars) == 6:  # of two who wait
            released.set()
        return draw(self, value, text)

    monkeypatch.setattr(DeltaGenerator, "progress", drawn)
    monkeypatch.setattr(predictor_requests, "REDRAW_SECONDS", 0.05)
    released.clear()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(AppTest.from_function(slow_section, default_timeout=60).run) for _ in range(2)]
        apps = [app.result(60) for app in waiting]
    assert all("The answer is 42." in texts(app) for app in apps)
    assert {(round(value, 2), text) for value, text in bars} == {
        (0.33, "Computing features: 500 of 1,500 · under 10 s left")
    }


def test_a_request_that_failed_is_sent_again_by_the_next_session(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(on_progress: object) -> Any:
        raise PredictorError("The predictor is too busy: try again in a minute.")

    monkeypatch.setattr(sys.modules[__name__], "slow_answer", failing)
    app = AppTest.from_function(slow_section, default_timeout=60).run()
    assert "too busy" in app.warning[0].value
    monkeypatch.undo()
    released.set()
    assert "The answer is 42." in texts(app.run())


def test_what_is_missing_is_shown(in_process: Settings) -> None:
    _, second = sorted(RunStore(in_process).all(), key=lambda run: run.id)
    shutil.rmtree(second.checkpoints)
    shutil.rmtree(in_process.datasets_dir / "drawn")
    app = opened()
    assert not app.exception
    assert "This run has no saved weights" in texts(app)
    assert "Add a picture to see its heatmaps." in texts(app)
    ((_, data), *_) = draw_sample(count_per_class=1, size_px=64)
    app.file_uploader(key="why-upload").set_value(("mine.png", data, "image/png")).run()
    assert not app.exception
    assert texts(app).count("Answer: **") == 1
    app.segmented_control(key="why-section").set_value("Feature space").run()
    assert not app.exception
    assert any("There is no dataset" in warning.value for warning in app.warning)
    look_at(app, "Weight changes")
    assert "the largest change is" in texts(app)


def test_the_compare_page_computes_nothing_before_it_is_opened(raced: Settings, open_page: Open) -> None:
    app = open_page("pages/compare.py")
    assert not app.exception
    assert not [item for item in app.segmented_control if item.key == "why-section"]
    assert not (raced.cache_dir / "explanations").exists()


STYLES = dict(zip("ab", style_arms(["scratch", "head"]), strict=True))
MAP = Projection(
    "test", (4, 5, 6), (0, 1, 7), 3, 16, ((0, 1), (2, 3), (4, 5)), (0.5, 0.25), None, 2, 2, 1, 1.0
)  # fmt: skip


def test_classes_differ_by_colour_or_marker_and_mistakes_by_a_ring() -> None:
    classes = [f"class {number}" for number in range(12)]
    many = replace(MAP, indices=tuple(range(12)), labels=tuple(range(12)), pca=((0.0, 0.0),) * 12)
    figure = why_figures.draw_projection(many, classes, ["x"] * 12, [False] * 11 + [True], tsne=False)
    looks = {(trace.marker.color, trace.marker.symbol) for trace in figure.data[:12]}
    assert len(looks) == 12
    assert len(CLASS_COLOURS) < 12
    assert figure.data[12].name == "mistake"
    assert figure.data[12].customdata == (11,)
    assert len(figure.data) == 13
    assert figure.layout.xaxis.title.text == "Component 1 (feature units; 50 % of variance)"


def test_t_sne_is_drawn_where_it_is_there() -> None:
    other = replace(MAP, tsne=((9.0, 8.0), (7.0, 6.0), (5.0, 4.0)))
    classes = [str(number) for number in range(8)]
    figure = why_figures.draw_projection(other, classes, ["x"] * 3, None, tsne=True)
    assert [trace.x for trace in figure.data] == [(9.0,), (7.0,), (5.0,)]
    assert "t-SNE" in figure.layout.xaxis.title.text
    plain = why_figures.draw_projection(other, classes, ["x"] * 3, None, tsne=False)
    assert plain.data[0].x == (0,)
    assert "t-SNE 1" in why_figures.tabulate_projection("a", other, classes, ["x"] * 3).columns


def test_the_number_below_a_projection_names_n_interval_and_chance() -> None:
    words = why_figures.describe_projection(MAP)
    assert "66.7 %" in words
    assert "n = 3" in words
    assert "largest class: 33.3 %" in words
    assert "an even sample of 9" in why_figures.describe_projection(replace(MAP, total=9))


def test_bars_hatch_unchanged_blocks_and_never_draw_them_as_changed() -> None:
    frozen = BlockChange("stem", "Stem", 9, 0.0, 0.0, True, 4, 0.0, 0.0, True, True)
    head = BlockChange("head", "Output layer", 9, 0.5, 0.1, False, 0, 0.0, 0.0, True, False)
    change = WeightChange((frozen, head), True, 3)
    for logarithmic in (False, True):
        (bars,) = why_figures.weight_change_bars([("a", change)], STYLES, logarithmic=logarithmic).data
        assert bars.text == ("0 (frozen, unchanged)", "50 %")
        assert bars.marker.pattern.shape == ("/", "")
        assert 0 < bars.x[0] < bars.x[1] / 2
    little = WeightChange((frozen, replace(head, relative=1e-4)), True, 3)
    pair = [("a", change), ("b", little)]
    (first,), (second,) = (
        why_figures.weight_change_bars([one], STYLES, logarithmic=False, among=pair).data for one in pair
    )
    assert second.x[0] < second.x[1] < first.x[1], "a stub is never longer than the bar of a changed block"
    assert "all 1 frozen blocks are unchanged to the bit" in why_figures.describe_weight_change(change)
    broken = WeightChange((replace(frozen, same=False, relative=1e-9), head), True, 3)
    assert "only 0 of 1 frozen blocks" in why_figures.describe_weight_change(broken)
    assert WeightChange.from_json(change.to_json()) == change
    table = why_figures.tabulate_weight_changes([("a", change)])
    assert table["change (% of length)"].tolist() == [0.0, 50.0]


def test_answers_survive_the_way_through_json() -> None:
    import json

    assert Projection.from_json(json.loads(json.dumps(MAP.to_json()))) == MAP
    assert MAP.to_json()["told"] == MAP.knn_correct, "its name in the caches of earlier versions"
    saliency = SaliencyMap("occlusion", "cat", (7, 7), 0.25, "words", b"png")
    found = Explanation((("cat", 0.75), ("dog", 0.25)), b"saw", (saliency,), 12.0)
    record, parts = found.to_message()
    assert Explanation.from_message(json.loads(json.dumps(record)), parts) == found
