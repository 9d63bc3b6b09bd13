"""A room arrives elsewhere as it was, whole or not at all; nothing hostile arrives."""

import dataclasses
import hashlib
import json
import os
import pickle
import random
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.datasets.drawn_sample import draw_sample
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.errors import CarryError, QuotaError
from core.jobs.worker import Worker
from core.maintenance.check import check
from core.maintenance.export_archive import export_room
from core.maintenance.import_archive import import_room
from core.maintenance.repair import repair
from core.revisions.corrections import relabel
from core.revisions.revision import revise
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings
from core.steps import run_step
from core.verification import Kind
from tests.core.maintenance.conftest import train_aside


@pytest.fixture(scope="session")
def packed(full_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The full data root, packed."""
    settings = dataclasses.replace(Settings.from_environment(), home=full_template)
    target = tmp_path_factory.mktemp("packed") / "room.zip"
    assert export_room(settings, target).left_out == {}
    return target


def digests(home: Path) -> dict[str, str]:
    """What datasets and runs hold, without what only counts here."""
    here = {"started.json", "attempts.json", "worker.lock", "worker.log"}
    return {
        path.relative_to(home).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for kind in ("datasets", "runs")
        for path in (home / kind).rglob("*")
        if path.is_file() and path.name not in here
    }


def test_a_room_arrives_as_it_was(full_template: Path, packed: Path, settings: Settings) -> None:
    arrived = import_room(settings, packed)
    assert (len(arrived.taken), arrived.there, arrived.refused) == (6, [], {})
    assert digests(settings.home) == digests(full_template)
    assert list(check(settings)) == []
    there = RunStore(dataclasses.replace(settings, home=full_template))
    for run in RunStore(settings).all():
        before = there.get(run.id).state()
        assert run.state() is (before if before is RunState.FINISHED else RunState.INTERRUPTED)
        if before is RunState.FINISHED:
            assert run.predictions().probabilities.tolist() == there.get(run.id).predictions().probabilities.tolist()
    again = import_room(settings, packed)
    assert (again.taken, len(again.there), again.refused) == ([], 6, {})
    (settings.datasets_dir / "drawn" / "dataset.json").touch()
    DatasetStore(settings).rename("drawn", "Another title")
    assert import_room(settings, packed).refused == {}


def test_nothing_that_arrives_begins_by_itself(packed: Path, settings: Settings) -> None:
    from core.scheduling.dispatcher import Dispatcher

    import_room(settings, packed)
    states = {run.id: run.state() for run in RunStore(settings).all()}
    dispatcher = Dispatcher(settings)
    try:
        for _ in range(3):
            assert dispatcher.step() is False
    finally:
        dispatcher.close()
    assert {run.id: run.state() for run in RunStore(settings).all()} == states
    # and whoever wants to lets them go on
    for run in RunStore(settings).all():
        if run.state() is RunState.INTERRUPTED:
            RunStore(settings).resume(run.id)
            assert Worker(settings, run).work() is RunState.FINISHED
    assert list(check(settings)) == []


def test_only_datasets_and_runs_are_packed(full: Settings, tmp_path: Path) -> None:
    for name in ("predictor.json", "people.json"):
        (full.home / name).write_text('{"key": "SECRET"}', encoding="utf-8")
    (full.home / "people" / "p-1.json").write_text('{"token": "SECRET"}', encoding="utf-8")
    for run in RunStore(full).all():
        (run.folder / "worker.log").write_text("SECRET", encoding="utf-8")
        (run.folder / "later.json").write_text('"SECRET"', encoding="utf-8")
    export_room(full, tmp_path / "room.zip")
    with zipfile.ZipFile(tmp_path / "room.zip") as archive:
        assert archive.testzip() is None
        tops = {name.split("/")[0] for name in archive.namelist()}
        assert tops == {"datasets", "runs", "room.json"}
        for name in archive.namelist():
            assert b"SECRET" not in archive.read(name)
            assert not name.endswith((".lock", ".log", "stop"))
            assert str(full.home).encode() not in archive.read(name)


def test_a_part_of_a_room_is_packed(full: Settings, tmp_path: Path) -> None:
    list(
        import_dataset(
            full, MemorySource("x", list(draw_sample(13, 64))), name="other", plan=SplitPlan.parse("60/20/20"), seed=0
        )
    )
    found = export_room(full, tmp_path / "finished.zip", runs="finished")
    assert (sorted(found.datasets), len(found.runs)) == (["drawn", "other"], 3)
    found = export_room(full, tmp_path / "other.zip", datasets=["other"])
    assert (found.datasets, found.runs) == (["other"], [])
    found = export_room(full, tmp_path / "drawn.zip", datasets=["drawn"])
    assert (found.datasets, len(found.runs)) == (["drawn"], 5)


def test_pictures_that_revisions_share_are_packed_once(full: Settings, tmp_path: Path, settings: Settings) -> None:
    export_room(full, tmp_path / "one.zip", datasets=["drawn"])
    dataset = DatasetStore(full).get("drawn")
    relabel(dataset, [0], "dog" if dataset.classes[dataset.rows[0].label] == "cat" else "cat")
    revision = run_step(revise(full, dataset))
    export_room(full, tmp_path / "both.zip", datasets=["drawn", revision])
    with zipfile.ZipFile(tmp_path / "one.zip") as one, zipfile.ZipFile(tmp_path / "both.zip") as both:
        pictures = [sum("/images/" in name for name in archive.namelist()) for archive in (one, both)]
    assert pictures == [len(dataset.rows)] * 2
    arrived = import_room(dataclasses.replace(settings, home=tmp_path / "there"), tmp_path / "both.zip")
    assert arrived.refused == {}
    assert {f"datasets/{name}" for name in ("drawn", revision)} <= set(arrived.taken)
    there = DatasetStore(dataclasses.replace(settings, home=tmp_path / "there")).get(revision)
    assert there.fingerprint == DatasetStore(full).get(revision).fingerprint
    assert list(check(dataclasses.replace(settings, home=tmp_path / "there"))) == []


def test_a_manifest_that_names_other_bytes_as_equal_is_refused(
    packed: Path, settings: Settings, tmp_path: Path
) -> None:
    files = unpacked(packed)
    manifest = manifest_of(files)
    first, second = [item for item in manifest["files"] if "/images/" in item["path"]][:2]
    second["stored"], second["size"] = first["path"], first["size"]
    del files[second["path"]]
    arrived = import_room(settings, repacked(tmp_path / "evil.zip", files, manifest))
    assert "differs from its list of files" in arrived.refused["datasets/drawn"]
    second["stored"] = "../../etc/passwd"
    refusal(settings, repacked(tmp_path / "worse.zip", files, manifest))


def test_a_room_is_packed_while_it_trains(
    full: Settings, small_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.checkpoints import snapshot

    monkeypatch.setattr(snapshot, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(snapshot, "SHARE", 0)
    run = RunStore(full).create(small_config.model_copy(update={"epochs": 300, "note": "long"}))
    over = train_aside(full, run)
    archives = []
    while not over.is_set() and len(archives) < 5:
        if run.has_weights:
            archives.append(tmp_path / f"{len(archives)}.zip")
            assert export_room(full, archives[-1]).left_out == {}
    (run.folder / "stop").touch()
    assert over.wait(60)
    for archive in archives:
        elsewhere = dataclasses.replace(full, home=tmp_path / archive.stem)
        assert import_room(elsewhere, archive).refused == {}
        assert RunStore(elsewhere).get(run.id).state() is RunState.INTERRUPTED
        assert list(check(elsewhere)) == []


def test_a_dataset_that_differs_from_the_one_here_is_refused(packed: Path, settings: Settings) -> None:
    list(
        import_dataset(
            settings,
            MemorySource("x", list(draw_sample(13, 64))),
            name="drawn",
            plan=SplitPlan.parse("60/20/20"),
            seed=0,
        )
    )
    before = digests(settings.home)
    arrived = import_room(settings, packed)
    assert arrived.taken == []
    assert len(arrived.refused) == 6  # the runs were trained on the other one
    assert digests(settings.home) == before


def test_a_run_that_differs_stays_as_it_is(full: Settings, packed: Path) -> None:
    run = next(item for item in RunStore(full).all() if item.state() is RunState.QUEUED)
    assert Worker(full, run).work() is RunState.FINISHED
    arrived = import_room(full, packed)
    assert list(arrived.refused) == [f"runs/{run.id}"]
    assert "differs" in arrived.refused[f"runs/{run.id}"]
    assert run.state() is RunState.FINISHED


def test_packing_refuses_what_it_cannot_do(full: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "room.zip"
    target.touch()
    with pytest.raises(CarryError, match="there already"):
        export_room(full, target)
    with pytest.raises(CarryError, match="not there"):
        export_room(full, tmp_path / "nowhere" / "room.zip")
    picture = next((full.datasets_dir / "drawn" / "images").glob("*/*"))
    whole = picture.read_bytes()
    picture.write_bytes(whole[:-1] + b"x")
    with pytest.raises(CarryError, match="fsck"):
        export_room(full, tmp_path / "damaged.zip")
    picture.unlink()
    found = export_room(full, tmp_path / "part.zip")
    assert list(found.left_out) == ["datasets/drawn"]
    picture.write_bytes(whole)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10))  # type: ignore[attr-defined]
    with pytest.raises(CarryError, match="free"):
        export_room(full, tmp_path / "full.zip")
    assert sorted(path.name for path in tmp_path.glob("*.zip")) == ["part.zip", "room.zip"]
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_room_that_does_not_fit_is_refused_before_anything_is_written(packed: Path, settings: Settings) -> None:
    with pytest.raises(QuotaError):
        import_room(dataclasses.replace(settings, min_free_bytes=2**60), packed)
    assert not settings.datasets_dir.exists()


# what an archive may hold that no honest one does

Files = dict[str, bytes]


def unpacked(packed: Path) -> Files:
    with zipfile.ZipFile(packed) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name != "room.json"}


def manifest_of(files: Files) -> dict[str, Any]:
    listed = [
        {"path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    ]
    return {"format": 1, "program": "0.1.0", "made": "", "files": listed}


def repacked(path: Path, files: Files, manifest: object = None, how: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr("room.json", json.dumps(manifest or manifest_of(files)))
    return path


def refusal(settings: Settings, path: Path) -> str:
    """Why an archive, or all in it that was harmed, was refused; and that nothing of it is to be seen."""
    try:
        arrived = import_room(settings, path)
    except CarryError as error:
        assert not list(settings.datasets_dir.glob("*"))
        assert not list(settings.runs_dir.glob("*"))
        sentence = str(error)
    else:
        assert arrived.refused, arrived
        for thing in arrived.refused:
            assert not (settings.home / thing).exists()
        sentence = " ".join(arrived.refused.values())
    assert [item for item in check(settings) if item.kind is not Kind.ORPHANED] == []
    assert str(settings.home) not in sentence
    assert str(path.parent) not in sentence
    assert sentence.endswith(".")
    print(sentence)
    return sentence


def an_id(files: Files, kind: str, ends: str) -> str:
    return next(name for name in files if name.startswith(kind) and name.endswith(ends))


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.json",
        "/etc/evil",
        "C:/evil.json",
        "runs/../../evil/config.json",
        "runs/Up/config.json",
        "runs/a/worker.lock",
        "runs/a/stop",
        "runs/a/attempts.json",
        "runs/a/checkpoints/best.pt",
        "runs/a/checkpoints/../config.json",
        "people/p-1.json",
        "datasets/drawn/images/ab/x.jpg",
        "datasets/drawn/images/00/../../x.jpg",
        "predictor.json",
        "runs\\a\\evil.json",
        "__MACOSX/x",
        ".hidden",
        "runs/" + "a" * 300 + "/config.json",
        "room.json/x",
    ],
)
def test_no_other_name_is_taken_in(packed: Path, settings: Settings, tmp_path: Path, name: str) -> None:
    files = {**unpacked(packed), name: b"{}"}
    refusal(settings, repacked(tmp_path / "evil.zip", files))
    assert not [path for path in tmp_path.rglob("*evil*") if path.name != "evil.zip"]


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        [],
        {"format": 3, "files": []},
        {"format": 1, "files": []},
        {"format": 1, "files": [{"path": "x"}]},
        {"format": 1, "files": [{"path": 1, "size": -1, "sha256": "x"}]},
        {"format": True, "files": "x"},
    ],
)
def test_no_other_manifest_is_taken(packed: Path, settings: Settings, tmp_path: Path, manifest: object) -> None:
    refusal(settings, repacked(tmp_path / "evil.zip", unpacked(packed), manifest or [0]))


def test_a_manifest_that_lies_is_refused(packed: Path, settings: Settings, tmp_path: Path) -> None:
    files = unpacked(packed)
    for key, value in (("size", 3), ("sha256", "0" * 64), ("path", "runs/a/config.json")):
        manifest = manifest_of(files)
        manifest["files"][0][key] = value
        refusal(dataclasses.replace(settings, home=tmp_path / key), repacked(tmp_path / f"{key}.zip", files, manifest))
    manifest = manifest_of(files)
    manifest["files"].append(manifest["files"][0])
    assert "twice" in refusal(settings, repacked(tmp_path / "twice.zip", files, manifest))
    with zipfile.ZipFile(tmp_path / "deep.zip", "w") as archive:
        archive.writestr("room.json", "[" * 200_000)
    refusal(settings, tmp_path / "deep.zip")


def test_an_archive_that_is_none_is_refused(settings: Settings, tmp_path: Path, packed: Path) -> None:
    whole = packed.read_bytes()
    for name, data in (
        ("text.zip", b"x"),
        ("cut.zip", whole[: len(whole) // 2]),
        ("empty.zip", b""),
        ("room.txt", b""),
    ):
        (tmp_path / name).write_bytes(data)
        assert name in refusal(settings, tmp_path / name)
    refusal(settings, tmp_path / "nowhere.zip")
    refusal(settings, tmp_path)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("cat/1.jpg", b"x")
    assert "export-room" in refusal(settings, tmp_path / "other.zip")


def test_entries_of_other_kinds_are_refused(packed: Path, settings: Settings, tmp_path: Path) -> None:
    files = unpacked(packed)
    name = an_id(files, "runs/", "config.json")

    def written(path: Path, change: Callable[[zipfile.ZipInfo], None], twice: bool = False) -> Path:
        with zipfile.ZipFile(path, "w") as archive:
            for entry, data in {**files, "room.json": json.dumps(manifest_of(files)).encode()}.items():
                info = zipfile.ZipInfo(entry)
                if entry == name:
                    change(info)
                archive.writestr(info, data)
            if twice:
                with pytest.warns(UserWarning, match="Duplicate name"):
                    archive.writestr(name, b"{}")
        return path

    def link(info: zipfile.ZipInfo) -> None:
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    assert "link" in refusal(dataclasses.replace(settings, home=tmp_path / "1"), written(tmp_path / "l.zip", link))
    refusal(dataclasses.replace(settings, home=tmp_path / "2"), written(tmp_path / "t.zip", lambda _: None, twice=True))
    encrypted = bytearray(repacked(tmp_path / "e.zip", files).read_bytes())
    for place in [at for at in range(len(encrypted) - 4) if encrypted[at : at + 4] == b"PK\x01\x02"][:1]:
        encrypted[place + 8] |= 1
    (tmp_path / "e.zip").write_bytes(encrypted)
    assert "encrypted" in refusal(dataclasses.replace(settings, home=tmp_path / "3"), tmp_path / "e.zip")


def test_a_bomb_is_refused(packed: Path, settings: Settings, tmp_path: Path) -> None:
    files = unpacked(packed)
    files[an_id(files, "runs/", "events.jsonl")] = b"\n" * (50 * 2**20)
    assert "far more" in refusal(settings, repacked(tmp_path / "bomb.zip", files, how=zipfile.ZIP_DEFLATED))


def harmed(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def harm(data: bytes) -> bytes:
        values = json.loads(data)
        change(values)
        return json.dumps(values).encode()

    return harm


def in_log(kind: str, **fields: object) -> Callable[[bytes], bytes]:
    def harm(data: bytes) -> bytes:
        records = [json.loads(line) for line in data.splitlines()]
        for record in records:
            if record["kind"] == kind:
                record.update(fields)
        return b"".join(json.dumps(record).encode() + b"\n" for record in records)

    return harm


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch evil",)


def with_nan(data: bytes) -> bytes:
    return data[:-4] + b"\x00\x00\xc0\x7f"


HARM: dict[str, tuple[str, str, Callable[[bytes], bytes]]] = {
    "epochs": ("runs/", "config.json", harmed(lambda v: v.update(epochs=10**9))),
    "rate": ("runs/", "config.json", harmed(lambda v: v.update(learning_rate=float("nan")))),
    "field": ("runs/", "config.json", harmed(lambda v: v.update(evil=1))),
    "created": ("runs/", "meta.json", harmed(lambda v: v.update(created=1e300))),
    "owner": ("runs/", "meta.json", harmed(lambda v: v.update(owner="<img onerror=x>"))),
    "race": ("runs/", "meta.json", harmed(lambda v: v.update(race="../../x"))),
    "classes": ("runs/", "meta.json", harmed(lambda v: v.update(classes="cat"))),
    "fingerprint": ("runs/", "meta.json", harmed(lambda v: v.update(dataset_fingerprint="0" * 64))),
    "state": ("runs/", "result.json", harmed(lambda v: v.update(state="queued"))),
    "ended": ("runs/", "result.json", harmed(lambda v: v.update(ended=1e300))),
    "tested": ("runs/", "result.json", harmed(lambda v: v["tested"].update(correct=10**6, images=10**6))),
    "strip": ("runs/", "events.jsonl", in_log("described", strip=[{"index": 10**6, "label": 0}])),
    "progress": ("runs/", "events.jsonl", in_log("batch", progress=1e9)),
    "types": ("runs/", "events.jsonl", in_log("epoch", epoch="<img>")),
    "pickle": ("runs/", "best.safetensors", lambda _: pickle.dumps(Evil())),
    "nan": ("runs/", "best.safetensors", with_nan),
    "header": ("runs/", "best.safetensors", lambda data: b"\xff" * 8 + data[8:]),
    "sidecar": ("runs/", "best.json", harmed(lambda v: v["config"].update(model="vgg16", strategy="full"))),
    "table": ("runs/", "predictions.csv", lambda data: data.replace(b",test,", b",val,")),
    "validation": ("runs/", "validation.csv", lambda data: data.replace(b",val,", b",test,")),
    "known": ("runs/", "novelty.safetensors", lambda data: b"\xff" * 8 + data[8:]),
    "costs": ("runs/", "events.jsonl", in_log("measured", peak_memory_bytes=10**400)),
    "html": ("datasets/", "dataset.json", harmed(lambda v: v.update(title="x" * 10**4))),
    "huge": ("datasets/", "dataset.json", harmed(lambda v: v.update(images=10**400))),
    "split": ("datasets/", "pictures.csv", lambda data: data.replace(b",test,", b",train,")),
    "path": ("datasets/", "pictures.csv", lambda data: data.replace(b"images/", b"../../x/")),
    "deep": ("datasets/", "report.json", lambda _: b"[" * 10**5),
}


@pytest.mark.parametrize("case", HARM)
def test_hostile_contents_are_refused(packed: Path, settings: Settings, tmp_path: Path, case: str) -> None:
    kind, ends, harm = HARM[case]
    files = unpacked(packed)
    if case == "strip":
        name = next(item for item in files if item.endswith(ends) and b'"described"' in files[item])
    else:
        candidates = [name for name in files if name.startswith(kind) and name.endswith(ends)]
        name = (
            next(item for item in candidates if item.replace(ends, "result.json") in files or kind != "runs/")
            if ends in ("config.json", "meta.json")
            else candidates[0]
        )
    files[name] = harm(files[name])
    own = name.split("/")[1]
    files = {path: data for path, data in files.items() if path.startswith(("datasets/", f"runs/{own}/"))}
    refusal(settings, repacked(tmp_path / "evil.zip", files))
    thing = "/".join(name.split("/")[:2])
    assert not (settings.home / thing).exists()
    assert not (PROJECT_ROOT / "evil").exists()


def test_a_picture_that_is_none_is_refused_though_all_hashes_fit(
    packed: Path, settings: Settings, tmp_path: Path
) -> None:
    files = unpacked(packed)
    name = an_id(files, "datasets/drawn/images/", "")
    table = files["datasets/drawn/pictures.csv"].decode()
    page = b"<html><script>alert(1)</script>"
    old, new = Path(name).stem, hashlib.sha256(page).hexdigest()
    line = next(item for item in table.splitlines() if old in item)
    fields = line.replace(f"{old[:2]}/{old}", f"{new[:2]}/{new}").replace(old, new).split(",")
    fields[6] = str(len(page))
    files["datasets/drawn/pictures.csv"] = table.replace(line, ",".join(fields)).encode()
    del files[name]
    files[name.replace(f"{old[:2]}/{old}", f"{new[:2]}/{new}")] = page
    thumbnail = f"datasets/drawn/thumbs/{old[:2]}/{old}.jpg"
    files[thumbnail.replace(f"{old[:2]}/{old}", f"{new[:2]}/{new}")] = files.pop(thumbnail)
    assert "picture" in refusal(settings, repacked(tmp_path / "evil.zip", files))
    assert not (settings.datasets_dir / "drawn").exists()


@pytest.mark.parametrize("seed", range(12))
def test_random_bytes_in_an_archive_crash_nothing(packed: Path, settings: Settings, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(packed.read_bytes())
    start = 0 if seed % 2 else len(data) - 40_000  # the index lies at the end
    for _ in range(rng.choice((1, 4, 40))):
        data[rng.randrange(start, len(data))] = rng.randrange(256)
    (tmp_path / "evil.zip").write_bytes(data)
    try:
        sentences = list(import_room(settings, tmp_path / "evil.zip").refused.values())
    except CarryError as error:
        sentences = [str(error)]
    assert str(tmp_path) not in json.dumps(sentences)
    assert [item for item in check(settings) if item.kind is not Kind.ORPHANED] == []


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.9])
def test_a_killed_import_leaves_nothing_but_what_repair_removes(
    packed: Path, settings: Settings, tmp_path: Path, part: float
) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom core.settings import Settings\n"
        "from core.maintenance import import_archive\n"
        "class Meter(import_archive.Meter):\n"
        "    def add(self, count):\n"
        "        super().add(count)\n"
        f"        if self.total and self.done > {part} * self.total: os.kill(os.getpid(), 9)\n"
        "import_archive.Meter = Meter\n"
        "import_archive.import_room(Settings.from_environment(), Path(sys.argv[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(packed)], cwd=PROJECT_ROOT, check=False)
    assert done.returncode == -9
    found = list(check(settings))
    assert {item.kind for item in found} == {Kind.LEFT_OVER}
    assert all("/." in item.thing for item in found)
    for run in RunStore(settings).all():
        assert not run.state().active
    assert repair(settings).left == []
    arrived = import_room(settings, packed)
    assert arrived.refused == {}
    assert len(arrived.taken) + len(arrived.there) == 6
    assert list(check(settings)) == []
