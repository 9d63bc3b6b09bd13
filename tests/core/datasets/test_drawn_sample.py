"""The drawn sample: the same for the same seed, varied, and without a give-away besides the animal."""

from io import BytesIO

import numpy as np
from PIL import Image

from core.datasets.drawn_animals import draw_image
from core.datasets.drawn_sample import draw_sample


def test_the_same_seed_draws_the_same_bytes() -> None:
    assert list(draw_sample(3, seed=5, size_px=48)) == list(draw_sample(3, seed=5, size_px=48))
    assert list(draw_sample(3, seed=5, size_px=48)) != list(draw_sample(3, seed=6, size_px=48))


def test_pictures_have_the_wanted_size_and_no_two_are_equal() -> None:
    drawn = list(draw_sample(15, size_px=64))
    assert {name.split("/")[0] for name, _ in drawn} == {"cat", "dog"}
    assert len({data for _, data in drawn}) == 30
    assert {Image.open(BytesIO(data)).size for _, data in drawn} == {(64, 64)}


def test_colour_light_and_file_size_do_not_give_the_class_away() -> None:
    rows, labels = [], []
    for seed in range(150):
        for label, kind in enumerate(("cat", "dog")):
            picture = draw_image(kind, seed, 48)  # type: ignore[arg-type]
            buffer = BytesIO()
            picture.save(buffer, "JPEG", quality=90)
            values = np.asarray(picture, dtype=np.float64)
            edges = [values[0].mean(), values[-1].mean(), values[:, 0].mean(), values[:, -1].mean()]
            rows.append([*values.mean(axis=(0, 1)), *values.std(axis=(0, 1)), *edges, len(buffer.getvalue())])
            labels.append(2 * label - 1)
    features, wanted = np.array(rows), np.array(labels)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    features = np.column_stack([features, np.ones(len(features))])
    train = np.arange(len(wanted)) % 4 < 2
    weights, *_ = np.linalg.lstsq(features[train], wanted[train], rcond=None)
    accuracy = float((np.sign(features[~train] @ weights) == wanted[~train]).mean())
    assert accuracy < 0.65
