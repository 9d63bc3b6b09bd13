"""Whether what may be computed again is whole, and still of use. Everything wrong here may simply be removed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from pydantic import BaseModel, TypeAdapter, ValidationError

from core.stores.array_cache import EXPLANATIONS, ArrayFile, file_stem, noted_seconds, open_array
from core.stores.pixels import STORE_STEM
from core.verification import (
    REMOVE,
    Count,
    Damage,
    Kind,
    Problem,
    blocks,
    held,
    ignore,
    irregular,
    is_file,
    is_folder,
    parse_json,
    read_object,
    read_text,
    reason,
    verify_names,
)
from models import weights
from models.catalog import CATALOG

PREFIX = 24  # digits of a dataset's fingerprint in the name of its pixel store


class _Measurement(BaseModel):
    figures: dict[str, float]


_MEASUREMENTS = TypeAdapter(list[_Measurement])


def verify_cache(folder: Path, fingerprints: set[str], count: Count = ignore) -> Iterator[Problem]:
    """Look at pixels, activations and measurements.

    Args:
        fingerprints: of the datasets that are there.
    """
    yield from verify_names(
        folder, {"pixels", "activations", EXPLANATIONS, "measurements.json", "weights", "doctor", "probes"}, count
    )
    prefixes = {fingerprint[:PREFIX] for fingerprint in fingerprints}
    yield from _verify_arrays(folder / "pixels", _verify_pixels, prefixes, count)
    yield from _verify_arrays(folder / "activations", _verify_activations, prefixes, count)
    yield from _verify_measurements(folder / "measurements.json", count)


def _verify_arrays(
    folder: Path, verify: Callable[[Path, set[str], Count], Iterator[Problem]], prefixes: set[str], count: Count
) -> Iterator[Problem]:
    """Look at each file of a folder whose lock is free."""
    if not is_folder(folder):
        return
    names = {path.name for path in folder.iterdir() if path.suffix in (".npy", ".json")}
    busy = any(folder.glob("*.lock"))
    for problem in verify_names(folder, names, count):
        # `.NAME.npy.PID.HEX.tmp` belongs to the holder of `NAME.lock`, on whatever machine that process id counts
        stem = problem.path.name.lstrip(".").split(".")[0]
        if not (problem.repair is REMOVE and busy and held(folder / f"{stem}.lock")):
            yield problem
    for name in sorted(names - irregular(folder, names)):
        path, lock = folder / name, (folder / name).with_suffix(".lock")
        if not held(lock):
            found = list(verify(path, prefixes, count))
            if path.exists() and not held(lock):  # else it is being written again
                yield from found


def _problem(path: Path, kind: Kind, text: str) -> Problem:
    return Problem(kind, path, text, REMOVE, lock=path.with_suffix(".lock"))


def _verify_pixels(path: Path, prefixes: set[str], count: Count) -> Iterator[Problem]:
    if path.suffix == ".json":
        yield from _verify_note(path, count)
        return
    named = STORE_STEM.fullmatch(path.stem)
    if named is None:
        yield _problem(path, Kind.ORPHANED, "This store of pixels has a format that is no longer used.")
        return
    try:
        with _opened(path) as array:
            size = int(named["size"])
            if array.dtype != np.uint8 or array.shape[1:] != (size, size, 3):
                raise Damage("is damaged")
        for _ in blocks(path, count):  # any number is a colour: only that they can be read is known
            pass
    except (Damage, OSError) as error:
        yield _problem(path, Kind.DAMAGED, f"This store of pixels {reason(error)}: it is computed again.")
        return
    if named["dataset"] not in prefixes:
        yield _problem(path, Kind.ORPHANED, "The dataset of these pixels is gone.")


def _verify_note(path: Path, count: Count) -> Iterator[Problem]:
    """Look at the note next to a store of pixels: how long it took."""
    if not is_file(path.with_suffix(".npy")):
        yield _problem(path, Kind.ORPHANED, "The pixels that this file describes are gone.")
        return
    try:
        read_object(path, count)
        if noted_seconds(path.with_suffix(".npy")) is None:
            raise Damage("does not record how long they took")
    except (Damage, OSError) as error:
        yield _problem(path, Kind.DAMAGED, f"The description of these pixels {reason(error)}: it is not needed.")


def _opened(path: Path) -> ArrayFile:
    array = open_array(path)
    if array is None:
        raise Damage("is damaged or cut off")
    return array


def _verify_activations(path: Path, prefixes: set[str], count: Count) -> Iterator[Problem]:
    if path.suffix == ".json":
        if not is_file(path.with_suffix(".npy")):
            yield _problem(path, Kind.ORPHANED, "The activations that this file describes are gone.")
        return
    what = "The description of these activations {}: they are computed again."
    try:
        recipe = read_object(path.with_suffix(".json"), count)
        if "seconds" in recipe and noted_seconds(path) is None:
            raise Damage("does not record how long they took")
        recipe.pop("seconds", None)  # earlier versions did not note it, and it is no part of the name
        if file_stem(recipe) != path.stem:
            raise Damage("is of others")
        what = "This store of activations {}: it is computed again."
        with _opened(path) as array:
            _check_numbers(path, array, recipe.get("count"), count)
    except (Damage, OSError) as error:
        yield _problem(path, Kind.DAMAGED, what.format(reason(error)))
        return
    if str(recipe.get("pictures")).partition("-")[0] not in prefixes:
        yield _problem(path, Kind.ORPHANED, "The dataset of these activations is gone.")
        return
    entry = CATALOG.get(str(recipe.get("network")))
    if entry is None or (entry.weights is not None and weights.find(entry) is None):
        yield _problem(path, Kind.ORPHANED, "The weights that made these activations are not on this machine.")


def _check_numbers(path: Path, array: ArrayFile, rows: object, count: Count) -> None:
    if array.dtype not in (np.float32, np.float16) or len(array) != rows:
        raise Damage("is damaged")
    whole = int(np.prod(array.shape)) * array.dtype.itemsize
    for block in blocks(path, count, start=path.stat().st_size - whole):
        if not np.isfinite(np.frombuffer(block, array.dtype)).all():
            raise Damage("has numbers that are not finite")


def _verify_measurements(path: Path, count: Count) -> Iterator[Problem]:
    if not is_file(path):
        return
    try:
        text = read_text(path, count)
        parse_json(text)
        _MEASUREMENTS.validate_json(text, strict=True)
    except (Damage, OSError, ValidationError) as error:
        why = "is damaged" if isinstance(error, ValidationError) else reason(error)
        yield Problem(Kind.DAMAGED, path, f"This file of measurements {why}: they are made again.", REMOVE)
