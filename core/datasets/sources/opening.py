"""The source at a path: a folder, an archive, or a Teachable Machine project in one of them."""

from pathlib import Path

from core.datasets.sources.archive import InnerZips, ZipSource
from core.datasets.sources.archive_names import check_code_page
from core.datasets.sources.folder import FolderSource
from core.datasets.sources.source import MAX_BYTES, MAX_FILES, Source
from core.datasets.sources.teachable_machine import open_project
from core.errors import DatasetError


def open_source(
    path: Path,
    title: str = "",
    max_files: int = MAX_FILES,
    *,
    encoding: str | None = None,
    max_bytes: int = MAX_BYTES,
    scratch: Path | None = None,
) -> Source:
    """The source at a path.

    Args:
        max_files: an archive of more than that, and of as many again for a system's own files, is not even listed.
        title: what people call it, where that is not the name it has here.
        encoding: code page of an archive's names that are not Unicode, by any name of it; None to guess it.
        max_bytes: zips in an archive are opened up to that size, all together.
        scratch: where they lie meanwhile; None for the system's place.
    Raises:
        ConfigError: there is no such code page.
        DatasetError: if there is nothing usable.
    """
    page = check_code_page(encoding) if encoding is not None else None
    try:
        if path.is_dir():
            next(path.iterdir(), None)  # raises where it may not be listed
            return open_project(FolderSource(path))
        if not path.exists():
            raise DatasetError(f"{path} is not there: check the path.")
        path.open("rb").close()
    except OSError as error:
        raise DatasetError(f"{title or path.name} cannot be read ({error.strerror}): check its permissions.") from error
    return open_project(ZipSource(path, title, 2 * max_files, encoding=page, inner=InnerZips(max_bytes, scratch)))
