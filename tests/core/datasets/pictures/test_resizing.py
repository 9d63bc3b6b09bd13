"""Resizing: torchvision's geometry pixel by pixel, the choices for wide pictures, and the geometry of earlier runs."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from core.datasets.pictures.decoder import Limits, decode
from core.datasets.pictures.resizing import RESAMPLING, fit_square
from core.stores.augmentation import centre_crop, to_channels_first
from core.stores.pixels import SPARE, square_pixels
from models.catalog import CATALOG, ScratchOptions, get_entry
from models.entry import Preprocessing
from tests.support.images import encoded, photo

LIMITS = Limits(max_pixels=50_000_000, max_bytes=64 * 2**20)
NETWORKS = [name for name in CATALOG if name != "scratch_cnn"]
SCRATCH_SIDES = (96, 100, 131, 165, 200)
SPECS = {name: CATALOG[name].preprocessing for name in NETWORKS} | {
    f"scratch {side}": get_entry("scratch_cnn", ScratchOptions(image_size=side)).preprocessing for side in SCRATCH_SIDES
}


def noise(size: tuple[int, int], seed: int) -> Image.Image:
    """The hardest picture to resize: a pixel of shift changes all of it."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def odd_sizes(count: int) -> list[tuple[int, int]]:
    rng = np.random.default_rng(7)
    sizes = [(256, 256), (257, 256), (256, 257), (331, 500), (500, 331), (1023, 511), (224, 17), (19, 500)]
    while len(sizes) < count:
        width, height = (int(side) for side in rng.integers(24, 700, 2))
        sizes.append((width, height))
    return sizes


def view_of(square: np.ndarray, spec: Preprocessing) -> np.ndarray:
    """The network's input: (crop, crop, 3) uint8."""
    return centre_crop(to_channels_first(square[np.newaxis]), spec)[0].permute(1, 2, 0).numpy()


def torchvisions(image: Image.Image, spec: Preprocessing) -> np.ndarray:
    steps = [Resize(spec.resize_px, InterpolationMode(spec.interpolation)), CenterCrop(spec.crop_px)]
    return np.asarray(Compose(steps)(image))


def test_the_input_of_a_network_is_torchvisions_pixel_by_pixel() -> None:
    specs = list(SPECS.values())
    for place, size in enumerate(odd_sizes(54)):
        spec = specs[place % len(specs)]
        picture = noise(size, place)
        assert np.array_equal(view_of(fit_square(picture, spec), spec), torchvisions(picture, spec)), (size, spec)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(911, 600), (600, 911), (1000, 1020)])
def test_a_file_below_four_times_the_size_is_decoded_in_full(kind: str, size: tuple[int, int]) -> None:
    spec = CATALOG["mobilenet_v2"].preprocessing
    data = encoded(photo(3, size), kind)
    with Image.open(BytesIO(data)) as opened:
        wanted = torchvisions(opened.convert("RGB"), spec)
    assert np.array_equal(view_of(square_pixels(data, "a", LIMITS, spec), spec), wanted)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_photo_decoded_smaller_lies_as_torchvision_would_put_it(orientation: int) -> None:
    spec = CATALOG["petnet"].preprocessing
    exif = Image.Exif()
    exif[0x0112] = orientation
    # odd sides: the smaller picture has whole pixels, the last of which reach beyond the edge
    picture = Image.blend(
        photo(5, (2001, 1401)), noise((100, 70), 5).resize((2001, 1401), Image.Resampling.BICUBIC), 0.4
    )
    data = encoded(picture, "JPEG", quality=92, exif=exif)
    smaller = decode(data, LIMITS, "a", at_least_px=SPARE * spec.resize_px)
    assert min(smaller.image.size) == 701, "it was decoded smaller"
    with Image.open(BytesIO(data)) as opened:
        wanted = torchvisions(ImageOps.exif_transpose(opened), spec).astype(int)
    found = view_of(square_pixels(data, "a", LIMITS, spec), spec)
    assert np.abs(found - wanted).mean() < 0.25
    assert np.abs(found - wanted).max() <= 3


@pytest.mark.parametrize("side", range(32, 513, 13))
def test_a_margin_is_that_of_torchvisions_centre_crop(side: int) -> None:
    spec = get_entry("scratch_cnn", ScratchOptions(image_size=side)).preprocessing
    steps = torch.arange(spec.resize_px**2).reshape(1, spec.resize_px, spec.resize_px)
    assert torch.equal(centre_crop(steps, spec), CenterCrop(spec.crop_px)(steps))


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (301, 299), (97, 1000)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_version_1_is_resized_as_it_was_trained(size: tuple[int, int], interpolation: str) -> None:
    picture, short = noise(size, 0), min(size)
    whole = picture.resize((round(size[0] * 64 / short), round(size[1] * 64 / short)), RESAMPLING[interpolation])
    left, top = (whole.width - 64) // 2, (whole.height - 64) // 2
    wanted = np.asarray(whole.crop((left, top, left + 64, top + 64)), dtype=np.int16)
    spec = Preprocessing(64, 56, interpolation=interpolation, version=1)
    assert np.abs(fit_square(picture, spec) - wanted).max() <= 1


def test_padding_keeps_the_ends_of_a_wide_picture_and_squeezing_fills_the_square() -> None:
    wide = Image.new("RGB", (480, 120), "green")
    wide.paste("red", (0, 0, 40, 120))
    wide.paste("blue", (440, 0, 480, 120))
    spec = CATALOG["mobilenet_v2"].preprocessing
    views = {fit: view_of(fit_square(wide, spec.fitted(fit)), spec.fitted(fit)) for fit in ("crop", "pad", "squeeze")}
    assert {view.shape for view in views.values()} == {(224, 224, 3)}
    middle = {fit: view[112] for fit, view in views.items()}
    assert tuple(middle["crop"][0]) == tuple(middle["crop"][-1]) == (0, 128, 0), "the ends are cut off"
    for fit in ("pad", "squeeze"):
        assert tuple(middle[fit][2]) == (255, 0, 0)
        assert tuple(middle[fit][-3]) == (0, 0, 255)
    mean = tuple(round(255 * channel) for channel in spec.mean)
    assert tuple(views["pad"][0, 0]) == tuple(views["pad"][-1, -1]) == mean
    assert tuple(views["squeeze"][0, 2]) == (255, 0, 0)


@pytest.mark.parametrize("fit", ["pad", "squeeze"])
@pytest.mark.parametrize("size", [(500, 20), (20, 500), (64, 64), (31, 33)])
def test_every_shape_fits(fit: str, size: tuple[int, int]) -> None:
    assert fit_square(photo(1, size), Preprocessing(32, 24).fitted(fit)).shape == (24, 24, 3)


def test_the_specs_of_the_catalog_are_of_the_newest_version() -> None:
    assert {spec.version for spec in SPECS.values()} == {2}
    assert replace(SPECS["petnet"], version=1).margin_px == 8


def test_photos_are_resized_as_torchvision_does(shared_data: Path) -> None:
    files = sorted((shared_data / "data" / "cats_dogs" / "Cat").iterdir())[:25]
    files += sorted((shared_data / "data" / "cats_dogs" / "Dog").iterdir())[:25]
    for place, file in enumerate(files):
        spec = CATALOG[("mobilenet_v2", "petnet", "efficientnet_lite0")[place % 3]].preprocessing
        with Image.open(file) as opened:
            wanted = torchvisions(opened.convert("RGB"), spec)
        assert np.array_equal(view_of(square_pixels(file, file.name, LIMITS, spec), spec), wanted), file.name
