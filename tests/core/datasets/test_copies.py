"""Looks: the same photo is found whatever was done to its file, and different photos are distinguished."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageEnhance, ImageOps

from core.datasets.copies import ALIKE, LOOK_BYTES, Looks, find_alike, group_alike, perceptual_hash, take_look
from core.datasets.pictures.decoder import Limits, decode
from tests.support.images import encoded, photo

LIMITS = Limits(max_pixels=50_000_000, max_bytes=64 * 2**20)


def scene(seed: int, size: tuple[int, int] = (500, 375)) -> Image.Image:
    """A picture with coarse and fine structure, as photographs have."""
    fine = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    return Image.blend(photo(seed, size), Image.fromarray(fine).resize(size, Image.Resampling.BICUBIC), 0.3)


def saved(image: Image.Image, quality: int = 85) -> Image.Image:
    return decode(encoded(image, "JPEG", quality=quality), LIMITS, "a.jpg").image


def groups_of(*pictures: Image.Image) -> list[int]:
    looks = Looks.of([take_look(picture) for picture in pictures])
    return [int(number) for number in group_alike(looks, np.arange(len(pictures)))]


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved at quality 40": lambda image: saved(image, 40),
    "180 px": lambda image: saved(image.resize((240, 180), Image.Resampling.LANCZOS)),
    "64 px": lambda image: saved(image.resize((85, 64), Image.Resampling.BILINEAR)),
    "twice as large": lambda image: saved(image.resize((1000, 750))),
    "a square": lambda image: saved(image.resize((224, 224))),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "cropped by 1 %": lambda image: image.crop((5, 4, 495, 371)),
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "mirrored and small": lambda image: saved(ImageOps.mirror(image).resize((240, 180))),
    **{f"turned by {angle}": lambda image, angle=angle: image.rotate(angle, expand=True) for angle in (90, 180, 270)},  # type: ignore[misc]
    "turned and mirrored": lambda image: saved(ImageOps.mirror(image.rotate(90, expand=True)), 60),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_of_a_photo_is_found(kind: str) -> None:
    for seed in range(5):
        image = scene(seed)
        first, copy, other = groups_of(image, COPIES[kind](image), scene(seed + 100))
        assert first == copy != other


def test_different_photos_are_not_copies() -> None:
    assert len(set(groups_of(*(scene(seed, (160, 120)) for seed in range(300))))) == 300


def test_walls_and_gradients_identify_nothing() -> None:
    wall = Image.new("RGB", (64, 48), (200, 180, 160))
    noise = np.random.default_rng(0).integers(-3, 4, (48, 64, 3))
    rough = Image.fromarray((np.asarray(wall) + noise).astype(np.uint8))
    sky = Image.linear_gradient("L").convert("RGB")
    assert len(set(groups_of(wall, rough, wall.copy(), sky, sky.rotate(90), ImageOps.flip(sky)))) == 6


def compare_all(grids: list[Image.Image]) -> npt.NDArray[np.float64]:
    """1 - correlation of every pair, by turning the pictures themselves."""
    turned = [
        side.rotate(angle) for grid in grids for side in (grid, ImageOps.mirror(grid)) for angle in (0, 90, 180, 270)
    ]
    waves = Looks.of([grid.tobytes() for grid in turned]).waves.astype(np.float64)
    products = waves.reshape(len(grids), 8, LOOK_BYTES)[:, 0] @ waves.T
    found: np.ndarray[tuple[int, int], np.dtype[np.float64]] = 1 - products.reshape(len(grids), len(grids), 8).max(
        axis=2
    )
    return found


@pytest.mark.parametrize("block_rows", [3, 512])
def test_groups_are_those_of_comparing_every_pair_in_every_orientation(
    monkeypatch: pytest.MonkeyPatch, block_rows: int
) -> None:
    monkeypatch.setattr("core.datasets.copies.BLOCK_ROWS", block_rows)
    rng = np.random.default_rng(block_rows)
    grids = []
    for _ in range(6):
        values = rng.integers(0, 256, (16, 16)).astype(float)
        for _ in range(12):  # a chain: each differs a little from the one before, and lies some other way
            values = np.clip(values + rng.normal(0, rng.choice([5, 20, 40]), (16, 16)), 0, 255)
            values = np.rot90(values, rng.integers(4))[:: rng.choice([1, -1])]
            grids.append(Image.fromarray(values.astype(np.uint8)))
    order = rng.permutation(len(grids))
    grids = [grids[place] for place in order]
    distances = compare_all(grids)
    assert np.abs(distances - ALIKE).min() > 1e-5  # none is a matter of rounding
    wanted = np.arange(len(grids))
    for _ in grids:  # the smallest number spreads along the longest possible chain
        wanted = np.where(distances <= ALIKE, wanted, len(grids)).min(axis=1)
    looks = Looks.of([grid.tobytes() for grid in grids])
    found = group_alike(looks, np.arange(len(grids)))
    assert 6 < len(set(found.tolist())) < len(grids)
    assert found.tolist() == wanted.tolist()

    kinds = rng.integers(0, 2, len(grids))
    everywhere = np.arange(len(grids))
    nearest = {row: (distance, other) for distance, row, other in find_alike(looks, everywhere, everywhere, kinds)}
    anyone = {row for _, row, _ in find_alike(looks, everywhere, everywhere, kinds, any_will_do=True)}
    distances[kinds[:, None] == kinds] = 9
    assert set(nearest) == anyone == {row for row in everywhere.tolist() if distances[row].min() <= ALIKE}
    for row, (distance, other) in nearest.items():
        assert distance == pytest.approx(distances[row].min(), abs=1e-5)
        assert other == distances[row].argmin()


def test_the_stored_hash_is_close_for_a_copy_and_far_for_another_photo() -> None:
    def distance(a: Image.Image, b: Image.Image) -> int:
        first, second = (int(perceptual_hash(take_look(image)), 16) for image in (a, b))
        return (first ^ second).bit_count()

    image = scene(1)
    assert distance(image, saved(image.resize((240, 180)), 60)) <= 12
    assert distance(image, scene(2)) > 60
    assert len(perceptual_hash(take_look(image))) == 64


def test_real_photos_are_distinguished_and_their_small_copies_found(shared_data: Path) -> None:
    paths = sorted((shared_data / "data" / "cats_dogs").rglob("*.jpg"))[::12]
    images = [decode(path, LIMITS, path.name).image for path in paths]
    small = [saved(image.resize((image.width * 180 // image.height, 180)), 60) for image in images]
    found = groups_of(*images, *small)
    assert len(set(found)) == len(images)
    assert found[: len(images)] == found[len(images) :]
