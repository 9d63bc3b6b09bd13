"""A race while it may change: lanes, one chart, one row of pictures, stop and start again, at one address."""

import json
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.config.events import BatchDone, Described, EpochDone, Event, PhaseStarted, SamplesPredicted, to_record
from core.config.race_plan import RacePlan
from core.datasets.dataset import Dataset
from core.races.learning_curve import start_curve
from core.races.race import RaceState, find_race
from core.races.race_actions import start_race as start
from core.runs.run import Run, RunState
from core.runs.run_files import BEST_SIDECAR, CHECKPOINTS, STARTED
from core.runs.run_lock import hold
from core.runs.run_store import Arm, RunStore
from core.scheduling.run_queue import QueueView, Turn, write_queue
from core.settings import Settings
from pages.components.compare.live import race_view
from tests.pages.conftest import curve_arms
from tests.pages.test_pages import texts
from tests.support.finished_runs import HARDWARE, configure, start_race

Open = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing trains by itself here: the tests write what a worker would."""
    monkeypatch.setattr("pages.components.shared.frame.ensure_scheduler", lambda _: None)
    monkeypatch.setattr(race_view, "ensure_scheduler", lambda _: None)


def lanes(app: AppTest) -> str:
    """What the lanes and the row of pictures show, without tags; icons and marks included."""
    blocks = [str(element.proto.body) for element in app.get("html")]
    return re.sub(r"<[^>]+>", " ", "\n".join(block for block in blocks if "<style>" not in block))


def chart(app: AppTest) -> dict[str, Any]:
    return dict(json.loads(app.get("echarts_chart")[0].proto.spec))


def write(run: Run, *events: Event) -> None:
    """Take the run, and write what its worker would."""
    (run.folder / STARTED).write_text("{}")
    with run.event_log.open("a") as log:
        for event in events:
            log.write(json.dumps({"time": time.time(), **to_record(event)}) + "\n")


def half_trained(dataset: Dataset, right: bool) -> Sequence[Event]:
    """Two of three epochs, and answers for three pictures of the validation split."""
    places = [place for place, row in enumerate(dataset.rows) if row.split == "val"][:3]
    labels = [dataset.rows[place].label for place in places]
    answers = [
        {"index": place, "predicted": label if right else 1 - label, "probability": 0.75, "correct": right}
        for place, label in zip(places, labels, strict=True)
    ]
    return [
        Described(
            100, 10, [], HARDWARE, {split: len(dataset.rows_of(split)) for split in ("train", "val", "test")},
            [{"index": place, "label": label} for place, label in zip(places, labels, strict=True)], "none",
        ),
        PhaseStarted("training", "Training"),
        BatchDone(1, 3, 3, 24, 0.7, 0.5, 0.001, 120.0, 1.0, None, 1 / 3),
        EpochDone(1, "training", 0.7, 0.5, 0.7, 0.625, 0.001, 1.0, 1.0, 24, 120.0, True),
        BatchDone(2, 3, 3, 48, 0.6, 0.6, 0.001, 120.0, 2.0, 40.0, 2 / 3),
        EpochDone(2, "training", 0.6, 0.6, 0.6, 0.875 if right else 0.5, 0.001, 1.0, 2.0, 48, 120.0, True),
        SamplesPredicted(2, answers),
    ]  # fmt: skip


def test_a_race_in_the_queue_shows_its_place_and_when_it_starts(
    settings: Settings, drawn: Dataset, open_page: Open
) -> None:
    race_id, runs = start_race(settings, drawn, seeds=(0,))
    soon = time.time() + 40
    write_queue(settings, QueueView(tuple(Turn(run.id, 2 + k, soon + k) for k, run in enumerate(runs))))
    app = open_page("pages/compare.py", race=race_id)

    assert not app.exception
    assert re.search(r"Waiting: 2 runs before this one · starts in about \d\d s", lanes(app))
    assert lanes(app).count("queued") == 2
    assert ":material/hourglass_top: queued" in texts(app)
    assert chart(app)["xAxis"]["max"] == 3


def test_a_paused_queue_is_the_reason_why_nothing_starts(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    race_id, _ = start_race(settings, drawn, seeds=(0,))
    write_queue(settings, QueueView(held="paused"))

    assert "the presenter has paused the queue" in lanes(open_page("pages/compare.py", race=race_id))


def test_a_race_whose_turn_it_is_counts_as_running(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    race_id, _ = start_race(settings, drawn, seeds=(0,))
    app = open_page("pages/compare.py", race=race_id)

    assert ":material/play_arrow: running" in texts(app)
    assert "starting" in lanes(app)


def test_a_running_race_shows_a_lane_a_curve_and_marks_for_each_arm(
    settings: Settings, drawn: Dataset, open_page: Open
) -> None:
    race_id, runs = start_race(settings, drawn, seeds=(0,))
    with hold(runs[0], 1), hold(runs[1], 1):
        write(runs[0], *half_trained(drawn, right=False))
        write(runs[1], *half_trained(drawn, right=True))
        app = open_page("pages/compare.py", race=race_id)

    assert not app.exception
    shown = lanes(app)
    assert re.search(r"67 % trained · about \d\d s left", shown)
    assert "Epoch 2 of 3 · best validation 62.5 % · 120 pictures/s" in shown
    assert "Epoch 2 of 3 · best validation 87.5 % · 120 pictures/s" in shown
    assert re.search(r"Scratch(\s+✗\s+\w+){3}\s+Transfer(\s+✓\s+75 %){3}", shown)
    axis = chart(app)["xAxis"]
    assert (axis["name"], axis["min"], axis["max"], axis["minInterval"]) == ("Epochs", 0, 3, 1)
    marked = {item["name"]: item["data"] for item in chart(app)["series"] if item["name"] in ("Scratch", "Transfer")}
    assert marked == {"Scratch": [[1, 62.5], [2, 50.0]], "Transfer": [[1, 62.5], [2, 87.5]]}

    app.segmented_control(key=f"measure-{race_id}").set_value("loss").run()
    assert chart(app)["yAxis"]["name"].startswith("Loss")


def test_seeds_fill_one_lane_and_one_band_in_turn(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    race_id, runs = start_race(settings, drawn, ("scratch", "head", "full"))
    for run in runs[:2]:
        write(run, *half_trained(drawn, right=True))
    runs[0].write_result(RunState.STOPPED, "Stopped.", None)
    with hold(runs[1], 1):
        app = open_page("pages/compare.py", race=race_id)

    shown = lanes(app)
    assert "Seed 1 of 2: epoch 2 of 3 · best 87.5 % · 120 pictures/s" in shown
    assert "Seed 2 of 2: the training process starts" in shown
    assert "compact" in str([element.proto.body for element in app.get("html")])
    assert [item["name"] for item in chart(app)["series"]] == ["Scratch", "Transfer (head)", "Transfer (full)"]


def test_the_axis_is_the_budget_of_the_race(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    plan = RacePlan("race", ("scratch",), (0,), "seconds", 20.0)
    race_id, runs = start(settings, plan, [Arm("scratch", configure(drawn.id, "scratch", max_seconds=20))])
    with hold(runs[0], 1):
        write(runs[0], *half_trained(drawn, right=True))
        app = open_page("pages/compare.py", race=race_id)

    axis = chart(app)["xAxis"]
    assert (axis["name"], axis["max"]) == ("Seconds of training", 20)
    assert "2 of 20 s · best validation 87.5 %" in lanes(app)


def test_the_demo_counts_its_minute_down_and_says_when_it_is_late(
    settings: Settings, drawn: Dataset, open_page: Open
) -> None:
    plan = RacePlan("race", ("scratch",), (0,), "seconds", 20.0)
    shown = []
    for deadline in (time.time() + 30, time.time() - 5):
        arm = Arm("scratch", configure(drawn.id, "scratch", max_seconds=20), deadline)
        race_id, runs = start(settings, plan, [arm])
        with hold(runs[0], 1):
            write(runs[0], *half_trained(drawn, right=True))
            shown.append(lanes(open_page("pages/compare.py", race=race_id)))

    assert re.search(r"\b(29|30|2\d) s left · training", shown[0])
    assert "This machine is busy, so the minute is over: 67 % trained" in shown[1]


def test_a_stopped_arm_that_is_evaluated_says_so(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    race_id, runs = start_race(settings, drawn, seeds=(0,))
    for run in runs:
        write(run, *half_trained(drawn, right=True))
        run.write_result(RunState.STOPPED, "Stopped after 2 epochs; the best weights so far were kept.", 3.0)
    with hold(runs[0], 1):
        app = open_page("pages/compare.py", race=race_id)

    assert "evaluating" in texts(app)
    assert "Stopped, now being tested on the test pictures · best validation 87.5 %" in lanes(app)
    assert "Stopped after 2 epochs" in lanes(app)
    assert "Evaluating on held-out pictures" in lanes(app)


def test_a_stopped_race_can_be_evaluated_and_started_again(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    race_id, runs = start_race(settings, drawn, seeds=(0,))
    app = open_page("pages/compare.py", race=race_id)
    app.button(key=f"stop-{race_id}").click().run()
    assert not app.exception
    assert {run.state() for run in runs} == {RunState.STOPPED}
    assert ":material/stop_circle: stopped" in texts(app)
    assert "Scratch and Transfer" in texts(app)  # in one line, what happened to both
    assert not [button for button in app.button if button.key in (f"stop-{race_id}", f"evaluate-{race_id}")]
    (runs[1].folder / CHECKPOINTS).mkdir()
    (runs[1].folder / CHECKPOINTS / BEST_SIDECAR).write_text("{}")

    app.run()
    assert app.button(key=f"evaluate-{race_id}").label == "Evaluate"
    app.button(key=f"restart-{race_id}").click().run()
    assert not app.exception
    again = app.query_params["race"]
    assert again != race_id
    assert find_race(RunStore(settings).summaries(), str(again)).state is RaceState.QUEUED
    assert app.button(key=f"stop-{again}").label == "Stop"


def test_a_curve_has_the_same_lanes_above_its_own_chart(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    curve_id, runs = start_curve(settings, curve_arms(), seeds=(0,), sizes=(2, 5))
    with hold(runs[0], 1):
        write(runs[0], PhaseStarted("training", "Training"), half_trained(drawn, right=True)[2])
        app = open_page("pages/compare.py", race=curve_id)

    assert not app.exception
    assert "0 of 2 points" in lanes(app)
    assert lanes(app).count("small CNN") >= 2
    axis = chart(app)["xAxis"]
    assert (axis["type"], axis["min"], axis["max"]) == ("log", 2, 5)
    assert app.button(key=f"stop-{curve_id}").label == "Stop"


def test_what_is_shown_at_first_is_not_written_to_the_address(
    settings: Settings, drawn: Dataset, open_page: Open
) -> None:
    first, _ = start_race(settings, drawn, seeds=(0,), title="First")
    second, _ = start_race(settings, drawn, seeds=(0,), title="Second")
    app = open_page("pages/compare.py")
    choice = app.selectbox(key="compare-race")
    assert choice.value == second
    assert dict(app.query_params) == {}

    choice.set_value(first).run()
    assert app.query_params["race"] in (first, [first])
    assert "**First**" in texts(app)
    app.segmented_control(key="compare-mode").set_value("Runs").run()
    assert "race" not in app.query_params
    assert "runs" in app.query_params


def test_races_of_the_same_minute_have_different_names(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    started = [start_race(settings, drawn, seeds=(0,))[0] for _ in range(3)]
    options = open_page("pages/compare.py").selectbox(key="compare-race").options

    assert len(set(options)) == len(started)


def test_an_address_of_a_race_that_is_gone_shows_no_other_race(
    settings: Settings, drawn: Dataset, open_page: Open
) -> None:
    start_race(settings, drawn, seeds=(0,), title="Another")
    app = open_page("pages/compare.py", race="race-20200101-000000-aaaaaa")

    assert not app.exception
    assert "That race no longer exists" in texts(app)
    assert "**Another**" not in texts(app)
    assert not app.get("echarts_chart")
