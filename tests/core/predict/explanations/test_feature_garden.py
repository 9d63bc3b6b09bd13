"""The features that a head uses: which they are, where pictures excite them, and what the head is without them."""

import numpy as np
import pytest
import torch

from core.datasets.dataset import Dataset, ImageRow
from core.datasets.dataset_store import DatasetStore
from core.errors import TuneMyPetsError
from core.predict.explanations.feature_garden import Head, draw_feature, grow_garden, last_maps, measure_use, silence
from core.predict.explanations.garden_answers import Garden
from core.predict.explanations.image_features import Features
from core.runs.run_store import RunStore
from core.settings import Settings
from core.statistics.predictions import read_predictions
from core.stores.hardware import Hardware
from models.catalog import CATALOG
from models.network import build
from tests.support.in_process_predictor import InProcessClient

HARDWARE = Hardware(torch.device("cpu"), "a processor", 1, "fp32", "a test")
WEIGHTS = np.array([[2.0, 0.5, 1.0, 3.0, 0.0], [-2.0, -0.5, 0.2, 3.0, 0.0]])  # the fourth moves both classes alike
HEAD = Head(WEIGHTS, np.array([0.1, -0.1]))


def features(drawn: Dataset, split: str, seed: int) -> Features:
    """The first feature says the class, the second at the other one, the last never changes."""
    rows: tuple[ImageRow, ...] = drawn.rows_of(split)
    rng = np.random.default_rng(seed)
    sign = np.array([1 - 2 * row.label for row in rows])
    values = rng.standard_normal((len(rows), 5)) / 4
    values[:, 0] += sign
    values[:, 1] -= 0.3 * sign
    values[:, 4] = 7.0
    return Features(values.astype(np.float32), rows, split, len(rows))


@pytest.fixture
def grown(drawn: Dataset) -> Garden:
    return grow_garden(HEAD, features(drawn, "train", 0), features(drawn, "val", 1), mapped=False)


def test_use_is_spread_of_the_feature_times_spread_of_its_weights(drawn: Dataset, grown: Garden) -> None:
    values = features(drawn, "train", 0).values.astype(np.float64)
    use = measure_use(HEAD, values)
    assert use[0] == pytest.approx(values[:, 0].std() * 2.0)
    assert use[3] == 0, "it moves both classes alike"
    assert use[4] == 0, "it never changes"
    assert [feature.number for feature in grown.features[:2]] == [0, 1]
    assert sum(feature.share for feature in grown.features) == pytest.approx(1)
    assert grown.features[0].label == 0


def test_the_pictures_that_excite_a_feature_most_come_first(drawn: Dataset, grown: Garden) -> None:
    first = grown.features[0]
    assert len(first.pictures) == 9
    assert list(first.values) == sorted(first.values, reverse=True)
    assert {drawn.rows[index].label for index in first.pictures} == {0}
    assert {drawn.rows[index].split for index in first.pictures} <= {"train", "val"}


def test_silencing_a_feature_that_the_head_does_not_use_changes_nothing(drawn: Dataset, grown: Garden) -> None:
    for feature in grown.features:
        if feature.number in (3, 4):
            assert (feature.correct, feature.flipped) == (grown.correct, 0)
    values = features(drawn, "val", 1).values.astype(np.float64)
    scores = HEAD.scores(values)
    without = silence(HEAD, scores, values[:, 3] - values[:, 3].mean(), 3)
    assert np.allclose(without[:, 0] - without[:, 1], scores[:, 0] - scores[:, 1])
    assert (silence(HEAD, scores, values[:, 4] - 7.0, 4) == scores).all()


def test_silencing_the_feature_that_decides_flips_answers(drawn: Dataset, grown: Garden) -> None:
    first = grown.features[0]
    assert first.flipped > 0
    assert first.correct < grown.correct
    for flip in first.flips:
        assert drawn.rows[flip.index].split == "val"
        assert flip.before != flip.after


def test_the_fewest_features_are_those_that_keep_the_accuracy(grown: Garden) -> None:
    assert grown.needed == 1
    assert grown.kept >= grown.correct - 0.01 * grown.images
    assert grown.width == 5


def test_a_head_that_answers_without_any_feature_needs_none(drawn: Dataset) -> None:
    deaf = Head(np.zeros((2, 5)), np.array([1.0, 0.0]))
    found = grow_garden(deaf, features(drawn, "train", 0), features(drawn, "val", 1), mapped=False)
    assert found.needed == 0
    assert all(feature.flipped == 0 and feature.share == 0 for feature in found.features)


def test_the_one_neuron_of_a_sigmoid_head_speaks_for_the_second_class() -> None:
    network = build("petnet", 2, head="sigmoid", seed=0).eval()
    values = torch.randn(6, 1280, generator=torch.Generator().manual_seed(0))
    scores = Head.of(network).scores(values.double().numpy())
    with torch.inference_mode():
        expected = network.probabilities(network.head(values))
    assert (scores.argmax(axis=1) == expected.argmax(dim=1).numpy()).all()


@pytest.mark.parametrize(("name", "mapped"), [("petnet", True), ("mobilenet_v2", True), ("mobilenet_v3_small", False)])
def test_the_mean_of_a_map_is_the_feature_where_the_network_has_such_maps(name: str, mapped: bool) -> None:
    network, spec = build(name, 2, seed=0).eval(), CATALOG[name].preprocessing
    pixels = np.random.default_rng(0).integers(0, 256, (2, spec.resize_px, spec.resize_px, 3), np.uint8)
    maps = last_maps(network, pixels, spec, HARDWARE)
    assert (maps is not None) is mapped
    if maps is not None:
        assert maps.shape[1] == CATALOG[name].feature_width
        drawn = draw_feature(maps, 3, pixels, spec)
        assert len(drawn) == 2
        assert all(part.startswith(b"\x89PNG") for part in drawn)


def test_the_predictor_answers_with_the_runs_own_accuracy_and_nine_heatmaps(headed: Settings) -> None:
    client = InProcessClient(headed)
    (run,) = RunStore(headed).all()
    garden = client.garden(run.id)
    assert (garden.split, garden.images) == ("val", len(DatasetStore(headed).get("drawn").rows_of("val")))
    validated = read_predictions(run.folder / "validation.csv")
    assert garden.correct == int(validated.correct.sum())
    assert 0 <= garden.needed <= garden.width == 1280
    assert len(garden.features) == 24
    assert garden.mapped
    assert Garden.from_json(garden.to_json()) == garden
    heatmaps = client.feature_heatmaps(run.id, garden.features[0].number)
    assert len(heatmaps) == 9
    assert client.feature_heatmaps(run.id, garden.features[0].number) == heatmaps
    other = next(number for number in range(1280) if number not in [item.number for item in garden.features])
    with pytest.raises(TuneMyPetsError, match="choose one of the list"):
        client.feature_heatmaps(run.id, other)


def test_a_run_that_trained_more_than_the_head_is_refused(raced: Settings) -> None:
    run = RunStore(raced).all()[0]
    with pytest.raises(TuneMyPetsError, match="trained the head alone"):
        InProcessClient(raced).garden(run.id)
