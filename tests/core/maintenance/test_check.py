"""Damage of every kind of file is found; what is whole, or in use, is not."""

import dataclasses
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from core.actor import OPERATOR
from core.collection.collection_store import CollectionStore
from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.jobs.workers.worker import Worker
from core.maintenance import check as checking
from core.maintenance import meter as meters
from core.maintenance.check import check
from core.maintenance.findings import Finding
from core.maintenance.repair import repair
from core.novelty.novelty import read_novelty, write_novelty
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.verification import SET_ASIDE, Kind
from tests.core.maintenance.conftest import train_aside

TEXTS = (".json", ".jsonl", ".csv")


def run_of(settings: Settings, state: RunState = RunState.FINISHED) -> Run:
    return next(run for run in RunStore(settings).all() if run.state() is state)


def first(folder: Path, pattern: str) -> Path:
    return min(folder.glob(pattern))


PLACES: dict[str, Callable[[Settings], Path]] = {
    "dataset.json": lambda s: s.datasets_dir / "drawn" / "dataset.json",
    "pictures.csv": lambda s: s.datasets_dir / "drawn" / "pictures.csv",
    "report.json": lambda s: s.datasets_dir / "drawn" / "report.json",
    "picture": lambda s: first(s.datasets_dir / "drawn", "images/*/*"),
    "thumbnail": lambda s: DatasetStore(s).get("drawn").thumbnail_path(DatasetStore(s).get("drawn").rows[3]),
    "config.json": lambda s: run_of(s).folder / "config.json",
    "meta.json": lambda s: run_of(s).folder / "meta.json",
    "started.json": lambda s: run_of(s).folder / "started.json",
    "events.jsonl": lambda s: run_of(s).folder / "events.jsonl",
    "predictions.csv": lambda s: run_of(s).folder / "predictions.csv",
    "result.json": lambda s: run_of(s).folder / "result.json",
    "best.json": lambda s: run_of(s).checkpoints / "best.json",
    "best.safetensors": lambda s: run_of(s).checkpoints / "best.safetensors",
    "last.safetensors": lambda s: run_of(s, RunState.INTERRUPTED).checkpoints / "last.safetensors",
    "validation.csv": lambda s: run_of(s).folder / "validation.csv",
    "novelty.safetensors": lambda s: run_of(s).folder / "novelty.safetensors",
    "pixels": lambda s: first(s.cache_dir, "pixels/*.npy"),
    "note": lambda s: first(s.cache_dir, "pixels/*.json"),
    "activations": lambda s: first(s.cache_dir, "activations/*.npy"),
    "recipe": lambda s: first(s.cache_dir, "activations/*.json"),
    "measurements.json": lambda s: s.cache_dir / "measurements.json",
    "request.json": lambda s: first(s.imports_dir, "*/request.json"),
    "person": lambda s: s.home / "people" / "somebody.json",
    "room": lambda s: s.home / "room" / "somebody.json",
}


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    """One bit: of texts one in their middle, which makes no text of it; of others one in their first bytes."""
    data = bytearray(path.read_bytes())
    place = len(data) // 2 if path.suffix in TEXTS else 3 if path.suffix == ".safetensors" else 0
    data[place] ^= 0x80
    path.write_bytes(data)


def replace(path: Path) -> None:
    path.write_bytes(random.Random(0).randbytes(path.stat().st_size))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def turn_into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


# the program itself works on without these, or cannot know that they were there
MAY_BE_MISSING = {
    "started.json",
    "result.json",
    "last.safetensors",
    "measurements.json",
    "request.json",
    "person",
    "room",
    "validation.csv",
    "novelty.safetensors",
    "note",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("harm", [truncate, flip, replace, empty, Path.unlink])
def test_damage_is_found_and_repaired(full: Settings, place: str, harm: Callable[[Path], None]) -> None:
    path = PLACES[place](full)
    harm(path)
    found = list(check(full))
    if harm is Path.unlink and place in MAY_BE_MISSING:
        assert found == [] or place == "result.json"
        return
    name = path.relative_to(full.home).as_posix()
    named = [item for item in found if item.thing.rpartition(".")[0] == name.rpartition(".")[0]]
    assert named, found
    assert any(item.kind is Kind.DAMAGED for item in named) or harm in (Path.unlink, truncate)
    assert all(str(full.home) not in item.thing + item.text and item.text.endswith(".") for item in found)
    RunStore(full).request_stop(run_of(full, RunState.QUEUED).id)  # what a run waits for is not moved away
    left = repair(full).left
    assert [item for item in left if item.repair is not None] == []
    # what is left refers to a dataset that was set aside, or lost lines that nobody can bring back
    assert {item.kind for item in left} <= {Kind.ORPHANED} or place == "events.jsonl", left


def test_a_whole_data_root_gives_no_finding_and_is_not_touched(full: Settings) -> None:
    def everything() -> dict[str, tuple[int, int, bytes]]:
        return {
            str(path): (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
            for path in [full.home, *full.home.rglob("*")]
        }

    before = everything()
    assert list(check(full)) == []
    assert everything() == before
    (run_of(full).folder / "config.json").write_text("{", encoding="utf-8")
    (run_of(full, RunState.QUEUED).folder / ".meta.json.99999999.0123abcd.tmp").touch()
    (full.cache_dir / "measurements.json").write_bytes(b"\xff")
    before = everything()
    assert len(list(check(full))) == 3
    assert everything() == before


def test_a_data_root_that_is_not_there_is_clean(settings: Settings) -> None:
    assert list(check(settings)) == []
    assert not settings.home.exists()


def test_a_training_run_gives_no_finding(full: Settings, small_config: TrainConfig) -> None:
    run = RunStore(full).create(small_config.model_copy(update={"epochs": 400, "note": "long"}))
    over = train_aside(full, run)
    looks, found = 0, []
    while not over.is_set():
        found += list(check(full))
        looks += 1
        if looks == 12:
            (run.folder / "stop").touch()
    assert looks > 12
    assert found == []
    assert list(check(full)) == []
    assert run.state() in (RunState.STOPPED, RunState.FINISHED)


def test_lost_weights_of_a_whole_header_are_found(full: Settings) -> None:
    """NaN, other shapes, another network: the file is whole, and worthless."""
    import torch
    from safetensors.torch import load_file, save_file

    run = run_of(full)
    path = run.checkpoints / "best.safetensors"
    tensors = load_file(path)
    name = next(name for name, value in tensors.items() if value.ndim == 2)

    def told(changed: dict[str, torch.Tensor], epoch: str = "1") -> list[Finding]:
        save_file(changed, path, metadata={"epoch": epoch})
        return [item for item in check(full) if item.thing.startswith(f"runs/{run.id}")]

    for harmed, word in (
        ({**tensors, name: torch.full_like(tensors[name], float("nan"))}, "finite"),
        ({**tensors, name: tensors[name].bfloat16() * float("inf")}, "finite"),
        ({**tensors, name: tensors[name].T.contiguous()}, "fit"),
        ({key: value for key, value in tensors.items() if key != name}, "fit"),
        ({**tensors, "more": torch.zeros(1)}, "fit"),
    ):
        (finding,) = told(harmed)
        assert word in finding.text
        assert finding.repair is SET_ASIDE
    assert "epoch" in told(tensors, epoch="seven")[0].text
    (finding,) = told(tensors, epoch="7")
    assert (finding.kind, finding.thing.rpartition("/")[2]) == (Kind.LEFT_OVER, "best.json")
    repair(full)
    assert list(check(full)) == []
    assert json.loads((run.checkpoints / "best.json").read_text(encoding="utf-8"))["epoch"] == 7


@pytest.mark.parametrize(
    ("file", "old", "new", "word"),
    [
        ("predictions.csv", "test,", "val,", "result"),
        ("validation.csv", "val,", "test,", "not of the validation split"),
        ("events.jsonl", '"weights_bytes": ', '"weights_bytes": -', "damaged"),
        ("result.json", '"finished"', '"running"', "not ended"),
        ("result.json", '"epochs_done": 2', '"epochs_done": 3', "epochs"),
        ("result.json", '"accuracy": ', '"accuracy": 7', "fit the result"),
        ("meta.json", '"created": ', '"created": "x', "JSON"),
        ("meta.json", '"cat"', '"cow"', "another run"),
        ("config.json", '"epochs":2', '"epochs":0', "configuration"),
        ("events.jsonl", '"kind": "epoch"', '"kind": "batch"', "damaged"),
        ("events.jsonl", '"predicted": ', '"predicted": 7', "damaged"),
        ("checkpoints/best.json", '"classes": [', '"classes": ["cow", ', "another run"),
    ],
)
def test_files_that_parse_and_disagree_are_found(full: Settings, file: str, old: str, new: str, word: str) -> None:
    run = next(item for item in RunStore(full).all() if item.config().model == "scratch_cnn" and item.result())
    path = run.folder / file
    text = path.read_text(encoding="utf-8")
    changed = text.replace(old, new).replace(old.replace(":", ": "), new)
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    assert any(word in item.text for item in check(full)), list(check(full))


def test_a_table_with_other_labels_is_found(full: Settings) -> None:
    path = full.datasets_dir / "drawn" / "pictures.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",test,", ",val,"), encoding="utf-8")
    assert any("fingerprint" in item.text for item in check(full))


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
    (full.home / "elsewhere").mkdir()  # the data root may hold somebody else's folders
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


def test_what_a_deleted_dataset_leaves_is_orphaned(full: Settings) -> None:
    DatasetStore(full).delete("drawn")
    found = list(check(full))
    assert {item.kind for item in found} == {Kind.ORPHANED}
    assert {item.thing.split("/")[0] for item in found} == {"runs", "cache"}
    left = repair(full).left
    assert {item.thing.split("/")[0] for item in left} == {"runs"}
    assert not list(full.cache_dir.rglob("*.npy"))
    assert len(RunStore(full).all()) == 5


def test_a_race_with_one_arm_is_reported(full: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run = next(item for item in RunStore(full).all() if item.meta().race)
    RunStore(full).delete(run.id)
    assert list(check(full)) == []  # the other arm may be a moment away
    monkeypatch.setattr(checking, "PATIENCE_SECONDS", -1)
    (finding,) = check(full)
    assert finding.kind is Kind.ORPHANED
    assert "race" in finding.text


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_anywhere_crash_nothing(full: Settings, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(seed)
    files = [path for path in sorted(full.home.rglob("*")) if path.is_file() and path.stat().st_size]
    few = [path for path in files if "images" not in path.parts and "thumbs" not in path.parts]
    for path in rng.sample(few, 12) + rng.sample(files, 4):
        data = bytearray(path.read_bytes())
        for _ in range(rng.choice((1, 3, 50))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
    found = list(check(full))
    assert not any("could not be checked" in item.text for item in found), caplog.text
    printed = json.dumps([item.to_json() for item in found])
    assert str(full.home) not in printed
    assert "/tmp" not in printed
    for run in RunStore(full).all():
        if run.state() is RunState.QUEUED:
            RunStore(full).request_stop(run.id)
    left = repair(full).left
    assert [item for item in left if item.repair is not None] == [], caplog.text
    for run in RunStore(full).all():
        run.state()
        run.history()


def test_the_time_that_is_left_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "REPORT_SECONDS", 0.0)
    heard: list[meters.BytesDone] = []
    meter = meters.Meter(100, heard.append)
    meter.add(10)
    assert heard == []  # within a second, nobody wants to know
    meter._started -= 2
    meter.add(40)
    (progress,) = heard
    assert (progress.done, progress.total) == (50, 100)
    assert progress.eta_seconds == pytest.approx(2, rel=0.1)


def test_known_pictures_of_other_weights_or_labels_are_found(full: Settings) -> None:
    run = run_of(full)
    path, classes = run.folder / "novelty.safetensors", run.meta().classes
    known = read_novelty(path, classes)
    assert known is not None
    write_novelty(path, dataclasses.replace(known, epoch=known.epoch + 1))
    (finding,) = check(full)
    assert "of other weights" in finding.text
    others = dataclasses.replace(known.reference, labels=1 - known.reference.labels)
    write_novelty(path, dataclasses.replace(known, reference=others))
    (finding,) = check(full)
    assert "not of the dataset" in finding.text
    assert repair(full).left == []
    assert not path.exists()


def test_a_run_keeps_its_test_when_its_validation_predictions_are_damaged(full: Settings) -> None:
    run = run_of(full)
    (run.folder / "validation.csv").write_text("x", encoding="utf-8")
    (finding,) = check(full)
    assert (finding.thing, finding.place) == (f"runs/{run.id}/validation.csv",) * 2
    assert repair(full).left == []
    assert run.predictions().n
    assert not (run.folder / "validation.csv").exists()


def test_activations_of_earlier_versions_are_whole(full: Settings) -> None:
    path = first(full.cache_dir, "activations/*.json")
    recipe = json.loads(path.read_text(encoding="utf-8"))
    assert recipe.pop("seconds") >= 0
    path.write_text(json.dumps(recipe), encoding="utf-8")
    assert list(check(full)) == []
    path.write_text(json.dumps({**recipe, "seconds": -1}), encoding="utf-8")
    (finding,) = check(full)
    assert "does not record how long they took" in finding.text


def test_collections_are_looked_at_and_what_killed_processes_left_of_them_goes(settings: Settings) -> None:
    store = CollectionStore(settings)
    pets = store.place(store.start("Our pets", by=OPERATOR))
    assert list(check(settings)) == []
    draft = settings.collections_dir / ".draft-collection-1"
    draft.mkdir()
    stray = settings.collections_dir / "notes.txt"
    stray.write_text("x", encoding="utf-8")
    (pets / "thumbs" / f"{'a' * 32}.jpg").write_bytes(b"x")
    kinds = {finding.place.partition("/")[2]: finding.kind for finding in check(settings)}
    assert kinds[f"{pets.name}/thumbs/{'a' * 32}.jpg"] is Kind.LEFT_OVER
    assert kinds["notes.txt"] is Kind.ORPHANED
    assert all(finding.place.endswith(draft.name) for finding in repair(settings).left)  # a moment old
    assert store.ids() == [pets.name]
