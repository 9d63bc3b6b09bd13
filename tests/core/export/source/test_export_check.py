"""What makes an export one that may be handed out."""

import numpy as np
import pytest

from core.export.source.export_check import ExportCheck, compare_answers, is_stale
from core.export.source.exported_run import choose_pictures
from core.statistics.predictions import PredictionTable

N = 400


def table(labels: np.ndarray, classes: int = 2) -> PredictionTable:
    probabilities = np.full((len(labels), classes), 0.1 / (classes - 1))
    probabilities[np.arange(len(labels)), labels] = 0.9
    ids = tuple(map(str, range(len(labels))))
    names = tuple(f"class {number}" for number in range(classes))
    return PredictionTable("test", names, ids, np.arange(len(labels)), labels, probabilities)


@pytest.fixture
def tested() -> PredictionTable:
    return table(np.arange(N) % 2)


def compared(tested: PredictionTable, file: np.ndarray) -> ExportCheck:
    return compare_answers(tested, np.arange(tested.n), tested.probabilities, file)


def test_equal_answers_have_no_problem(tested: PredictionTable) -> None:
    found = compared(tested, tested.probabilities + 1e-6)
    assert found.problem() is None
    assert (found.same, found.largest) == (N, pytest.approx(1e-6))


def test_one_picture_in_another_class_is_one_too_many(tested: PredictionTable) -> None:
    file = tested.probabilities.copy()
    file[7] = file[7][::-1]
    assert compared(tested, file).problem() == "it answers 1 test picture of 400 with another class"


def test_a_tie_may_fall_either_way(tested: PredictionTable) -> None:
    run = tested.probabilities.copy()
    run[7] = 0.5002, 0.4998
    file = run.copy()
    file[7] = 0.4999, 0.5001
    found = compare_answers(tested, np.arange(N), run, file)
    assert (found.same, found.unclear, found.problem()) == (N - 1, 1, None)


@pytest.mark.parametrize("wrong", [2e-3, np.nan, np.inf])
def test_a_probability_that_differs_is_a_problem(tested: PredictionTable, wrong: float) -> None:
    file = tested.probabilities.copy()
    file[3] += [wrong, -wrong]
    assert compared(tested, file).problem() is not None


@pytest.mark.parametrize(("flipped", "refused"), [(0, False), (2, False), (40, True)])
def test_rounded_weights_are_refused_where_a_loss_of_3_points_is_possible(
    tested: PredictionTable, flipped: int, refused: bool
) -> None:
    file = tested.probabilities.copy()
    file[:flipped] = file[:flipped, ::-1]
    problem = compared(tested, file).problem(rounded=True)
    assert (problem is not None) is refused
    if problem:
        assert "more than the 3.0 points of accuracy that are allowed (up to " in problem
        assert "up to 3.0" not in problem


@pytest.mark.parametrize(("flipped", "kept"), [(0, True), (12, True), (13, False), (40, False)])
def test_a_file_for_other_pictures_may_lose_3_points_of_accuracy(
    tested: PredictionTable, flipped: int, kept: bool
) -> None:
    file = tested.probabilities.copy()
    file[:flipped] = file[:flipped, ::-1]
    assert (compared(tested, file).loss() is None) is kept


def test_a_loss_that_chance_explains_keeps_no_file_back() -> None:
    tested = table(np.arange(20) % 2)
    file = tested.probabilities.copy()
    file[:1] = file[:1, ::-1]
    assert compared(tested, file).loss() is None  # 5 points, of one picture
    file[:8] = tested.probabilities[:8, ::-1]
    assert compared(tested, file).loss() == (
        "it loses more than the 3.0 points of accuracy that are allowed (40.0; n = 20)"
    )


def test_few_pictures_cannot_show_that_rounding_costs_nothing() -> None:
    tested = table(np.arange(12) % 2)
    assert compared(tested, tested.probabilities).problem(rounded=True) is not None


def test_other_weights_than_those_of_the_test_result_are_noticed(tested: PredictionTable) -> None:
    places = np.arange(N)
    assert not is_stale(tested, places, tested.probabilities)
    other = tested.probabilities.copy()
    other[:20] = other[:20, ::-1]
    assert is_stale(tested, places, other)


@pytest.mark.parametrize("counts", [(900, 100), (10, 20, 1970), (300, 200)])
def test_at_most_500_pictures_are_asked_with_each_classs_share(counts: tuple[int, ...]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    tested = table(np.random.default_rng(1).permutation(labels), len(counts))
    places = choose_pictures(tested)
    assert len(places) == len(set(places.tolist())) == 500
    assert np.array_equal(places, choose_pictures(tested))
    for label, count in enumerate(counts):
        assert abs((tested.labels[places] == label).sum() - 500 * count / sum(counts)) <= 1
