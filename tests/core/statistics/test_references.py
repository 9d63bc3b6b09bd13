"""Every statistic against an independent library (statsmodels, scikit-learn, SciPy) or a published table."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from core.statistics.calibration import calibrate, fit_temperature, scale
from core.statistics.class_scores import average_classes, f1_interval, per_class
from core.statistics.comparison import adjust_p_values, mcnemar_p_value, paired_interval
from core.statistics.metrics import confusion_matrix as our_confusion_matrix
from core.statistics.metrics import wilson_interval
from core.statistics.predictions import PredictionTable
from core.statistics.seeds import mean_accuracy, measure_seeds


def drawn_table(n: int = 400, classes: int = 4, sharpness: float = 2.0, seed: int = 0) -> PredictionTable:
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    logits = rng.standard_normal((n, classes)) + 1.5 * np.eye(classes)[labels]
    chances = np.exp(sharpness * logits)
    chances /= chances.sum(axis=1, keepdims=True)
    names = tuple(f"class {i}" for i in range(classes))
    return PredictionTable("test", names, tuple(map(str, range(n))), np.arange(n), labels, chances)


@pytest.mark.parametrize(("correct", "n"), [(0, 1), (1, 1), (0, 60), (59, 60), (60, 60), (131, 180), (1999, 2000)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_an_accuracy_has_the_wilson_interval_of_statsmodels(correct: int, n: int, level: float) -> None:
    low, high = proportion_confint(correct, n, alpha=1 - level, method="wilson")
    interval = wilson_interval(correct, n, level)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-12)


def test_mcnemars_p_value_is_that_of_statsmodels() -> None:
    for only_a in range(12):
        for only_b in range(12):
            expected = mcnemar([[50, only_a], [only_b, 10]], exact=True).pvalue
            assert mcnemar_p_value(only_a, only_b) == pytest.approx(min(expected, 1.0), abs=1e-12)


@pytest.mark.parametrize("cells", [(60, 30, 40, 20), (8, 2, 4, 1), (54, 0, 6, 0), (25, 25, 25, 25)])
def test_of_unrelated_models_the_paired_interval_is_the_unpaired_one_of_statsmodels(
    cells: tuple[int, int, int, int],
) -> None:
    both_right, only_a, only_b, both_wrong = cells
    assert both_right * both_wrong == only_a * only_b
    n = sum(cells)
    low, high = confint_proportions_2indep(both_right + only_b, n, both_right + only_a, n, method="newcomb")
    interval = paired_interval(*cells)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_p_values_are_corrected_as_statsmodels_does(seed: int) -> None:
    p_values = np.random.default_rng(seed).beta(0.3, 2, size=10).round(2).tolist()  # with ties
    assert adjust_p_values(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())


def test_scores_of_classes_are_those_of_scikit_learn() -> None:
    table = drawn_table()
    ours = per_class(table)
    precision, recall, f1, support = precision_recall_fscore_support(table.labels, table.predicted)
    assert [score.precision for score in ours] == pytest.approx(precision.tolist())
    assert [score.recall for score in ours] == pytest.approx(recall.tolist())
    assert [score.f1 for score in ours] == pytest.approx(f1.tolist())
    assert [score.support for score in ours] == support.tolist()
    mean = precision_recall_fscore_support(table.labels, table.predicted, average="macro")
    macro = average_classes(ours)
    assert (macro.precision, macro.recall, macro.f1) == pytest.approx(mean[:3])
    matrix = our_confusion_matrix(table.labels, table.predicted, table.classes)
    assert matrix.tolist() == confusion_matrix(table.labels, table.predicted).tolist()


def test_a_class_that_is_never_predicted_counts_as_in_scikit_learn() -> None:
    labels, predicted = np.array([0, 0, 1, 1, 2]), np.array([0, 0, 0, 1, 1])
    table = PredictionTable("test", ("a", "b", "c"), tuple("vwxyz"), np.arange(5), labels, np.eye(3)[predicted])
    macro = average_classes(per_class(table))
    expected = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    assert (macro.precision, macro.recall, macro.f1) == pytest.approx(expected[:3])


def test_the_loss_is_that_of_scikit_learn() -> None:
    table = drawn_table()
    assert calibrate(table, None).nll == pytest.approx(log_loss(table.labels, table.probabilities))


def test_the_calibration_error_is_the_sum_of_its_definition() -> None:
    # Guo et al. 2017, equation 3, with loops in place of arrays
    table = drawn_table()
    confidence, correct = table.probabilities.max(axis=1), table.correct
    error = 0.0
    for place in range(10):
        inside = [i for i in range(table.n) if place / 10 < confidence[i] <= (place + 1) / 10]
        if inside:
            gap = np.mean([correct[i] for i in inside]) - np.mean([confidence[i] for i in inside])
            error += len(inside) / table.n * abs(gap)
    assert calibrate(table, None).ece == pytest.approx(error)


def test_the_temperature_is_where_scikit_learns_loss_is_least() -> None:
    table = drawn_table(sharpness=3.0)
    fitted = fit_temperature(table)
    assert fitted is not None

    def loss(temperature: float) -> float:
        return float(log_loss(table.labels, scale(table.probabilities, temperature)))

    grid = np.linspace(0.3, 6, 400)
    best = float(grid[np.argmin([loss(t) for t in grid])])
    assert fitted == pytest.approx(best, abs=0.02)
    assert loss(fitted) <= loss(best) + 1e-12


def test_the_interval_of_f1_covers_the_true_score() -> None:
    rng = np.random.default_rng(3)
    cells = [0.25, 0.05, 0.08, 0.62]  # both, only predicted, only true, neither
    truth, covered = 2 * cells[0] / (2 * cells[0] + cells[1] + cells[2]), 0
    for both, predicted, true, _ in rng.multinomial(180, cells, size=2000).tolist():
        interval = f1_interval(both, both + true, both + predicted)
        covered += interval.low <= truth <= interval.high
    assert 0.93 <= covered / 2000 <= 0.97


def two_way(right: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Mean squares of seeds, pictures and what is left, from the sums of a two-way table."""
    y = right.astype(float)
    seeds, n = y.shape
    correction = y.sum() ** 2 / (seeds * n)
    by_seed = (y.sum(axis=1) ** 2).sum() / n - correction
    by_image = (y.sum(axis=0) ** 2).sum() / seeds - correction
    left = (y**2).sum() - correction - by_seed - by_image
    return by_seed / (seeds - 1), by_image / (n - 1), left / ((n - 1) * (seeds - 1))


def test_the_variance_of_a_mean_is_that_of_a_two_way_analysis() -> None:
    rng = np.random.default_rng(4)
    right = rng.random((3, 180)) < rng.beta(2, 0.5, size=180) - np.array([[0.0], [0.1], [0.3]])
    by_seed, by_image, left = two_way(right)
    scores = measure_seeds(right)
    assert scores.by_seeds == pytest.approx(max(by_seed - left, 0) / (3 * 180))
    assert scores.by_images == pytest.approx(by_image / (3 * 180) * 179 / 180)
    assert scores.seed_noise == pytest.approx(by_seed / (3 * 180))


def test_where_only_seeds_differ_the_interval_is_students() -> None:
    # Every picture is as hard as the next and there are many, so what is left is the t interval of three means.
    means = np.array([0.5, 0.6, 0.7])
    n = 100_000
    right = np.arange(n) < (means * n).astype(int)[:, None]
    rng = np.random.default_rng(5)
    right = np.stack([rng.permutation(row) for row in right])
    mean, interval = mean_accuracy(right)
    half = stats.t.ppf(0.975, 2) * stats.sem(means)
    worth = mean * (1 - mean) / stats.sem(means) ** 2
    quantile = stats.t.ppf(0.975, 2)
    centre = (mean + quantile**2 / 2 / worth) / (1 + quantile**2 / worth)
    assert mean == pytest.approx(0.6)
    assert (interval.low + interval.high) / 2 == pytest.approx(centre, abs=1e-3)
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.15)
