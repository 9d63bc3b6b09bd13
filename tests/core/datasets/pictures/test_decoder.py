"""Decoding: every kind of trouble is a sentence or a note, and the pixels are right."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.pictures.decoder import (
    Limits,
    decode,
    pixel_hash,
    write_thumbnail,
)
from core.datasets.pictures.picture_formats import FORMATS, SUFFIX_FORMATS
from core.errors import ImageError
from tests.support.images import encoded, photo, png_header

LIMITS = Limits(max_pixels=50_000_000, max_bytes=64 * 2**20)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_allowed_format_is_read(kind: str) -> None:
    suffix = next(suffix for suffix, found in SUFFIX_FORMATS.items() if found == kind)
    picture = decode(encoded(photo(), kind), LIMITS, f"a{suffix}")
    assert (picture.image.mode, picture.image.size, picture.source_format) == ("RGB", (64, 48), kind)
    assert not [note for note in picture.notes if "named" in note]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "SVG"),
        (b"just a text", "is text, not a picture"),
        (b"\x00\x00\x01\x00\x01\x00 an icon", "ICO"),
        (b"\x00\x00\x00\x18ftypheic", "HEIC"),
        (b"PK\x03\x04 zip", "zip archive"),
        (b"%PDF-1.7", "PDF"),
        (bytes(range(128, 256)) * 4, "not a picture"),
        (encoded(photo(1, (400, 300)))[:2000], "cut off or damaged"),
        (encoded(photo(1, (400, 300)), "PNG")[:3000], "cut off or damaged"),
        (png_header(200_000, 200_000), "pixels"),
        (png_header(9_000, 10_000), "megapixels"),
        (encoded(photo(0, (1, 1)), "PNG"), "at least 16"),
        (encoded(Image.new("RGB", (6000, 20)), "PNG"), "strip"),
    ],
)
def test_what_cannot_be_used_gets_one_sentence_with_its_name(data: bytes, words: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode(data, LIMITS, "cat one.jpg")
    sentence = str(caught.value)
    assert words in sentence
    assert sentence.startswith("cat one.jpg ")
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_a_file_that_is_too_heavy_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "big.jpg"
    path.write_bytes(encoded(photo()) + b"\0" * 5000)
    with pytest.raises(ImageError, match="larger than 0 MB"):
        decode(path, Limits(10**6, 1000), "big.jpg")


def test_missing_files_and_folders_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not there"):
        decode(tmp_path / "none.jpg", LIMITS, "none.jpg")
    with pytest.raises(ImageError, match="a folder"):
        decode(tmp_path, LIMITS, "folder")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_ends_as_the_same_upright_pixels(orientation: int) -> None:
    upright = photo(3, (40, 30))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(encoded(stored, "PNG", exif=exif), LIMITS, "a.png")
    assert np.array_equal(np.asarray(picture.image), np.asarray(upright))
    assert (picture.width_px, picture.height_px) == (40, 30)
    assert ("turned upright (EXIF)" in picture.notes) == (orientation > 1)


def test_sixteen_bit_grey_is_rescaled_and_not_white() -> None:
    ramp = np.linspace(1000, 60000, 64 * 64).reshape(64, 64).astype(np.uint16)
    picture = decode(encoded(Image.fromarray(ramp), "PNG"), LIMITS, "a.png")
    values = np.asarray(picture.image)
    assert (values.min(), values.max()) == (0, 255)
    assert 120 < values.mean() < 135
    assert "16-bit grey rescaled to 8 bits by its own range" in picture.notes


def test_transparent_parts_become_white() -> None:
    image = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 16, 32))
    picture = decode(encoded(image, "PNG"), LIMITS, "a.jpg")
    assert picture.image.getpixel((4, 4)) == (0, 0, 255)
    assert picture.image.getpixel((28, 4)) == (255, 255, 255)
    assert picture.notes == ("named .jpg but is PNG", "transparent parts put on white")


@pytest.mark.parametrize(("mode", "note"), [("CMYK", "CMYK to RGB"), ("L", "grey to RGB")])
def test_other_modes_become_rgb_and_are_noted(mode: str, note: str) -> None:
    picture = decode(encoded(photo().convert(mode)), LIMITS, "a.jpg")
    assert picture.image.mode == "RGB"
    assert note in picture.notes


def test_the_first_frame_of_an_animation_is_used() -> None:
    frames = [photo(seed) for seed in range(20)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert "first of 20 frames" in decode(data, LIMITS, "a.gif").notes


def test_a_large_jpeg_decoded_smaller_keeps_its_short_side_and_notices_damage() -> None:
    data = encoded(photo(2, (2000, 1500)))
    picture = decode(data, LIMITS, "a.jpg", at_least_px=256)
    assert 256 <= min(picture.image.size) < 1500
    assert (picture.width_px, picture.height_px) == (2000, 1500)
    with pytest.raises(ImageError, match="cut off"):
        decode(data[: len(data) // 2], LIMITS, "a.jpg", at_least_px=256)


def test_a_hash_knows_equal_pixels_whatever_their_file() -> None:
    first = photo(1, (200, 150))
    assert pixel_hash(first) == pixel_hash(decode(encoded(first, "PNG"), LIMITS, "a.png").image)
    assert pixel_hash(first) != pixel_hash(photo(2, (200, 150)))


def test_a_thumbnail_is_small() -> None:
    buffer = BytesIO()
    write_thumbnail(photo(0, (2000, 1500)), buffer)
    assert len(buffer.getvalue()) < 20_000


def test_every_odd_file_works_or_gets_a_sentence(shared_data: Path) -> None:
    files = sorted((shared_data / "odd_files").iterdir())
    assert len(files) > 20
    sentences = []
    for path in files:
        try:
            decode(path, LIMITS, path.name)
        except ImageError as error:
            sentences.append((path.name, str(error)))
    assert all(sentence.startswith(name) for name, sentence in sentences)
    assert len(files) - len(sentences) >= 12
