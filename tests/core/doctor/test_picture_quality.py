"""Pictures that are hard to see are named; ordinary ones, and what a dataset is all about, are not."""

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.doctor.picture_quality import blur_effect, find_qualities, judge, measure
from core.settings import Settings
from core.steps import StopSignal, run_step
from tests.support.images import encoded

SIZE = (200, 150)


def scene(seed: int = 0, size: tuple[int, int] = SIZE) -> Image.Image:
    """Something with edges: bright and dark shapes, none like another."""
    rng = np.random.default_rng(seed)
    pixels = np.full((size[1], size[0], 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(30):
        left, top = int(rng.integers(0, size[0] - 5)), int(rng.integers(0, size[1] - 5))
        pixels[top : top + rng.integers(5, 40), left : left + rng.integers(5, 40)] = rng.integers(0, 256, 3)
    return Image.fromarray(pixels)


DAMAGES = {
    "one-colour": lambda image: Image.new("RGB", image.size, (90, 120, 30)),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.15),
    "bright": lambda image: Image.blend(image, Image.new("RGB", image.size, "white"), 0.9),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_picture_is_called_by_what_is_wrong_with_it(kind: str, drawn: Dataset) -> None:
    row = dataclasses.replace(drawn.rows[0], width=200, height=150)
    named = judge(row, measure(DAMAGES[kind](scene())))
    assert named is not None
    assert named[0] == kind
    assert judge(row, measure(scene())) is None


@pytest.mark.parametrize(("size", "kind"), [((40, 300), "tiny"), ((900, 280), "odd-shape"), ((290, 100), None)])
def test_sizes_and_shapes_are_judged_by_the_original(size: tuple[int, int], kind: str | None, drawn: Dataset) -> None:
    named = judge(dataclasses.replace(drawn.rows[0], width=size[0], height=size[1]), measure(scene()))
    assert (named and named[0]) == kind


def test_worse_pictures_come_first(drawn: Dataset) -> None:
    row = dataclasses.replace(drawn.rows[0], width=200, height=150)
    found = [judge(row, measure(scene().filter(ImageFilter.GaussianBlur(radius)))) for radius in (3, 6)]
    assert found[0] is not None
    assert found[1] is not None
    assert found[1][1] < found[0][1]


def test_a_shaken_picture_is_blurred_in_one_direction() -> None:
    sharp = np.asarray(scene().convert("L"), np.float32)
    shaken = np.mean([np.roll(sharp, step, axis=1) for step in range(15)], axis=0)
    assert (blur_effect(shaken) or 0) > 0.62 > (blur_effect(sharp) or 1)


def test_low_contrast_is_not_blur() -> None:
    grey = np.asarray(scene().convert("L"), np.float32)
    assert blur_effect(grey) == pytest.approx(blur_effect(0.2 * grey + 100), abs=0.01)


def made(settings: Settings, files: list[tuple[str, bytes]]) -> Dataset:
    source = MemorySource("scenes", files)
    run_step(import_dataset(settings, source, name="scenes", plan=SplitPlan.parse("60/20/20"), seed=0))
    return DatasetStore(settings).get("scenes")


def scenes(count: int, dark: int) -> list[tuple[str, bytes]]:
    images = [scene(seed) for seed in range(count)]
    shown = [DAMAGES["dark"](image) if place < dark else image for place, image in enumerate(images)]
    return [(f"{'ab'[place % 2]}/{place}.png", encoded(image, "PNG")) for place, image in enumerate(shown)]


def test_the_one_dark_picture_of_a_dataset_is_listed(settings: Settings) -> None:
    dataset = made(settings, scenes(24, dark=1))
    found, usual = run_step(find_qualities(dataset, 2, StopSignal()))
    assert [(dataset.rows[item.index].name, item.kind) for item in found] == [("a/0.png", "dark")]
    assert usual == {}


def test_what_many_pictures_are_like_is_no_exception_and_only_counted(settings: Settings) -> None:
    dataset = made(settings, scenes(24, dark=10))
    found, usual = run_step(find_qualities(dataset, 2, StopSignal()))
    assert found == ()
    assert usual == {"dark": 10}


def test_a_missing_thumbnail_is_passed_over(settings: Settings) -> None:
    dataset = made(settings, scenes(24, dark=0))
    dataset.thumbnail_path(dataset.rows[0]).unlink()
    assert run_step(find_qualities(dataset, 2, StopSignal())) == ((), {})
