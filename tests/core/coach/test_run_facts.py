"""The figures that follow from a run's facts."""

import numpy as np
import pytest
from scipy.stats import linregress

from core.coach.run_facts import BLOCKS, fall_p_value


def test_the_slope_of_a_short_curve_is_tested_as_scipy_does() -> None:
    rng = np.random.default_rng(0)
    for length in range(3, 2 * BLOCKS):
        values = rng.normal(0, 1, length) - 0.3 * np.arange(length)
        expected = linregress(np.arange(length), values, alternative="less").pvalue
        assert fall_p_value(values.tolist()) == pytest.approx(expected, abs=1e-9)


def test_a_curve_without_enough_epochs_or_without_noise_has_a_plain_answer() -> None:
    assert fall_p_value([]) == fall_p_value([2.0, 1.0]) == 1.0
    assert fall_p_value([0.0] * 5) == 1.0


def test_a_long_curve_that_remembers_its_past_is_not_taken_for_a_trend() -> None:
    rng = np.random.default_rng(1)
    falls = 0
    for _ in range(400):
        values = rng.normal(0, 1, 30)
        for place in range(1, 30):
            values[place] += 0.5 * values[place - 1]
        falls += fall_p_value(values.tolist()) < 0.05
    assert falls / 400 < 0.1
    assert fall_p_value([30 - place + (-1) ** place for place in range(30)]) < 0.001
