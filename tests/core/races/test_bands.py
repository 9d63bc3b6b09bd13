import numpy as np
import pytest

from core.config.events import EpochDone
from core.races.bands import join_seeds


def epoch(number: int, accuracy: float, seconds: float, stage: str = "head") -> EpochDone:
    return EpochDone(number, stage, 0.5, 0.5, 1 - accuracy, accuracy, 0.001, 1.0, seconds, number * 100, 50.0, False)


def test_the_band_lies_between_the_lowest_and_the_highest_seed():
    band = join_seeds("head", [[epoch(1, 0.5, 2), epoch(2, 0.7, 4)], [epoch(1, 0.6, 2), epoch(2, 0.9, 4)]], "epochs")

    assert band.x.tolist() == [1, 2]
    assert band.low == pytest.approx([0.5, 0.7])
    assert band.high == pytest.approx([0.6, 0.9])
    assert band.mean == pytest.approx([0.55, 0.8])
    assert band.seeds.tolist() == [2, 2]


def test_over_seconds_each_seed_is_read_where_the_other_was_measured():
    band = join_seeds("head", [[epoch(1, 0.5, 2), epoch(2, 0.7, 4)], [epoch(1, 0.6, 3), epoch(2, 0.8, 6)]], "seconds")

    assert band.x.tolist() == [2, 3, 4, 6]
    assert band.seeds.tolist() == [1, 2, 2, 1]
    assert band.mean[1] == pytest.approx((0.6 + 0.6) / 2)


def test_a_seed_that_has_not_begun_leaves_the_others_as_they_are():
    band = join_seeds("head", [[epoch(1, 0.5, 2)], []], "images")

    assert (band.x.tolist(), band.mean.tolist()) == ([100], [0.5])


def test_without_any_epoch_the_band_is_empty():
    band = join_seeds("head", [[], []], "epochs")

    assert len(band.x) == len(band.mean) == 0


def test_a_later_stage_is_marked_where_the_first_one_ended():
    epochs = [epoch(1, 0.5, 2, "head first"), epoch(2, 0.6, 4, "unfrozen"), epoch(3, 0.6, 6, "unfrozen")]

    assert join_seeds("gradual", [epochs], "seconds").phases == ((2.0, "unfrozen"),)


def test_a_long_training_keeps_its_ends():
    band = join_seeds("head", [[epoch(n, n / 1000, n) for n in range(1, 1001)]], "epochs")

    assert len(band.x) <= 200
    assert band.x[0] == 1
    assert band.x[-1] == 1000
    assert np.all(np.diff(band.x) > 0)


def test_seeds_that_end_a_moment_apart_leave_no_jump() -> None:
    early = [epoch(1, 0.5, 30.0), epoch(2, 0.5, 60.1)]
    late = [epoch(1, 0.9, 30.2), epoch(2, 0.9, 60.4)]
    band = join_seeds("scratch", [early, late], "seconds")
    assert band.x.tolist() == [30.2, 60.1]
    assert band.mean == pytest.approx([0.7, 0.7])
    assert band.seeds.tolist() == [2, 2]


def test_a_seed_that_stopped_early_does_not_cut_the_others_short() -> None:
    long = [epoch(number, 0.5, 10.0 * number) for number in range(1, 11)]
    band = join_seeds("scratch", [long, long[:2]], "epochs")
    assert band.x.tolist() == list(range(1, 11))
    assert band.seeds.tolist() == [2, 2] + [1] * 8
