"""Sorting into class folders: a dry run changes nothing, nothing is overwritten, nothing is lost."""

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from core.actor import OPERATOR
from core.batches import batch_store
from core.batches.batch import Batch
from core.batches.batch_rows import Row, append_rows, read_rows
from core.batches.batch_store import BatchStore
from core.batches.sorted_folders import SortedFolders, name_folders, sort_batch, stream_zip
from core.errors import BatchError
from core.settings import Settings
from core.steps import run_step


@pytest.fixture
def store(raced: Settings, monkeypatch: pytest.MonkeyPatch) -> BatchStore:
    """Batches whose rows the tests write."""
    monkeypatch.setattr(BatchStore, "_launch", lambda *_: None)
    return BatchStore(raced)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four files: two of one name, one of no class, one of an odd name."""
    root = tmp_path / "pictures"
    for name in ("a/1.jpg", "b/1.jpg", "bad.jpg", "<b>\n=1.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode() * 100)
    return root


def answer(batch: Batch) -> Batch:
    """Call every file a cat, and `bad.jpg` unreadable."""
    files = [name for name, _, _ in batch.listed()] if batch.request().kind == "folder" else ["a/1.jpg", "b/1.jpg"]
    rows = [
        Row(name, problem="bad.jpg is empty.") if name == "bad.jpg" else Row(name, "cat", (0.9, 0.1)) for name in files
    ]
    append_rows(batch.rows_path, 0, rows)
    return batch


@pytest.fixture
def batch(store: BatchStore, pictures: Path) -> Batch:
    run = batch_store.RunStore(store.settings).all()[0].id
    return answer(store.start(run, pictures))


def contents(*folders: Path) -> dict[str, str]:
    """Every file below folders, with a hash."""
    return {
        path.relative_to(folders[0].parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def sort(store: BatchStore, batch: Batch, target: Path, *, move: bool = False, dry: bool = False) -> SortedFolders:
    return run_step(sort_batch(store.settings, batch, target, move=move, dry=dry))


@pytest.mark.parametrize("move", [False, True])
def test_a_dry_run_changes_nothing(store: BatchStore, batch: Batch, pictures: Path, tmp_path: Path, move: bool) -> None:
    before = contents(tmp_path)
    found = sort(store, batch, tmp_path / "sorted", move=move, dry=True)
    assert (found.counts, found.unanswered, found.problems) == ({"cat": 3}, 1, ())
    assert contents(tmp_path) == before
    assert not (tmp_path / "sorted").exists()


def test_copies_get_a_number_where_a_name_is_taken_and_are_made_once(
    store: BatchStore, batch: Batch, pictures: Path, tmp_path: Path
) -> None:
    target = tmp_path / "sorted"
    (target / "cat").mkdir(parents=True)
    (target / "cat" / "1.jpg").write_text("mine")
    before = contents(pictures)
    assert sort(store, batch, target).already == 0
    assert contents(pictures) == before
    names = sorted(path.name for path in (target / "cat").iterdir())
    assert names == ["1 (2).jpg", "1 (3).jpg", "1.jpg", "_b__=1.jpg"]
    assert (target / "cat" / "1.jpg").read_text() == "mine"
    made = contents(target)
    assert sort(store, batch, target).already == 3
    assert contents(target) == made


def test_a_move_in_place_loses_nothing(store: BatchStore, batch: Batch, pictures: Path) -> None:
    before = contents(pictures)
    (pictures / "cat").mkdir()
    (pictures / "cat" / "1.jpg").write_text("mine")
    found = sort(store, batch, pictures, move=True)
    assert found.counts == {"cat": 3}
    after = contents(pictures)
    assert sorted(after.values()) == sorted([*before.values(), hashlib.sha256(b"mine").hexdigest()])
    assert [name for name in after if not name.startswith("pictures/cat/")] == ["pictures/bad.jpg"]
    assert (pictures / "cat" / "1.jpg").read_text() == "mine"


def test_a_file_that_is_gone_is_a_problem_and_no_other_file_pays_for_it(
    store: BatchStore, batch: Batch, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "sorted" / "cat").mkdir(parents=True)
    (tmp_path / "sorted" / "cat" / "1.jpg").write_text("mine")
    (pictures / "a" / "1.jpg").unlink()
    for move in (False, True):
        found = sort(store, batch, tmp_path / "sorted", move=move)
        assert [name for name, _ in found.problems][:1] == ["a/1.jpg"]
    assert (tmp_path / "sorted" / "cat" / "1.jpg").read_text() == "mine"


def test_targets_that_would_harm_are_refused(store: BatchStore, batch: Batch, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="lies in pictures"):
        sort(store, batch, pictures / "sorted")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BatchError, match="is a file"):
        sort(store, batch, tmp_path / "file")
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        archive.writestr("a/1.jpg", b"1")
    zipped = store.start(batch.request().run, tmp_path / "pets.zip")
    with pytest.raises(BatchError, match="moved out of a zip"):
        sort(store, zipped, tmp_path / "sorted", move=True)


def test_a_zip_is_sorted_as_a_stream_with_the_table_at_its_top(store: BatchStore, batch: Batch, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        archive.writestr("a/1.jpg", b"first")
        archive.writestr("b/1.jpg", b"second")
    zipped = answer(store.start(batch.request().run, tmp_path / "pets.zip", by=OPERATOR))
    pieces = list(stream_zip(store.settings, zipped, ["file,label\n"]))
    assert len(pieces) >= 4, "a picture at a time"
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as made:
        assert made.testzip() is None
        assert {name: made.read(name) for name in made.namelist()} == {
            "predictions.csv": b"file,label\n",
            "cat/1.jpg": b"first",
            "cat/1 (2).jpg": b"second",
        }
    assert len(list(read_rows(zipped.rows_path))) == 2


def test_a_strange_picture_goes_to_a_folder_of_its_own(store: BatchStore, pictures: Path, tmp_path: Path) -> None:
    batch = store.start(batch_store.RunStore(store.settings).all()[0].id, pictures)
    names = [name for name, _, _ in batch.listed()]
    append_rows(
        batch.rows_path, 0, [Row(name, "cat", (0.9, 0.1), None, 0.05 if "a/" in name else 0.06) for name in names]
    )
    found = sort(store, batch, tmp_path / "sorted")
    assert (found.counts, found.strange) == ({"cat": 3}, 1)
    assert [path.name for path in (tmp_path / "sorted" / "not sure").iterdir()] == ["1.jpg"]


def test_class_folders_have_names_that_every_system_takes() -> None:
    classes = (
        "cat",
        "Cat",
        "../../etc",
        "a/b",
        "CON",
        "",
        "...",
        "<b>",
        "caf\udce9",
        "predictions.csv",
        "猫",
        "x" * 300,
    )
    folders = name_folders(classes)
    assert len({name.casefold() for name in folders.values()}) == len(classes)
    for name in folders.values():
        assert name not in (".", "..", "")
        assert not set(name) & set('/\\:*?"<>|\n')
        assert name.split(".")[0].lower() not in ("con", "nul")
        assert len(name) <= 90
    assert (folders["cat"], folders["Cat"], folders["猫"]) == ("cat", "Cat (2)", "猫")
