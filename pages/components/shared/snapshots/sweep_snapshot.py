"""The state of sweeps as all sessions see it: files are read once a second where they have changed, not per viewer."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from core.datasets.dataset_store import DatasetStore
from core.errors import DatasetError, RunError, SweepError
from core.runs.run import RunState
from core.settings import Settings
from core.statistics.metrics import Interval, wilson_limits
from core.sweeps.final_race import Luck, find_luck
from core.sweeps.sweep import Sweep
from core.sweeps.sweep_reader import SweepReader
from core.sweeps.sweep_store import SweepFolder, SweepStore
from pages.components.shared.snapshots.race_snapshot import RaceSnapshot, forget_races, look_at_race
from pages.components.shared.snapshots.runs_snapshot import LIVE_SECONDS, list_with_trials
from pages.components.shared.snapshots.shared_cache import SharedCache

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, eq=False)
class SweepSnapshot:
    """Everything the page of a sweep shows at one moment.

    Attributes:
        training: runs of its trials that are running.
        pictures: in the validation split; None where the dataset is gone.
        race: of its best settings and the base; None before it has begun, or where it was deleted.
        luck: how much of the best trial's accuracy did not last; None until the race has ended on test pictures.
    """

    sweep: Sweep
    training: int
    pictures: int | None
    race: RaceSnapshot | None
    luck: Luck | None

    @property
    def running(self) -> bool:
        """Whether trials may still come."""
        return self.sweep.result is None

    @property
    def moving(self) -> bool:
        """Whether it may still change by itself: trials are to come, or its race."""
        return self.running or (self.race is not None and self.race.moving)

    @property
    def interval(self) -> Interval | None:
        """Of the best trial's validation accuracy."""
        best = self.sweep.best
        if best is None or best.accuracy is None or not self.pictures:
            return None
        return wilson_limits(best.accuracy, self.pictures)


def look_at_sweep(settings: Settings, sweep_id: str) -> SweepSnapshot:
    """The newest snapshot of a sweep, about `LIVE_SECONDS` old at most, shared by all sessions.

    Raises:
        SweepError: there is none of this id, or its files are damaged.
    """
    return _snapshots.get((settings, sweep_id), lambda: _take(settings, sweep_id))


def list_sweeps(settings: Settings) -> list[Sweep]:
    """Every readable sweep, newest first, shared by all sessions."""
    return _lists.get(settings, lambda: _read(settings, SweepStore(settings).all()))


def list_active_sweeps(settings: Settings) -> list[Sweep]:
    """The readable sweeps that have not ended, newest first, shared by all sessions."""
    return _active.get(settings, lambda: _read(settings, reversed(SweepStore(settings).active())))


def open_study(settings: Settings, sweep_id: str) -> "optuna.Study | None":
    """Optuna's study, for its charts; None before there is one. It is shared: read it only.

    Raises:
        SweepError: there is none of this id, or its files are damaged.
    """
    return _reader(settings).study(SweepStore(settings).get(sweep_id))


def forget_sweeps() -> None:
    """Drop what was read of sweeps, races and runs, after this session changed something."""
    forget_races()
    for shared in (_snapshots, _lists, _active):
        shared.forget()


_snapshots: SharedCache[tuple[Settings, str], SweepSnapshot] = SharedCache(LIVE_SECONDS, max_entries=64)
# a fingerprint describes its pictures completely
_pictures: SharedCache[tuple[Settings, str, str], int] = SharedCache(None, max_entries=64)
_lists: SharedCache[Settings, list[Sweep]] = SharedCache(LIVE_SECONDS, max_entries=8)
_active: SharedCache[Settings, list[Sweep]] = SharedCache(LIVE_SECONDS, max_entries=8)


@lru_cache(maxsize=8)
def _reader(_: Settings) -> SweepReader:
    return SweepReader()


def _take(settings: Settings, sweep_id: str) -> SweepSnapshot:
    sweep = _reader(settings).read(SweepStore(settings).get(sweep_id))
    pictures, race = None, None
    key = settings, sweep.plan.base.dataset, sweep.meta.dataset_fingerprint
    with suppress(DatasetError):
        pictures = _pictures.get(key, lambda: _count_pictures(*key))
    if sweep.final_race is not None:
        with suppress(RunError):  # not begun yet, or deleted
            race = look_at_race(settings, sweep.final_race.race)
    luck = None
    found = race.result.comparison if race is not None and not race.moving and race.result is not None else None
    if pictures and found is not None and found.split == "test":
        luck = find_luck(sweep, found, pictures)
    trials = [item for item in list_with_trials(settings) if item.meta.sweep == sweep_id]
    training = sum(item.state is RunState.RUNNING for item in trials)
    return SweepSnapshot(sweep, training, pictures, race, luck)


def _count_pictures(settings: Settings, dataset_id: str, fingerprint: str) -> int:
    """Validation pictures of a dataset.

    Raises:
        DatasetError: it was deleted, or changed.
    """
    dataset = DatasetStore(settings).get(dataset_id)
    if dataset.fingerprint != fingerprint:
        raise DatasetError(f"The pictures of “{dataset.title}” are not the ones of this sweep.")
    return len(dataset.rows_of("val"))


def _read(settings: Settings, folders: Iterable[SweepFolder]) -> list[Sweep]:
    found = []
    for folder in folders:
        with suppress(SweepError):  # damaged, or deleted just now
            found.append(_reader(settings).read(folder))
    return found
