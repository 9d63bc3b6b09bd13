"""Formats: what is read, what is recognised by its first bytes, and what other files are called."""

import struct

import numpy as np
import pytest
from PIL import Image

from core.datasets.dataset import IMAGE_PATH
from core.datasets.pictures import picture_formats
from core.datasets.pictures.decoder import Limits, decode
from core.datasets.pictures.picture_formats import (
    EXTENSIONS,
    FORMATS,
    HEIC_IS_READ,
    SUFFIX_FORMATS,
    UPLOAD_SUFFIXES,
    describe_foreign,
    looks_like_picture,
)
from core.errors import ImageError
from core.settings import PROJECT_ROOT
from pages.components.shared.pictures.gallery import IMAGE_TYPES
from tests.support.images import HEIC, encoded, photo

LIMITS = Limits(max_pixels=50_000_000, max_bytes=64 * 2**20)
RED, BLUE = (200, 40, 30), (20, 60, 200)


def brand(name: bytes) -> bytes:
    return b"\x00\x00\x00\x18ftyp" + name + bytes(300)


def camera_preview() -> bytes:
    """A TIFF as cameras write raw photos: its first picture is a small preview, the photo lies elsewhere."""
    tags = Image.Exif()
    tags[254], tags[330] = 1, 8
    return encoded(photo(1, (160, 120)), "TIFF", tiffinfo={254: 1, 330: 8})


FOREIGN = {
    "new.jxl": (b"\xff\x0a" + bytes(200), "JPEG XL"),
    "new2.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(200), "JPEG XL"),
    "photo.cr2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(500), "raw photo"),
    "photo.cr3": (brand(b"crx "), "raw photo"),
    "photo.nef": (encoded(photo(1, (160, 120)), "TIFF"), "raw photo"),
    "renamed.tif": (camera_preview(), "raw photo"),
    "photo.raf": (b"FUJIFILMCCD-RAW 0201" + bytes(400), "raw photo"),
    "xray.dcm": (bytes(128) + b"DICM" + bytes(300), "DICOM"),
    "clip.mp4": (brand(b"mp42"), "video"),
    "clip.mov": (brand(b"qt  "), "video"),
    "clip.avi": (b"RIFF\x00\x01\x00\x00AVI LIST" + bytes(300), "video"),
    "art.psd": (b"8BPS\0\1" + bytes(300), "Photoshop"),
    "list.csv": (b"a,b\n1,2\n", "table (CSV)"),
    "boxes.json": (b'{"boxes": []}', "JSON file"),
    "boxes.xml": (b"<annotation><object/></annotation>", "XML file"),
    "array.npy": (b"\x93NUMPY\1\0" + bytes(100), "NumPy"),
    "icon.ico": (b"\x00\x00\x01\x00\x01\x00" + bytes(100), "icon (ICO)"),
    "paper.pdf": (b"%PDF-1.7\n" + bytes(100), "PDF"),
    "saved.webp.html": (b"<html><body></body></html>", "web page"),
    "drawing.svg": (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    "pointer.jpg": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
    "zeros.jpg": (bytes(3000), "only zeros"),
    "photos.rar": (b"Rar!\x1a\x07\x01\x00", "archive"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_read_is_called_by_its_name_with_a_remedy(name: str) -> None:
    data, words = FOREIGN[name]
    with pytest.raises(ImageError) as caught:
        decode(data, LIMITS, name)
    sentence = str(caught.value)
    assert sentence.startswith(f"{name} ")
    assert words in sentence
    assert sentence.endswith(".")
    assert ":" in sentence, "a remedy follows"


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "TGA"])
def test_every_format_that_is_read_is_recognised_by_its_first_bytes(kind: str) -> None:
    assert looks_like_picture(encoded(photo(), kind)[:64])


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16", "F"])
def test_every_kind_of_ppm_is_read_and_recognised(mode: str) -> None:
    grey = np.linspace(0, 250, 64 * 48).reshape(48, 64)
    image = photo().convert(mode) if mode in ("1", "L", "RGB") else Image.fromarray(
        grey.astype(np.uint16 if mode == "I;16" else np.float32)
    )  # fmt: skip
    data = encoded(image, "PPM")
    assert looks_like_picture(data[:64])
    assert decode(data, LIMITS, "a.pnm").source_format == "PPM"


def test_heic_and_jpeg_xl_are_recognised_whether_they_can_be_read_or_not() -> None:
    assert looks_like_picture(HEIC[:64])
    assert looks_like_picture(FOREIGN["new.jxl"][0][:64])
    assert looks_like_picture(FOREIGN["new2.jxl"][0][:64])


@pytest.mark.parametrize("name", [name for name in FOREIGN if name not in (
    "new.jxl", "new2.jxl", "photo.cr2", "photo.nef", "renamed.tif")])  # fmt: skip
def test_other_files_are_not_taken_for_pictures(name: str) -> None:
    assert not looks_like_picture(FOREIGN[name][0][:64])


@pytest.mark.parametrize("head", [b"", b"B", b"BM25 ranks documents", b"P", b"Password", b"P12345", b"RIFF", b"\xff"])
def test_short_and_unlucky_starts_are_not_taken_for_pictures(head: bytes) -> None:
    assert not looks_like_picture(head)


def test_a_tga_is_read_by_its_name_or_its_end_and_random_bytes_never_pass_for_one() -> None:
    data = encoded(photo(), "TGA")
    assert decode(data, LIMITS, "a.tga").source_format == "TGA"
    assert decode(data, LIMITS, "a.jpg").notes == ("named .jpg but is TGA",)
    header = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 64, 48, 24, 0x20)
    with pytest.raises(ImageError, match=r"name it \.tga"):
        decode(header + np.random.default_rng(0).bytes(64 * 48 * 3), LIMITS, "a.jpg")


def test_a_ppm_written_as_text_is_read_where_it_is_small() -> None:
    small = b"P3\n64 48\n255\n" + b"200 40 30 " * (64 * 48)
    assert decode(small, LIMITS, "a.ppm").image.getpixel((5, 5)) == RED
    with pytest.raises(ImageError, match="written as text"):
        decode(b"P3\n2000 1000\n255\n" + b"200 40 30 " * 2_000_000, LIMITS, "a.ppm")


@pytest.mark.parametrize("size", [(20_000, 20_000), (70_000, 60_000)])
def test_headers_of_the_new_formats_cannot_ask_for_more_pixels_than_are_allowed(size: tuple[int, int]) -> None:
    ppm = b"P6\n%d %d\n255\n" % size
    tga = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, *(min(side, 65_535) for side in size), 24, 0)
    jp2 = bytearray(encoded(photo(), "JPEG2000"))
    place = jp2.index(b"ihdr") + 4
    jp2[place : place + 8] = struct.pack(">II", *size)
    for data, name in ((ppm, "a.ppm"), (tga + bytes(1000), "a.tga"), (bytes(jp2), "a.jp2")):
        with pytest.raises(ImageError, match="megapixels"):
            decode(data, LIMITS, name)


def test_a_jpeg_2000_whose_inside_is_larger_than_its_header_says_is_refused() -> None:
    data = bytearray(encoded(photo(), "JPEG2000"))
    place = data.index(b"\xff\x4f\xff\x51") + 8
    data[place : place + 8] = struct.pack(">II", 20_000, 20_000)
    with pytest.raises(ImageError, match="damaged"):
        decode(bytes(data), LIMITS, "a.jp2")


def test_a_jpeg_named_heic_is_read() -> None:
    assert decode(encoded(photo()), LIMITS, "IMG_1.HEIC").notes == ("named .heic but is JPEG",)


def test_a_heic_photo_is_read_where_pi_heif_is_installed() -> None:
    pytest.importorskip("pi_heif", reason="pip install -r requirements-heif.txt")
    picture = decode(HEIC, LIMITS, "IMG_2.HEIC")
    assert (picture.image.mode, picture.image.size, picture.source_format) == ("RGB", (48, 32), "HEIF")
    left, right = (np.array(picture.image.getpixel((x, 16)), dtype=int) for x in (8, 40))
    assert np.abs(left - BLUE).max() < 12
    assert np.abs(right - RED).max() < 12
    with pytest.raises(ImageError, match="damaged"):
        decode(HEIC[:300], LIMITS, "IMG_2.HEIC")


def test_without_pi_heif_a_heic_photo_gets_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_formats, "HEIC_IS_READ", False)
    sentence = describe_foreign(HEIC, "IMG_3.HEIC")
    assert sentence == (
        "IMG_3.HEIC is a HEIC photo: install pi-heif (pip install -r requirements-heif.txt) or export as JPEG."
    )
    assert "HEIF" not in picture_formats.readers_for(HEIC, "IMG_3.HEIC")


def test_every_format_has_a_place_in_a_dataset_and_a_suffix() -> None:
    for kind in (*FORMATS, "MPO", "HEIF"):
        assert IMAGE_PATH.fullmatch(f"images/ab/ab{'0' * 62}.{EXTENSIONS[kind]}")
        assert kind in SUFFIX_FORMATS.values()


def test_the_uploader_takes_every_ending_that_is_read() -> None:
    assert {"jfif", "jpe", "jp2", "pgm", "tga"} <= set(IMAGE_TYPES)
    assert ("heic" in IMAGE_TYPES) == HEIC_IS_READ
    assert [f".{ending}" for ending in IMAGE_TYPES] == list(UPLOAD_SUFFIXES)


def test_requirements_name_the_extra() -> None:
    assert "pi-heif" in (PROJECT_ROOT / "requirements-heif.txt").read_text(encoding="utf-8")
    assert "-r requirements-heif.txt" in (PROJECT_ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
