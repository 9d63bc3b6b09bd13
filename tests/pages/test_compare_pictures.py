"""The details on the Compare page: predictions of single pictures and classes, and their confidence."""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.runs.run import Run
from core.runs.run_store import Arm, RunStore
from core.settings import Settings
from pages.components.compare.pictures.picture_grid import PER_PAGE
from pages.components.compare.result import run_details
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
    return found.replace("\\", "").replace("\u00a0", " ")


def tiles(app: AppTest, name: str) -> list[object]:
    return [item for item in app.button if item.key and f"{name}" in item.key and "-at-" in item.key]


def choose_group(app: AppTest, group: str) -> None:
    next(item for item in app.get("button_group") if (item.key or "").startswith("groups-")).set_value(group)
    app.run()


def test_each_of_the_four_groups_opens_and_they_add_up(evaluated_runs: Settings, open_page: Open) -> None:
    app = open_section(open_page, evaluated_runs, "pictures")
    table = next(item.value for item in app.get("html") if "<table" in str(item.value))
    assert "McNemar" in texts(app)
    counts = [int(count) for count in re.findall(r">(\d+)</td>", table)]
    assert sum(counts) == 60
    for group, count in zip(("all", "only-0", "only-1", "none"), counts, strict=True):
        choose_group(app, group)
        assert not app.exception
        assert len(tiles(app, f"group-{group}-")) == min(count, PER_PAGE)
        assert all(len(set(box.options)) == len(box.options) for box in app.selectbox)


def test_a_tile_shows_both_answers_and_names_are_no_markup(evaluated_runs: Settings, open_page: Open) -> None:
    app = open_section(open_page, evaluated_runs, "pictures")
    choose_group(app, "only-1")
    label = tiles(app, "group-")[0].label  # type: ignore[attr-defined]
    assert "✗ A: " in label
    assert "✓ B: " in label
    assert "A: Scratch (small CNN, seed 0); B: Scratch (small CNN, seed 1)" in texts(app)
    assert re.match(r"!\[.+\]\(thumbnails/[\w-]+/[0-9a-f]{64}\.jpg\)\*\*is: ", label)
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
    app = open_section(open_page, evaluated_runs, "pictures")
    choose_group(app, "wrong-0")
    before = [item.key for item in tiles(app, "group-wrong-0-")]  # type: ignore[attr-defined]
    order = next(item for item in app.selectbox if (item.key or "").endswith("-order"))
    order.select("doubt").run()
    after = [item.key for item in tiles(app, "group-wrong-0-")]  # type: ignore[attr-defined]
    assert before != after
    choice = next(item for item in app.selectbox if (item.key or "").endswith("-class"))
    choice.select_index(1).run()
    assert 0 < len(tiles(app, "group-wrong-0-")) < len(before)


def test_a_cell_of_the_matrix_opens_its_pictures(evaluated_runs: Settings, open_page: Open) -> None:
    app = open_section(open_page, evaluated_runs, "confusion")
    cell = next(item for item in app.selectbox if item.label == "Pictures of a cell")
    cell.select_index(1).run()
    assert not app.exception
    assert tiles(app, "cell-")
    assert "Most frequent confusions" in texts(app)


def test_a_matrix_shows_pictures_or_per_cent_of_each_class(evaluated_runs: Settings, open_page: Open) -> None:
    app = open_section(open_page, evaluated_runs, "confusion")
    assert [int(table.to_numpy().sum()) for table in matrices(app)] == [60, 60]
    next(item for item in app.get("button_group") if item.key == "confusion-unit").set_value("percent")
    app.run()
    for table in matrices(app):
        assert table.sum(axis=1).to_numpy() == pytest.approx(100, abs=0.5)


def test_of_three_networks_one_matrix_is_shown_until_another_is_chosen(
    evaluated_runs: Settings, open_page: Open
) -> None:
    make_runs(evaluated_runs, DatasetStore(evaluated_runs).get("many"), (0.3,))
    app = open_section(open_page, evaluated_runs, "confusion")
    for run in RunStore(evaluated_runs).all():
        app.segmented_control(key="confusion-network").set_value(run.id).run()
        (table,) = matrices(app, 1)
        assert np.diagonal(table).sum() == run.predictions().correct.sum()


def matrices(app: AppTest, count: int = 2) -> list[pd.DataFrame]:
    found = [item.value for item in app.dataframe if set(item.value.columns) == set(ODD)]
    assert len(found) == count
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
    assert "With a temperature of" not in texts(app)
    toggle.set_value(True).run()
    assert not app.exception
    assert "With a temperature of" in texts(app)


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
    assert "60 test pictures" in texts(app), "whether confidence is justified is said before any view is chosen"
    app.segmented_control(key="confidence-view").set_value("Not sure").run()
    assert "Expected calibration error" not in texts(app), "one view at a time"
    app.slider[0].set_value(0).run()
    assert "answers 100.0 %" in texts(app)
    app.slider[0].set_value(100).run()
    assert "100.0 % of 60" not in texts(app)


@pytest.mark.parametrize("view", ["pictures", "confusion", "classes", "confidence"])
def test_without_the_dataset_tables_replace_the_pictures(evaluated_runs: Settings, open_page: Open, view: str) -> None:
    shutil.rmtree(evaluated_runs.datasets_dir)
    app = open_section(open_page, evaluated_runs, view)
    assert not tiles(app, "-")
    if view == "pictures":
        assert "The numbers are still shown" in texts(app)
        assert any("says" in " ".join(map(str, item.value.columns)) for item in app.dataframe)


@pytest.mark.parametrize("view", ["pictures", "confusion", "classes", "confidence"])
def test_runs_that_were_evaluated_on_validation_pictures_are_shown_too(
    settings: Settings, open_page: Open, view: str
) -> None:
    make_runs(settings, make_dataset(settings, ("cat", "dog"), 30, plan="60/40/0"), (0.6, 0.8))
    app = open_section(open_page, settings, view)
    if view == "confidence":
        assert "it must be chosen on other pictures than these" in texts(app)


@pytest.mark.parametrize("view", ["pictures", "classes", "confidence"])
def test_a_damaged_table_leaves_the_other_runs_visible(evaluated_runs: Settings, open_page: Open, view: str) -> None:
    (RunStore(evaluated_runs).all()[0].folder / "predictions.csv").write_text("x", encoding="utf-8")
    app = open_section(open_page, evaluated_runs, view)
    assert any("damaged" in item.value for item in app.warning)


def test_a_run_that_is_always_right_has_no_mistakes(settings: Settings, open_page: Open) -> None:
    make_runs(settings, make_dataset(settings, ("cat", "dog"), 30), (1.1, 1.1))
    app = open_section(open_page, settings, "pictures")
    assert "No pictures in this group" not in texts(app)
    choose_group(app, "wrong-0")
    assert "makes no mistake on 18 test pictures" in texts(app)


def test_a_race_shows_the_pictures_that_no_run_gets_right(settings: Settings, open_page: Open) -> None:
    dataset = make_dataset(settings, ("cat", "dog", "owl"), 60)
    networks = {"scratch": ("scratch_cnn", "scratch"), "transfer": ("petnet", "head")}
    arms = [
        Arm(
            name,
            TrainConfig.model_validate(
                {"dataset": dataset.id, "model": model, "strategy": strategy, "epochs": 2, "seed": seed}
            ),
        )
        for seed in (0, 1)
        for name, (model, strategy) in networks.items()
    ]
    race, runs = RunStore(settings).create_race(RacePlan("race", ("scratch", "transfer"), (0, 1), "epochs", 2), arms)
    for number, (run, arm) in enumerate(zip(runs, arms, strict=True)):
        finish(run, dataset, 0.3 if arm.name == "scratch" else 0.6, seed=number)
    app = open_page("pages/compare.py", race=race, view="pictures")
    assert not app.exception
    assert "Neither ever right" in texts(app)
    choose_group(app, "none")
    hard = tiles(app, "group-none-")
    assert "0 of 2 Scratch" in hard[0].label  # type: ignore[attr-defined]
    choose_group(app, "only-1")
    assert not app.exception
    assert "2 of 2 Transfer" in tiles(app, "group-only-1-")[0].label  # type: ignore[attr-defined]


def test_strips_show_what_only_one_network_gets_right_and_a_tap_opens_a_picture(
    evaluated_runs: Settings, open_page: Open
) -> None:
    app = open_section(open_page, evaluated_runs, "")
    assert not tiles(app, "group-")  # the gallery is folded
    found = {name: tiles(app, f"-{name}-at-") for name in ("only-1", "only-0", "none")}
    for name, count in zip(found, re.findall(r":small\[(\d+) of 60\]", texts(app)), strict=True):
        assert len(found[name]) == min(int(count), 10)
    found["only-1"][0].click()  # type: ignore[attr-defined]
    app.run()
    assert not app.exception
    assert any("the true class" in str(item.value) for item in app.get("html"))


def test_the_better_network_comes_first_in_the_strips_and_none_is_left_out(
    evaluated_runs: Settings, open_page: Open
) -> None:
    shown = texts(open_section(open_page, evaluated_runs, ""))
    assert shown.index("Only Scratch (small CNN, seed 1) right") < shown.index("Only Scratch (small CNN, seed 0)")
    assert shown.index("Only Scratch (small CNN, seed 0)") < shown.index("Neither right")


def test_a_single_run_shows_its_own_number_and_mistakes(evaluated_runs: Settings, open_page: Open) -> None:
    run_id = address(evaluated_runs).split(",")[0]
    app = open_page("pages/compare.py", runs=run_id)
    assert not app.exception
    assert not app.warning
    numbers = next(str(item.value) for item in app.get("html") if "2.5rem" in str(item.value))
    assert numbers.count("2.5rem") == 1
    assert "60 test pictures" in numbers
    assert tiles(app, "-wrong-0-at-")
    assert not [item for item in app.get("download_button") if item.label == "Report"]


@pytest.mark.parametrize("name", [name for name in run_details.PARTS if name != "why"])
def test_a_part_is_computed_only_when_it_is_opened(evaluated_runs: Settings, open_page: Open, name: str) -> None:
    drawn = []
    title, icon, draw = run_details.PARTS[name]
    spied = {**run_details.PARTS, name: (title, icon, lambda *given: drawn.append(name) or draw(*given))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_details, "PARTS", spied)
        app = open_section(open_page, evaluated_runs, "")
        assert not drawn
        app.session_state[f"part-{name}"] = True
        app.run()
        assert not app.exception
        assert drawn == [name]
