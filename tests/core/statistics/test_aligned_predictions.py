"""The predictions of several models on the same images, in one order."""

import pytest

from core.errors import ComparisonError
from core.statistics.aligned_predictions import align
from core.statistics.predictions import PredictionTable
from tests.support.prediction_tables import three_class_table


def test_shuffled_tables_are_aligned_picture_by_picture() -> None:
    a, b = three_class_table([0, 1, 2, 1, 1, 2]), three_class_table([0, 2, 2, 0, 1, 0], order=[5, 3, 1, 0, 2, 4])
    aligned = align([a, b])
    assert aligned.indices.tolist() == [0, 1, 2, 3, 4, 5]
    assert aligned.predicted.tolist() == [[0, 1, 2, 1, 1, 2], [0, 2, 2, 0, 1, 0]]
    assert aligned.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_other_pictures_labels_or_no_tables_are_refused() -> None:
    with pytest.raises(ComparisonError, match="not evaluated on the same pictures"):
        align([three_class_table([0, 1, 2]), three_class_table([0, 1])])
    with pytest.raises(ComparisonError, match="not evaluated on the same pictures"):
        align([three_class_table([0, 1, 2]), three_class_table([0, 1, 2], labels=[0, 1, 1])])
    with pytest.raises(ComparisonError, match="choose at least one"):
        align([])


def test_disagreement_is_nothing_for_equal_answers_and_what_has_to_move_for_others() -> None:
    aligned = align([three_class_table([0, 1, 2]), three_class_table([0, 1, 0])])
    assert aligned.disagreement.tolist() == pytest.approx([0, 0, 0.7])
    assert align([three_class_table([0, 1, 2])]).disagreement.tolist() == [0, 0, 0]


def test_a_cell_of_the_confusion_matrix_comes_with_the_surest_first() -> None:
    base = three_class_table([1, 1, 0, 1])
    sure = base.probabilities.copy()
    sure[3] = [0.05, 0.9, 0.05]
    aligned = align([PredictionTable(base.split, base.classes, base.image_ids, base.indices, base.labels, sure)])
    assert aligned.cell(0, 0, 1).tolist() == [3, 0]


def test_the_true_class_is_added_where_it_is_not_among_the_top() -> None:
    aligned = align([three_class_table([1, 1, 2])])
    assert [label for label, _ in aligned.top(0, 0, 1)] == [1, 0]
    assert [label for label, _ in aligned.top(0, 1, 1)] == [1]
