"""The race at the end of a sweep: the same pictures, seeds and budget for both, made once; and what was luck."""

import numpy as np
import pytest

from core.datasets.dataset import Dataset
from core.errors import SweepError
from core.runs.run_store import RunStore
from core.settings import Settings
from core.statistics.metrics import Interval, difference_interval, wilson_interval
from core.sweeps.final_race import BASE, BEST, measure_luck, start_final_race
from core.sweeps.sweep_store import SweepFolder
from tests.core.sweeps.desk import SweepDesk, begin, end_run, make_plan
from tests.support.finished_runs import finish


@pytest.fixture
def desk(drawn: Dataset, settings: Settings) -> SweepDesk:
    """A sweep of three trials of which the last is the best."""
    del drawn
    desk = begin(settings, make_plan(trials=3))
    while desk.step():
        for run in desk.waiting():
            end_run(run, 0.5 + 0.1 * (run.meta().trial or 0))
    return desk


def test_both_arms_have_the_same_seeds_and_budget(desk: SweepDesk) -> None:
    sweep = desk.read()
    runs = RunStore(desk.settings).race(sweep.races[0].race)
    assert sweep.best is not None
    for arm, dropout in ((BASE, sweep.plan.base.dropout), (BEST, sweep.best.values["dropout"])):
        configs = [run.config() for run in runs if run.meta().arm == arm]
        assert [config.seed for config in configs] == [0, 1, 2]
        assert {(config.dropout, config.epochs) for config in configs} == {(dropout, sweep.plan.base.epochs)}


def test_it_is_made_once_and_completed_after_a_kill(desk: SweepDesk) -> None:
    (race,) = desk.read().races
    gone = RunStore(desk.settings).race(race.race)[-1]
    for path in gone.folder.iterdir():
        path.unlink()
    gone.folder.rmdir()

    assert start_final_race(desk.settings, SweepFolder(desk.folder.folder)) == race.race
    assert len(RunStore(desk.settings).race(race.race)) == 6
    assert len(desk.read().races) == 1


def test_a_base_that_is_the_best_needs_no_race(drawn: Dataset, settings: Settings) -> None:
    del drawn
    desk = begin(settings, make_plan(trials=2))
    while desk.step():
        for run in desk.waiting():
            end_run(run, 0.9 - 0.1 * (run.meta().trial or 0))
    sweep = desk.read()
    assert sweep.races == ()
    assert sweep.result is not None
    assert sweep.result.text == "Finished: nothing was better than the settings it began with (the base)."


def test_without_a_finished_trial_there_is_nothing_to_train_again(drawn: Dataset, settings: Settings) -> None:
    del drawn
    desk = begin(settings, make_plan(trials=2))
    with pytest.raises(SweepError, match=r"No trial of sweep .* has finished"):
        start_final_race(settings, desk.folder)


def test_luck_is_validation_minus_test_once_the_race_has_a_result(desk: SweepDesk, drawn: Dataset) -> None:
    sweep = desk.read()
    pictures = len(drawn.rows_of("val"))
    assert measure_luck(desk.settings, sweep, pictures) is None
    for run in RunStore(desk.settings).race(sweep.races[0].race):
        finish(run, drawn, 0.6)
    luck = measure_luck(desk.settings, sweep, pictures)
    assert luck is not None
    assert sweep.best is not None
    assert luck.validation == sweep.best.accuracy
    assert luck.difference == pytest.approx(luck.validation - luck.test)
    assert luck.interval.low < luck.difference < luck.interval.high
    assert (luck.validation_pictures, luck.test_pictures) == (pictures, len(drawn.rows_of("test")))


def test_the_interval_of_a_difference_holds_the_true_one() -> None:
    """Newcombe's method 10: its own example, and coverage by simulation."""
    found = difference_interval(56 / 70, 70, 48 / 80, wilson_interval(48, 80))
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        first, second = rng.binomial(40, 0.8) / 40, rng.binomial(100, 0.7)
        interval: Interval = difference_interval(first, 40, second / 100, wilson_interval(int(second), 100))
        held += interval.low <= 0.1 <= interval.high
    assert 0.93 < held / 2000 < 0.975
