"""Answers of several models, lined up picture by picture, and what is hard for all of them."""

import numpy as np
import pytest

from core.errors import ComparisonError
from core.statistics.aligned_predictions import align
from core.statistics.class_scores import MEASURES, score_classes
from core.statistics.comparison import compare
from core.statistics.difficulty import measure_difficulty
from core.statistics.metrics import average_classes, per_class, wilson_interval
from core.statistics.predictions import PredictionTable

CLASSES = ("cat", "dog", "owl")


def table(said: list[int], labels: list[int] | None = None, order: list[int] | None = None) -> PredictionTable:
    """Picture i is the row i of the dataset; its answer is `said[i]` with 0.8. `order` shuffles the rows."""
    truth = labels or [0, 1, 2, 0, 1, 2][: len(said)]
    rows = order or list(range(len(said)))
    probabilities = np.full((len(said), 3), 0.1)
    probabilities[np.arange(len(said)), said] = 0.8
    return PredictionTable(
        "test",
        CLASSES,
        tuple(f"picture {row}" for row in rows),
        np.array(rows),
        np.array(truth)[rows],
        probabilities[rows],
    )


def test_shuffled_tables_line_up_picture_by_picture() -> None:
    a, b = table([0, 1, 2, 1, 1, 2]), table([0, 2, 2, 0, 1, 0], order=[5, 3, 1, 0, 2, 4])
    answers = align([a, b])
    assert answers.indices.tolist() == [0, 1, 2, 3, 4, 5]
    assert answers.predicted.tolist() == [[0, 1, 2, 1, 1, 2], [0, 2, 2, 0, 1, 0]]
    assert answers.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_the_groups_are_those_of_the_comparison() -> None:
    a, b = table([0, 1, 2, 1, 1, 0]), table([0, 2, 2, 0, 1, 0], order=[5, 3, 1, 0, 2, 4])
    answers, comparison = align([a, b]), compare(a, b, "a", "b")
    for name in ("only_a", "only_b", "both_right", "both_wrong"):
        rows = answers.indices[answers.groups[name]]  # type: ignore[index]
        assert rows.tolist() == getattr(comparison, f"{name}_indices").tolist()


def test_other_pictures_labels_or_no_tables_are_refused() -> None:
    with pytest.raises(ComparisonError, match="not evaluated on the same pictures"):
        align([table([0, 1, 2]), table([0, 1])])
    with pytest.raises(ComparisonError, match="not evaluated on the same pictures"):
        align([table([0, 1, 2]), table([0, 1, 2], labels=[0, 1, 1])])
    with pytest.raises(ComparisonError, match="choose at least one"):
        align([])


def test_disagreement_is_nothing_for_equal_answers_and_what_has_to_move_for_others() -> None:
    answers = align([table([0, 1, 2]), table([0, 1, 0])])
    assert answers.disagreement.tolist() == pytest.approx([0, 0, 0.7])
    assert align([table([0, 1, 2])]).disagreement.tolist() == [0, 0, 0]


def test_mistakes_come_with_the_surest_first() -> None:
    base = table([1, 1, 0, 0])
    sure = base.probabilities.copy()
    sure[2] = [0.9, 0.05, 0.05]
    answers = align([PredictionTable(base.split, CLASSES, base.image_ids, base.indices, base.labels, sure)])
    assert answers.mistakes(0).tolist() == [2, 0]
    assert answers.cell(0, 0, 1).tolist() == [0]


def test_the_true_class_is_told_where_it_is_not_among_the_top() -> None:
    answers = align([table([1, 1, 2])])
    assert [label for label, _ in answers.top(0, 0, 1)] == [1, 0]
    assert [label for label, _ in answers.top(0, 1, 1)] == [1]


def test_a_picture_that_nobody_gets_right_is_hard_and_what_most_say_is_told() -> None:
    found = measure_difficulty(
        [
            ("scratch", [table([1, 0, 2, 0]), table([2, 0, 2, 0])]),
            ("transfer", [table([1, 0, 2, 0]), table([1, 1, 2, 0])]),
        ]
    )
    assert found.right.tolist() == [[0, 0, 2, 2], [0, 1, 2, 2]]
    assert found.always_wrong.tolist() == [0]
    assert found.common_answer(0) == (1, 3)


def test_only_an_arm_counts_where_all_its_seeds_are_right_and_no_other_arm_always_is() -> None:
    right, wrong = table([0, 1, 2]), table([0, 2, 0])
    half = table([0, 1, 0])
    found = measure_difficulty([("scratch", [wrong, half]), ("transfer", [right, right])])
    assert found.only(1).tolist() == [2, 1]  # the one that the other arm never gets right comes first
    assert found.only(0).tolist() == []


def test_an_arm_without_a_result_is_refused() -> None:
    with pytest.raises(ComparisonError, match="no test result yet"):
        measure_difficulty([("scratch", [table([0, 1])]), ("transfer", [])])


def test_averages_over_classes_are_those_of_the_metrics_and_lie_in_their_intervals() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 3, 300).tolist()
    said = [label if random.random() < 0.7 else int(random.integers(0, 3)) for label in labels]
    judged = table(said, labels)
    report, mean = score_classes(judged), average_classes(per_class(judged))
    for measure in MEASURES:
        figure = report.average(measure)
        assert figure.value == getattr(mean, measure)
        assert figure.value is not None
        assert figure.interval is not None
        assert figure.interval.low < figure.value < figure.interval.high
        assert figure.interval.high - figure.interval.low < 0.2


def test_a_class_that_neither_occurs_nor_is_predicted_has_no_figures() -> None:
    report = score_classes(table([0, 1, 1], labels=[0, 1, 0]))
    assert report.of_class(2, "f1").value is None
    assert report.of_class(2, "recall").interval is None
    assert report.average("recall").value == pytest.approx((0.5 + 1) / 2)


@pytest.mark.parametrize("n", [10, 180])
def test_the_interval_of_an_average_does_not_collapse_where_all_are_right(n: int) -> None:
    labels = [place % 2 for place in range(n)]
    report = score_classes(table(labels, labels=labels))
    for measure in MEASURES:
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
        said = np.eye(classes)[np.where(rng.random(n) < accuracy, labels, wrong)]
        report = score_classes(PredictionTable("test", names, hashes, np.arange(n), labels, said))
        for place, measure in enumerate(MEASURES):
            interval = report.average(measure).interval
            assert interval is not None
            held[place] += interval.low <= accuracy <= interval.high
    assert (held / 200 >= 0.95 - 3 * 0.0154).all()  # three standard errors of 200 draws
