"""One frozen Settings, read from the environment.

Every variable is optional. `Settings.from_environment()` is cheap: call it where it is needed, keep no global. Each
field declares its variable with unit, bounds, default and one line of help; docs/settings.md is made from them.
"""

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from core.errors import SettingsError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# a checkout keeps its data next to the app; what pip installed must not write among the packages
CHECKOUT = (PROJECT_ROOT / "streamlit_app.py").exists()
DEFAULT_HOME = PROJECT_ROOT / "workspace" if CHECKOUT else Path.home() / "tunemypets"
MB = 2**20
CLUSTER = r"^(auto|[A-Za-z0-9._-]+:[0-9]{1,5})$"
ADDRESS = r"^https?://\S+$"
HOST = re.compile(r"(\*\.)?[a-z0-9._-]+|\[?[0-9a-f:]+\]?")

Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class Variable:
    """An environment variable behind a field of Settings.

    Attributes:
        text: one line on what it is for.
        kind: what pydantic makes of its text.
        allowed: what it accepts, in words.
        default: where it is not set.
        shown: the default in words, where it is no constant.
        unit: by which a given number is multiplied.
    """

    name: str
    text: str
    kind: Any
    allowed: str
    default: Any
    shown: str
    unit: int = 1

    def read(self, environ: Mapping[str, str]) -> Any:
        """The value that is set, or the default.

        Raises:
            SettingsError: names the variable and what it accepts.
        """
        text = environ.get(self.name, "").strip()
        if not text:
            return self.default * self.unit if self.unit > 1 else self.default
        try:
            value = _adapter(self.kind).validate_python(text)
        except ValidationError:
            raise SettingsError(f"{self.name} is {text!r}: set it to {self.allowed}.") from None
        return value * self.unit if self.unit > 1 else value


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _field(variable: Variable) -> Any:
    return dataclasses.field(metadata={"variable": variable})


def _whole(name: str, text: str, default: int | None, low: int, high: int, *, shown: str = "", unit: int = 1) -> Any:
    kind = Annotated[int, Field(ge=low, le=high)]
    allowed = f"a whole number from {low} to {high}"
    return _field(Variable(name, text, kind, allowed, default, shown or f"{default:,}", unit))


def _switch(name: str, text: str, default: bool) -> Any:
    return _field(Variable(name, text, bool, "1 or 0", default, "1" if default else "0"))


@dataclass(frozen=True)
class Settings:
    """What a deployment may choose."""

    home: Path = _field(  # noqa: RUF009 (it is a dataclasses.field)
        Variable(
            "TUNEMYPETS_HOME",
            "The folder of all data.",
            str,
            "a folder",
            None,
            "`workspace/` next to the app; `~/tunemypets` after `pip install .`",
        )
    )
    workers: int | None = _whole(  # None: fitted to the machine, see core.scheduling.capacity
        "TUNEMYPETS_WORKERS", "Trainings that run at the same time.",
        None, 1, 64,
        shown="1, which the arms of a race share; with a GPU one for each 6 GB of its memory, at most 4",
    )  # fmt: skip
    threads: int = _whole(
        "TUNEMYPETS_THREADS",
        "Processor threads of one training, shared by the arms of a race that run side by side. Set 1 where other "
        "programs keep the processor busy: the arms then take turns.",
        None, 1, 1024, shown="cores / workers",
    )  # fmt: skip
    cluster: str = _field(  # empty: none
        Variable(
            "TUNEMYPETS_CLUSTER",
            "The Ray cluster that trains: `auto` for the one on this machine, or its address (docs/cluster.md).",
            Annotated[str, Field(pattern=CLUSTER)], "auto, or an address such as 192.168.0.10:6379", "", "none",
        )
    )  # fmt: skip
    shared_images: int = _whole(
        "TUNEMYPETS_SHARED_PICTURES",
        "Pictures from which on all machines of a cluster evaluate the frozen part of a training together.",
        10_000, 1, 10_000_000,
    )  # fmt: skip
    device: str = _field(
        Variable(
            "TUNEMYPETS_DEVICE", "What trainings run on.",
            Annotated[Device, BeforeValidator(str.lower)], "auto, cpu, cuda or mps, or leave it out", "auto", "auto",
        )
    )  # fmt: skip
    max_pixels: int = _whole(
        "TUNEMYPETS_MAX_PIXELS", "Largest picture that is decoded, in pixels.", 50_000_000, 1_000_000, 500_000_000
    )
    max_image_bytes: int = _whole("TUNEMYPETS_MAX_PICTURE_MB", "Largest picture file, in MB.", 64, 1, 4096, unit=MB)
    max_dataset_bytes: int = _whole(
        "TUNEMYPETS_MAX_DATASET_MB", "Largest dataset, unpacked, in MB.", 8192, 1, 2**20, unit=MB
    )
    max_images: int = _whole("TUNEMYPETS_MAX_PICTURES", "Most files in one dataset.", 200_000, 10, 10_000_000)
    cache_bytes: int = _whole(
        "TUNEMYPETS_CACHE_MB", "Space for what can be computed again (pixels, outputs of frozen parts), in MB.",
        16_384, 16, 2**30, unit=MB,
    )  # fmt: skip
    local_folders: bool = _switch(
        "TUNEMYPETS_LOCAL_FOLDERS",
        "Whether Explore and Predict may read folders of the server; only while it listens on this machine alone.",
        True,
    )
    downloads_for_all: bool = _switch(
        "TUNEMYPETS_DOWNLOADS_FOR_ALL",
        "Whether attendees of a room may download datasets too; the presenter always may.",
        False,
    )
    sets_url: str = _field(
        Variable(
            "TUNEMYPETS_SETS_URL",
            "Address of a mirror of the ready-made sets: a folder for each, with the published files "
            "(docs/datasets.md).",
            Annotated[str, Field(pattern=ADDRESS)], "an address that starts with http:// or https://", "",
            "each set's own server",
        )
    )  # fmt: skip
    max_queued: int = _whole("TUNEMYPETS_MAX_QUEUED", "Most queued and running runs of one person.", 50, 1, 100_000)
    max_datasets: int = _whole("TUNEMYPETS_MAX_DATASETS", "Most datasets of one person.", 20, 1, 100_000)
    room_bytes: int = _whole(
        "TUNEMYPETS_ROOM_MB", "Space for all datasets, runs and uploads together, in MB; 0: no limit.",
        0, 0, 2**30, unit=MB,
    )  # fmt: skip
    min_free_bytes: int = _whole(
        "TUNEMYPETS_MIN_FREE_MB", "Free disk space, in MB, below which nothing new starts and trainings pause.",
        300, 1, 2**20, unit=MB,
    )  # fmt: skip
    room: bool = _switch(
        "TUNEMYPETS_ROOM",
        "Whether the app asks for a passcode and gives each person a nickname; always on when other machines can "
        "reach it.",
        False,
    )
    hosts: tuple[str, ...] = _field(
        Variable(
            "TUNEMYPETS_HOSTS",
            "Names of the app besides this machine's own, such as `pets.example.com, *.lab.example.com`.",
            str, "names with commas between them", (), "none",
        )
    )  # fmt: skip
    metrics: bool = _switch(
        "TUNEMYPETS_METRICS", "Whether the server reports figures about itself at `/_stcore/metrics`.", False
    )
    upload_bytes: int = _whole("TUNEMYPETS_UPLOAD_MB", "Largest upload, in MB.", 1024, 1, 2**20, unit=MB)
    session_upload_bytes: int = _whole(
        "TUNEMYPETS_SESSION_UPLOAD_MB", "Uploads of one browser session in memory, and in one minute, in MB.",
        1024, 1, 2**20, unit=MB,
    )  # fmt: skip
    all_upload_bytes: int = _whole(
        "TUNEMYPETS_ALL_UPLOAD_MB", "Uploads of all browser sessions in memory, in MB.", 2048, 1, 2**20, unit=MB
    )
    watts: int = _whole(  # 0: not known
        "TUNEMYPETS_WATTS", "Power of the machine while it trains, in watts, for estimates of energy.",
        0, 0, 100_000, shown="8 for each processor thread; with a GPU its power limit",
    )  # fmt: skip

    @property
    def datasets_dir(self) -> Path:
        return self.home / "datasets"

    @property
    def runs_dir(self) -> Path:
        return self.home / "runs"

    @property
    def sweeps_dir(self) -> Path:
        return self.home / "sweeps"

    @property
    def collections_dir(self) -> Path:
        return self.home / "collections"

    @property
    def imports_dir(self) -> Path:
        return self.home / "imports"

    @property
    def batches_dir(self) -> Path:
        return self.home / "batches"

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
        values = {field: variable.read(env) for field, variable in variables()}
        home, hosts = values["home"], values["hosts"]
        values["home"] = Path(home).expanduser().resolve() if home else DEFAULT_HOME
        values["threads"] = values["threads"] or max(1, _usable_cores() // (values["workers"] or 1))
        values["hosts"] = _read_hosts(hosts) if hosts else ()
        return cls(**values)


def variables() -> Iterator[tuple[str, Variable]]:
    """The name of each field with its variable."""
    for field in dataclasses.fields(Settings):
        yield field.name, field.metadata["variable"]


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _read_hosts(text: str) -> tuple[str, ...]:
    names = tuple(part.strip().lower().rstrip(".") for part in text.split(",") if part.strip())
    for part in names:
        if not HOST.fullmatch(part):
            raise SettingsError(
                f"TUNEMYPETS_HOSTS has {part!r}: write names such as pets.example.com, with commas between them."
            )
    return names
