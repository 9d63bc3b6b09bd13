"""Why a file that should be a zip archive cannot be read as one: its true cause and the remedy, in one sentence."""

import re
from collections.abc import Collection
from typing import BinaryIO

READABLE_METHODS = (0, 8, 12, 14)  # stored, Deflate, bzip2, LZMA: what Python's zipfile unpacks
METHODS = {
    1: "Shrink", 2: "Reduce", 3: "Reduce", 4: "Reduce", 5: "Reduce", 6: "Implode", 9: "Deflate64",
    10: "PKWARE Implode", 16: "IBM CMPSC", 18: "IBM TERSE", 19: "IBM LZ77", 20: "Zstandard", 93: "Zstandard",
    94: "MP3", 95: "xz", 96: "WinZip JPEG", 97: "WavPack", 98: "PPMd", 99: "AES encryption",
}  # fmt: skip
MAGICS = (  # where, what stands there, what it is
    (0, b"Rar!", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"\x1f\x8b", "a gzip archive (.tar.gz)"),
    (0, b"BZh", "a bzip2 archive (.tar.bz2)"),
    (0, b"\xfd7zXZ\0", "an xz archive (.tar.xz)"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive (.tar.zst)"),
    (0, b"MSCF", "a Cabinet archive (.cab)"),
    (0, b"xar!", "a xar archive"),
    (257, b"ustar", "a tar archive"),
)
OTHERS = (  # patterns of what is no archive at all, what it is, the remedy
    (rb"\s*(<!--((?!-->).)*-->\s*)*(<!doctype html|<html|<head)", "a web page, not an archive",
     "open its link in a browser, sign in or confirm there, and download the file itself."),
    (rb"\s*(<\?xml|<error>)", "an XML message from a server, not an archive", "download it again from its own page."),
    (rb"\s*[{\[]\s*[\"{\[\]}]", "a JSON file, not an archive",
     "if a server sent it as an answer, download the archive again from its own page."),
    (rb"version https://git-lfs", "only a pointer of Git LFS, not the archive itself",
     "fetch the file with `git lfs pull`, or download it from the page of its repository."),
    (rb"%PDF-", "a PDF document, not an archive", "pack the class folders as a .zip."),
    (rb"\xff\xd8\xff|\x89PNG|GIF8", "a picture, not an archive", "pack the class folders as a .zip."),
)  # fmt: skip
PACKED = (  # entries at the top of files that are zips inside, what these files are
    ({"[Content_Types].xml"}, "an Office document (Word, PowerPoint, Excel)"),
    ({"mimetype", "META-INF/container.xml"}, "an electronic book (EPUB)"),
    ({"mimetype", "content.xml"}, "an OpenDocument file (LibreOffice)"),
    ({"AndroidManifest.xml", "classes.dex"}, "an Android app"),
    ({"META-INF/MANIFEST.MF"}, "a Java program"),
)  # fmt: skip
ARCHIVES = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")
TABLES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".xlsx")
TEXTS = (".csv", ".txt", ".json", ".md", ".pdf", ".html")
PART = re.compile(r"\.(z\d\d+|0\d\d|zip\.\d+)$", re.IGNORECASE)
JOIN = "put all its parts (.z01, .z02 … or .001, .002 …) into one folder, unpack them there, and import what comes out."
PACK = "pack the class folders as a .zip."


def explain_no_zip(file: BinaryIO, name: str) -> str:
    """Why a file without the end of a zip archive is none.

    Args:
        name: how the sentence calls the file.
    """
    if name.lower().endswith(TABLES):
        return f"{name} is a table, not an archive: import the folder that holds it, with its pictures."
    file.seek(0)
    head = file.read(4096).removeprefix(b"\xef\xbb\xbf")
    for place, magic, what in MAGICS:
        if head[place : place + len(magic)] == magic:
            return f"{name} is {what}, not a zip: unpack it and import the folder, or {PACK}"
    for pattern, what, remedy in OTHERS:
        if re.match(pattern, head, re.IGNORECASE | re.DOTALL):
            return f"{name} is {what}: {remedy}"
    if not head.strip(b"\0"):
        what = "is filled with zeros" if head else "is empty"
        return f"{name} is not a readable zip archive (it {what}): copy or download it again."
    if head.startswith(b"PK\x07\x08") or PART.search(name):
        return part_sentence(name)
    if head.startswith(b"PK\x03\x04"):
        return (
            f"{name} is not a readable zip archive (its end is missing): copy or download it again; "
            f"if it is the first part of several, {JOIN}"
        )
    if re.fullmatch(rb"[\t\r\n\x20-\x7e]+", head):
        return f"{name} is not a readable zip archive (it is text): open it, and download the archive again."
    if name.lower().endswith(".zip"):
        return unreadable_sentence(name)
    return f"{name} is neither a folder nor a .zip: {PACK}"


def packed_sentence(name: str, entries: Collection[str]) -> str | None:
    """Of a zip that is a document or a program; None for other zips."""
    for marks, what in PACKED:
        if marks <= set(entries):
            return f"{name} is {what}, not an archive of pictures: save its pictures by class, and {PACK}"
    return None


def part_sentence(name: str) -> str:
    """Of one part of an archive that was split."""
    return f"{name} is only one part of a split archive, and cannot be read alone: {JOIN}"


def beginning_sentence(name: str) -> str:
    """Of an archive whose index says that more lies before it."""
    return f"{name} lacks its beginning: copy or download it again; if it is the last part of a split archive, {JOIN}"


def unreadable_sentence(name: str) -> str:
    """Of a damaged archive."""
    return f"{name} is not a readable zip archive (cut off or damaged): pack or copy it again."


def method_sentence(name: str, method: int) -> str:
    """Of an archive or a file in it whose way of packing is not read here; `method` is the number in the archive."""
    called = METHODS.get(method, f"method {method}")
    return (
        f"{name} is packed with {called}, which cannot be read here: "
        "pack it again with the ordinary Deflate, or unpack it and import the folder."
    )
