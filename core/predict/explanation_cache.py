"""Answers that never change, kept on disk: one person asks, the whole room reads.

`cache/explanations/<hash>.json` holds what was asked and what the answer was; the hash is that of what was asked, the
content of the run's weights included. Whatever is wrong with a file, it is made anew. Imports no torch.
"""

import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.errors import RunError
from core.runs.run import Run
from core.settings import Settings
from core.storage import read_json, write_json
from core.stores.array_cache import EXPLANATIONS, make_room

FORMAT = 2
BLOCK_BYTES = 2**20

log = logging.getLogger("tunemypets.kept")


class KeptAnswers:
    """The answers of one data root; of several threads that ask the same, one computes and the others wait."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._guard = threading.Lock()
        self._making: dict[str, threading.Lock] = {}

    def get(self, asked: dict[str, Any], make: Callable[[], dict[str, Any]], *, keep: bool) -> dict[str, Any]:
        """The answer to a question, from disk or made now.

        Args:
            asked: all that decides the answer, as JSON gives it back.
            keep: whether the answer stays right for good. A disk that is full keeps nothing, and the answer goes out.
        Raises:
            TuneMyPetsError: what `make` raises; nothing is kept then.
        """
        recipe = {"format": FORMAT, **asked}
        name = name_of(recipe)
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


def name_of(recipe: dict[str, Any]) -> str:
    """The name of the file that holds the answer to what was asked."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:32]


def weights_hash(run: Run) -> str:
    """sha256 of a run's best weights, in hex.

    Raises:
        RunError: it has none.
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
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


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
