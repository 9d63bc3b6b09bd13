"""Which pictures a point of a learning curve is trained on, and for how many steps."""

import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.race_plan import MAX_SIZES, RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import ImageRow
from core.training.subsets import (
    LEAST_STEPS,
    choose_subset,
    default_sizes,
    fit_sizes,
    largest_class,
    schedule,
)


def make_rows(labels: list[int]) -> list[ImageRow]:
    return [
        ImageRow(place, "", "", label, "train", 1, 1, 1, "", hashlib.sha256(str(place).encode()).hexdigest(), "", ())
        for place, label in enumerate(labels)
    ]


labels = st.lists(st.integers(0, 3), min_size=1, max_size=60)
seeds = st.integers(0, 2**31 - 1)


@given(labels, seeds, st.integers(1, 70), st.integers(1, 70))
def test_a_subset_contains_every_smaller_one_of_its_seed(given_labels, seed, first, second):
    rows = make_rows(given_labels)
    small, large = (set(choose_subset(rows, size, seed).tolist()) for size in sorted((first, second)))

    assert small <= large


@given(labels, seeds, st.integers(1, 70))
def test_a_subset_has_as_many_of_each_class_as_asked_for_or_as_there_are(given_labels, seed, size):
    rows = make_rows(given_labels)
    chosen = [rows[place].label for place in choose_subset(rows, size, seed)]

    for label in set(given_labels):
        assert chosen.count(label) == min(size, given_labels.count(label))


@given(labels, seeds, st.integers(1, 70), st.randoms(use_true_random=False))
def test_the_images_follow_from_their_content_and_not_from_their_order(given_labels, seed, size, random):
    rows = make_rows(given_labels)
    shuffled = list(rows)
    random.shuffle(shuffled)
    chosen = {rows[place].pixel_hash for place in choose_subset(rows, size, seed)}

    assert {shuffled[place].pixel_hash for place in choose_subset(shuffled, size, seed)} == chosen


def test_seeds_choose_different_images():
    rows = make_rows([0, 1] * 50)

    assert len({tuple(choose_subset(rows, 5, seed).tolist()) for seed in range(5)}) == 5


@pytest.mark.parametrize(
    ("largest", "sizes"),
    [
        (420, (1, 2, 5, 10, 20, 50, 100, 200, 420)),
        (210, (1, 2, 5, 10, 20, 50, 100, 210)),  # 200 would be nearly all
        (1, (1,)),
        (2, (1, 2)),
        (12, (1, 2, 5, 12)),
    ],
)
def test_the_ladder_ends_with_all_images(largest, sizes):
    assert default_sizes(largest) == sizes


@given(st.integers(1, 10**8))
def test_a_ladder_is_never_longer_than_a_plan_may_be(largest):
    sizes = default_sizes(largest)

    assert len(sizes) <= MAX_SIZES
    assert list(sizes) == sorted(set(sizes))
    assert sizes[-1] == largest


def test_sizes_that_no_class_has_mean_all_images_once():
    assert fit_sizes([100, 5, 1, 5, 200], 48) == (1, 5, 48)
    assert largest_class(make_rows([0, 0, 1])) == 2
    assert largest_class([]) == 0


@given(
    st.integers(1, 5000), st.integers(0, 5000), st.integers(1, 50), st.integers(2, 256)
)  # pictures, others, epochs, batch size
def test_every_point_gets_the_least_steps_or_as_many_as_the_whole_set(pictures, others, epochs, batch_size):
    config = TrainConfig(dataset="d", model="petnet", epochs=epochs, batch_size=batch_size)
    whole = pictures + others
    planned = schedule(pictures, whole, config)
    whole_steps = epochs * math.ceil(whole / batch_size)

    assert epochs * planned.steps >= min(LEAST_STEPS, whole_steps)
    assert planned.steps == math.ceil(planned.passes * pictures / planned.batch_size)
    assert 2 <= planned.batch_size <= batch_size
    if planned.passes > 1:  # not once more than needed
        fewer = math.ceil((planned.passes - 2) * pictures / planned.batch_size)
        assert fewer < math.ceil(LEAST_STEPS / epochs)


@given(st.integers(2, 5000), st.integers(1, 50), st.integers(2, 256))
def test_all_images_are_trained_on_as_in_a_run_of_their_own(whole, epochs, batch_size):
    config = TrainConfig(dataset="d", model="petnet", epochs=epochs, batch_size=batch_size)
    planned = schedule(whole, whole, config)

    assert planned.passes == 1
    assert planned.steps == math.ceil(whole / batch_size)


@given(st.integers(1, 40), st.integers(1, 100), st.integers(1, 20), st.integers(2, 40))
def test_no_step_of_a_part_has_a_single_image(pictures, others, epochs, batch_size):
    config = TrainConfig(dataset="d", model="petnet", epochs=epochs, batch_size=batch_size)
    planned = schedule(pictures, pictures + others, config)

    assert planned.passes * pictures // planned.steps >= 2


def test_a_whole_curve_comes_before_its_bands():
    plan = RacePlan("curve", ("head",), (0, 1), "epochs", 5, (1, 5))

    assert plan.each_point == [(1, 0), (5, 0), (1, 1), (5, 1)]
    assert plan.points == 4
