"""The details on the Compare page: predictions of single pictures and classes, and their confidence."""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.runs.run import Run
from core.runs.run_store import Arm, RunStore
from core.settings import Settings
from tests.support.tested_runs import finish, make_dataset

Open = Callable[..., AppTest]
ODD = ("cat 🐱", "<b>bold", "**star** [link](http:x) $x$", "a_long_name_" * 6)


def make_runs(settings: Settings, dataset: Dataset, accuracies: Sequence[float], **finished: float) -> list[Run]:
    """Finished runs, each with an accuracy of about so much."""
    runs = []
    for seed, accuracy in enumerate(accuracies):
        values = {"dataset": dataset.id, "model": "scratch_cnn", "strategy": "scratch", "seed": seed, "epochs": 2}
        run = RunStore(settings).create(TrainConfig.model_validate(values))
        finish(run, dataset, accuracy, seed=seed, **finished)
        runs.append(run)
    return runs


@pytest.fixture(scope="session")
def evaluated_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with four classes of odd names, 60 test pictures and two evaluated runs."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("evaluated") / "workspace"
        patch.setenv("TUNEMYPETS_HOME", str(root))
        settings = Settings.from_environment()
        make_runs(settings, make_dataset(settings, ODD, 100), (0.5, 0.9))
    return root


@pytest.fixture
def evaluated_runs(evaluated_template: Path, home: Path) -> Settings:
    """This test's own copy of it."""
    shutil.copytree(evaluated_template, home)
    return Settings.from_environment()


def address(settings: Settings) -> str:
    """The runs, the first one made first."""
    return ",".join(sorted((run.id for run in RunStore(settings).all()), key=lambda item: _seed(settings, item)))


def _seed(settings: Settings, run_id: str) -> int:
    return RunStore(settings).get(run_id).config().seed


def open_section(open_page: Open, settings: Settings, view: str) -> AppTest:
    app = open_page("pages/compare.py", runs=address(settings), view=view)
    assert not app.exception, app.exception
    return app


def texts(app: AppTest) -> str:
    """All texts, without the marks that keep names from being markup."""
    found = "\n".join(
        str(item.value)
        for kind in ("markdown", "caption", "subheader", "info", "warning", "error")
        for item in app.get(kind)
    )
    return found.replace("\\", "")


def tiles(app: AppTest, name: str) -> list[object]:
    return [item for item in app.button if item.key and f"{name}" in item.key and "-at-" in item.key]


def test_each_of_the_four_groups_opens_and_they_add_up(evaluated_runs: Settings, open_page: Open) -> None:
    app = open_section(open_page, evaluated_runs, "pictures")
    table = next(item.value for item in app.get("html") if "<table" in str(item.value))
    assert "B ✓ right" in table
    assert "McNemar" in texts(app)
    counts = [int(count) for count in re.findall(r">(\d+)</td>", table)]
    assert sum(counts) == 60
    for group, count in zip(("both_right", "only_a", "only_b", "both_wrong"), counts, strict=True):
        next(item for item in app.get("button_group") if (item.key or "").startswith("groups-")).set_value(group)
        app.run()
        assert not app.exception
        assert len(tiles(app, f"group-{group.replace('_', '-')}-")) == min(count, 24)


def test_a_tile_shows_both_answers_and_names_are_no_markup(evaluated_runs: Settings, open_page: Open) -> None:
    app = open_section(open_page, evaluated_runs, "pictures")
    label = tiles(app, "group-")[0].label  # type: ignore[attr-defined]
    assert "A ✗" in label
    assert "B ✓" in label
    assert "data:image/jpeg;base64," in label
    assert "<b>" not in label
    assert "(http:x)" not in label


def test_a_click_on_a_picture_opens_its_dialog_with_each_answer(evaluated_runs: Settings, open_page: Open) -> None:
    app = open_section(open_page, evaluated_runs, "pictures")
    tiles(app, "group-")[0].click()  # type: ignore[attr-defined]
    app.run()
    assert not app.exception
    bars = next(str(item.value) for item in app.get("html") if "the true class" in str(item.value))
    assert bars.count(" %</div>") >= 6
    assert "<b>bold" not in bars
    on = next(item for item in app.button if (item.key or "").endswith("-closeup-next"))
    on.click().run()
    assert not app.exception


def test_class_and_order_of_a_grid_can_be_chosen(evaluated_runs: Settings, open_page: Open) -> None:
    app = open_section(open_page, evaluated_runs, "mistakes")
    before = [item.key for item in tiles(app, "mistakes-")]  # type: ignore[attr-defined]
    order = next(item for item in app.selectbox if (item.key or "").endswith("-order"))
    order.select("doubt").run()
    after = [item.key for item in tiles(app, "mistakes-")]  # type: ignore[attr-defined]
    assert before != after
    choice = next(item for item in app.selectbox if (item.key or "").endswith("-class"))
    choice.select_index(1).run()
    assert 0 < len(tiles(app, "mistakes-")) < len(before)


def test_a_cell_of_the_matrix_opens_its_pictures(evaluated_runs: Settings, open_page: Open) -> None:
    app = open_section(open_page, evaluated_runs, "classes")
    cell = next(item for item in app.selectbox if item.label == "Pictures of a cell")
    cell.select_index(1).run()
    assert not app.exception
    assert tiles(app, "cell-")
    assert "Most frequent confusions" in texts(app)


def test_a_matrix_shows_pictures_or_per_cent_of_each_class(evaluated_runs: Settings, open_page: Open) -> None:
    app = open_section(open_page, evaluated_runs, "classes")
    assert [int(table.to_numpy().sum()) for table in matrices(app)] == [60, 60]
    next(item for item in app.get("button_group") if item.key == "confusion-unit").set_value("percent")
    app.run()
    for table in matrices(app):
        assert table.sum(axis=1).to_numpy() == pytest.approx(100, abs=0.5)


def matrices(app: AppTest) -> list[pd.DataFrame]:
    found = [item.value for item in app.dataframe if set(item.value.columns) == set(ODD)]
    assert len(found) == 2
    return found


def test_classes_are_scored_with_intervals_and_an_average(evaluated_runs: Settings, open_page: Open) -> None:
    app = open_section(open_page, evaluated_runs, "classes")
    table = next(item.value for item in app.dataframe if "Class" in item.value.columns)
    assert len(table) == len(ODD) + 1
    assert table["Class"].iloc[-1].startswith("Average")
    assert " to " in table.iloc[0, 2]


def test_confidence_is_described_and_scaled_on_validation_pictures(evaluated_runs: Settings, open_page: Open) -> None:
    app = open_section(open_page, evaluated_runs, "confidence")
    assert "Expected calibration error" in texts(app)
    assert "No temperature scaling" not in texts(app)
    toggle = next(item for item in app.toggle if item.key == "calibration-after")
    assert not toggle.disabled
    toggle.set_value(True).run()
    assert not app.exception


def test_a_run_without_validation_predictions_shows_why_it_is_not_scaled(
    evaluated_runs: Settings, open_page: Open
) -> None:
    for run in RunStore(evaluated_runs).all():
        (run.folder / "validation.csv").unlink()
    app = open_section(open_page, evaluated_runs, "confidence")
    assert "No temperature scaling" in texts(app)
    assert next(item for item in app.toggle if item.key == "calibration-after").disabled


def test_a_higher_threshold_answers_fewer_pictures(evaluated_runs: Settings, open_page: Open) -> None:
    app = open_section(open_page, evaluated_runs, "confidence")
    app.slider[0].set_value(0).run()
    assert "answers 100.0 %" in texts(app)
    app.slider[0].set_value(100).run()
    assert "100.0 % of 60" not in texts(app)


@pytest.mark.parametrize("view", ["pictures", "classes", "mistakes", "confidence"])
def test_without_the_dataset_tables_replace_the_pictures(evaluated_runs: Settings, open_page: Open, view: str) -> None:
    shutil.rmtree(evaluated_runs.datasets_dir)
    app = open_section(open_page, evaluated_runs, view)
    assert not tiles(app, "-")
    if view in ("pictures", "mistakes"):
        assert "The numbers are still shown" in texts(app)
        assert any("says" in " ".join(map(str, item.value.columns)) for item in app.dataframe)


@pytest.mark.parametrize("view", ["pictures", "classes", "mistakes", "confidence"])
def test_runs_that_were_evaluated_on_validation_pictures_are_shown_too(
    settings: Settings, open_page: Open, view: str
) -> None:
    make_runs(settings, make_dataset(settings, ("cat", "dog"), 30, plan="60/40/0"), (0.6, 0.8))
    app = open_section(open_page, settings, view)
    if view == "confidence":
        assert "it must be chosen on other pictures than these" in texts(app)


@pytest.mark.parametrize("view", ["classes", "mistakes", "confidence"])
def test_a_damaged_table_leaves_the_other_runs_visible(evaluated_runs: Settings, open_page: Open, view: str) -> None:
    (RunStore(evaluated_runs).all()[0].folder / "predictions.csv").write_text("x", encoding="utf-8")
    app = open_section(open_page, evaluated_runs, view)
    assert any("damaged" in item.value for item in app.warning)


def test_a_run_that_is_always_right_has_no_mistakes(settings: Settings, open_page: Open) -> None:
    make_runs(settings, make_dataset(settings, ("cat", "dog"), 30), (1.1, 1.1))
    assert "makes no mistake on 18 test pictures" in texts(open_section(open_page, settings, "mistakes"))
    assert "No pictures in this group" not in texts(open_section(open_page, settings, "pictures"))


def test_a_race_shows_the_pictures_that_no_run_gets_right(settings: Settings, open_page: Open) -> None:
    dataset = make_dataset(settings, ("cat", "dog", "owl"), 60)
    values = {"dataset": dataset.id, "model": "scratch_cnn", "strategy": "scratch", "epochs": 2}
    arms = [
        Arm(name, TrainConfig.model_validate({**values, "seed": seed}))
        for seed in (0, 1)
        for name in ("scratch", "transfer")
    ]
    race, runs = RunStore(settings).create_race(RacePlan("race", ("scratch", "transfer"), (0, 1), "epochs", 2), arms)
    for number, (run, arm) in enumerate(zip(runs, arms, strict=True)):
        finish(run, dataset, 0.3 if arm.name == "scratch" else 0.6, seed=number)
    app = open_page("pages/compare.py", race=race, view="pictures")
    assert not app.exception
    assert "Hard pictures" in texts(app)
    assert "All 4 runs are wrong here" in texts(app)
    hard = tiles(app, "hard-wrong")
    assert "0 of 2 scratch" in hard[0].label  # type: ignore[attr-defined]
    next(item for item in app.get("button_group") if (item.key or "").startswith("hard-")).set_value("only-1")
    app.run()
    assert not app.exception
    assert "2 of 2 transfer" in tiles(app, "hard-only-1")[0].label  # type: ignore[attr-defined]
