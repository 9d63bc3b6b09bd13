"""From an address to a dataset: a path of this machine, a ready-made or drawn set, or one of the Hugging Face Hub."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from core.datasets.downloads.download_address import HubAddress, Remote, parse_address
from core.datasets.downloads.hub import list_files
from core.datasets.downloads.ready_made import PICTURE_BYTES, ReadySet, mirrored
from core.datasets.downloads.ready_made_sources import open_set
from core.datasets.downloads.transfer import clear, download_folder, fetch_all
from core.datasets.drawn_sample import SAMPLE_TITLE, draw_sample
from core.datasets.importing import ImportProgress, check_name, import_dataset
from core.datasets.sources.opening import open_source
from core.datasets.sources.source import MemorySource, Source
from core.errors import DatasetError
from core.formatting import readable
from core.quotas import check_room, check_space
from core.settings import Settings
from core.steps import Stopped


def import_from(
    settings: Settings,
    address: str | None,
    *,
    name: str,
    title: str = "",
    names: str | None = None,
    **chosen: Any,
) -> Generator[ImportProgress, None, str]:
    """Import what an address leads to as a dataset called `name`; returns its id.

    Closed before its end it leaves nothing. Where it fails, what was downloaded stays for a day: a download resumes.

    Args:
        address: None for the drawn sample.
        title: what people call a file whose name is another one here.
        names: code page of an archive's names that are not Unicode; None to guess it.
        chosen: plan, seed and the other arguments of `import_dataset`.
    Raises:
        LayoutQuestionError, DatasetError: as `import_dataset`, and one sentence of a download that cannot be had.
        QuotaError: there is no room for it.
        ExtraMissingError: an optional package is missing.
    """

    def take(source: Source) -> Generator[ImportProgress, None, str]:
        with closing(source):
            return (yield from import_dataset(settings, source, name=name, **chosen))

    if address is None:
        return (yield from take(MemorySource(SAMPLE_TITLE, list(draw_sample()), drawn=True)))
    remote = parse_address(address)
    if remote is None:
        place = Path(address).expanduser()
        return (yield from take(_open_place(settings, place, title, names)))
    check_name(settings, name)  # sooner than after a long download
    shown = remote.title if isinstance(remote, ReadySet) else remote.repository
    with download_folder(settings, remote.key, readable(shown)) as folder:
        try:
            source = yield from _download(settings, remote, folder, names)
            dataset_id = yield from take(source)
        except (GeneratorExit, KeyboardInterrupt, Stopped):
            clear(folder)
            raise
        clear(folder)
    return dataset_id


def _download(
    settings: Settings, remote: Remote, folder: Path, names: str | None
) -> Generator[ImportProgress, None, Source]:
    if isinstance(remote, ReadySet):
        check_space(settings, remote.needed_bytes)
        check_room(settings, remote.needed_bytes)
        paths = yield from fetch_all(mirrored(settings, remote), folder, remote.title)
        yield ImportProgress("Unpacking", 0, 0, None)
        return open_set(remote, paths, folder)
    yield ImportProgress(f"Asking Hugging Face for {remote.repository}", 0, 0, None)
    files = list_files(settings, remote)
    needed = 2 * sum(file.bytes for file in files) + PICTURE_BYTES * len(files)
    check_space(settings, needed)
    check_room(settings, needed)
    paths = yield from fetch_all(files, folder, remote.repository)
    return _open_download(settings, remote, paths, folder, names)


def _open_download(
    settings: Settings, remote: HubAddress, paths: list[Path], folder: Path, names: str | None
) -> Source:
    """What was downloaded as a source: one archive, or a folder."""
    archives = [path for path in paths if path.suffix.lower() in (".zip", ".tm")]
    others = [path for path in paths if path not in archives and path.suffix.lower() != ".txt"]
    if len(archives) > 1 and not others:
        shown = ", ".join(sorted(path.relative_to(folder).as_posix() for path in archives)[:4])
        raise DatasetError(
            f"{remote.repository} holds several archives ({shown}): import one of them, such as "
            f"hf://{remote.repository}/{shown.partition(',')[0]}."
        )
    chosen = folder / remote.folder
    place = archives[0] if archives and not others else chosen if chosen.is_dir() else folder
    source = _open_place(settings, place, remote.repository, names)
    source.title = remote.repository
    return source


def _open_place(settings: Settings, place: Path, title: str, names: str | None) -> Source:
    return open_source(
        place,
        title,
        settings.max_images,
        encoding=names,
        max_bytes=settings.max_dataset_bytes,
        scratch=settings.imports_dir,
    )
