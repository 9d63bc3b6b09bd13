"""A room for a load: a data root of its own, a server on a free port, runs; everything ended by its process id."""

import dataclasses
import io
import os
import random
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psutil
from PIL import Image

from core.actor import Actor
from core.config.race_plan import PAIR, RacePlan
from core.config.train_config import TrainConfig
from core.datasets.drawn_sample import draw_sample
from core.datasets.importing import import_dataset
from core.datasets.sources.opening import open_source
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.room.access import RoomStore
from core.room.people import PeopleStore, new_token
from core.runs.run import Run
from core.runs.run_store import Arm, RunStore
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from core.steps import run_step
from pages.server.visitor_cookie import COOKIE
from tests.support.load.ledger import Ledger
from tests.support.load.session import Session
from tests.support.processes import end_processes
from tests.support.server import Server

WHO_LOADS = Actor("load", "Load", presenter=True)
LONG = 1000  # epochs: longer than any load
TROUBLE = re.compile(r"Traceback|\bERROR\b|\bCRITICAL\b|Exception in|Error sending")


@dataclasses.dataclass
class Room:
    """Use as a context manager: at its end nothing of it is left."""

    workers: int = 2
    threads: int = 1
    photographs: Path | None = None  # a folder of class folders; None for drawn pictures
    pictures_per_class: int = 120
    size_px: int = 160
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    guarded: bool = False  # behind a passcode, as `--room`: every session has a cookie and a nickname

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="tunemypets-load-"))
        self.home = self.folder / "workspace"
        os.environ.update(self.environment)
        os.environ["TUNEMYPETS_HOME"] = str(self.home)
        os.environ["TUNEMYPETS_WORKERS"] = str(self.workers)
        os.environ["TUNEMYPETS_THREADS"] = str(self.threads)
        os.environ["TUNEMYPETS_ROOM"] = str(int(self.guarded))
        self.settings = Settings.from_environment()
        self.home.mkdir(parents=True)
        self.server = Server(self.settings)
        self.dataset = ""
        return self

    def __exit__(self, *_: object) -> None:
        self.server.kill()
        self.end_processes()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- pictures and runs

    def make_dataset(self) -> str:
        """Import the pictures of the load; returns the dataset's id."""
        if self.photographs is None:
            pictures = list(draw_sample(count_per_class=self.pictures_per_class, size_px=self.size_px))
            source: Any = MemorySource("drawn for a load", pictures, drawn=True)
        else:
            source = open_source(self.photographs)
        self.dataset = run_step(
            import_dataset(self.settings, source, name="room", plan=SplitPlan.parse("70/15/15"), seed=0)
        )
        return self.dataset

    def config(self, **values: Any) -> TrainConfig:
        """A training on the dataset of the load: a small network from scratch, unless something else is said."""
        return TrainConfig.model_validate(
            {
                "dataset": self.dataset,
                "model": "scratch_cnn",
                "strategy": "scratch",
                "image_size": 64,
                "filters": (16, 32, 64),
                "dense_neurons": 64,
                "batch_size": 16,
                "precision": "fp32",
                **values,
            }
        )

    @property
    def store(self) -> RunStore:
        return RunStore(self.settings)

    def long_race(self) -> tuple[str, list[Run]]:
        """Two trainings that outlast the load, as a race: a network from scratch, and one from given weights."""
        arms = [
            Arm("scratch", self.config(epochs=LONG, image_size=128, filters=(32, 64, 128))),
            Arm("transfer", self.config(epochs=LONG, model="petnet", strategy="full")),
        ]
        plan = RacePlan("race", PAIR, (arms[0].config.seed,), "epochs", LONG)
        return self.store.create_race(plan, arms, by=WHO_LOADS)

    def long_runs(self, count: int) -> list[Run]:
        """Trainings that outlast the load."""
        if count == 2:
            return self.long_race()[1]
        return [
            self.store.create(self.config(epochs=LONG, image_size=128, seed=seed), by=WHO_LOADS)
            for seed in range(count)
        ]

    def queue(self, count: int, owners: int = 30) -> list[Run]:
        """Runs that wait behind the long ones, of many owners."""
        return [
            self.store.create(
                self.config(epochs=3, seed=place), by=Actor(f"load-{place % owners}", f"Person {place % owners}")
            )
            for place in range(count)
        ]

    def wait_until_training(self, runs: list[Run], seconds: float = 180.0) -> None:
        """Wait until each run has trained for some steps.

        Raises:
            RuntimeError: if one has not by then.
        """
        ensure_scheduler(self.settings)
        deadline = time.monotonic() + seconds
        for run in runs:
            while len(run.history().batches) < 3:
                if time.monotonic() > deadline or not run.state().active:
                    raise RuntimeError(f"run {run.id} is {run.state().value} and does not train")
                time.sleep(0.2)

    # ---- who comes

    @property
    def passcode(self) -> str:
        return RoomStore(self.settings).open().passcode

    def cookies(self, name: str) -> dict[str, str]:
        """The cookies of a person who was let in; none where there is no passcode."""
        if not self.guarded:
            return {}
        token = new_token()
        RoomStore(self.settings).enter(token, self.passcode, None)
        PeopleStore(self.settings).name(token, name)
        return {COOKIE: token}

    def session(self, name: str, ledger: Ledger, *, stranger: bool = False) -> Session:
        """A tab of a person who was let in, unless it is a stranger's."""
        return Session(self.server.address, name, ledger, cookies={} if stranger else self.cookies(name))

    # ---- its processes

    def server_process(self) -> psutil.Process:
        assert self.server.process is not None
        return psutil.Process(self.server.process.pid)

    def trouble(self) -> list[str]:
        """Lines of the server's log that speak of an error."""
        try:
            lines = self.server.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [line[:300] for line in lines if TROUBLE.search(line)]

    def processes(self) -> Iterator[tuple[str, psutil.Process]]:
        """Processes of this data root beside the server, by the module that they run."""
        for process in psutil.process_iter(["environ", "cmdline"]):
            environment = process.info["environ"] or {}
            module = next((part for part in process.info["cmdline"] or [] if part.startswith("core.")), None)
            if module and environment.get("TUNEMYPETS_HOME") == str(self.home):
                yield module, process

    def end_processes(self) -> None:
        """End them all, and what they have started meanwhile."""
        for _ in range(3):
            end_processes(self.home)


def pictures_trained(run: Run, first: float, last: float) -> float:
    """Pictures per second that a run trained on between two moments (seconds since 1970), validation time included."""
    seen = [
        (record["time"], record["images_seen"])
        for record in run.records()
        if record.get("kind") == "batch" and first <= record.get("time", 0) <= last
    ]
    if len(seen) < 2:
        return 0.0
    return (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])


def step_times(run: Run) -> dict[tuple[int, int], float]:
    """When (seconds since 1970) each step of a run was written to its log."""
    times: dict[tuple[int, int], float] = {}
    for record in run.records():
        if record.get("kind") == "batch":
            times[record["epoch"], record["step"]] = record["time"]
    return times


def noise_zip(path: Path, megabytes: float, seed: int = 0) -> int:
    """Write a zip of two classes of pictures that cannot be compressed; returns its size in bytes."""
    numbers = random.Random(seed)
    side = 600
    per_image = side * side * 3 * 1.001 / 2**20
    count = max(20, round(megabytes / per_image))
    side = round(side * (megabytes / (count * per_image)) ** 0.5)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for place in range(count):
            picture = io.BytesIO()
            Image.frombytes("RGB", (side, side), numbers.randbytes(side * side * 3)).save(picture, "PNG")
            archive.writestr(f"{'cat' if place % 2 else 'dog'}/{place:04d}.png", picture.getvalue())
    return path.stat().st_size
