"""Files that lack their end or hold a lot of text: read where the picture is there, refused where it is not."""

import time
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from core.datasets.pictures.decoder import Limits, decode
from core.errors import ImageError
from tests.support.images import encoded, photo

LIMITS = Limits(max_pixels=50_000_000, max_bytes=64 * 2**20)
NO_END = "the end of the file is missing"
TEXT = "more than 1 MB of text in the file ignored"
KINDS = {
    "plain": {},
    "progressive": {"progressive": True},
    "grey": {},
    "CMYK": {},
    "with restart markers": {"restart_marker_rows": 1},
}


def jpeg(kind: str, size: tuple[int, int] = (320, 240)) -> bytes:
    image = photo(8, size)
    noise = np.random.default_rng(0).normal(128, 60, (size[1], size[0])).clip(0, 255).astype(np.uint8)
    image = Image.blend(image, Image.fromarray(noise).convert("RGB"), 0.3)
    if kind in ("grey", "CMYK"):
        image = image.convert({"grey": "L", "CMYK": "CMYK"}[kind])
    return encoded(image, "JPEG", quality=90, **KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [1, 2, 3, 5])
def test_a_jpeg_that_lacks_its_last_bytes_is_read_with_a_note(kind: str, missing: int) -> None:
    whole = jpeg(kind)
    picture = decode(whole[:-missing], LIMITS, "a.jpg")
    assert NO_END in picture.notes or (kind == "with restart markers" and missing <= 2), "Pillow reads that itself"
    wanted = np.asarray(decode(whole, LIMITS, "a.jpg").image, dtype=int)
    rows = np.abs(np.asarray(picture.image, dtype=int) - wanted).max(axis=(1, 2))
    assert (rows[:-18] <= (40 if kind == "progressive" else 0)).all(), "only the last blocks may differ"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.6])
def test_a_jpeg_that_is_really_cut_is_refused(kind: str, share: float) -> None:
    whole = jpeg(kind)
    for at_least_px in (None, 64):
        with pytest.raises(ImageError, match=r"cut off or damaged|cannot be opened"):
            decode(whole[: int(len(whole) * share)], LIMITS, "a.jpg", at_least_px=at_least_px)


def test_a_few_missing_rows_are_allowed_and_a_tenth_is_not() -> None:
    whole = jpeg("plain", (320, 640))
    assert NO_END in decode(whole[: int(len(whole) * 0.98)], LIMITS, "a.jpg").notes
    with pytest.raises(ImageError, match="cut off"):
        decode(whole[: int(len(whole) * 0.88)], LIMITS, "a.jpg")


@pytest.mark.parametrize("size", [(64, 16), (160, 20), (28, 28), (96, 72)])
def test_a_small_jpeg_that_is_half_missing_is_refused(size: tuple[int, int]) -> None:
    whole = jpeg("plain", size)
    start = whole.index(b"\xff\xda")
    with pytest.raises(ImageError, match="cut off"):
        decode(whole[: (start + len(whole)) // 2], LIMITS, "a.jpg")


def test_a_whole_jpeg_with_something_behind_it_needs_no_note() -> None:
    assert decode(jpeg("plain") + bytes(4096), LIMITS, "a.jpg").notes == ()


@pytest.mark.parametrize("packed", [True, False])
def test_a_png_with_much_text_is_read(packed: bool) -> None:
    info = PngImagePlugin.PngInfo()
    if packed:
        info.add_text("workflow", '{"nodes": [' + "1," * 900_000 + "0]}", zip=True)
    else:
        info.add_itxt("XML:com.adobe.xmp", "<x/>" * 400_000, zip=True)
    picture = decode(encoded(photo(9), "PNG", pnginfo=info), LIMITS, "a.png")
    assert picture.notes == (TEXT,)
    assert np.array_equal(np.asarray(picture.image), np.asarray(photo(9)))


def test_text_behind_the_pixels_is_ignored_as_well() -> None:
    data = encoded(photo(9), "PNG")
    body = b"Comment\0\0" + zlib.compress(b"x" * 3_000_000)
    chunk = len(body).to_bytes(4, "big") + b"zTXt" + body + zlib.crc32(b"zTXt" + body).to_bytes(4, "big")
    picture = decode(data[:-12] + chunk + data[-12:], LIMITS, "a.png")
    assert picture.notes == (TEXT,)


def test_a_bomb_of_text_costs_neither_time_nor_memory() -> None:
    data = encoded(photo(9), "PNG")
    body = b"Comment\0\0" + zlib.compress(b"x" * 500_000_000, 1)
    chunk = len(body).to_bytes(4, "big") + b"zTXt" + body + zlib.crc32(b"zTXt" + body).to_bytes(4, "big")
    started = time.process_time()
    picture = decode(data[:33] + chunk * 8 + data[33:], LIMITS, "a.png")
    assert picture.notes == (TEXT,)
    assert time.process_time() - started < 1


def test_a_small_text_is_kept_and_its_rotation_with_it() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    picture = decode(encoded(photo(9, (60, 40)), "PNG", pnginfo=info), LIMITS, "a.png")
    assert picture.image.size == (40, 60)
    assert picture.notes == ("turned upright (EXIF)",)


def test_a_png_that_is_cut_stays_refused_whatever_text_it_has() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "x" * 2_000_000, zip=True)
    data = encoded(photo(9, (400, 300)), "PNG", pnginfo=info)
    with pytest.raises(ImageError, match="cut off or damaged"):
        decode(data[:-4000], LIMITS, "a.png")


@pytest.mark.parametrize("before", [b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", b"\0\0"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_what_a_script_writes_before_a_picture_is_ignored(before: bytes, kind: str) -> None:
    data = encoded(photo(3), kind)
    picture = decode(before + data, LIMITS, f"a.{kind.lower()}")
    assert picture.notes == ("stray bytes in the file ignored",)
    assert np.array_equal(picture.image, decode(data, LIMITS, "a").image)


def test_stray_bytes_between_the_segments_of_a_jpeg_are_ignored() -> None:
    data = jpeg("plain")
    table = data.index(b"\xff\xdb")
    strays = data[:2] + b"\x12\x34" * 20 + data[2:table] + b"\0\xff\0\x07" + data[table:]
    picture = decode(strays, LIMITS, "a.jpg")
    assert picture.notes == ("stray bytes in the file ignored",)
    assert np.array_equal(picture.image, decode(data, LIMITS, "a.jpg").image)


def chunk(kind: bytes, body: bytes, crc: int | None = None) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + (zlib.crc32(kind + body) if crc is None else crc).to_bytes(
        4, "big"
    )  # fmt: skip


@pytest.mark.parametrize("extra", [chunk(b"tEXt", b"a\0b", 7), chunk(b"gAMA", b""), chunk(b"prVt", b"abc", 7)])
def test_a_png_is_read_past_damaged_extras(extra: bytes) -> None:
    data = encoded(photo(3), "PNG")
    place = data.index(b"IDAT") - 4
    picture = decode(data[:place] + extra + data[place:], LIMITS, "a.png")
    assert picture.notes in (("damaged extras in the file ignored",), ())
    assert np.array_equal(picture.image, photo(3))


def test_a_png_with_damaged_pixels_is_called_damaged() -> None:
    data = encoded(photo(3), "PNG")
    with pytest.raises(ImageError, match=r"damaged and cannot be opened|cut off or damaged"):
        decode(data[:9] + b"\x09" + data[10:], LIMITS, "a.png")


def test_a_jpeg_that_was_cut_and_closed_again_is_noted() -> None:
    data = jpeg("plain")
    picture = decode(data[: len(data) // 2] + b"\xff\xd9", LIMITS, "a.jpg")
    assert picture.notes == ("its lower part is plain grey: it may be cut off",)
    assert decode(data, LIMITS, "a.jpg").notes == ()
