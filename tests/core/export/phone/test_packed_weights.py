"""Weights of a network as text."""

import numpy as np

from core.export.phone.layers import Layer
from core.export.phone.packed_weights import pack, unpack

RANDOM = np.random.default_rng(0)
LARGE = Layer("conv", (0,), (4, 4, 8), kernel=(3, 3), numbers=8 * 9 * 100)
SMALL = Layer("conv", (1,), (4, 4, 3), weights=LARGE.numbers, biases=8, numbers=24, exact=True)
LAYERS = (LARGE, Layer("max", (1,), (2, 2, 8)), SMALL)


def test_few_weights_and_biases_come_back_bit_by_bit_and_many_within_half_a_step_of_their_filter() -> None:
    weights = RANDOM.normal(0, 1e-3, LARGE.numbers + 24).astype(np.float32)
    weights[: 9 * 100] *= 1e6  # one filter with large weights costs the others nothing
    weights[9 * 100 : 2 * 9 * 100] = 0
    biases = RANDOM.normal(0, 1, 11).astype(np.float32)

    found, found_biases = unpack(pack(LAYERS, weights, biases), LAYERS)

    assert found_biases.tobytes() == biases.tobytes()
    assert found[LARGE.numbers :].tobytes() == weights[LARGE.numbers :].tobytes()
    wrong = np.abs(found - weights)[: LARGE.numbers].reshape(8, -1).max(axis=1)
    steps = np.abs(weights[: LARGE.numbers]).reshape(8, -1).max(axis=1) / 32767
    assert (wrong <= 0.51 * steps).all()
    assert found.dtype == found_biases.dtype == np.float32


def test_what_was_read_packs_to_the_same_text() -> None:
    weights = RANDOM.normal(0, 1, LARGE.numbers + 24).astype(np.float32)
    text = pack(LAYERS, weights, np.zeros(11, np.float32))
    assert pack(LAYERS, *unpack(text, LAYERS)) == text


def test_many_weights_take_less_than_16_bits_each() -> None:
    weights = RANDOM.normal(0, 1, LARGE.numbers + 24).astype(np.float32)
    assert len(pack(LAYERS, weights, np.zeros(11, np.float32))) < 2 * LARGE.numbers * 4 / 3
