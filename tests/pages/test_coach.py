"""The coach on the pages: under an ended run, on Explore, and the lessons it opens."""

import dataclasses
import re
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.coach.coach_finding import CoachFinding
from core.coach.run_cost import add_up
from core.config.events import Measured
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.runs.run_store import RunStore
from core.settings import Settings
from pages.components.compare.details.cost_table import cost_figures, cost_table, seconds_chart
from pages.components.shared.lessons import LESSONS
from pages.components.shared.results import coach_findings
from pages.components.shared.snapshots.runs_snapshot import look_at

Open = Callable[..., AppTest]


def texts(app: AppTest) -> str:
    return " ".join(item.value for item in app.markdown)


def test_an_ended_run_is_reviewed_once_for_all_sessions(
    raced: Settings, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    gather = coach_findings.gather_facts
    monkeypatch.setattr(coach_findings, "gather_facts", lambda run, shares: asked.append(run.id) or gather(run, shares))
    run = RunStore(raced).all()[0]
    for _ in range(3):
        app = open_page("pages/train.py", run=run.id)
        assert not app.exception
        assert "Next step" in texts(app)
    assert asked == [run.id]


def test_a_run_that_went_well_has_no_next_step(
    raced: Settings, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = CoachFinding("fine", "fine", "Nothing to worry about", "The loss fell.")
    monkeypatch.setattr(coach_findings, "review_once", lambda *_: (well,))
    app = open_page("pages/train.py", run=RunStore(raced).all()[0].id)
    assert "Nothing to worry about" in texts(app)
    assert "How it went" in texts(app)
    assert "Next step" not in texts(app)


def test_findings_of_each_compared_network_open_on_a_tap(
    raced: Settings, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = CoachFinding("fine", "fine", "Nothing to worry about", "The loss fell.")
    monkeypatch.setattr(coach_findings, "review_once", lambda *_: (well,))
    runs = [run.id for run in RunStore(raced).all()[:2]]
    app = open_page("pages/compare.py", runs=",".join(runs), view="coach")
    assert sum("Nothing to worry about" in item.label for item in app.expander) == 2
    assert "The loss fell" not in texts(app)
    app.session_state[f"coach-{runs[0]}"] = True
    app.run()
    assert texts(app).count("The loss fell") == 1
    app = open_page("pages/compare.py", runs=runs[0], view="coach")
    assert texts(app).count("The loss fell") == 1, "the findings of one network alone are open"


def test_a_queued_run_is_not_reviewed(
    settings: Settings, drawn: Dataset, open_page: Open, small_config: TrainConfig
) -> None:
    run = RunStore(settings).create(small_config)
    app = open_page("pages/train.py", run=run.id)
    assert not app.exception
    assert "Next step" not in texts(app)


def test_explore_looks_for_shortcuts_when_asked(settings: Settings, drawn: Dataset, open_page: Open) -> None:
    app = open_page("pages/explore.py", dataset=drawn.id)
    app.segmented_control(key="explore-section").set_value("Check").run()
    assert not app.exception
    assert not app.dataframe
    app.session_state[f"shortcuts-{drawn.id}"] = True
    app.run()
    assert not app.exception
    table = app.dataframe[0].value
    assert "The file size" in set(table["cue"])
    assert (table["interval from (%)"] <= table["accuracy (%)"]).all()
    assert (table["pictures (n)"] == 16).all()


def test_a_finding_shows_its_evidence_its_advice_and_the_field() -> None:
    def page() -> None:
        from core.coach.coach_finding import CoachFinding
        from pages.components.shared.results.coach_findings import show_findings

        change = {"learning_rate": 0.001, "find_rate": False}
        advice = "Try 0.001 instead of 0.3."
        finding = CoachFinding(
            "rate-high", "alarm", "The *rate* is too high", "Loss 9 nats.", advice, change, "learning-rate"
        )
        show_findings([finding], key="a")
        show_findings([], key="b")

    app = AppTest.from_function(page).run()
    assert not app.exception
    shown = texts(app)
    assert "The \\*rate\\* is too high" in shown  # names of classes are in titles: they are never markup
    assert "Try 0\\.001 instead of 0\\.3\\." in shown
    assert LESSONS["learning-rate"].text in shown
    assert any("Learning rate\\: 0\\.001" in item.value for item in app.caption)
    assert any("No findings yet" in item.value for item in app.caption)


def test_advice_to_turn_something_off_fills_in_the_form_too() -> None:
    def page() -> None:
        from core.coach.coach_finding import CoachFinding
        from core.config.train_config import TrainConfig
        from pages.components.shared.results.coach_findings import show_findings

        finding = CoachFinding("flips-harm", "alarm", "Flips", "Seen.", "Turn them off.", {"augment_flip": False})
        show_findings([finding], key="a", config=TrainConfig(dataset="arrows", model="petnet"))

    app = AppTest.from_function(page).run()
    assert not app.exception
    assert any("Random flips\\: off" in item.value for item in app.caption)
    assert app.button(key="try-a-flips-harm").label == "Use these settings"


def test_every_lesson_is_short_and_begins_with_its_term() -> None:
    for name, lesson in LESSONS.items():
        words = len(re.findall(r"\S+", lesson.text))
        assert 60 <= words <= 120, (name, words)
        term = lesson.title.removeprefix("A ").lower().split(" and ")[0].removesuffix("s")
        assert term[:7] in lesson.text.split(". ")[0].lower(), name
    needed = {"transfer-learning", "feature-extraction", "fine-tuning", "gradual-unfreezing", "overfitting",
              "validation-and-test", "confidence-intervals", "calibration", "seeds"}  # fmt: skip
    assert needed <= set(LESSONS)
    assert CoachFinding("a", "note", "b", "c.").lesson == ""


def test_every_lesson_that_a_rule_names_exists() -> None:
    from core.settings import PROJECT_ROOT

    named: set[str] = set()
    for path in (PROJECT_ROOT / "core" / "coach").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        named |= set(re.findall(r'lesson="([a-z-]+)"', text))
        named |= set(re.findall(r'^ +(?:advice, )?change, "([a-z-]+)"', text, re.MULTILINE))
    assert len(named) >= 5
    assert named <= set(LESSONS)


def test_costs_are_drawn_with_patterns_and_unknown_figures_are_called_so(raced: Settings) -> None:
    runs = RunStore(raced).all()
    histories = [run.history() for run in runs]
    histories[0].measured = Measured({"decoding": 1.0, "training": 2.0}, ["decoding"], 1000, 10, 10**6, 4000)
    histories[1].measured = None  # as older versions left it
    costs = [
        add_up(raced, name, run.config(), found)
        for name, run, found in zip(("new", "old"), runs, histories, strict=True)
    ]
    chart = seconds_chart(costs)
    assert chart["xAxis"]["name"] == "Seconds"
    assert chart["yAxis"]["name"] == "Run"
    assert [item["data"] for item in chart["series"]] == [[1.0, None], [2.0, None]]
    assert len({str(item["itemStyle"]["decal"]) for item in chart["series"]}) == 2
    table = cost_table(costs)
    assert table["peak memory"].tolist() == ["1 MB", "not measured"]
    assert cost_figures(costs)["peak memory (bytes)"].isna().tolist() == [False, True]


def test_costs_show_on_a_page_with_ratios_and_assumptions() -> None:
    def page() -> None:
        from core.coach.run_cost import Cost, Energy
        from pages.components.compare.details.cost_table import show_costs

        energy = Energy(0.4, 16.0, "assumed: 8 W for each of 2 processor threads")
        first = Cost("scratch", 60.0, {"training": 50.0}, (), 100, 100, 5, 9, 10, 10, 10, energy)
        second = Cost("transfer", 10.0, {}, (), 100, 2, None, None, None, None, None, None)
        show_costs([first, second])

    app = AppTest.from_function(page).run()
    assert not app.exception
    assert "a sixth of the time" in texts(app)
    assert "8 W for each of 2 processor threads" in texts(app)
    assert any("not measured for transfer" in item.value for item in app.caption)


def test_runs_that_differ_in_their_seed_alone_are_one_arm(raced: Settings) -> None:
    snapshots = [look_at(raced, run.id) for run in RunStore(raced).all()]
    again = dataclasses.replace(snapshots[0], config=snapshots[0].config.model_copy(update={"seed": 1}))
    arms = coach_findings.group_arms([(item.arm, item) for item in (*snapshots, again)])
    assert sorted(item.seeds for item in arms) == [(0,), (0, 1)]
    assert sorted(item.epochs for item in arms) == [2, 3]
    assert all(item.seconds and item.images_seen for item in arms)
