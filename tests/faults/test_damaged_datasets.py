"""A stored picture that is removed or overwritten after its import is named wherever it is needed, and only there."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset, ImageRow
from core.datasets.dataset_store import DatasetStore
from core.errors import DatasetError
from core.jobs.workers.worker import Worker
from core.predict.predictor import Predictor
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.images import class_files, encoded, photo
from tests.support.sentences import assert_nothing_of_the_machine, assert_plain
from tests.support.small_runs import SMALL_SCRATCH
from tests.support.uploads import imported

Damage = Callable[[Path], object]


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_endless(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(2**40)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, tuple[Damage, str]] = {
    "removed": (Path.unlink, "is missing"),
    "folder removed": (lambda path: shutil.rmtree(path.parent), "is missing"),
    "emptied": (lambda path: path.write_bytes(b""), "was changed"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-50]), "was changed"),
    "one bit": (flip_a_bit, "was changed"),
    "another picture": (lambda path: path.write_bytes(encoded(photo(99), "PNG")), "was changed"),
    "a terabyte": (make_endless, "was changed"),
    "a folder": (replace_by_folder, "was changed|cannot be read"),
}


@pytest.fixture
def pets(settings: Settings) -> Dataset:
    """A dataset of pictures without a turn in them."""
    return imported(settings, class_files({"cat": 10, "dog": 10}))


def start(settings: Settings, dataset: str) -> Run:
    run = RunStore(settings).create(TrainConfig.model_validate({**SMALL_SCRATCH, "dataset": dataset}))
    Worker(settings, run).work()
    return run


def damaged(dataset: Dataset, damage: str, split: str = "train") -> ImageRow:
    row = dataset.rows_of(split)[1]
    DAMAGES[damage][0](dataset.image_path(row))
    return row


@pytest.mark.parametrize("damage", DAMAGES)
def test_only_the_damaged_picture_cannot_be_read(settings: Settings, pets: Dataset, damage: str) -> None:
    row = damaged(pets, damage)
    with pytest.raises(DatasetError) as caught:
        DatasetStore(settings).get("pets").read_image(row)
    assert re.search(DAMAGES[damage][1], str(caught.value))
    assert_plain(str(caught.value), row.name, "pets", settings=settings)
    for other in pets.rows:
        if other.sha256[:2] != row.sha256[:2]:
            assert len(pets.read_image(other)) == other.bytes


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_training_on_a_damaged_picture_fails_with_its_name_and_another_dataset_trains(
    settings: Settings, pets: Dataset, damage: str, split: str
) -> None:
    row = damaged(pets, damage, split)
    imported(settings, class_files({"cat": 10, "dog": 10}, start=500), "others")
    run = start(settings, "pets")
    result = run.result()
    assert result is not None
    assert result.state is RunState.FAILED
    assert_plain(result.text, row.name, "pets", settings=settings)
    assert start(settings, "others").state() is RunState.FINISHED
    assert not list((settings.cache_dir / "pixels").glob(".*"))


def test_what_was_read_before_the_damage_goes_on_to_train_and_to_predict(settings: Settings, pets: Dataset) -> None:
    run = start(settings, "pets")
    row = damaged(pets, "another picture")
    assert start(settings, "pets").state() is RunState.FINISHED
    other = next(item for item in pets.rows if item.index != row.index)
    (answer,) = Predictor(settings).predict(run, [("a.png", pets.read_image(other))])
    assert answer.error is None
    shutil.rmtree(pets.folder)
    (again,) = Predictor(settings).predict(run, [("a.png", encoded(photo(0), "PNG"))])
    assert again.error is None


def test_a_predicted_file_of_a_damaged_dataset_gets_its_sentence(settings: Settings, pets: Dataset) -> None:
    run = start(settings, "pets")
    gone = damaged(pets, "removed")
    cut = pets.rows_of("train")[2]
    DAMAGES["cut off"][0](pets.image_path(cut))
    named = [(row.name, pets.image_path(row)) for row in (gone, cut, pets.rows_of("train")[3])]
    missing, half, whole = Predictor(settings).predict(run, named)
    assert_plain(str(missing.error), gone.name, settings=settings)
    assert_plain(str(half.error), cut.name, settings=settings)
    assert whole.error is None


def test_a_run_whose_pictures_are_gone_is_not_tested_and_says_why(settings: Settings, pets: Dataset) -> None:
    run = start(settings, "pets")
    for path in (run.folder / "predictions.csv", run.folder / "result.json"):
        path.unlink()
    shutil.rmtree(settings.cache_dir)
    row = damaged(pets, "removed", "test")
    Worker(settings, run).work(evaluate_only=True)
    result = run.result()
    assert result is not None
    assert_plain(result.text, row.name, settings=settings)


@pytest.mark.parametrize("damage", ["removed", "another picture", "cut off"])
def test_explore_names_the_damaged_picture_and_shows_the_others(
    settings: Settings, pets: Dataset, open_page: Callable[..., AppTest], damage: str
) -> None:
    row = damaged(pets, damage)
    app = open_page("pages/explore.py", dataset="pets")
    assert not app.exception
    assert not app.error
    app.button(key=f"picture-{row.index}").click().run()
    assert not app.exception
    (error,) = app.error
    assert_plain(error.value.replace("\\", ""), row.name, settings=settings)
    app = open_page("pages/explore.py", dataset="pets")
    app.button(key=f"picture-{next(item.index for item in pets.rows if item.index != row.index)}").click().run()
    assert not app.exception
    assert not app.error
    assert len(app.image) == 1


def test_explore_says_what_a_network_cannot_see_and_shows_it_the_next_picture(
    settings: Settings, pets: Dataset, open_page: Callable[..., AppTest]
) -> None:
    row = damaged(pets, "removed")
    app = open_page("pages/explore.py", dataset="pets")
    app.segmented_control(key="explore-section").set_value("Augmentation").run(timeout=60)
    assert not app.error
    app.number_input(key="views-picture").set_value(2).run(timeout=60)
    assert not app.exception
    assert_plain(app.error[0].value.replace("\\", ""), row.name, settings=settings)
    app.number_input(key="views-picture").set_value(3).run(timeout=60)
    assert not app.exception
    assert not app.error


def test_explore_names_small_pictures_that_are_missing(
    settings: Settings, pets: Dataset, open_page: Callable[..., AppTest]
) -> None:
    for row in pets.rows[3:5]:
        pets.thumbnail_path(row).unlink()
    app = open_page("pages/explore.py", dataset="pets")
    assert not app.exception
    warning = app.warning[-1]  # the others are about so few pictures
    assert_plain(warning.value.replace("\\", ""), pets.rows[3].name, "1 more", settings=settings)


@pytest.mark.parametrize("file", ["dataset.json", "pictures.csv", "report.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[1, 2]", b'{"classes": 3}', None])
def test_a_damaged_table_of_a_dataset_is_named_and_other_datasets_stay(
    settings: Settings, pets: Dataset, open_page: Callable[..., AppTest], file: str, content: bytes | None
) -> None:
    imported(settings, class_files({"cat": 5, "dog": 5}, start=500), "others")
    if content is None:
        (pets.folder / file).unlink()
    else:
        (pets.folder / file).write_bytes(content)
    app = open_page("pages/explore.py", dataset="pets")
    assert not app.exception
    for error in app.error:
        assert_plain(error.value.replace("\\", ""), "pets", settings=settings)
    if file == "report.json":
        app.segmented_control(key="explore-section").set_value("Check").run()
        assert not app.exception
        assert_nothing_of_the_machine(app.error[0].value, settings)
    app = open_page("pages/explore.py", dataset="others")
    assert not app.exception
    assert not app.error
    assert any("**10 pictures** · **2 classes**" in item.value for item in app.markdown)
