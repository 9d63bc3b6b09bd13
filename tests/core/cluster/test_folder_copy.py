"""Copies of a run's folder: equal after every look, and never a snapshot that knows more than the log."""

import random
from pathlib import Path

import pytest

from core.cluster.folder_copy import FolderReader, write_changes
from core.runs.run_files import BEST_WEIGHTS, CHECKPOINTS, CONFIG, EVENTS, LOCK, LOG, SNAPSHOT, STARTED, STOP
from core.storage import atomic_open


@pytest.fixture
def there(tmp_path: Path) -> Path:
    folder = tmp_path / "there"
    (folder / CHECKPOINTS).mkdir(parents=True)
    (folder / CONFIG).write_text("{}")
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def append(folder: Path, text: str) -> None:
    with (folder / EVENTS).open("a") as file:
        file.write(text)


def replace(path: Path, data: bytes) -> None:
    with atomic_open(path) as file:
        file.write(data)


def test_a_copy_follows_every_change(there: Path, here: Path) -> None:
    reader, rng = FolderReader(there), random.Random(0)
    for step in range(60):
        match rng.randrange(4):
            case 0:
                append(there, f"{step}\n" * rng.randint(1, 5))
            case 1:
                replace(there / CHECKPOINTS / BEST_WEIGHTS, rng.randbytes(rng.randint(0, 50)))
            case 2:
                replace(there / CHECKPOINTS / SNAPSHOT, rng.randbytes(9))
            case 3:
                (there / CHECKPOINTS / SNAPSHOT).unlink(missing_ok=True)
        write_changes(here, reader.read())
        assert content(here) == content(there)
    assert not reader.read()


def test_a_log_that_is_cut_is_cut_in_the_copy_even_if_it_has_grown_again(there: Path, here: Path) -> None:
    append(there, "one\ntwo\nthree\n")
    reader = FolderReader(there)
    write_changes(here, reader.read())
    (there / EVENTS).write_text("one\n")
    reader.cut(4)
    append(there, "another\nand another\n")
    write_changes(here, reader.read())
    assert content(here) == content(there)
    (there / EVENTS).write_text("one\n")
    write_changes(here, reader.read())
    assert content(here) == content(there)


def test_half_a_line_waits_for_its_other_half(there: Path, here: Path) -> None:
    reader = FolderReader(there)
    append(there, "one\ntw")
    write_changes(here, reader.read())
    assert (here / EVENTS).read_text() == "one\n"
    append(there, "o\n")
    write_changes(here, reader.read())
    assert (here / EVENTS).read_text() == "one\ntwo\n"


def test_what_each_side_has_for_itself_stays_there(there: Path, here: Path) -> None:
    for name in (LOCK, LOG, STARTED, STOP, ".best.json.12.0123abcd.tmp"):
        (there / name).write_text("theirs")
    (here / STOP).touch()
    write_changes(here, FolderReader(there).read())
    assert set(content(here)) == {CONFIG, STOP}


def test_what_is_known_is_not_read_again(there: Path) -> None:
    append(there, "one\n")
    reader = FolderReader(there, known=True)
    assert not reader.read()
    append(there, "two\n")
    changes = reader.read()
    assert (changes.kept_bytes, changes.events, changes.files) == (4, b"two\n", {})


def test_the_snapshot_comes_after_the_events_that_it_knows(
    there: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(there, "one\n")
    replace(there / CHECKPOINTS / SNAPSHOT, b"knows 4 bytes")
    replace(there / CHECKPOINTS / BEST_WEIGHTS, b"weights")
    changes = FolderReader(there).read()

    def fail(path: Path, *arguments: object, **named: object) -> None:
        raise OSError("the machine stops here")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(OSError, match="stops here"):
        write_changes(here, changes)
    monkeypatch.undo()
    assert SNAPSHOT not in {path.name for path in here.rglob("*")}
    write_changes(here, changes)
    assert content(here) == content(there)
