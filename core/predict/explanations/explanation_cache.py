"""The explanation cache: explanations of finished runs on disk, computed once for the whole room.

`cache/explanations/<hash>.json` holds the request and its answer; the hash is of the request, which includes a hash of
the run's weights. A damaged file is computed again. Imports no torch.
"""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.errors import RunError
from core.runs.run import Run
from core.settings import Settings
from core.storage import read_json, write_json
from core.stores.array_cache import EXPLANATIONS, file_stem, make_room
from core.verification import (
    REMOVE,
    Count,
    Damage,
    Kind,
    Problem,
    ignore,
    irregular,
    read_object,
    reason,
    sha256_of,
    verify_names,
)

FORMAT = 2

log = logging.getLogger("tunemypets.explanation_cache")


class ExplanationCache:
    """The cache of one data root; of several threads with the same request, one computes and the others wait."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._guard = threading.Lock()
        self._making: dict[str, threading.Lock] = {}

    def get(self, request: dict[str, Any], make: Callable[[], dict[str, Any]], *, keep: bool) -> dict[str, Any]:
        """The answer to a request, from disk or computed now.

        Args:
            request: all that decides the answer, as JSON gives it back.
            keep: whether the answer can never change. On a full disk nothing is kept, and the answer is returned.
        Raises:
            TuneMyPetsError: what `make` raises; nothing is kept then.
        """
        recipe = {"format": FORMAT, **request}
        name = file_stem(recipe)
        path = self.settings.cache_dir / EXPLANATIONS / f"{name}.json"
        with self._guard:
            maker = self._making.setdefault(name, threading.Lock())
        with maker:
            found = _read(path, recipe)
            if found is not None:
                return found
            answer = make()
            if keep:
                self._write(path, {"recipe": recipe, "answer": answer})
        with self._guard:
            self._making.pop(name, None)
        return answer

    def _write(self, path: Path, value: dict[str, Any]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            make_room(self.settings, len(json.dumps(value)), keep=path)
            write_json(path, value)
        except OSError:
            log.exception("an answer could not be kept")


def weights_hash(run: Run) -> str:
    """sha256 of a run's best weights, in hex.

    Raises:
        RunError: if it has none.
    """
    path = run.checkpoints / "best.safetensors"
    try:
        status = path.stat()
        return _hash_file(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise RunError("This run has no saved weights: train it for at least one epoch.") from error


@lru_cache(maxsize=64)
def _hash_file(path: Path, changed: int, size: int) -> str:
    del changed, size  # parts of the key
    return sha256_of(path)


def _read(path: Path, recipe: dict[str, Any]) -> dict[str, Any] | None:
    try:
        found = read_json(path)
        if found["recipe"] == recipe and isinstance(found["answer"], dict):
            with suppress(OSError):
                os.utime(path)  # it was used just now
            return dict(found["answer"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


def verify_explanations(folder: Path, runs: set[str], count: Count = ignore) -> Iterator[Problem]:
    """Look at the answers that are kept in a folder.

    Args:
        runs: the ids of those that are there.
    """
    names = {path.name for path in folder.glob("*.json") if not path.name.startswith(".")}
    yield from verify_names(folder, names, count)
    for name in sorted(names - irregular(folder, names)):
        path = folder / name
        try:
            found = read_object(path, count)
            recipe = found.get("recipe")
            if not isinstance(recipe, dict) or not isinstance(found.get("answer"), dict):
                raise Damage("is damaged")
            if file_stem(recipe) != path.stem:
                raise Damage("answers another question")
        except FileNotFoundError:
            continue
        except (Damage, OSError) as error:
            yield Problem(Kind.DAMAGED, path, f"This stored explanation {reason(error)}: it is made again.", REMOVE)
            continue
        if recipe.get("run") not in runs:
            yield Problem(Kind.ORPHANED, path, "The run that this file explains is gone.", REMOVE)
