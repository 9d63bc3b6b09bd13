"""A hunt: wrong labels are planted in a copy of a dataset, and people mark what looks wrong while the time runs.

room/hunts/<id>/hunt.json           what was planted where, since when and for how long
room/hunts/<id>/truth.json          which labels are wrong; read only when the hunt has ended
room/hunts/<id>/marks/<person>.json the pictures that a person marks
room/hunts/<id>/datasets/, cache/   a data root of its own: the copy, and what the doctor finds in it
"""

import dataclasses
import shutil
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter

from core.actor import Actor
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.doctor.doctor_findings import Findings
from core.doctor.examination import list_backbones, look, start_examination
from core.errors import GameError
from core.games.game_files import newest, read_game
from core.games.planting import COPY, check_planting, plant_labels
from core.jobs.shared_job import JobState
from core.locks import hold_lock
from core.quotas import check_space
from core.settings import Settings
from core.storage import DRAFT, list_ids, new_folder, new_id, read_json, write_json

HUNT, TRUTH, MARKS = "hunt.json", "truth.json", "marks"
PLANTED, PICTURES, SECONDS = 20, 200, 300.0  # by default
LEAST_SECONDS, MOST_SECONDS = 30.0, 3600.0
MAX_HUNTS = 50
LOCK_SECONDS = 5.0
OLD_SECONDS = 600.0  # of a draft: making one takes seconds


@dataclass(frozen=True)
class Hunt:
    """What `hunt.json` holds.

    Attributes:
        dataset, title: the dataset that was copied, its id and title.
        backbone: the network of the doctor that hunts, too.
        begun: seconds since 1970.
        seconds: how long people may mark.
        ended: when the presenter ended it; None if they did not.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    dataset: str
    title: str
    planted: int
    pictures: int
    backbone: str
    begun: float
    seconds: float
    ended: float | None = None

    @property
    def ends(self) -> float:
        """When it ends or ended, in seconds since 1970."""
        return min(self.begun + self.seconds, self.ended or float("inf"))

    def seconds_left(self, now: float) -> float:
        """Of the time to mark; 0 when it has ended."""
        return max(0.0, self.ends - now)


@dataclass(frozen=True)
class HuntView:
    """A hunt as it is now.

    Attributes:
        marks: person -> rows of the copy, in the order they were marked.
        over: nothing can be marked any more, and the truth is out.
    """

    id: str
    hunt: Hunt
    marks: Mapping[str, tuple[int, ...]]
    over: bool


_HUNT = TypeAdapter(Hunt)
_ROWS = TypeAdapter(tuple[int, ...])
_TRUTH = TypeAdapter(dict[int, int])


class HuntStore:
    """The folder `room/hunts/` of a data root."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.room_dir / "hunts"

    def current(self) -> HuntView | None:
        """The newest hunt that can be read; None before the first."""
        return newest(self.folder, self.view)

    def view(self, hunt_id: str) -> HuntView:
        """A hunt as it is now.

        Raises:
            GameError: if there is none, or it is damaged.
        """
        hunt, marks = self._read(hunt_id), {}
        for path in sorted((self.folder / hunt_id / MARKS).glob("*.json")):
            if found := _read_rows(path, hunt.pictures):
                marks[path.stem] = found
        return HuntView(hunt_id, hunt, marks, hunt.seconds_left(time.time()) == 0)

    def start(
        self,
        dataset_id: str,
        *,
        planted: int = PLANTED,
        pictures: int = PICTURES,
        seconds: float = SECONDS,
        by: Actor,
    ) -> str:
        """Plant wrong labels in a copy of a dataset, and begin; returns the hunt's id.

        Raises:
            RightsError: unless `by` is the presenter.
            GameError: the numbers or the dataset allow no hunt.
            DatasetError, QuotaError: the dataset is not there, or the disk is too full.
        """
        by.check_presenter("Starting a hunt")
        dataset = DatasetStore(self.settings).get(dataset_id)
        check_planting(dataset, planted, pictures)
        if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
            raise GameError(f"Give {LEAST_SECONDS:g} to {MOST_SECONDS:g} seconds to look for them.")
        if len(list_ids(self.folder)) >= MAX_HUNTS:
            raise GameError(f"There are {MAX_HUNTS} hunts already: remove some from {self.folder}.")
        check_space(self.settings)
        self._sweep()
        hunt_id = new_id("hunt-")
        with new_folder(self.folder / hunt_id) as draft:
            (draft / MARKS).mkdir()
            truth = plant_labels(self._root(draft), dataset, planted, pictures)
            write_json(draft / TRUTH, truth, private=True)
            copied = self._copy(draft)
            hunt = Hunt(dataset.id, dataset.title, planted, len(copied.rows), list_backbones()[0], time.time(), seconds)
            write_json(draft / HUNT, dataclasses.asdict(hunt))
        return hunt_id

    def mark(self, hunt_id: str, row: int, marked: bool, *, by: Actor) -> tuple[int, ...]:
        """Mark a picture as wrongly labelled, or no more; returns the person's marks.

        Everyone has as many marks as labels were planted.

        Raises:
            GameError: the time is up, all marks are used, or there is no such picture.
        """
        with self._locked(hunt_id):
            hunt = self._read(hunt_id)
            if hunt.seconds_left(time.time()) == 0:
                raise GameError("Time is up: look at the screen for what was planted.")
            if not 0 <= row < hunt.pictures:
                raise GameError("There is no such picture: reload the page.")
            path = self.folder / hunt_id / MARKS / f"{by.id}.json"
            rows = tuple(other for other in _read_rows(path, hunt.pictures) if other != row)
            if marked and len(rows) >= hunt.planted:
                raise GameError(f"All your {hunt.planted} marks are used: take one back first.")
            rows += (row,) * marked
            write_json(path, rows)
            return rows

    def end(self, hunt_id: str, *, by: Actor) -> None:
        """End a hunt before its time.

        Raises:
            RightsError: unless `by` is the presenter.
            GameError: if there is no such hunt.
        """
        by.check_presenter("Ending the hunt")
        with self._locked(hunt_id):
            hunt, now = self._read(hunt_id), time.time()
            if hunt.seconds_left(now) > 0:
                write_json(self.folder / hunt_id / HUNT, dataclasses.asdict(dataclasses.replace(hunt, ended=now)))

    def truth(self, hunt_id: str) -> dict[int, int]:
        """The row of each planted picture with the index of its true class.

        Raises:
            GameError: the hunt is not over yet, or its files are damaged.
        """
        if not self.view(hunt_id).over:
            raise GameError("The planted labels are shown at the end of the hunt.")
        try:
            return _TRUTH.validate_python(read_json(self.folder / hunt_id / TRUTH))
        except (OSError, ValueError) as error:
            raise GameError("What was planted in this hunt is damaged: start another hunt.") from error

    def copy(self, hunt_id: str) -> Dataset:
        """The copy with the wrong labels.

        Raises:
            GameError: there is no such hunt.
            DatasetError: the copy is damaged.
        """
        self._read(hunt_id)
        return self._copy(self.folder / hunt_id)

    def start_doctor(self, hunt_id: str, *, by: Actor) -> None:
        """Let the doctor look for the wrong labels, too, in a process of its own.

        Raises:
            GameError: there is no such hunt.
            ConfigError, WeightsError, QuotaError: as `start_examination`.
        """
        backbone = self._read(hunt_id).backbone
        start_examination(self._root(self.folder / hunt_id), self.copy(hunt_id), backbone, by=by)

    def look_at_doctor(self, hunt_id: str) -> JobState[Findings]:
        """How far the doctor is; its findings name rows of the copy.

        Raises:
            GameError: there is no such hunt.
        """
        backbone = self._read(hunt_id).backbone
        return look(self._root(self.folder / hunt_id), self.copy(hunt_id), backbone)

    def _sweep(self) -> None:
        """Remove what killed processes left of hunts."""
        for path in self.folder.glob(f"{DRAFT}*"):
            if time.time() - path.stat().st_mtime > OLD_SECONDS:
                shutil.rmtree(path, ignore_errors=True)

    def _root(self, folder: Path) -> Settings:
        return dataclasses.replace(self.settings, home=folder)

    def _copy(self, folder: Path) -> Dataset:
        return DatasetStore(self._root(folder)).get(COPY)

    def _read(self, hunt_id: str) -> Hunt:
        return read_game(
            _HUNT,
            self.folder,
            hunt_id,
            HUNT,
            missing="There is no such hunt: ask the presenter to start one.",
            damaged=f"The hunt {hunt_id} is damaged: start another one.",
        )

    def _locked(self, hunt_id: str) -> AbstractContextManager[None]:
        self._read(hunt_id)
        busy = GameError("Many people are marking: try again in a few seconds.")
        return hold_lock(self.folder / hunt_id / "marks.lock", LOCK_SECONDS, busy)


def _read_rows(path: Path, pictures: int) -> tuple[int, ...]:
    try:
        found = _ROWS.validate_json(path.read_bytes())
    except (OSError, ValueError):
        return ()
    return tuple(dict.fromkeys(row for row in found if 0 <= row < pictures))
