"""A repair removes what killed processes left, sets the rest aside, and touches nothing in use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from core.jobs.workers.worker import Worker
from core.maintenance import check as checking
from core.maintenance.check import check
from core.maintenance.repair import repair
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.verification import Kind
from tests.core.maintenance.places import PLACES, first, run_of, truncate


def test_what_nobody_knows_is_orphaned_and_set_aside_whole(full: Settings) -> None:
    run, dataset = run_of(full), full.datasets_dir / "drawn"
    strangers = [
        dataset / "images" / "ab" / "x.jpg",
        dataset / "notes.txt",
        run.folder / "core",
        full.runs_dir / "Upper",
    ]
    for path in strangers:
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.name, encoding="utf-8")
    (run.folder / "later.json").write_text("[1]", encoding="utf-8")  # of a later version
    (full.home / "elsewhere").mkdir()  # the data root may hold other people's folders
    (full.home / "elsewhere" / "thesis.txt").touch()
    found = list(check(full))
    assert {item.thing for item in found} == {path.relative_to(full.home).as_posix() for path in strangers}
    assert {item.kind for item in found} == {Kind.ORPHANED}
    assert repair(full).left == []
    (aside,) = (full.home / "set-aside").iterdir()
    for path in strangers:
        assert not path.exists()
        assert (aside / path.relative_to(full.home)).read_text(encoding="utf-8") == path.name
    assert (full.home / "elsewhere" / "thesis.txt").exists()


def test_links_and_pipes_are_not_followed(full: Settings, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    run = run_of(full)
    (run.folder / "worker.log").unlink(missing_ok=True)
    (run.folder / "worker.log").symlink_to(outside / "precious")
    picture = first(full.datasets_dir / "drawn", "images/*/*")
    (full.datasets_dir / "drawn" / "images" / "00x").symlink_to(outside)
    RunStore(full).request_stop(run_of(full, RunState.QUEUED).id)
    picture.unlink()
    os.mkfifo(picture)  # whoever opens it waits for ever
    assert len(list(check(full))) >= 3
    assert [item for item in repair(full).left if item.repair is not None] == []
    assert (outside / "precious").exists()


def test_left_overs_are_removed_and_what_lives_is_kept(
    full: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    run = run_of(full)
    over = [
        run.folder / f".result.json.{dead.pid}.0123abcd.tmp",
        run.checkpoints / f".best.json.{dead.pid}.0123abcd.tmp",
        full.cache_dir / "pixels" / f".x.npy.{dead.pid}.0123abcd.tmp",
        full.home / "people" / f".x.json.{dead.pid}.0123abcd.tmp",
        full.home / f".predictor.json.{dead.pid}.0123abcd.tmp",
        full.runs_dir / ".draft-20260101-000000-abcdef-123456",
        full.runs_dir / ".deleted-20260101-000000-abcdef-123456",
        full.datasets_dir / ".importing-0123456789ab",
        full.imports_dir / ".upload-20260101-000000-abcdef.zip",
        first(full.imports_dir, "*") / "upload.zip",
    ]
    alive = [
        run.folder / f".result.json.{os.getpid()}.0123abcd.tmp",
        full.cache_dir / "pixels" / f".held.npy.{dead.pid}.0123abcd.tmp",
        full.datasets_dir / ".importing-ba9876543210",
    ]
    for path in over + alive:
        if path.suffix in (".tmp", ".zip"):
            path.touch()
        else:
            path.mkdir()
            (path / "file").touch()
    fresh = {path.relative_to(full.home).as_posix() for path in over if path.name[:5] in (".draf", ".dele", ".uplo")}
    with FileLock(full.cache_dir / "pixels" / "held.lock"), FileLock(alive[2] / "import.lock"):
        aged = {path.relative_to(full.home).as_posix() for path in over} - fresh - {"datasets/.importing-0123456789ab"}
        assert {item.thing for item in check(full)} == aged
        monkeypatch.setattr(checking, "PATIENCE_SECONDS", -1)
        monkeypatch.setattr(checking, "UPLOAD_SECONDS", -1)
        found = [item for item in check(full) if "race" not in item.text]
        assert {item.thing for item in found} == {path.relative_to(full.home).as_posix() for path in over}
        assert {item.kind for item in found} == {Kind.LEFT_OVER}
        assert repair(full).left == []
        assert not any(path.exists() for path in over)
        assert all(path.exists() for path in alive)


def test_nothing_that_is_held_is_repaired(full: Settings) -> None:
    run = run_of(full)
    (run.folder / "config.json").write_text("{", encoding="utf-8")
    pixels = PLACES["pixels"](full)
    with FileLock(run.lock_path):
        left = repair(full).left
        assert [item.thing for item in left] == [f"runs/{run.id}/config.json"]
        assert run.folder.exists()
    assert pixels.exists()
    repair(full)
    assert not run.folder.exists()


def test_a_dataset_that_a_run_waits_for_stays(full: Settings) -> None:
    PLACES["picture"](full).unlink()
    assert any(item.thing.startswith("datasets/drawn/images") for item in repair(full).left)
    assert (full.datasets_dir / "drawn").exists()
    RunStore(full).request_stop(run_of(full, RunState.QUEUED).id)
    repair(full)
    assert not (full.datasets_dir / "drawn").exists()


def test_a_torn_line_is_cut_and_no_other(full: Settings) -> None:
    path = run_of(full).folder / "events.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"time": 1.0, "kind": "ep')
    (finding,) = check(full)
    assert (finding.kind, finding.remedy) == (Kind.LEFT_OVER, "cuts the unfinished line off")
    assert repair(full).left == []
    assert path.read_bytes() == whole


def test_a_damaged_line_is_blanked_where_it_is(full: Settings) -> None:
    path = run_of(full).folder / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = b"x" * (len(lines[1]) - 1) + b"\n"
    path.write_bytes(b"".join([lines[0], damaged, *lines[2:]]))
    (finding,) = check(full)
    assert finding.remedy == "keeps a copy in set-aside and blanks the damaged lines"
    assert repair(full).left == []
    assert path.read_bytes() == b"".join([lines[0], b" " * (len(lines[1]) - 1) + b"\n", *lines[2:]])
    assert len(list((full.home / "set-aside").rglob("events.jsonl"))) == 1


def test_a_run_without_its_damaged_snapshot_starts_from_its_beginning(full: Settings) -> None:
    run = run_of(full, RunState.INTERRUPTED)
    truncate(run.checkpoints / "last.safetensors")
    assert repair(full).left == []
    RunStore(full).resume(run.id)
    assert Worker(full, run).work() is RunState.FINISHED
    assert list(check(full)) == []


def test_a_thumbnail_is_drawn_again(full: Settings) -> None:
    path = PLACES["thumbnail"](full)
    whole = path.read_bytes()
    path.unlink()
    assert repair(full).left == []
    assert path.read_bytes() == whole


def test_a_run_keeps_its_test_when_its_validation_predictions_are_damaged(full: Settings) -> None:
    run = run_of(full)
    (run.folder / "validation.csv").write_text("x", encoding="utf-8")
    (finding,) = check(full)
    assert (finding.thing, finding.place) == (f"runs/{run.id}/validation.csv",) * 2
    assert repair(full).left == []
    assert run.predictions().n
    assert not (run.folder / "validation.csv").exists()
