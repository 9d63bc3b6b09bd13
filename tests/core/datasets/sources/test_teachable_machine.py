"""Projects of Teachable Machine: the classes stand in the names of the samples."""

import json
import zipfile
from pathlib import Path

import pytest

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.sources.opening import open_source
from core.datasets.splits import SplitPlan
from core.errors import DatasetError
from core.settings import Settings
from core.steps import run_step
from tests.support.images import class_files, encoded, photo

COUNTS = {"Class 1": 9, "my cat/dog": 8, "background -!- empty": 7}


def save_project(path: Path, kind: str = "image", below: str = "") -> Path:
    """A project as Teachable Machine saves it."""
    manifest = {"type": kind, "version": "2.4.10", "appdata": {"trainingParameters": {"trainEpochs": 50}}}
    seed = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{below}manifest.json", json.dumps(manifest))
        for label, count in COUNTS.items():
            for number in range(count):
                archive.writestr(f"{below}{label}-!-{number}.png", encoded(photo(seed), "PNG"))
                seed += 1
    return path


def brought(settings: Settings, path: Path, name: str) -> Dataset:
    steps = import_dataset(settings, open_source(path), name=name, plan=SplitPlan.parse("60/20/20"), seed=0)
    return DatasetStore(settings).get(run_step(steps))


def test_a_project_gives_the_pictures_of_class_folders(settings: Settings, tmp_path: Path) -> None:
    project = brought(settings, save_project(tmp_path / "pets.tm"), "project")
    folders = {label.replace("/", ":"): count for label, count in COUNTS.items()}
    with zipfile.ZipFile(tmp_path / "folders.zip", "w") as archive:
        for name, data in class_files(folders):
            archive.writestr(name, data)
    other = brought(settings, tmp_path / "folders.zip", "folders")
    assert set(project.classes) == set(COUNTS)
    assert [row.pixel_hash for row in project.rows] == [row.pixel_hash for row in other.rows]
    assert project.report().rejected == []
    assert project.report().notes == ["The classes are those of a Teachable Machine project."]


@pytest.mark.parametrize("unpacked", [True, False])
def test_a_project_that_was_unpacked_or_packed_again_is_one_still(
    settings: Settings, tmp_path: Path, unpacked: bool
) -> None:
    path = save_project(tmp_path / "again.zip", below="" if unpacked else "pets/")
    if unpacked:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "pets")
        path = tmp_path / "pets"
    assert set(brought(settings, path, "pets").classes) == set(COUNTS)


def test_a_project_of_sounds_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"^claps\.tm is a Teachable Machine project of sounds: "):
        open_source(save_project(tmp_path / "claps.tm", kind="audio"))


def test_a_manifest_of_another_program_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        archive.writestr("manifest.json", "not JSON")
        for name, data in class_files({"cat": 8, "dog": 8}):
            archive.writestr(name, data)
    dataset = brought(settings, tmp_path / "pets.zip", "pets")
    assert dataset.classes == ("cat", "dog")
    assert dataset.report().notes == []
