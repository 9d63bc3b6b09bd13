"""Whether the corrections in a dataset's folder can be read: those that wait, and those that a revision holds."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from core.datasets.dataset import CORRECTIONS, REVISION, Dataset, load_dataset
from core.errors import DatasetError
from core.revisions.corrections import corrected
from core.revisions.revision import read_revision
from core.verification import SET_ASIDE, Count, Kind, Problem, ignore, is_file


def verify_corrections(folder: Path, count: Count = ignore) -> Iterator[Problem]:
    """Look at the corrections of a dataset that is whole otherwise."""
    with suppress(DatasetError):  # what else is wrong is reported elsewhere
        dataset = load_dataset(folder)
        for name, read in _READERS.items():
            if is_file(folder / name):
                count((folder / name).stat().st_size)
                yield from _verify(folder / name, partial(read, dataset))


def _verify(path: Path, read: Callable[[], object]) -> Iterator[Problem]:
    try:
        read()
    except DatasetError:
        text = f"The corrections of the dataset {path.parent.name} cannot be read: they are lost."
        yield Problem(Kind.DAMAGED, path, text, SET_ASIDE)


_READERS: Mapping[str, Callable[[Dataset], object]] = {
    CORRECTIONS: corrected,
    REVISION: lambda dataset: read_revision(dataset.folder),
}
