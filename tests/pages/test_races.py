"""Races on the pages: started from the form, watched, compared, shown in detail, stopped and deleted."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.actor import Actor
from core.cli.commands.run_commands import rename
from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import RightsError, RunError
from core.races.race import RaceState, find_race
from core.races.race_actions import start_race, stop_race
from core.runs.run_store import Arm, RunStore
from core.settings import Settings
from pages.components.compare.result import run_details
from pages.components.train.form import start_bar
from tests.pages.conftest import finish_all
from tests.pages.test_pages import texts
from tests.support.small_runs import SMALL_SCRATCH

Open = Callable[..., AppTest]
ARMS = ["small", "large"]
PLAN = RacePlan("race", ("small", "large"), (0, 1), "epochs", 2)


def arms() -> list[Arm]:
    small = TrainConfig.model_validate(SMALL_SCRATCH)
    large = small.model_copy(update={"filters": (8, 16, 16), "learning_rate": 0.005})
    return [
        Arm(name, config.model_copy(update={"seed": seed}))
        for seed in PLAN.seeds
        for name, config in zip(PLAN.arms, (small, large), strict=True)
    ]


@pytest.fixture(scope="session")
def seeds_template(race_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data root with a finished race of two arms and two seeds, and its id."""
    root = tmp_path_factory.mktemp("seeds") / "workspace"
    return finish_all(race_template, root, lambda settings: start_race(settings, PLAN, arms()))


@pytest.fixture
def race_id(seeds_template: tuple[Path, str], home: Path) -> str:
    """A finished race in this test's own data root."""
    shutil.copytree(seeds_template[0], home)
    return seeds_template[1]


def test_a_race_is_planned_and_queued_from_the_form(raced: Settings, open_page: Open, monkeypatch) -> None:
    monkeypatch.setattr(start_bar, "ensure_scheduler", lambda *_: None)
    app = open_page("pages/train.py")
    app.session_state["race"] = True
    app.run()
    app.multiselect(key="race-arms").set_value(["scratch", "head", "gradual"])
    app.slider(key="race-seeds").set_value(2)
    app.segmented_control(key="race-budget").set_value("seconds").run()
    app.number_input(key="race-amount-seconds").set_value(20.0)
    app.segmented_control(key="race-views").set_value("same")
    app.text_input(key="race-title").set_value("Does it pay?").run()
    assert "6 runs, in turns" in texts(app)
    app.button(key="race-start").click().run()
    assert not app.exception

    found = find_race(RunStore(raced).summaries(), str(app.query_params["race"]))
    assert found.state is RaceState.QUEUED
    assert (found.plan.budget, found.plan.amount, found.plan.title) == ("seconds", 20, "Does it pay?")
    assert {run.config.max_seconds for run in found.runs} == {20}
    assert {run.config.stored_views for run in found.runs} == {0}


def test_a_race_of_several_seeds_has_one_verdict_only(race_id: str, open_page: Open) -> None:
    shown = texts(open_page("pages/compare.py", race=race_id, view="pictures,coach"))
    assert shown.count("n = 8, 2 seeds") == 1
    assert "on the same 8 test pictures" not in shown


def test_a_race_of_one_arm_is_refused_in_a_sentence(raced: Settings, open_page: Open) -> None:
    app = open_page("pages/train.py")
    app.session_state["race"] = True
    app.run()
    app.multiselect(key="race-arms").set_value(["head"]).run()

    assert "A race has 2 to 6 arms" in texts(app)
    assert not [button for button in app.button if button.key == "race-start"]


def test_a_finished_race_shows_verdict_arms_and_seeds(race_id: str, open_page: Open) -> None:
    app = open_page("pages/compare.py", race=race_id, view="numbers")
    assert not app.exception
    assert not app.error
    shown = texts(app).replace("\\", "")
    assert ARMS[0] in shown
    assert "2 seeds" in shown
    numbers = next(str(item.value) for item in app.get("html") if "2.5rem" in str(item.value))
    assert "8 test pictures, mean of 2 seeds" in numbers
    assert all(name in numbers for name in ARMS)
    table = app.dataframe[0].value
    assert table["Arm"].tolist() == ARMS
    assert table["n"].tolist() == [8, 8]
    assert all(table["95 % from"] <= table["Test accuracy"])


@pytest.mark.parametrize("section", [name for name in run_details.PARTS if name != "why"])
def test_the_address_opens_each_of_the_folded_parts(race_id: str, open_page: Open, section: str) -> None:
    app = open_page("pages/compare.py", race=race_id, view=section)
    assert not app.exception
    assert not app.error
    assert [item for item in app.expander if item.proto.expanded]


def test_runs_mode_begins_with_one_run_of_each_arm_and_names_seeds(race_id: str, open_page: Open) -> None:
    app = open_page("pages/compare.py", race=race_id)
    app.segmented_control(key="compare-mode").set_value("Runs").run()
    assert not app.exception
    chosen = next(item for item in app.multiselect if item.label == "Runs")
    runs = {run.id: run for run in RunStore(Settings.from_environment()).race(race_id)}
    assert [(runs[item].meta().arm, runs[item].config().seed) for item in chosen.value] == [("small", 0), ("large", 0)]
    assert all("seed " in option for option in chosen.options)
    both = [item for item, run in runs.items() if run.meta().arm == "small"]
    app = open_page("pages/compare.py", runs=",".join(both))
    assert not app.exception
    assert "seed 1" in texts(app)


def test_the_lists_show_a_race_as_one_thing(race_id: str, open_page: Open) -> None:
    app = open_page("streamlit_app.py")
    app.session_state["recent"] = True  # the folded part is open
    assert "4 of 4 runs done" in texts(app.run())


def test_a_race_is_renamed_in_all_its_runs(race_id: str, open_page: Open, settings: Settings) -> None:
    app = open_page("pages/compare.py", race=race_id)
    app.text_input(key=f"title-{race_id}").set_value("  Friday's\n*race* ").run()
    app.button(key=f"rename-{race_id}").click().run()
    assert not app.exception
    assert "Friday's \\*race\\*" in texts(app)

    assert {run.meta().plan.title for run in RunStore(settings).race(race_id)} == {"Friday's *race*"}  # type: ignore[union-attr]
    renamed = rename.callback(settings, race_id, "x" * 500)  # the command
    assert renamed.text.startswith(f"Renamed race {race_id} to")
    assert find_race(RunStore(settings).summaries(), race_id).title == "x" * 80
    RunStore(settings).rename_race(race_id, " ")
    assert find_race(RunStore(settings).summaries(), race_id).title == " vs. ".join(ARMS)


def test_a_pair_of_runs_or_a_race_of_another_person_keeps_its_title(raced: Settings) -> None:
    store = RunStore(raced)
    pair = store.all()[0].meta().race
    assert pair is not None
    for run in store.race(pair):  # as runs of a pair were written before races had plans
        meta = json.loads((run.folder / "meta.json").read_text())
        (run.folder / "meta.json").write_text(json.dumps({**meta, "plan": None}))
    with pytest.raises(RunError, match="rename each run"):
        store.rename_race(pair, "ours")
    with pytest.raises(RunError, match="There is no race"):
        store.rename_race("../x", "ours")
    found, runs = start_race(raced, PLAN, arms(), by=Actor("ada", "Ada"))
    with pytest.raises(RightsError, match="belongs to another person"):
        store.rename_race(found, "ours", by=Actor("bob", "Bob"))
    assert not any(run.meta().plan.title for run in runs)  # type: ignore[union-attr]


def test_another_person_cannot_stop_a_race(raced: Settings) -> None:
    found, _ = start_race(raced, PLAN, arms(), by=Actor("ada", "Ada"))
    race = find_race(RunStore(raced).summaries(), found)

    with pytest.raises(Exception, match="belongs to another person"):
        stop_race(raced, race, by=Actor("bob", "Bob"))
    assert race.state is RaceState.QUEUED


def test_deleting_a_race_takes_all_its_runs_away(race_id: str, open_page: Open, settings: Settings) -> None:
    app = open_page("pages/compare.py", race=race_id)
    app.button(key=f"delete-{race_id}").click().run()
    assert not app.exception

    assert [run for run in RunStore(settings).summaries() if run.meta.race == race_id] == []


def test_a_deleted_run_leaves_a_verdict_on_the_other_runs(race_id: str, open_page: Open, settings: Settings) -> None:
    store = RunStore(settings)
    race = find_race(store.summaries(), race_id)
    store.delete(race.arm(race.arms[1])[1].id)
    app = open_page("pages/compare.py", race=race_id)

    assert "1 run was deleted" in texts(app)
    shown = texts(app).replace("\\", "")
    assert "has 1 of 2 results: compared with seed 0 only." in shown
    assert any("has 1 of 2 results" in str(item.value) for item in app.warning), "the box is amber"
    assert not app.success
    assert not app.exception


def test_a_queued_race_is_shown_and_its_runs_are_not_compared_yet(
    drawn: Dataset, settings: Settings, open_page: Open
) -> None:
    found, _ = start_race(settings, PLAN, arms())
    app = open_page("pages/compare.py", race=found)
    assert not app.exception
    assert "**small vs\\. large**" in texts(app)

    app.segmented_control(key="compare-mode").set_value("Runs").run()
    assert not app.exception
    assert "No single run has finished its first epoch" in texts(app)
    assert "race" not in app.query_params
