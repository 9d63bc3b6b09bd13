"""Whether what may be computed again is whole, and still of use. Everything wrong here may simply be removed."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.maintenance.data_root import RoomFolder, check_strangers, held, irregular, reason
from core.maintenance.file_reading import blocks, is_file, is_folder, parse_json, read_object, read_text
from core.maintenance.findings import Damage, Finding, Kind, Mending
from core.maintenance.path_names import CACHE
from core.predict.explanation_cache import file_stem
from core.stores.array_cache import EXPLANATIONS, ArrayFile, noted_seconds, open_array
from core.stores.pixels import FORMAT
from models import weights
from models.catalog import CATALOG

PREFIX = 24  # digits of a dataset's fingerprint in the name of its pixel store


def check_cache(room: RoomFolder) -> Iterator[Finding]:
    """Look at pixels, activations and measurements."""
    folder = room.home / CACHE
    yield from check_strangers(room, folder, {"pixels", "activations", EXPLANATIONS, "measurements.json"})
    prints = {
        fingerprint[:PREFIX]
        for dataset in room.folders("datasets")
        if (fingerprint := room.fingerprint(dataset.name)) is not None
    }
    for kind, look in (("pixels", _check_pixels), ("activations", _check_activations)):
        if not is_folder(folder / kind):
            continue
        names = {path.name for path in sorted((folder / kind).glob("*")) if path.suffix in (".npy", ".json")}
        busy = any((folder / kind).glob("*.lock"))
        yield from _strangers(room, folder / kind, names, busy=busy)
        for name in sorted(names - irregular(folder / kind, names)):
            path = folder / kind / name
            if not held(path.with_suffix(".lock")):
                yield from _steady(look(room, path, prints), path)
    if is_folder(folder / EXPLANATIONS):
        yield from _check_explanations(room, folder / EXPLANATIONS)
    yield from _check_measurements(room, folder / "measurements.json")


def _strangers(room: RoomFolder, folder: Path, known: set[str], *, busy: bool) -> Iterator[Finding]:
    for found in check_strangers(room, folder, known):
        if found.mending is Mending.REMOVE and busy:
            # `.NAME.npy.PID.HEX.tmp` belongs to whoever holds `NAME.lock`, on whatever machine that process id counts
            stem = Path(found.thing).name.lstrip(".").split(".")[0]
            if held(folder / f"{stem}.lock"):
                continue
        yield found


def _steady(found: Iterator[Finding], path: Path) -> Iterator[Finding]:
    """Findings of a file that is still there, and that nobody has begun to write again."""
    kept = list(found)
    if path.exists() and not held(path.with_suffix(".lock")):
        yield from kept


def _finding(room: RoomFolder, path: Path, kind: Kind, text: str) -> Finding:
    lock = room.name(path.with_suffix(".lock"))
    return Finding(kind, room.name(path), text, Mending.REMOVE, lock=lock)


def _check_pixels(room: RoomFolder, path: Path, prints: set[str]) -> Iterator[Finding]:
    if path.suffix == ".json":
        yield from _check_note(room, path)
        return
    parts = path.stem.split("-")
    if len(parts) != 4 or parts[3] != str(FORMAT) or not parts[1].isdecimal():
        yield _finding(room, path, Kind.ORPHANED, "These pixels are of a format that is not used any more.")
        return
    try:
        with _opened(path) as array:
            size = int(parts[1])
            if array.dtype != np.uint8 or array.shape[1:] != (size, size, 3):
                raise Damage("is damaged")
        for _ in blocks(path, room.meter):  # any number is a colour: only that they can be read is known
            pass
    except (Damage, OSError) as error:
        yield _finding(room, path, Kind.DAMAGED, f"This store of pixels {reason(error)}: it is computed again.")
        return
    if parts[0] not in prints:
        yield _finding(room, path, Kind.ORPHANED, "The dataset of these pixels is gone.")


def _check_note(room: RoomFolder, path: Path) -> Iterator[Finding]:
    """What is told of a store of pixels: how long it took; one that does not say it is as good as none."""
    if not is_file(path.with_suffix(".npy")):
        yield _finding(room, path, Kind.ORPHANED, "The pixels of which this file tells are gone.")
        return
    try:
        read_object(path, room.meter)
        if noted_seconds(path.with_suffix(".npy")) is None:
            raise Damage("does not tell how long they took")
    except (Damage, OSError) as error:
        yield _finding(room, path, Kind.DAMAGED, f"The description of these pixels {reason(error)}: it is not needed.")


def _opened(path: Path) -> ArrayFile:
    array = open_array(path)
    if array is None:
        raise Damage("is damaged or cut off")
    return array


def _check_activations(room: RoomFolder, path: Path, prints: set[str]) -> Iterator[Finding]:
    if path.suffix == ".json":
        if not is_file(path.with_suffix(".npy")):
            yield _finding(room, path, Kind.ORPHANED, "The activations of which this file tells are gone.")
        return
    told = path.with_suffix(".json")
    try:
        recipe = read_object(told, room.meter)
        if "seconds" in recipe and noted_seconds(path) is None:
            raise Damage("does not tell how long they took")
        recipe.pop("seconds", None)  # earlier versions did not note it, and it is no part of the name
        if hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:32] != path.stem:
            raise Damage("tells of others")
    except (Damage, OSError) as error:
        text = f"The description of these activations {reason(error)}: they are computed again."
        yield _finding(room, path, Kind.DAMAGED, text)
        return
    try:
        with _opened(path) as array:
            _check_numbers(room, path, array, recipe.get("count"))
    except (Damage, OSError) as error:
        yield _finding(room, path, Kind.DAMAGED, f"This store of activations {reason(error)}: it is computed again.")
        return
    if str(recipe.get("pictures")).partition("-")[0] not in prints:
        yield _finding(room, path, Kind.ORPHANED, "The dataset of these activations is gone.")
        return
    network = str(recipe.get("network"))
    entry = CATALOG.get(network)
    if entry is None or (entry.weights is not None and weights.find(entry) is None):
        yield _finding(room, path, Kind.ORPHANED, "The weights that made these activations are not on this machine.")


def _check_numbers(room: RoomFolder, path: Path, array: ArrayFile, count: object) -> None:
    if array.dtype not in (np.float32, np.float16) or len(array) != count:
        raise Damage("is damaged")
    whole = int(np.prod(array.shape)) * array.dtype.itemsize
    for block in blocks(path, room.meter, start=path.stat().st_size - whole):
        if not np.isfinite(np.frombuffer(block, array.dtype)).all():
            raise Damage("holds numbers that are not finite")


def _check_explanations(room: RoomFolder, folder: Path) -> Iterator[Finding]:
    names = {path.name for path in folder.glob("*.json") if not path.name.startswith(".")}
    yield from check_strangers(room, folder, names)
    runs = {path.name for path in room.folders("runs")}
    for name in sorted(names - irregular(folder, names)):
        path = folder / name
        try:
            found = read_object(path, room.meter)
            recipe = found.get("recipe")
            if not isinstance(recipe, dict) or not isinstance(found.get("answer"), dict):
                raise Damage("is damaged")
            if file_stem(recipe) != path.stem:
                raise Damage("answers another question")
        except FileNotFoundError:
            continue
        except (Damage, OSError) as error:
            text = f"This kept explanation {reason(error)}: it is made again."
            yield _finding(room, path, Kind.DAMAGED, text)
            continue
        if recipe.get("run") not in runs:
            yield _finding(room, path, Kind.ORPHANED, "The run that this file explains is gone.")


def _check_measurements(room: RoomFolder, path: Path) -> Iterator[Finding]:
    if not is_file(path):
        return
    try:
        found = parse_json(read_text(path, room.meter))
        if not isinstance(found, list) or not all(_is_measurement(item) for item in found):
            raise Damage("is damaged")
    except (Damage, OSError) as error:
        text = f"This file of measurements {reason(error)}: they are made again."
        yield _finding(room, path, Kind.DAMAGED, text)


def _is_measurement(item: object) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("figures"), dict):
        return False
    return all(isinstance(value, int | float) for value in item["figures"].values())
