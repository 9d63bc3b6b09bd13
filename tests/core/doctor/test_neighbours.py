"""Near-copies are kept apart from pictures that are only alike; only those that mislead are listed."""

import dataclasses

import numpy as np
import pytest
import torch

from core.datasets.dataset import Dataset
from core.doctor.doctor_findings import CopyPair
from core.doctor.neighbours import BLOCK, KEPT, find_neighbours, group_copies, list_chains, misleading
from core.steps import StopSignal, run_step
from tests.support.peaks import PEAK, peak_of


def pictures(count: int, width: int = 60, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


def pairs_of(values: np.ndarray) -> set[tuple[int, int]]:
    return {(pair.first, pair.second) for pair in run_step(find_neighbours(values.copy(), StopSignal())).copies()}


def test_neighbours_are_those_of_a_plain_comparison() -> None:
    values = pictures(300)
    found = run_step(find_neighbours(values.copy(), StopSignal()))
    units = values - values.mean(axis=0)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -2)
    assert found.places.shape == (300, KEPT)
    assert (found.places[:, 0] == cosines.argmax(axis=1)).all()
    assert np.allclose(found.similarities, -np.sort(-cosines, axis=1)[:, :KEPT], atol=1e-5)


def test_features_are_overwritten_without_a_change_to_one_bit_of_what_is_found() -> None:
    values = pictures(600)
    units = torch.from_numpy(values) - torch.from_numpy(values.mean(axis=0))
    units = units / units.norm(dim=1, keepdim=True).clamp_min(1e-12)
    found = run_step(find_neighbours(values, StopSignal()))
    for first in range(0, 600, BLOCK):
        cosines = units[first : first + BLOCK] @ units.T
        cosines[torch.arange(len(cosines)), first + torch.arange(len(cosines))] = -2
        best = cosines.topk(KEPT, dim=1)
        assert (found.places[first : first + BLOCK] == best.indices.numpy()).all()
        assert (found.similarities[first : first + BLOCK] == best.values.clamp(-1, 1).numpy()).all()
    assert (values == units.numpy()).all()


@pytest.mark.skipif(not PEAK.exists(), reason="the peak of a step is measured on Linux only")
def test_comparing_takes_no_second_copy_of_the_features() -> None:
    values = pictures(4000, 2560)
    assert peak_of(lambda: run_step(find_neighbours(values, StopSignal()))) < 0.8 * values.nbytes


def test_a_copy_with_small_changes_is_found_and_unrelated_pictures_are_not() -> None:
    values = pictures(200)
    assert pairs_of(values) == set()
    values[10] = values[150] + 0.3 * pictures(1, seed=1)
    assert pairs_of(values) == {(10, 150)}


def test_pictures_that_all_look_alike_are_no_copies_of_each_other() -> None:
    values = pictures(60)
    values[:30] = pictures(1, seed=2) + 0.45 * pictures(30, seed=3)  # such as golf balls
    assert pairs_of(values) == set()
    values[3] = values[4] + 0.05 * pictures(1, seed=4)
    assert pairs_of(values) == {(3, 4)}


def test_a_long_burst_is_one_group() -> None:
    values = pictures(80)
    values[20:40] = pictures(1, seed=2) + 0.1 * pictures(20, seed=3)
    found = run_step(find_neighbours(values, StopSignal())).copies()
    groups = group_copies(found, 80)
    assert len(set(groups[20:40])) == 1
    assert len(set(groups)) == 61
    assert list_chains(groups) == (tuple(range(20, 40)),)


def test_two_pictures_and_equal_ones_are_no_error() -> None:
    assert pairs_of(pictures(2)) == set()
    assert pairs_of(np.ones((12, 5), np.float32)) == set()


def test_pairs_in_two_classes_come_before_those_in_two_splits_and_others_are_left_out(drawn: Dataset) -> None:
    one, *_ = drawn.rows
    rows = [
        dataclasses.replace(one, label=label, split=split)
        for label, split in ((0, "train"), (0, "test"), (1, "train"), (0, "train"))
    ]
    pairs = [CopyPair(0, 1, 0.99), CopyPair(0, 3, 0.98), CopyPair(0, 2, 0.97)]
    assert [(pair.first, pair.second) for pair in misleading(pairs, rows)] == [(0, 2), (0, 1)]
