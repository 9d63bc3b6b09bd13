"""Damage of every kind of file is found; what is whole, or in use, is not."""

import dataclasses
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from core.actor import OPERATOR
from core.collection.collection_store import CollectionStore
from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.maintenance import check as checking
from core.maintenance.check import check
from core.maintenance.findings import Finding
from core.maintenance.repair import repair
from core.novelty.novelty import read_novelty, write_novelty
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.verification import SET_ASIDE, Kind
from tests.core.maintenance.conftest import train_aside
from tests.core.maintenance.places import PLACES, first, run_of, truncate

TEXTS = (".json", ".jsonl", ".csv")


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
