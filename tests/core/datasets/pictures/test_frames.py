"""Animations: the first frame with something on it, in bounded time."""

import time
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from core.datasets.pictures.decoder import Limits, decode
from tests.support.images import encoded, photo

LIMITS = Limits(max_pixels=50_000_000, max_bytes=64 * 2**20)


def animation(kind: str, frames: list[Image.Image]) -> bytes:
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "AVIF" else {}
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("blank", ["black", "white", (60, 60, 60)])
def test_a_blank_first_frame_is_left_out(kind: str, blank: str | tuple[int, int, int]) -> None:
    data = animation(kind, [Image.new("RGB", (64, 48), blank), photo(1), photo(2)])
    picture = decode(data, LIMITS, f"a.{kind.lower()}")
    assert "blank first frame left out: number 2 of 3 frames" in picture.notes
    difference = np.abs(np.asarray(picture.image, int) - np.asarray(photo(1), int))
    assert difference.mean() < 12


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_a_first_frame_with_something_on_it_is_the_picture(kind: str) -> None:
    data = animation(kind, [photo(1), Image.new("RGB", (64, 48)), photo(2)])
    assert "first of 3 frames" in decode(data, LIMITS, f"a.{kind.lower()}").notes


def test_a_transparent_first_frame_is_blank() -> None:
    frames = [Image.new("RGBA", (64, 48), (9, 9, 9, 0)), photo(1).convert("RGBA")]
    assert "blank first frame left out: number 2 of 2 frames" in decode(animation("PNG", frames), LIMITS, "a.png").notes


def test_where_all_frames_are_blank_the_first_is_used() -> None:
    frames = [Image.new("RGB", (64, 48), (shade, shade, shade)) for shade in (10, 90, 200)]
    picture = decode(animation("GIF", frames), LIMITS, "a.gif")
    assert "first of 3 frames" in picture.notes
    assert picture.image.getpixel((5, 5)) == (10, 10, 10)


def test_a_single_picture_of_one_colour_is_no_animation() -> None:
    assert decode(encoded(Image.new("RGB", (64, 48), "red"), "PNG"), LIMITS, "a.png").notes == ()


def test_a_later_frame_that_is_damaged_does_not_cost_the_first() -> None:
    data = animation("GIF", [Image.new("RGB", (64, 48)), *(photo(seed) for seed in range(3))])
    with Image.open(BytesIO(data)) as opened:
        assert getattr(opened, "n_frames", 1) == 4
    assert decode(data[: len(data) // 3], LIMITS, "a.gif").image.size == (64, 48)


def test_a_long_animation_of_blank_frames_is_searched_in_bounded_time() -> None:
    frames = [Image.new("P", (1000, 800), seed % 2) for seed in range(400)]
    data = animation("GIF", frames)
    started = time.process_time()
    decode(data, LIMITS, "a.gif")
    assert time.process_time() - started < 3


def test_version_1_keeps_the_first_frame() -> None:
    data = animation("GIF", [Image.new("RGB", (64, 48)), photo(1)])
    assert decode(data, LIMITS, "a.gif", version=1).notes[0] == "first of 2 frames"


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_a_speck_does_not_make_a_blank_frame_the_picture(kind: str) -> None:
    first = Image.new("RGB", (64, 48), "white")
    first.putpixel((5, 5), (90, 0, 0))
    picture = decode(animation(kind, [first, photo(1), photo(2)]), LIMITS, f"a.{kind.lower()}")
    assert "blank first frame left out: number 2 of 3 frames" in picture.notes
