"""What an archive may hold that no honest one does (other names, lying lists, bombs, damaged bytes) does not arrive."""

import dataclasses
import hashlib
import json
import os
import pickle
import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import CarryError
from core.maintenance.check import check
from core.maintenance.import_archive import import_room
from core.settings import PROJECT_ROOT, Settings
from core.verification import Kind

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
