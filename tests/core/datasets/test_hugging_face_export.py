"""An exported folder opens in `datasets`, and here, with the same pictures, labels and splits, whatever the names."""

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from markdown_it import MarkdownIt

from core.cli.main import main
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.hugging_face_export import export_dataset
from core.datasets.importing import import_dataset
from core.datasets.labels.label_tables import read_table
from core.datasets.labels.labelled_files import join_tables, label_files
from core.datasets.labels.parquet_source import find_parquet_images
from core.datasets.sources.folder import FolderSource
from core.datasets.sources.opening import open_source
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.errors import DatasetError
from core.settings import Settings
from core.steps import run_step
from tests.support.environment import skip_or_fail
from tests.support.images import class_files

SPLITS = {"train": "train", "validation": "val", "test": "test"}
ODD_NAMES = (
    "001", "NA", "None", "true", "1e5", "2020-01-01", "=1+1", "test", "train", "<b>bold</b>", "a|b", "a: b", "- x",
    "king's \"q\"", "C:\\x", "猫と犬", "نیم‌فاصله", "\u2028line", "😀", "~", "%YAML", "aux", "dot.",
)  # fmt: skip


@pytest.fixture
def odd(settings: Settings) -> Dataset:
    """Classes whose names are no names of folders, or mean something to a program."""
    source = MemorySource("odd", class_files(dict.fromkeys(ODD_NAMES, 6)))
    plan = SplitPlan.parse("60/20/20")
    run_step(import_dataset(settings, source, name="odd", plan=plan, seed=0, layout="level-1"))
    return DatasetStore(settings).get("odd")


@pytest.fixture
def hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The library `datasets`, offline."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    try:
        import datasets
    except ImportError:
        skip_or_fail("This test opens an export with `datasets`: pip install -r requirements-dev.txt.")
    datasets.disable_progress_bars()
    return datasets


def contents(dataset: Dataset) -> set[tuple[str, str, str]]:
    return {(row.sha256, dataset.classes[row.label], row.split) for row in dataset.rows}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def refused(dataset: Dataset, target: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        run_step(export_dataset(dataset, target))
    assert str(caught.value).endswith(".")
    assert str(caught.value).count("\n") == 0
    return str(caught.value)


@pytest.mark.parametrize("by_card", [False, True])
def test_datasets_opens_it_with_the_same_bytes_labels_and_splits(odd, tmp_path: Path, hugging_face, by_card):
    folder = tmp_path / "test of train"  # words for splits above the folder mean nothing
    exported = run_step(export_dataset(odd, folder))

    names = (str(folder),) if by_card else ("imagefolder",)
    opened = hugging_face.load_dataset(*names, data_dir=None if by_card else str(folder), cache_dir=str(tmp_path / "c"))

    assert set(opened) == set(SPLITS)
    found = set()
    for split, part in opened.items():
        assert tuple(part.features["label"].names) == odd.classes
        assert part[0]["image"].size == (64, 48)
        for item in part.cast_column("image", hugging_face.Image(decode=False)):
            label = part.features["label"].int2str(item["label"])
            found.add((digest(Path(item["image"]["path"]).read_bytes()), label, SPLITS[split]))
    assert found == contents(odd)
    assert exported.images == {split: len(odd.rows_of(split)) for split in SPLITS.values()}


def test_parquet_files_that_datasets_writes_give_the_same_here(odd, tmp_path: Path, hugging_face):
    run_step(export_dataset(odd, tmp_path / "out"))
    opened = hugging_face.load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "c"))
    (tmp_path / "hub" / "data").mkdir(parents=True)
    for split, part in opened.items():
        part.to_parquet(tmp_path / "hub" / "data" / f"{split}-00000-of-00001.parquet")
    with pytest.raises(DatasetError, match="holds the paths of its pictures and not the pictures"):
        find_parquet_images(open_source(tmp_path / "hub"))

    for split, part in opened.items():  # as `push_to_hub` does
        whole = part.with_format("arrow").map(hugging_face.table.embed_table_storage, batched=True)
        whole.to_parquet(tmp_path / "hub" / "data" / f"{split}-00000-of-00001.parquet")
    source = find_parquet_images(open_source(tmp_path / "hub"))
    assert source is not None
    found = {(digest(source.read(entry, 10**8)), entry.label, entry.split) for entry in source.entries()}
    assert found == contents(odd)


def test_its_tables_read_here_give_the_same_bytes_labels_and_splits(odd, tmp_path: Path):
    run_step(export_dataset(odd, tmp_path / "out"))
    source = FolderSource(tmp_path / "out")
    data = {entry.name: source.read(entry, 10**8) for entry in source.entries()}
    tables = [read_table(name, item) for name, item in data.items() if name.endswith(".parquet")]
    (whole,) = join_tables(tables, [name for name in data if name.endswith(".png")])
    labelled = label_files(whole, "label")
    found = {(digest(data[name]), label, SPLITS[name.split("/")[0]]) for name, label in labelled.labels.items()}
    assert found == contents(odd)


def test_imported_again_it_is_the_same_dataset(odd, settings: Settings, tmp_path: Path):
    run_step(export_dataset(odd, tmp_path / "out"))
    source = FolderSource(tmp_path / "out")
    again = run_step(import_dataset(settings, source, name="again", plan=SplitPlan.parse("70/15/15"), seed=1))
    assert DatasetStore(settings).get(again).fingerprint == odd.fingerprint


def test_the_card_holds_the_names_in_order_the_counts_and_the_fingerprint(odd, tmp_path: Path):
    run_step(export_dataset(odd, tmp_path / "out"))
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    _, head, body = text.split("---\n", 2)
    card = yaml.safe_load(head)
    names = card["dataset_info"]["features"][1]["dtype"]["class_label"]["names"]
    assert [names[str(place)] for place in range(len(odd.classes))] == list(odd.classes)
    assert card["license"] == "unknown"
    assert odd.fingerprint in body

    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    rows = [
        [child.content for child in token.children or () if child.type == "text"]
        for token in tokens
        if token.type == "inline"
    ]
    shown = {"".join(row) for row in rows}
    assert {" ".join(name.split()) for name in odd.classes} <= shown
    assert not any(token.type == "html_inline" for item in tokens for token in item.children or ())


def test_a_split_without_pictures_has_no_folder(settings: Settings, tmp_path: Path):
    source = MemorySource("pets", class_files({"cat": 10, "dog": 10}))
    run_step(import_dataset(settings, source, name="pets", plan=SplitPlan.parse("80/20/0"), seed=0))
    run_step(export_dataset(DatasetStore(settings).get("pets"), tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.md", "train", "validation"]


def test_an_empty_folder_is_taken_and_anything_else_is_left_as_it_is(drawn, tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    run_step(export_dataset(drawn, empty))
    assert (empty / "README.md").is_file()

    before = sorted(empty.rglob("*"))
    assert "is not empty" in refused(drawn, empty)
    assert sorted(empty.rglob("*")) == before
    assert "is there already" in refused(drawn, empty / "README.md")
    assert "make it first" in refused(drawn, tmp_path / "no" / "out")
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def test_what_cannot_be_written_leaves_nothing_behind(drawn, tmp_path: Path, monkeypatch):
    written = []

    def fill_disk(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fill_disk)
        assert "No space left on device" in refused(drawn, tmp_path / "out")
    with monkeypatch.context() as patch:
        usage = shutil.disk_usage(tmp_path)
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
        assert "10 bytes are free" in refused(drawn, tmp_path / "out")
    assert "name too long" in refused(drawn, tmp_path / ("x" * 300)).lower()
    assert [path.name for path in tmp_path.iterdir()] == ["workspace"]


def test_a_damaged_picture_or_a_stop_leaves_nothing_behind(drawn, tmp_path: Path, monkeypatch):
    step = export_dataset(drawn, tmp_path / "out")
    monkeypatch.setattr("core.datasets.hugging_face_export.PROGRESS_SECONDS", 0)
    next(step)
    assert len(list(tmp_path.iterdir())) == 2
    step.close()
    drawn.image_path(drawn.rows[-1]).write_bytes(b"changed")
    assert "was changed after its import" in refused(drawn, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["workspace"]


def test_the_command_answers_with_counts_and_refuses_with_one_sentence(drawn, tmp_path: Path, capsys):
    target = tmp_path / "out"
    assert main(["export-dataset", "drawn", str(target), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["splits"] == {split: len(drawn.rows_of(split)) for split in ("train", "val", "test")}
    assert (value["images"], value["classes"]) == (len(drawn.rows), list(drawn.classes))
    assert (value["fingerprint"], value["folder"]) == (drawn.fingerprint, str(target))

    assert main(["export-dataset", "drawn", str(target)]) == 1
    out, err = capsys.readouterr()
    assert (out, len(err.strip().splitlines())) == ("", 1)
    assert main(["export-dataset", "gone", str(tmp_path / "other")]) == 1
    assert "no dataset 'gone'" in capsys.readouterr().err
    assert main(["export-dataset", "drawn", str(tmp_path / "text")]) == 0
    assert "Exported 40 pictures of 2 classes" in capsys.readouterr().out
