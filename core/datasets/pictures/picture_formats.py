"""Picture formats: which are read, by which names and first bytes they are known, and what other files are called."""

from pathlib import PurePosixPath

from PIL import Image, features

try:
    import pi_heif
except ImportError:
    HEIC_IS_READ = False
else:
    pi_heif.register_heif_opener(thumbnails=False)
    HEIC_IS_READ = True

Image.init()  # registers every format: without it, an allow list finds only the most common ones
# MPO is found by the JPEG reader
FORMATS = (
    "JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "TGA",
    *(("JPEG2000",) if features.check("jpg_2000") else ()),
    *(("AVIF",) if features.check("avif") else ()),
)  # fmt: skip
EXTENSIONS = {
    "JPEG": "jpg",
    "MPO": "mpo", "PNG": "png", "GIF": "gif", "BMP": "bmp", "WEBP": "webp", "TIFF": "tif", "AVIF": "avif",
    "PPM": "ppm", "JPEG2000": "jp2", "TGA": "tga", "HEIF": "heic",
}  # fmt: skip
SUFFIX_FORMATS = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".pjpeg": "JPEG", ".pjp": "JPEG", ".png": "PNG",
    ".apng": "PNG", ".gif": "GIF", ".bmp": "BMP", ".dib": "BMP", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF",
    ".avif": "AVIF", ".mpo": "MPO", ".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM", ".pnm": "PPM", ".pfm": "PPM",
    ".jp2": "JPEG2000", ".j2k": "JPEG2000", ".j2c": "JPEG2000", ".jpc": "JPEG2000", ".jpf": "JPEG2000",
    ".jpx": "JPEG2000", ".tga": "TGA", ".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF",
}  # fmt: skip
# a phone turns its HEIC photos into JPEGs by itself for a form that does not ask for HEIC
UPLOAD_SUFFIXES = tuple(suffix for suffix, kind in SUFFIX_FORMATS.items() if kind != "HEIF" or HEIC_IS_READ)
INSTALL_HEIF = "install pi-heif (pip install -r requirements-heif.txt) or export as JPEG"

_TGA_END = b"TRUEVISION-XFILE.\x00"
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_JXL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")
_JPEG_2000 = (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  \r\n\x87\n")
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # bytes
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", *_JPEG_2000, *_JXL)
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
RAW_SUFFIXES = {
    ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".srw", ".dng", ".orf", ".rw2", ".raf", ".pef",
    ".raw", ".rwl", ".x3f", ".3fr", ".fff", ".iiq", ".erf", ".kdc", ".dcr", ".mrw", ".mos",
}  # fmt: skip
_RAW_STARTS = (
    b"FUJIFILMCCD-RAW",
    b"IIRO",
    b"IIRS",
    b"MMOR",
    b"IIU\x00",
    b"FOVb",
    b"\x00MRM",
    b"II\x1a\x00\x00\x00HEAPCCDR",
)
_RAW = "is a raw photo of a camera: export it as JPEG or TIFF."
_VIDEO = "is a video, not a picture: save single frames of it as JPEG."

# the first bytes of files that people put among their pictures, and what they are
_FOREIGN = (
    ((b"8BPS",), "is a Photoshop document (PSD): export it as JPEG or PNG."),
    ((b"gimp xcf",), "is a GIMP document (XCF): export it as JPEG or PNG."),
    (_JXL, "is a JPEG XL picture, which cannot be read here: export it as JPEG or PNG."),
    ((b"\x00\x00\x01\x00",), "is an icon (ICO), not a photo: export it as PNG or JPEG."),
    ((b"\x00\x00\x02\x00",), "may be a TGA picture: name it .tga, or export it as PNG."),
    ((b"icns",), "is an icon (ICNS), not a photo: export it as PNG or JPEG."),
    ((b"v/1\x01",), "is an OpenEXR picture, which cannot be read here: export it as PNG or TIFF."),
    ((b"#?RADIANCE", b"#?RGBE"), "is a Radiance HDR picture, which cannot be read here: export it as PNG or TIFF."),
    ((b"DDS ",), "is a texture (DDS), which cannot be read here: export it as PNG or JPEG."),
    ((b"qoif",), "is a QOI picture, which cannot be read here: export it as PNG or JPEG."),
    ((b"SIMPLE  =",), "is a FITS file of astronomy, which cannot be read here: export it as PNG or TIFF."),
    ((b"\x89HDF",), "is an HDF5 file, not a picture: export its pictures as PNG."),
    ((b"MATLAB 5.0",), "is a MATLAB file, not a picture: export its pictures as PNG."),
    ((b"\x93NUMPY",), "is a NumPy array (npy), not a picture: save each picture as PNG."),
    ((b"PAR1",), "is a Parquet table, not a picture: import the folder that holds it as a dataset, or leave it out."),
    ((b"%PDF",), "is a PDF, not a picture: export its pictures as JPEG."),
    ((b"%!PS", b"\xc5\xd0\xd3\xc6"), "is a PostScript drawing, not a photo: export it as PNG or JPEG."),
    ((b"PK\x03\x04", b"PK\x05\x06"), "is a zip archive, not a picture: unpack it."),
    ((b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"), "is an archive, not a picture: "
     "unpack it."),
    ((b"\x1a\x45\xdf\xa3", b"FLV\x01", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3"), _VIDEO),
    ((b"ID3", b"OggS", b"fLaC"), "is a sound, not a picture: leave it out."),
    ((b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",), "is an Office document, not a picture: save its pictures as JPEG."),
    ((b"L\x00\x00\x00\x01\x14\x02\x00",), "is a Windows shortcut, not the picture: copy the picture itself."),
    ((b"\x00\x05\x16\x07",), "is a companion file of macOS, not a picture: leave it out."),
    ((b"version https://git-lfs",), "stands for a picture in Git LFS: run `git lfs pull` and import again."),
    ((b"MZ", b"\x7fELF"), "is a program, not a picture: remove it."),
)  # fmt: skip
_TEXTS = {
    ".csv": "is a table (CSV), not a picture: leave it out, or save the picture again.",
    ".tsv": "is a table (TSV), not a picture: leave it out, or save the picture again.",
    ".json": "is a JSON file, not a picture: leave it out, or save the picture again.",
    ".xml": "is an XML file, not a picture: leave it out, or save the picture again.",
}


def suffix_of(name: str) -> str:
    """The ending of a file's name in lower case: `.jpg`."""
    return PurePosixPath(name).suffix.lower()


def readers_for(raw: bytes, name: str) -> tuple[str, ...]:
    """Pillow's readers that may look at a file.

    A TGA has no mark at its start, so random bytes could pass for one: only its name or its end admits its reader.
    """
    formats = FORMATS if suffix_of(name) == ".tga" or raw.endswith(_TGA_END) else tuple(
        kind for kind in FORMATS if kind != "TGA"
    )  # fmt: skip
    return (*formats, "HEIF") if HEIC_IS_READ else formats


def looks_like_picture(head: bytes) -> bool:
    """Whether a file begins as a picture does: in a format that is read, as HEIC, or as JPEG XL.

    Args:
        head: the file's first bytes; 64 are enough.
    """
    if head.startswith((*_PICTURES, *_TIFF)) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return True
    if head[:2] == b"BM":
        return int.from_bytes(head[14:18], "little") in _BMP_HEADERS
    if head[:1] == b"P" and head[1:2] in (b"1", b"2", b"3", b"4", b"5", b"6", b"f", b"F"):
        return head[2:3] in (b" ", b"\t", b"\n", b"\r", b"#")
    return head[4:8] == b"ftyp" and head[8:12] in (*_HEIC_BRANDS, *_AVIF_BRANDS)


def is_raw(raw: bytes, name: str) -> bool:
    """Whether a file is a camera's raw photo. Many are TIFF files, whose first picture is a small preview."""
    if raw.startswith(_RAW_STARTS) or raw[4:11] == b"ftypcrx" or (raw.startswith(_TIFF) and raw[8:10] == b"CR"):
        return True
    return suffix_of(name) in RAW_SUFFIXES and raw.startswith(_TIFF)


def describe_raw(name: str) -> str:
    """What a raw photo is, and the remedy."""
    return f"{name} {_RAW}"


def describe_foreign(raw: bytes, name: str) -> str:
    """What a file is that no reader knows: one sentence with its name and a remedy."""
    start = raw[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in raw[:4096].lower():
        return f"{name} is an SVG drawing, not a photo: export it as PNG or JPEG."
    if start.startswith((b"<!doctype", b"<html", b"<head")) or (start.startswith(b"<!--") and b"<html" in start):
        return f"{name} is a web page, not a picture: save the picture itself."
    if raw[4:8] == b"ftyp":
        return f"{name} {_describe_boxes(raw[8:12])}"
    if raw[:4] == b"RIFF":
        return f"{name} {_VIDEO if raw[8:12] == b'AVI ' else 'is a sound, or damaged: save it as JPEG or PNG.'}"
    if raw[128:132] == b"DICM":
        return f"{name} is a DICOM file of a medical device: export it as PNG or TIFF."
    if raw[344:348] in (b"n+1\x00", b"ni1\x00"):
        return f"{name} is a NIfTI scan, not a picture: export its slices as PNG."
    for starts, sentence in _FOREIGN:
        if raw.startswith(starts):
            return f"{name} {sentence}"
    if is_raw(raw, name) or suffix_of(name) in RAW_SUFFIXES:
        return describe_raw(name)
    if raw.startswith(_TIFF):
        return f"{name} is a TIFF that is damaged, or of a kind that cannot be read here: save it as PNG."
    if looks_like_picture(raw[:64]):
        return f"{name} is damaged and cannot be opened: export or copy it again."
    if not raw.strip(b"\x00"):
        return f"{name} holds only zeros: its copy failed, so copy it again."
    if all(32 <= byte < 127 or byte in (9, 10, 13) for byte in raw[:256].removeprefix(b"\xef\xbb\xbf")):
        other = "is text, not a picture: leave it out, or save the picture again."
        return f"{name} {_TEXTS.get(suffix_of(name), other)}"
    return f"{name} is not a picture that can be read here: save it as JPEG or PNG."


def _describe_boxes(brand: bytes) -> str:
    """What a file of ISO boxes is, by its brand."""
    if brand in _HEIC_BRANDS:
        if HEIC_IS_READ:
            return "is a damaged HEIC photo: copy or export it again."
        return f"is a HEIC photo: {INSTALL_HEIF}."
    if brand in _AVIF_BRANDS:
        return "is an AVIF picture that is damaged or cannot be read here: export it as JPEG or PNG."
    return _RAW if brand == b"crx " else _VIDEO
