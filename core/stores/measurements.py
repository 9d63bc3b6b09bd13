"""Speed measurements of this machine, kept in `cache/measurements.json`. Imports no torch: pages read them too."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from core.settings import Settings
from core.storage import read_json, write_json

Figures = dict[str, float]
MAX_KEPT = 500

log = logging.getLogger("tunemypets.measurements")


@dataclass(frozen=True)
class Measurements:
    """The remembered figures of a data root."""

    settings: Settings

    def find(self, what: dict[str, Any], machine: dict[str, Any] | None = None) -> Figures | None:
        """The newest figures of `what`.

        Args:
            machine: only those measured on exactly this one; None takes any with this many threads.
        """
        for item in reversed(self._read()):
            theirs = item.get("machine", {})
            same = theirs == machine if machine else theirs.get("threads") == self.settings.threads
            if same and item.get("what") == what and isinstance(item.get("figures"), dict):
                return {str(key): float(value) for key, value in item["figures"].items()}
        return None

    def keep(
        self, what: dict[str, Any], machine: dict[str, Any], figures: Figures, *, replace: bool = False
    ) -> Figures:
        """Remember figures; returns those that are remembered now.

        Of two processes that measure the same thing the first decides, so that equal runs take the same path.

        Args:
            replace: earlier ones of the same thing on the same machine.
        """
        rounded = {key: float(f"{value:.6g}") for key, value in figures.items()}
        new = {"what": what, "machine": machine, "figures": rounded, "time": time.time()}
        try:
            self.settings.cache_dir.mkdir(parents=True, exist_ok=True)
            with FileLock(self._path.with_suffix(".lock")):
                earlier = None if replace else self.find(what, machine)
                if earlier is not None:
                    return earlier
                others = [item for item in self._read() if (item.get("what"), item.get("machine")) != (what, machine)]
                write_json(self._path, [*others[1 - MAX_KEPT :], new])
        except OSError:
            log.exception("figures could not be kept: they will be measured again")
        return rounded

    def _read(self) -> list[dict[str, Any]]:
        try:
            found = read_json(self._path)
        except (OSError, ValueError):
            return []
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    @property
    def _path(self) -> Path:
        return self.settings.cache_dir / "measurements.json"
