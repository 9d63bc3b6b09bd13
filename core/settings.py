"""One frozen Settings, read from the environment.

Every variable is optional. `Settings.from_environment()` is cheap: call it where it is needed, keep no global.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import SettingsError

PROJECT_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """What a deployment may choose.

    Attributes:
        home: the one root of all data (`TUNEMYPETS_HOME`; default `workspace/` beside the app).
        workers: trainings that run at the same time (`TUNEMYPETS_WORKERS`); None: fitted to the machine, see
            `core.jobs.capacity`.
        threads: processor threads of one training (`TUNEMYPETS_THREADS`; default: all cores / workers).
        device: `auto`, `cpu`, `cuda` or `mps` (`TUNEMYPETS_DEVICE`).
        max_pixels: largest picture that is decoded, in pixels (`TUNEMYPETS_MAX_PIXELS`).
        max_image_bytes: largest picture file (`TUNEMYPETS_MAX_PICTURE_MB`).
        max_dataset_bytes: largest dataset, unpacked (`TUNEMYPETS_MAX_DATASET_MB`).
        max_images: most files in one dataset (`TUNEMYPETS_MAX_PICTURES`).
        cache_bytes: most that may be kept of what can be computed again (`TUNEMYPETS_CACHE_MB`).
        local_folders: whether the page may import a folder of the server's own disk (`TUNEMYPETS_LOCAL_FOLDERS`).
        max_queued: most runs of one person that wait or run (`TUNEMYPETS_MAX_QUEUED`).
        max_datasets: most datasets of one person (`TUNEMYPETS_MAX_DATASETS`).
        room_bytes: most that all data of this data root may take, beside the cache (`TUNEMYPETS_ROOM_MB`; 0: no limit).
        min_free_bytes: free space below which nothing new begins and trainings pause (`TUNEMYPETS_MIN_FREE_MB`).
        room: whether the app stands behind a passcode and knows people apart (`TUNEMYPETS_ROOM`, or `--room`).
        hosts: names beside this machine's own under which the app may be asked for (`TUNEMYPETS_HOSTS`).
        metrics: whether the server tells numbers about itself, at `/_stcore/metrics` (`TUNEMYPETS_METRICS`).
        upload_bytes: largest upload (`TUNEMYPETS_UPLOAD_MB`).
        session_upload_bytes: most uploads that one session may have in memory, and may send in a minute
            (`TUNEMYPETS_SESSION_UPLOAD_MB`).
        all_upload_bytes: most uploads of all sessions in memory (`TUNEMYPETS_ALL_UPLOAD_MB`).
        watts: what the machine takes while it trains, for estimates of energy (`TUNEMYPETS_WATTS`; 0: not known).
    """

    home: Path
    workers: int | None
    threads: int
    device: str
    max_pixels: int
    max_image_bytes: int
    max_dataset_bytes: int
    max_images: int
    cache_bytes: int
    local_folders: bool
    max_queued: int
    max_datasets: int
    room_bytes: int
    min_free_bytes: int
    room: bool
    hosts: tuple[str, ...]
    metrics: bool
    upload_bytes: int
    session_upload_bytes: int
    all_upload_bytes: int
    watts: int

    @property
    def datasets_dir(self) -> Path:
        return self.home / "datasets"

    @property
    def runs_dir(self) -> Path:
        return self.home / "runs"

    @property
    def imports_dir(self) -> Path:
        return self.home / "imports"

    @property
    def cache_dir(self) -> Path:
        return self.home / "cache"

    @property
    def people_dir(self) -> Path:
        return self.home / "people"

    @property
    def room_dir(self) -> Path:
        return self.home / "room"

    @property
    def logs_dir(self) -> Path:
        return self.home / "logs"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings.

        Raises:
            SettingsError: names the variable whose value cannot be used.
        """
        env = os.environ if environ is None else environ
        workers = _whole(env, "TUNEMYPETS_WORKERS", 0, 1, 64) or None
        cores = _usable_cores()
        device = env.get("TUNEMYPETS_DEVICE", "auto").strip().lower() or "auto"
        if device not in ("auto", "cpu", "cuda", "mps"):
            raise SettingsError(f"TUNEMYPETS_DEVICE is {device!r}: set it to auto, cpu, cuda or mps, or leave it out.")
        home = env.get("TUNEMYPETS_HOME", "").strip()
        return cls(
            home=Path(home).expanduser().resolve() if home else PROJECT_ROOT / "workspace",
            workers=workers,
            threads=_whole(env, "TUNEMYPETS_THREADS", max(1, cores // (workers or 1)), 1, 1024),
            device=device,
            max_pixels=_whole(env, "TUNEMYPETS_MAX_PIXELS", 50_000_000, 1_000_000, 500_000_000),
            max_image_bytes=_whole(env, "TUNEMYPETS_MAX_PICTURE_MB", 64, 1, 4096) * 2**20,
            max_dataset_bytes=_whole(env, "TUNEMYPETS_MAX_DATASET_MB", 8192, 1, 2**20) * 2**20,
            max_images=_whole(env, "TUNEMYPETS_MAX_PICTURES", 200_000, 10, 10_000_000),
            cache_bytes=_whole(env, "TUNEMYPETS_CACHE_MB", 16_384, 16, 2**30) * 2**20,
            local_folders=_switch(env, "TUNEMYPETS_LOCAL_FOLDERS", True),
            max_queued=_whole(env, "TUNEMYPETS_MAX_QUEUED", 50, 1, 100_000),
            max_datasets=_whole(env, "TUNEMYPETS_MAX_DATASETS", 20, 1, 100_000),
            room_bytes=_whole(env, "TUNEMYPETS_ROOM_MB", 0, 0, 2**30) * 2**20,
            min_free_bytes=_whole(env, "TUNEMYPETS_MIN_FREE_MB", 300, 1, 2**20) * 2**20,
            room=_switch(env, "TUNEMYPETS_ROOM", False),
            hosts=_names(env, "TUNEMYPETS_HOSTS"),
            metrics=_switch(env, "TUNEMYPETS_METRICS", False),
            upload_bytes=_whole(env, "TUNEMYPETS_UPLOAD_MB", 1024, 1, 2**20) * 2**20,
            session_upload_bytes=_whole(env, "TUNEMYPETS_SESSION_UPLOAD_MB", 1024, 1, 2**20) * 2**20,
            all_upload_bytes=_whole(env, "TUNEMYPETS_ALL_UPLOAD_MB", 2048, 1, 2**20) * 2**20,
            watts=_whole(env, "TUNEMYPETS_WATTS", 0, 0, 100_000),
        )


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _names(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Host names, separated by commas: `pets.example.com, *.lab.example.com`."""
    names = tuple(part.strip().lower().rstrip(".") for part in env.get(name, "").split(",") if part.strip())
    for part in names:
        if not re.fullmatch(r"(\*\.)?[a-z0-9._-]+|\[?[0-9a-f:]+\]?", part):
            raise SettingsError(f"{name} has {part!r}: write names such as pets.example.com, with commas between.")
    return names


def _whole(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise SettingsError(f"{name} is {text!r}: set it to a whole number from {low} to {high}.")
    return value


def _switch(env: Mapping[str, str], name: str, default: bool) -> bool:
    text = env.get(name, "").strip().lower()
    if not text:
        return default
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise SettingsError(f"{name} is {text!r}: set it to 1 or 0.")
