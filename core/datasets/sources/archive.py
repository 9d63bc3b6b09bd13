"""A zip archive as a source. Nothing is unpacked by name: entries are read as bytes, and the bytes are counted.

Zips in the archive are opened too, one level deep, where no class folders lie beside them (Kaggle packs `train.zip`
and `test.zip` so, others one zip a class); their names become folders.
"""

import posixpath
import re
import shutil
import stat
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from core.datasets.pictures.picture_formats import SUFFIX_FORMATS
from core.datasets.sources.archive_faults import ARCHIVES, READABLE_METHODS, TEXTS, method_sentence, packed_sentence
from core.datasets.sources.archive_index import open_archive, too_many_sentence
from core.datasets.sources.archive_names import guess_code_pages, is_surely_utf8, name_from_extra, page_title
from core.datasets.sources.source import MAX_FILES, MAX_TITLE, SourceEntry, is_junk
from core.errors import DatasetError, ImageError
from core.formatting import format_bytes, format_limit, readable

MAX_RATIO = 200  # real pictures hardly compress; a bomb does by thousands
COPY_BYTES = 2**16
MAX_NAME = 1000
MAX_INNER = 100  # each is a file that is open
OUTSIDE = re.compile(r"(?:[A-Za-z]:(?=/))?(?:/|\.\./)+")


@dataclass(frozen=True)
class InnerZips:
    """Limits for zips in an archive: of their bytes together, and where they lie meanwhile (None: the system's place).

    Such a file has no name there, so that nothing is left when the process is killed.
    """

    max_bytes: int
    folder: Path | None = None


class ZipSource:
    """A zip archive.

    Attributes:
        code_page: what the names were read in, where they are not Unicode; None where nothing was guessed or chosen.
    """

    drawn = False

    def __init__(
        self,
        file: Path | BinaryIO,
        title: str = "",
        max_files: int = MAX_FILES,
        *,
        encoding: str | None = None,
        inner: InnerZips | None = None,
        below: str | None = None,
    ) -> None:
        """
        Args:
            encoding: code page of names that are not Unicode; None to guess it.
            inner: None leaves zips in the archive closed.
            below: the name that an archive has in another one, without its ending; it becomes a folder.
        Raises:
            DatasetError: the archive as a whole cannot be used.
        """
        self.title = title[:MAX_TITLE] or (file.name if isinstance(file, Path) else "the archive")
        self.ignored = 0
        self._notes: list[str] = []
        self.code_page: str | None = None
        self._one_at_a_time = threading.Lock()
        self._infos: dict[SourceEntry, zipfile.ZipInfo] = {}
        self._inner: dict[SourceEntry, tuple[ZipSource, SourceEntry]] = {}
        self._entries: list[SourceEntry] = []
        self._seen: set[str] = set()
        with ExitStack() as stack:
            self._archive = open_archive(stack, file, self.title, max_files)
            folders = self._list(encoding, below)
            self._refuse_unreadable()
            zips = self._zips()
            if inner is not None:
                self._refuse_other_archives()
            if zips and inner is not None:
                folders |= self._open_inner(stack, zips, inner, encoding, max_files)
            elif zips and below is not None and len(zips) == len(self._entries):
                raise DatasetError(f"{self.title} holds zips in turn: unpack it and import the folder.")
            self._stack = stack.pop_all()
        filled = {str(parent) for name in (*self._seen, *folders) for parent in PurePosixPath(name).parents}
        self.empty_folders: Sequence[str] = sorted(name for name in folders - filled if not is_junk(name))

    def _list(self, encoding: str | None, below: str | None) -> set[str]:
        """Fill the entries; returns the folders that have entries of their own."""
        names = self._read_names(encoding)
        infos = self._archive.infolist()
        if document := packed_sentence(self.title, names):
            raise DatasetError(document)
        is_folder = [
            name.endswith("/") or (info.external_attr & 0x10 and not info.file_size)
            for name, info in zip(names, infos, strict=True)
        ]
        files = [name for name, folder in zip(names, is_folder, strict=True) if not folder and not is_junk(name)]
        starts = {found.group() if (found := OUTSIDE.match(name)) else "" for name in files}
        if files and "" not in starts:  # packed with the paths of its computer
            self._notes.append(f"Every name in {self.title} begins with {min(starts)}, which was left out.")
            names = [OUTSIDE.sub("", name, count=1) for name in names]
        names = [_resolve(name) for name in names]
        if below is not None:
            names = _move_below(names, below)
        folders = set()
        for name, info, folder in zip(names, infos, is_folder, strict=True):
            if folder:
                folders.add(str(PurePosixPath(name)))
            elif is_junk(name):
                self.ignored += 1
            else:
                self._infos[self._add(name, info.file_size)] = info
        return folders

    def _add(self, name: str, size: int) -> SourceEntry:
        # a second file of this name is refused on reading
        entry = SourceEntry(name, size if name not in self._seen else -len(self._entries) - 1)
        self._seen.add(name)
        self._entries.append(entry)
        return entry

    def _read_names(self, encoding: str | None) -> list[str]:
        """The name of each entry, with forward slashes."""
        known: dict[int, str] = {}
        unknown: dict[int, bytes] = {}
        for place, info in enumerate(self._archive.infolist()):
            marked = info.flag_bits & 0x800
            raw = b"" if marked else info.orig_filename.encode("latin-1")
            extra = None if marked else name_from_extra(raw, info.extra)
            if extra is not None or raw.isascii():
                known[place] = info.orig_filename if extra is None else extra
            else:
                unknown[place] = raw
        if encoding is None:  # merged from archives of several computers
            sure = {place for place, raw in unknown.items() if is_surely_utf8(raw)}
            if len(sure) < len(unknown):
                known |= {place: unknown.pop(place).decode("utf-8") for place in sure}
        if unknown:
            guesses = [encoding] if encoding else guess_code_pages(unknown.values())
            try:
                known |= {place: raw.decode(guesses[0]) for place, raw in unknown.items()}
            except UnicodeDecodeError as error:
                raise DatasetError(
                    f"The names in {self.title} are not in {page_title(guesses[0])}: "
                    "choose another code page, or none to have it guessed."
                ) from error
            self.code_page = guesses[0]
            if encoding or guesses[0] != "utf-8":
                self._notes.append(self._names_sentence(guesses, bool(encoding), list(unknown.values())))
        # only now: the second byte of a character may be that of a backslash
        return [known[place].replace("\\", "/") for place in range(len(known))]

    def _names_sentence(self, guesses: Sequence[str], chosen: bool, raws: Sequence[bytes]) -> str:
        page = guesses[0]
        text = f"The names in {self.title} are not in Unicode; they were read as {page_title(page)}"
        if chosen:
            return f"{text}, as chosen."
        other = next(
            (other for other in guesses[1:] if any(raw.decode(other) != raw.decode(page) for raw in raws)), None
        )
        return f"{text}: import with another code page, such as --names {other or 'cp850'}, if they look wrong."

    def _refuse_unreadable(self) -> None:
        """Refuse an archive none of whose files can be unpacked; note it where it is some."""
        infos = [info for info in self._infos.values() if info.file_size]
        locked = [info for info in infos if info.flag_bits & 0x1]
        odd = [info for info in infos if info.compress_type not in READABLE_METHODS and not info.flag_bits & 0x1]
        if infos and len(locked) == len(infos):
            raise DatasetError(f"{self.title} is encrypted: pack it again without a password.")
        if infos and len(locked) + len(odd) == len(infos):
            raise DatasetError(method_sentence(self.title, odd[0].compress_type))
        for found, what in ((locked, "are encrypted"), (odd, "are packed in a way that cannot be read here")):
            if found:
                remedy = "without a password" if found is locked else "with the ordinary Deflate"
                self._notes.append(
                    f"{len(found):,} of {len(infos):,} files in {self.title} {what}, and were left out: "
                    f"pack it again {remedy}."
                )

    def _refuse_other_archives(self) -> None:
        other = [entry.name for entry in self._entries if entry.name.lower().endswith(ARCHIVES)]
        if other and all(entry.name.lower().endswith((*ARCHIVES, *TEXTS)) for entry in self._entries):
            raise DatasetError(
                f"{self.title} holds no pictures but another archive ({readable(other[0][:100])}): "
                "unpack both, and import the folder."
            )

    def _zips(self) -> list[SourceEntry]:
        """Zips in the archive, if no pictures lie in other folders than they."""
        zips = [entry for entry in self._entries if entry.name.lower().endswith(".zip") and entry.bytes_claimed > 0]
        pictures = (entry.name for entry in self._entries if PurePosixPath(entry.name).suffix.lower() in SUFFIX_FORMATS)
        folders = {entry.name.rpartition("/")[0] for entry in zips}
        return zips if all(name.rpartition("/")[0] in folders for name in pictures) else []

    def _open_inner(
        self, stack: ExitStack, zips: Sequence[SourceEntry], inner: InnerZips, encoding: str | None, max_files: int
    ) -> set[str]:
        """Replace zips in the archive by what they hold; returns their empty folders."""
        unpack = f"unpack {self.title} and import the folder"
        if len(zips) > MAX_INNER:
            raise DatasetError(f"{self.title} holds {len(zips):,} zips, and at most {MAX_INNER} are opened: {unpack}.")
        claimed = sum(entry.bytes_claimed for entry in zips)
        if claimed > inner.max_bytes:
            raise DatasetError(
                f"The zips in {self.title} take {format_bytes(claimed)}, and at most {format_limit(inner.max_bytes)} "
                "are taken: import a part, or raise TUNEMYPETS_MAX_DATASET_MB."
            )
        place = inner.folder or Path(tempfile.gettempdir())
        place.mkdir(parents=True, exist_ok=True)
        if claimed > (free := shutil.disk_usage(place).free):
            raise DatasetError(
                f"The zips in {self.title} need {format_bytes(claimed)}, and {format_bytes(free)} are free: make room."
            )
        empty: set[str] = set()
        for entry in zips:
            name = entry.name
            file = cast(BinaryIO, stack.enter_context(tempfile.TemporaryFile(dir=place)))  # noqa: SIM115
            try:
                for data in self.stream(entry, entry.bytes_claimed):
                    file.write(data)
            except ImageError as error:
                raise DatasetError(f"{self.title} cannot be read as a whole: {error}") from error
            file.seek(0)
            source = ZipSource(file, f"{name} in {self.title}", max_files, encoding=encoding, below=name[:-4])
            stack.callback(source.close)
            self._entries.remove(entry)
            del self._infos[entry]
            for found in source.entries():
                self._inner[self._add(found.name, found.bytes_claimed)] = (source, found)
            self.ignored += source.ignored
            if len(self._entries) + self.ignored > max_files:
                raise DatasetError(too_many_sentence(self.title, max_files))
            self.code_page = self.code_page or source.code_page
            for note in source.notes:
                text = note.replace(source.title, f"the zips in {self.title}")
                if text not in self._notes:
                    self._notes.append(text)
            empty |= set(source.empty_folders)
        names = ", ".join(PurePosixPath(entry.name).name for entry in zips[:5])
        self._notes.append(f"The zips in {self.title} were opened ({names}{' …' if len(zips) > 5 else ''}).")
        return empty

    @property
    def notes(self) -> Sequence[str]:
        return self._notes

    def entries(self) -> Sequence[SourceEntry]:
        return self._entries

    def head(self, entry: SourceEntry, count: int) -> bytes:
        try:
            return next(self.stream(entry, max(count, entry.bytes_claimed)), b"")[:count]
        except ImageError:
            return b""

    def read(self, entry: SourceEntry, max_bytes: int) -> bytes:
        return b"".join(self.stream(entry, max_bytes))

    def stream(self, entry: SourceEntry, max_bytes: int) -> Generator[bytes, None, None]:
        """The file's bytes in pieces, for what is too large for the memory; no other file is read meanwhile.

        Raises:
            ImageError: if this one file cannot be used, also after some pieces.
        """
        name = entry.name
        if entry.bytes_claimed < 0:
            raise ImageError(f"{name[:100]} is in the archive twice: the first one is used.")
        if entry in self._inner:
            source, found = self._inner[entry]
            yield from source.stream(found, max_bytes)
            return
        info = self._infos[entry]
        problem = _name_problem(name)
        if problem:
            raise ImageError(f"{name[:100]} {problem}")
        if info.flag_bits & 0x1:
            raise ImageError(f"{name} is encrypted: pack the archive without a password.")
        if info.compress_type not in READABLE_METHODS:
            raise ImageError(method_sentence(name, info.compress_type))
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ImageError(f"{name} is a link, not a file: pack the file itself.")
        if info.file_size > max_bytes:
            raise ImageError(f"{name} is larger than {format_limit(max_bytes)}: save it smaller.")
        ratio_limit = max(2**20, info.compress_size * MAX_RATIO)
        count = 0
        try:
            with self._one_at_a_time, self._archive.open(info) as file:
                while chunk := file.read(COPY_BYTES):
                    count += len(chunk)
                    if count > min(max_bytes, ratio_limit):
                        raise ImageError(f"{name} unpacks to far more than it says: leave it out of the archive.")
                    yield chunk
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            NotImplementedError,
            RuntimeError,
            ValueError,
        ) as error:
            raise ImageError(f"{name} is damaged inside the archive: pack it again.") from error

    def close(self) -> None:
        self._stack.close()


def _resolve(name: str) -> str:
    """`pets/../pets/cat/1.jpg` without its detour; a name that climbs out stays as it is, and is refused on reading."""
    short = posixpath.normpath(name) if "/../" in name else ".."
    return name if short.startswith("..") else short


def _move_below(names: Sequence[str], below: str) -> list[str]:
    """The names of an inner archive in a folder called as it is, unless all of them lie in such a folder already."""
    parent, _, stem = below.rpartition("/")
    tops = {PurePosixPath(name).parts[:1] for name in names if not is_junk(name)}
    folder = parent if {top.casefold() for (top,) in filter(None, tops)} == {stem.casefold()} else below
    return [f"{folder}/{name}" if folder else name for name in names]


def _name_problem(name: str) -> str | None:
    parts = PurePosixPath(name).parts
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "has an absolute name, unlike other files there: pack it again."
    if ".." in parts:
        return "has a name that climbs out of the archive: pack it again."
    if len(name) > MAX_NAME or "\x00" in name:
        return "has an unusable name: rename it."
    return None
