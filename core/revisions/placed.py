"""The pictures of a revision before it is made: those that are left, those that are added, each with its split."""

import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from core.datasets.copies import Looks, find_alike, take_look
from core.datasets.dataset import Dataset, ImageRow, ImportReport
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import ImportProgress
from core.datasets.selection import natural_key
from core.datasets.split_notes import note_missing, note_straddling
from core.datasets.splits import Item
from core.datasets.version_names import name_sources
from core.errors import DatasetError
from core.formatting import format_count
from core.revisions.corrections import Corrected
from core.revisions.kept_together import Chains, keep_together

PROGRESS_SECONDS = 0.25


@dataclass(frozen=True)
class Placed:
    """A picture of a revision: the row that it had, its class, and the dataset that holds its files."""

    row: ImageRow
    label: str
    dataset: Dataset


def place_pictures(store: DatasetStore, dataset: Dataset, wanted: Corrected) -> tuple[list[Placed], list[str]]:
    """The pictures of the revision in the order of its table, and notes on those that were added."""
    own = [
        Placed(row, label, dataset)
        for row, label in zip(dataset.rows, wanted.labels, strict=True) if label is not None
    ]  # fmt: skip
    notes: list[str] = []
    known = {item.row.pixel_hash for item in own}
    for other_id in wanted.added:
        other = store.get(other_id)
        renamed = dict(wanted.renamed)
        new = []
        for row in other.rows:
            if row.pixel_hash in known:
                continue
            known.add(row.pixel_hash)
            label = other.classes[row.label]
            new.append(Placed(row, renamed.get(label, label), other))
        own += _keep_copies_together(own, new)
        copies = len(other.rows) - len(new)
        notes.append(
            f"{format_count(len(new), 'picture')} of {other.title} added"
            + (f"; {format_count(copies, 'copy')} left out." if copies else ".")
        )
    return sorted(own, key=lambda item: (natural_key(item.label), natural_key(item.row.name))), notes


def _keep_copies_together(own: Sequence[Placed], new: Sequence[Placed]) -> list[Placed]:
    """New pictures, those that look like an own picture in its split."""
    looks = Looks.of([_look(item) for item in (*own, *new)])
    kinds = np.array([0] * len(own) + [1] * len(new))
    nearest = find_alike(looks, np.flatnonzero(kinds), np.flatnonzero(kinds == 0), kinds)
    alike = {row - len(own): own[other].row.split for _, row, other in nearest}
    splits = [alike.get(place, item.row.split) for place, item in enumerate(new)]
    return [replace(item, row=replace(item.row, split=split)) for item, split in zip(new, splits, strict=True)]


def keep_near_copies(
    placed: Sequence[Placed],
    classes: Sequence[str],
    dataset: Dataset,
    chains: Chains,
    report: ImportReport,
    threads: int,
) -> Generator[ImportProgress, None, tuple[list[Placed], int]]:
    """The pictures in splits that keep near-copies together, and how many changed theirs; the report gets notes.

    Args:
        chains: places in the table of `dataset`.
    Raises:
        DatasetError: there is nothing to move, or validation or test would be left with hardly any picture.
    """
    place_of = {item.row.index: place for place, item in enumerate(placed) if item.dataset is dataset}
    left = [[place_of[index] for index in chain if index in place_of] for chain in chains]
    looks = yield from _take_looks(placed, threads)
    places_of = {name: place for place, name in enumerate(classes)}
    sources = name_sources([(item.label, item.row.name) for item in placed])
    items = [
        Item(item.row.pixel_hash, look, places_of[item.label], source, item.row.group)
        for item, look, source in zip(placed, looks, sources, strict=True)
    ]
    yield ImportProgress("Deciding the splits", len(items), len(items), None)
    found = keep_together(items, [item.row.split for item in placed], [chain for chain in left if len(chain) > 1])
    if not found.moved:
        raise DatasetError(f"The near-copies of {dataset.title} are in one split already: nothing needs to move.")
    note_missing(items, found.splits, list(classes), report)
    if report.straddling:  # counted at the import, before these moved
        report.straddling.clear()
        note_straddling(items, found.splits, True, report)
    kept = [
        replace(item, row=replace(item.row, split=split, group=group))
        for item, split, group in zip(placed, found.splits, found.groups, strict=True)
    ]
    return kept, len(found.moved)


def _take_looks(placed: Sequence[Placed], threads: int) -> Generator[ImportProgress, None, list[bytes]]:
    looks: list[bytes] = []
    started = last = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        for look in pool.map(_look, placed):
            looks.append(look)
            if (now := time.monotonic()) - last > PROGRESS_SECONDS:
                last, done = now, len(looks)
                left = (now - started) / done * (len(placed) - done)
                yield ImportProgress("Comparing pictures", done, len(placed), left)
    return looks


def _look(item: Placed) -> bytes:
    """The look of a picture, from its thumbnail.

    Raises:
        DatasetError: the thumbnail is gone or damaged.
    """
    try:
        with Image.open(item.dataset.thumbnail_path(item.row)) as image:
            return take_look(image.convert("RGB"))
    except OSError as error:
        raise DatasetError(
            f"The thumbnail of {item.row.name} in {item.dataset.title} is missing: run `python -m core fsck --repair`."
        ) from error
