"""Conversion to RGB: colour profiles, transparency and deep grey, each with its note."""

import struct
import threading
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from core.datasets.pictures import rgb_conversion
from core.datasets.pictures.decoder import TOO_HIGH, TOO_WIDE, Limits, decode
from models.entry import GreyRanges
from tests.support.images import encoded, photo

LIMITS = Limits(max_pixels=50_000_000, max_bytes=64 * 2**20)
CONVERTED = "colour profile converted to sRGB"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """An RGB profile whose red and green are exchanged: the tags of sRGB's colorants under each other's names."""
    return SRGB.replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")


def grey_profile(gamma: float) -> bytes:
    """A grey profile of this gamma, written by hand: littleCMS in Pillow makes none."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + struct.pack(">iii", 63190, 65536, 54061)
    text = b"desc" + bytes(4) + struct.pack(">I", 2) + b"g\0" + bytes(4 + 4 + 2 + 1 + 67 + 1)
    tags = [(b"kTRC", curve), (b"wtpt", white), (b"desc", text)]
    table, body, place = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags:
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", place + len(body), len(data))
        body += data
    head = bytearray(128)
    head[8:12] = struct.pack(">I", 0x02100000)
    head[12:24] = b"mntrGRAYXYZ "
    head[36:40] = b"acsp"
    head[68:80] = struct.pack(">iii", 63190, 65536, 54061)
    whole = bytes(head) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_colours_are_read_as_the_profile_means_them(kind: str) -> None:
    green = Image.new("RGB", (32, 32), (40, 200, 60))
    options = {"quality": 95} if kind in ("JPEG", "WEBP", "AVIF") else {}
    picture = decode(encoded(green, kind, icc_profile=swapped_profile(), **options), LIMITS, "a")
    assert CONVERTED in picture.notes
    red, middle, _ = picture.image.getpixel((16, 16))
    assert red > 150 > middle, "stored green is meant as red"


def test_the_conversion_is_littlecms_own() -> None:
    picture = photo(4, (80, 60))
    found = decode(encoded(picture, "PNG", icc_profile=swapped_profile()), LIMITS, "a.png")
    source = ImageCms.ImageCmsProfile(BytesIO(swapped_profile()))
    wanted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert np.array_equal(np.asarray(found.image), np.asarray(wanted))


def test_a_picture_in_srgb_keeps_its_pixels_and_needs_no_note() -> None:
    picture = decode(encoded(photo(1), "PNG", icc_profile=SRGB), LIMITS, "a.png")
    assert picture.notes == ()
    assert np.array_equal(np.asarray(picture.image), np.asarray(photo(1)))


def test_grey_of_another_gamma_is_converted() -> None:
    grey = Image.new("L", (32, 32), 128)
    picture = decode(encoded(grey, "PNG", icc_profile=grey_profile(1.0)), LIMITS, "a.png")
    assert picture.notes == ("grey to RGB", CONVERTED)
    assert picture.image.getpixel((3, 3)) == pytest.approx((188, 188, 188), abs=2)  # linear 0.5 in sRGB


@pytest.mark.parametrize("profile", [b"no profile", SRGB[:200], SRGB[:128] + bytes(400)])
def test_a_damaged_profile_costs_nothing_but_a_note(profile: bytes) -> None:
    picture = decode(encoded(photo(2), "PNG", icc_profile=profile), LIMITS, "a.png")
    assert picture.notes == ("colour profile ignored: it is damaged",)
    assert np.array_equal(np.asarray(picture.image), np.asarray(photo(2)))


def test_a_profile_for_other_pixels_is_ignored() -> None:
    grey = photo(3).convert("L")
    picture = decode(encoded(grey, "PNG", icc_profile=swapped_profile()), LIMITS, "a.png")
    assert picture.notes == ("grey to RGB",)
    cmyk = decode(encoded(photo(3).convert("CMYK"), "JPEG", icc_profile=SRGB), LIMITS, "a.jpg")
    assert cmyk.notes == ("CMYK to RGB",)


def test_threads_share_transforms_and_find_the_same_pixels() -> None:
    data = encoded(photo(5, (200, 150)), "PNG", icc_profile=swapped_profile())
    wanted = decode(data, LIMITS, "a.png").image.tobytes()
    rgb_conversion._transform.cache_clear()
    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda: found.extend(
            decode(data, LIMITS, "a.png").image.tobytes() == wanted for _ in range(20)
        ))
        for _ in range(6)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 120
    assert rgb_conversion._transform.cache_info().currsize == 1


def drawing(colour: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGBA", (96, 96), (*colour, 0))
    ImageDraw.Draw(image).ellipse((20, 20, 70, 70), fill=(*colour, 255))
    return image


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_a_white_drawing_on_transparency_is_still_seen(mode: str) -> None:
    image = drawing((255, 255, 255)).convert(mode) if mode != "P" else drawing((255, 255, 255)).quantize(4)
    picture = decode(encoded(image, "PNG"), LIMITS, "a.png")
    assert "white drawing on transparency put on black" in picture.notes
    assert picture.image.getpixel((45, 45)) == (255, 255, 255)
    assert picture.image.getpixel((3, 3)) == (0, 0, 0)


@pytest.mark.parametrize("colour", [(0, 0, 0), (200, 30, 30), (250, 220, 0), (190, 190, 190)])
def test_a_drawing_that_white_shows_stays_on_white(colour: tuple[int, int, int]) -> None:
    picture = decode(encoded(drawing(colour), "PNG"), LIMITS, "a.png")
    assert "transparent parts put on white" in picture.notes
    assert picture.image.getpixel((45, 45)) == colour
    assert picture.image.getpixel((3, 3)) == (255, 255, 255)


def test_a_white_drawing_with_a_thick_outline_stays_on_white() -> None:
    image = drawing((255, 255, 255))
    ImageDraw.Draw(image).ellipse((20, 20, 70, 70), outline=(0, 0, 0, 255), width=3)
    assert "transparent parts put on white" in decode(encoded(image, "PNG"), LIMITS, "a.png").notes


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "TGA"])
def test_transparency_that_hides_everything_is_ignored(kind: str) -> None:
    image = photo(6).convert("RGBA")
    image.putalpha(0)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    picture = decode(encoded(image, kind, **options), LIMITS, "a.tga")
    assert "transparent throughout: the transparency is ignored" in picture.notes
    assert np.array_equal(np.asarray(picture.image), np.asarray(photo(6)))


def test_deep_grey_is_scaled_by_the_range_of_its_dataset() -> None:
    values = np.linspace(20_000, 30_000, 64 * 48).reshape(48, 64)
    data = encoded(Image.fromarray(values.astype(np.uint16)), "PNG")
    own = decode(data, LIMITS, "a.png")
    assert own.greys == GreyRanges(integers=(20_000, 30_000))
    assert own.notes == ("16-bit grey rescaled to 8 bits by its own range",)
    shared = decode(data, LIMITS, "a.png", greys=GreyRanges(integers=(10_000, 60_000)))
    assert shared.notes == ("16-bit grey rescaled to 8 bits",)
    wanted = np.rint((np.floor(values) - 10_000) / 50_000 * 255)
    assert np.abs(np.asarray(shared.image)[..., 0] - wanted).max() <= 1
    outside = decode(data, LIMITS, "a.png", greys=GreyRanges(integers=(22_000, 24_000)))
    assert np.asarray(outside.image)[0, 0].tolist() == [0, 0, 0]
    assert np.asarray(outside.image)[-1, -1].tolist() == [255, 255, 255]


def test_floating_point_grey_has_a_range_of_its_own() -> None:
    values = np.linspace(0.25, 0.75, 64 * 48, dtype=np.float32).reshape(48, 64)
    data = encoded(Image.fromarray(values), "TIFF")
    shared = decode(data, LIMITS, "a.tif", greys=GreyRanges(integers=(0, 60_000), floats=(0.0, 1.0)))
    assert np.asarray(shared.image).min() == 64
    assert shared.notes == ("floating-point grey rescaled to 8 bits",)


def test_ranges_join_to_the_one_that_holds_both() -> None:
    one, other = GreyRanges(integers=(3, 9)), GreyRanges(integers=(5, 20), floats=(0.0, 1.0))
    assert one.joined(other) == other.joined(one) == GreyRanges((3, 20), (0.0, 1.0))


def test_8_bit_pictures_do_not_change_with_the_range() -> None:
    data = encoded(photo(1).convert("L"), "PNG")
    plain, ranged = decode(data, LIMITS, "a.png"), decode(data, LIMITS, "a.png", greys=GreyRanges((0, 99), (0, 1)))
    assert plain.greys is None
    assert plain.image.tobytes() == ranged.image.tobytes()


@pytest.mark.parametrize(("size", "note"), [((400, 100), TOO_WIDE), ((100, 400), TOO_HIGH), ((300, 200), None)])
def test_a_picture_whose_ends_are_cut_off_is_noted(size: tuple[int, int], note: str | None) -> None:
    assert decode(encoded(photo(0, size)), LIMITS, "a.jpg").notes == ((note,) if note else ())


def test_version_1_converts_as_earlier_runs_saw_it() -> None:
    white = decode(encoded(drawing((255, 255, 255)), "PNG"), LIMITS, "a.png", version=1)
    assert white.notes == ("transparent parts put on white",)
    assert white.image.getextrema() == ((255, 255),) * 3
    profiled = decode(encoded(photo(1), "PNG", icc_profile=swapped_profile()), LIMITS, "a.png", version=1)
    assert np.array_equal(np.asarray(profiled.image), np.asarray(photo(1)))
    hidden = photo(6).convert("RGBA")
    hidden.putalpha(0)
    assert decode(encoded(hidden, "PNG"), LIMITS, "a.png", version=1).image.getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize("version", [1, 2])
def test_a_16_bit_tiff_whose_zero_is_white_is_turned_into_a_positive(version: int) -> None:
    values = np.linspace(0, 60_000, 64 * 48).reshape(48, 64).astype(np.uint16)
    data = bytearray(encoded(Image.fromarray(65_535 - values), "TIFF"))
    place = data.index(b"\x06\x01\x03\x00\x01\x00\x00\x00")  # the tag of the photometric interpretation
    assert data[place + 8] == 1
    data[place + 8] = 0
    grey = np.asarray(decode(bytes(data), LIMITS, "a.tif", version=version).image)[..., 0]
    assert (grey[0, 0] < grey[-1, -1]) == (version == 2)
