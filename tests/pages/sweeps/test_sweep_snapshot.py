"""What a page knows of a sweep: read only where it changed, with an interval and the time that is left."""

import dataclasses

import pytest

from core.datasets.dataset import Dataset
from core.sweeps import sweep_reader
from core.sweeps.sweep import read_sweep
from pages.components.shared.snapshots.sweep_snapshot import forget_sweeps, look_at_sweep
from tests.core.sweeps.desk import SweepDesk, train
from tests.pages.sweeps.conftest import end_trials


def test_a_study_is_read_again_only_where_its_file_has_changed(
    desk: SweepDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    read = sweep_reader.read_study
    monkeypatch.setattr(sweep_reader, "read_study", lambda folder: opened.append(folder.id) or read(folder))
    reader = sweep_reader.SweepReader()
    end_trials(desk, 1)
    first = reader.read(desk.folder)
    assert reader.read(desk.folder) is first
    end_trials(desk, 1)
    later = reader.read(desk.folder)
    assert later.trials == read_sweep(desk.folder).trials
    assert later.counted == 2
    assert opened == [desk.folder.id], "what was added is read, nothing else"


def test_a_snapshot_counts_what_trains_and_has_an_interval(desk: SweepDesk, drawn: Dataset) -> None:
    end_trials(desk, 1)
    train(desk.waiting()[0], 0.5)
    forget_sweeps()
    found = look_at_sweep(desk.settings, desk.folder.id)
    assert found.pictures == len(drawn.rows_of("val"))
    assert found.interval is not None
    assert found.interval.low < 0.5 < found.interval.high
    assert found.running
    assert found.moving


def test_the_time_between_a_sweep_and_its_further_trials_does_not_count(desk: SweepDesk, drawn: Dataset) -> None:
    end_trials(desk, 2)
    sweep = desk.read()
    now, day = 2_000_000_000.0, 86_400.0

    def seconds_left(gap: float) -> float | None:
        spans = ((now - 60 - gap, now - 40 - gap), (now - 20, now))
        trials = [
            dataclasses.replace(trial, began=began, ended=ended)
            for trial, (began, ended) in zip(sweep.trials[:2], spans, strict=True)
        ]
        return dataclasses.replace(sweep, trials=tuple(trials)).seconds_left(now)

    assert seconds_left(0) == pytest.approx(40 / 2 * 4)
    assert seconds_left(day) == pytest.approx(40 / 2 * 4)
