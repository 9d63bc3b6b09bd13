"""Precision, recall and F1 of every class, and their averages with intervals."""

import numpy as np
import pytest

from core.statistics.class_scores import CLASS_METRICS, average_classes, f1_interval, per_class, score_classes
from core.statistics.metrics import Accuracy, Interval, measure_accuracy, wilson_interval
from core.statistics.predictions import PredictionTable
from tests.support.prediction_tables import certain_table, three_class_table


def test_scores_per_class_match_the_counts() -> None:
    cat, dog = per_class(certain_table([0] * 6 + [1] * 4, [0, 0, 0, 0, 1, 1, 1, 1, 1, 0], ("Cat", "Dog")))
    assert (cat.label, cat.support, cat.predicted, cat.correct) == ("Cat", 6, 5, 4)
    assert (cat.precision, cat.recall) == (4 / 5, 4 / 6)
    assert cat.f1 == pytest.approx(2 * (4 / 5) * (4 / 6) / (4 / 5 + 4 / 6))
    assert (dog.label, dog.support, dog.predicted, dog.correct) == ("Dog", 4, 5, 3)


def test_what_is_undefined_is_none_and_not_zero() -> None:
    never_predicted, without_images, neither = per_class(
        certain_table([0, 0], [1, 1], ("never predicted", "without pictures", "neither"))
    )
    assert (never_predicted.precision, never_predicted.recall, never_predicted.f1) == (None, 0.0, 0.0)
    assert (without_images.precision, without_images.recall, without_images.f1) == (0.0, None, 0.0)
    assert (neither.precision, neither.recall, neither.f1) == (None, None, None)


def test_a_table_without_pictures_has_no_scores() -> None:
    empty = certain_table([], [], ("a", "b"))
    assert [(s.precision, s.recall, s.f1, s.support) for s in per_class(empty)] == [(None, None, None, 0)] * 2
    assert measure_accuracy(empty) == Accuracy(0, 0)


def test_every_score_of_a_class_lies_in_its_interval() -> None:
    table = certain_table([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 0], ("a", "b", "c"))
    for score in per_class(table):
        for value, interval in (
            (score.precision, score.precision_interval),
            (score.recall, score.recall_interval),
            (score.f1, score.f1_interval),
        ):
            assert (value is None) == (interval is None)
            if value is not None and interval is not None:
                assert 0 <= interval.low <= value <= interval.high <= 1
    first = per_class(table)[0]
    assert (first.precision_interval, first.recall_interval) == (wilson_interval(2, 4), wilson_interval(2, 3))


def test_f1_is_certain_of_nothing_where_nothing_is_known() -> None:
    assert f1_interval(0, 0, 0) == Interval(0.0, 1.0)
    assert f1_interval(20, 20, 20).high == 1.0
    assert f1_interval(0, 20, 20).low == 0.0


def test_macro_averages_count_every_class_that_occurs_the_same() -> None:
    # 90 pictures of a class that is always found, 2 of one that never is, and a class without pictures
    macro = average_classes(per_class(certain_table([0] * 90 + [1] * 2, [0] * 92, ("a", "b", "c"))))
    assert macro.recall == pytest.approx(0.5)
    assert macro.precision == pytest.approx(90 / 92 / 2)
    assert macro.f1 == pytest.approx(180 / 182 / 2)
    nothing = average_classes(per_class(certain_table([], [], ("a", "b"))))
    assert (nothing.precision, nothing.recall, nothing.f1) == (None, None, None)


def test_averages_over_classes_are_those_of_the_metrics_and_lie_in_their_intervals() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 3, 300).tolist()
    predicted = [label if random.random() < 0.7 else int(random.integers(0, 3)) for label in labels]
    answers = three_class_table(predicted, labels)
    report, mean = score_classes(answers), average_classes(per_class(answers))
    for measure in CLASS_METRICS:
        figure = report.average(measure)
        assert figure.value == getattr(mean, measure)
        assert figure.value is not None
        assert figure.interval is not None
        assert figure.interval.low < figure.value < figure.interval.high
        assert figure.interval.high - figure.interval.low < 0.2


def test_a_class_that_neither_occurs_nor_is_predicted_has_no_figures() -> None:
    report = score_classes(three_class_table([0, 1, 1], labels=[0, 1, 0]))
    assert report.of_class(2, "f1").value is None
    assert report.of_class(2, "recall").interval is None
    assert report.average("recall").value == pytest.approx((0.5 + 1) / 2)


@pytest.mark.parametrize("n", [10, 180])
def test_the_interval_of_an_average_does_not_collapse_where_all_are_right(n: int) -> None:
    labels = [place % 2 for place in range(n)]
    report = score_classes(three_class_table(labels, labels=labels))
    for measure in CLASS_METRICS:
        interval = report.average(measure).interval
        assert interval is not None
        assert interval.high == 1
        assert interval.low == pytest.approx(wilson_interval(n, n).low), "equal classes: as of all pictures"


@pytest.mark.parametrize(("n", "classes", "accuracy"), [(20, 2, 0.9), (180, 2, 0.98), (150, 10, 0.6)])
def test_the_interval_of_an_average_holds_the_truth(n: int, classes: int, accuracy: float) -> None:
    names = tuple(map(str, range(classes)))
    hashes = tuple(map(str, range(n)))
    rng, labels, held = np.random.default_rng(0), np.arange(n) % classes, np.zeros(3)
    for _ in range(200):
        wrong = (labels + rng.integers(1, classes, n)) % classes
        predicted = np.eye(classes)[np.where(rng.random(n) < accuracy, labels, wrong)]
        report = score_classes(PredictionTable("test", names, hashes, np.arange(n), labels, predicted))
        for place, measure in enumerate(CLASS_METRICS):
            interval = report.average(measure).interval
            assert interval is not None
            held[place] += interval.low <= accuracy <= interval.high
    assert (held / 200 >= 0.95 - 3 * 0.0154).all()  # three standard errors of 200 draws
