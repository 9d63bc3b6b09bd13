"""Mirrored validation pictures: which are chosen, what is counted, and what left and right alone show."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from core.config.events import Mirrored, check_record, to_record
from core.config.events import Tested as Evaluated
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.settings import Settings
from core.steps import StopSignal
from core.stores.training_data import SplitData
from core.training import evaluation
from core.training.mirroring import MAX_IMAGES, PER_CLASS, answer_by_orientation, choose_places, count_mirrored, mirror
from core.training.session import train

Pixels = np.ndarray  # type: ignore[type-arg]


class Store:
    """Pixels in memory, taken as a pixel store's."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels

    def take(self, indices: Pixels) -> Pixels:
        return self.pixels[indices]


def arrows(count: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Pictures that are dark on the left (0) or on the right (1), with noise; their labels."""
    labels = np.arange(count) % 2
    pixels = rng.integers(100, 255, (count, 40, 40, 3), dtype=np.uint8)
    for place, label in enumerate(labels):
        top, left = rng.integers(4, 20), (2 if label == 0 else 24) + rng.integers(0, 4)
        pixels[place, top : top + 12, left : left + 10] //= 4
    return pixels, labels


def test_places_are_chosen_evenly_and_bounded() -> None:
    labels = np.array([0] * 500 + [1] * 5 + [2] * 60)
    places = choose_places(labels, 0)
    assert Counter(labels[places].tolist()) == {0: PER_CLASS, 1: 5, 2: PER_CLASS}
    assert len(set(places.tolist())) == len(places)
    assert np.array_equal(places, choose_places(labels, 0))
    many = np.arange(3000) % 100
    counts = Counter(many[choose_places(many, 0)].tolist())
    assert sum(counts.values()) == MAX_IMAGES
    assert set(counts.values()) == {MAX_IMAGES // 100}


def test_mirroring_exchanges_left_and_right_and_nothing_else() -> None:
    pixels = np.arange(2 * 3 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3, 3)
    assert np.array_equal(mirror(pixels)[1, 2, 0], pixels[1, 2, 2])
    assert np.array_equal(mirror(mirror(pixels)), pixels)


def test_left_and_right_alone_tell_mirror_images_apart_and_nothing_else() -> None:
    pixels, labels = arrows(200, np.random.default_rng(0))
    store, places = Store(pixels), np.arange(200)
    train_split, val = SplitData(places[:140], labels[:140]), SplitData(places[140:], labels[140:])
    found = answer_by_orientation(store, train_split, val)  # type: ignore[arg-type]
    assert (found == val.labels).mean() > 0.9
    turned = Store(np.concatenate([pixels[:140], mirror(pixels[140:])]))
    assert (answer_by_orientation(turned, train_split, val) == val.labels).mean() < 0.1  # type: ignore[arg-type]
    # brightness distinguishes these two, and is the same in a mirror
    bright = Store(np.where(labels[:, None, None, None] == 0, pixels[::2].repeat(2, axis=0) // 2, 255 - pixels // 8))
    even = Store((bright.pixels // 2 + mirror(bright.pixels) // 2).astype(np.uint8))
    assert 0.2 < (answer_by_orientation(even, train_split, val) == val.labels).mean() < 0.8  # type: ignore[arg-type]


def test_answers_are_counted_by_class() -> None:
    plain = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]])
    found = count_mirrored(np.array([0, 0, 1]), plain, plain[:, ::-1], np.array([0, 1, 1]), 0.5)
    assert found == Mirrored(3, [[0, 0, 1, 2], [1, 1, 0, 1]], [[0, 0, 1], [0, 1, 1], [1, 1, 1]], 0.5)


@pytest.mark.parametrize("flips", [True, False])
def test_a_training_ends_with_its_answers_to_mirrored_validation_pictures(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path, flips: bool
) -> None:
    config = small_config.model_copy(update={"augment_flip": flips})
    events = list(train(config, drawn, settings, tmp_path, StopSignal()))
    [found] = [event for event in events if isinstance(event, Mirrored)]
    rows = Counter(row.label for row in drawn.rows_of("val"))
    assert found.images == sum(min(PER_CLASS, count) for count in rows.values())
    assert sum(row[-1] for row in found.answers) == found.images
    assert bool(found.oriented) is flips
    assert events.index(found) > next(place for place, event in enumerate(events) if isinstance(event, Evaluated))


def test_a_failure_on_mirrored_pictures_takes_nothing_back(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(evaluation, "choose_places", fail)
    events = list(train(small_config, drawn, settings, tmp_path, StopSignal()))
    assert [event for event in events if isinstance(event, Evaluated)]
    assert not [event for event in events if isinstance(event, Mirrored)]
    assert (tmp_path / "validation.csv").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"answers": [[0, 0, 2, 3]]},
        {"answers": [[0, 0, 3]]},
        {"answers": [[0, 0, 1, 2]]},
        {"answers": [[0, 0, 1, 0], [0, 0, 0, 3]]},
        {"oriented": [[0, 5, 3]]},
        {"oriented": [[0, 0, 1]]},
    ],
)
def test_a_record_that_points_to_no_class_or_does_not_add_up_is_damaged(wrong: dict[str, object]) -> None:
    import json

    record = {"time": 1.0, **to_record(Mirrored(3, [[0, 0, 1, 3]], [[0, 0, 3]], 0.5))}
    assert check_record(record, json.dumps(record).encode(), 10, 2) == Mirrored(3, [[0, 0, 1, 3]], [[0, 0, 3]], 0.5)
    broken = {**record, **wrong}
    with pytest.raises(ValueError, match=r"class that is not there|do not add up"):
        check_record(broken, json.dumps(broken).encode(), 10, 2)
