"""Hugging Face image folders: the same pictures, labels and splits whatever the form they come in."""

from pathlib import Path

import pytest

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.layouts.placing import LayoutQuestionError
from core.datasets.sources.opening import open_source
from core.datasets.splits import SplitPlan
from core.settings import Settings
from core.steps import run_step
from tests.support.hugging_face_forms import FORMS, Labelled, image_table, read_class_folders, write
from tests.support.images import encoded, photo


def bring(settings: Settings, folder: Path, name: str, **choice: str) -> Dataset:
    source = open_source(folder)
    steps = import_dataset(settings, source, name=name, plan=SplitPlan.parse("60/20/20"), seed=0, **choice)
    return DatasetStore(settings).get(run_step(steps))


def drawn(count: int, split: str | None = None, first: int = 0) -> list[Labelled]:
    return [
        Labelled(f"{n}.jpg", encoded(photo(n)), ("cat", "dog", "001")[n % 3], split)
        for n in range(first, first + count)
    ]


@pytest.mark.parametrize("splits", [(None,), ("train", "val", "test"), ("train", "test")])
def test_every_form_gives_the_same_dataset(settings: Settings, tmp_path: Path, splits: tuple[str | None, ...]) -> None:
    pictures = [item for place, split in enumerate(splits) for item in drawn(18, split, 100 * place)]
    prints = {}
    for form, write_form in FORMS.items():
        write_form(pictures, tmp_path / form)
        dataset = bring(settings, tmp_path / form, form)
        prints[form] = dataset.fingerprint
        assert dataset.classes == ("001", "cat", "dog")
        assert not dataset.report().rejected
    assert len(set(prints.values())) == 1, prints


@pytest.mark.slow
@pytest.mark.parametrize("name", ["leaves", "flowers"])
def test_photos_give_the_same_dataset_in_every_form(
    settings: Settings, tmp_path: Path, shared_data: Path, name: str
) -> None:
    pictures = read_class_folders(shared_data / "data" / name)
    prints = {}
    for form, write_form in FORMS.items():
        write_form(pictures, tmp_path / form)
        dataset = bring(settings, tmp_path / form, form)
        prints[form] = (dataset.fingerprint, dataset.classes, len(dataset.rows))
    assert len(set(prints.values())) == 1, prints


def test_two_columns_of_class_names_are_a_question_with_pictures(settings: Settings, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    pictures = drawn(18)
    table = image_table(pictures, ["001", "cat", "dog"], size=[("small", "large")[n % 2] for n in range(18)])
    table = table.replace_schema_metadata(None)
    pq.write_table(table.set_column(1, "kind", [[item.label for item in pictures]]), tmp_path / "train.parquet")
    with pytest.raises(LayoutQuestionError) as asked:
        bring(settings, tmp_path, "asked")
    choices = {choice.key: choice for choice in asked.value.choices}
    assert set(choices) == {"column kind", "column size"}
    assert choices["column size"].counts == {"small": 9, "large": 9}
    assert all(len(files) == 3 for files in choices["column size"].samples.values())
    assert bring(settings, tmp_path, "one", layout="column size").classes == ("large", "small")
    assert bring(settings, tmp_path, "two", label_column="kind").classes == ("001", "cat", "dog")


def test_metadata_next_to_class_folders_that_disagree_is_a_question(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    for n, item in enumerate(drawn(12)):
        write(folder / ("a", "b")[n % 2] / item.name, item.data)
    rows = "".join(f"{('a', 'b')[n % 2]}/{n}.jpg,{('x', 'y', 'z')[n % 3]}\n" for n in range(12))
    write(folder / "metadata.csv", f"file_name,label\n{rows}".encode())
    with pytest.raises(LayoutQuestionError, match="--layout table"):
        bring(settings, folder, "asked")
    assert bring(settings, folder, "table", layout="table").classes == ("x", "y", "z")
    assert bring(settings, folder, "folders", layout="level-1").classes == ("a", "b")
