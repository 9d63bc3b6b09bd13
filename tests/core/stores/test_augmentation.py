"""Random views: inside the picture, reproducible, independent of batches."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from core.stores.augmentation import Augmentation, apply_views, centre_crop, draw_views, normalise, to_channels_first
from models.catalog import Preprocessing

SPEC = Preprocessing(resize_px=40, crop_px=32)
ALL = Augmentation(crop=True, flip=True, colour=True, strength=0.7)


def images(count: int = 6) -> torch.Tensor:
    return to_channels_first(np.random.default_rng(0).integers(0, 256, (count, 40, 40, 3), dtype=np.uint8))


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_crops_stay_inside_the_image_and_above_the_smallest_area(strength: float) -> None:
    augmentation = Augmentation(True, False, False, strength)
    boxes = draw_views(augmentation, 2000, SPEC, seed=1, epoch=1).boxes
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 0] + boxes[:, 2] <= 40).all()
    assert (boxes[:, 1] + boxes[:, 3] <= 40).all()
    if strength:
        assert (boxes[:, 2] * boxes[:, 3] >= 0.6 * augmentation.smallest_area * 40**2 - 80).all()


def test_a_view_does_not_depend_on_the_batch_it_is_in() -> None:
    views = draw_views(ALL, 6, SPEC, seed=3, epoch=2)
    together = apply_views(images(), views, np.arange(6), ALL, 32)
    for place in (0, 3, 5):
        alone = apply_views(images()[place : place + 1], views, np.array([place]), ALL, 32)
        assert torch.equal(alone[0], together[place])


def test_epochs_differ_and_seeds_repeat() -> None:
    first = draw_views(ALL, 6, SPEC, seed=3, epoch=1)
    assert np.array_equal(first.boxes, draw_views(ALL, 6, SPEC, seed=3, epoch=1).boxes)
    assert not np.array_equal(first.boxes, draw_views(ALL, 6, SPEC, seed=3, epoch=2).boxes)


def test_without_augmentation_training_sees_the_validation_view() -> None:
    nothing = Augmentation(False, False, False, 0.5)
    views = draw_views(nothing, 6, SPEC, seed=0, epoch=1)
    assert torch.equal(apply_views(images(), views, np.arange(6), nothing, 32), centre_crop(images(), SPEC))
    assert not nothing.active
    assert nothing.describe() == "none"


def test_flips_mirror_about_half_of_the_images() -> None:
    flips = draw_views(Augmentation(False, True, False, 0.0), 4000, SPEC, seed=0, epoch=1).flips
    assert 0.45 < flips.mean() < 0.55


def test_normalising_agrees_with_torchvision() -> None:
    ours = normalise(centre_crop(images(), SPEC), SPEC, torch.device("cpu"))
    reference = v2.Compose(
        [v2.CenterCrop(32), v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(SPEC.mean), list(SPEC.std))]
    )(images())
    assert torch.allclose(ours, reference, atol=1e-5)
