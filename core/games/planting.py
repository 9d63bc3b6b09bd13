"""A copy of some pictures of a dataset with wrong labels in it, for people to find.

The copy shares the files of the dataset and names none of them by its true class: rows stand in a random order within
each class, and their names are numbers.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace

from core.datasets.dataset import Dataset, ImageRow, ImportReport, write_table
from core.datasets.drafts import open_draft
from core.datasets.splits import fingerprint
from core.errors import GameError
from core.revisions.placed import Placed
from core.revisions.revision import MAX_TITLE, link_pictures, summarise_rows
from core.settings import Settings
from core.storage import write_json

COPY = "pictures"  # the id of the copy in the data root of its hunt
FEWEST_PLANTED, MAX_PLANTED = 3, 60  # the doctor lists 60
FEWEST_EACH = 4  # pictures of a class, which the doctor examines
MAX_PICTURES = 600  # that people look through
LARGEST_SHARE = 0.25  # of the labels: with more it is hard to see what the classes are


def check_planting(dataset: Dataset, planted: int, pictures: int) -> None:
    """Refuse a hunt that cannot be played.

    Raises:
        GameError: names what is wrong with the numbers, or with the dataset.
    """
    if len(dataset.classes) < 2:
        raise GameError(f"{dataset.title} has one class, and a wrong label needs another: choose another dataset.")
    if not FEWEST_PLANTED <= planted <= MAX_PLANTED:
        raise GameError(f"Plant {FEWEST_PLANTED} to {MAX_PLANTED} wrong labels.")
    there = min(pictures, len(dataset.rows))
    if pictures > MAX_PICTURES or there < FEWEST_EACH * len(dataset.classes):
        most = min(MAX_PICTURES, len(dataset.rows))
        raise GameError(f"Take {FEWEST_EACH * len(dataset.classes)} to {most} pictures of {dataset.title}.")
    if planted > LARGEST_SHARE * there:
        raise GameError(f"{planted} wrong labels among {there} pictures are too many: plant fewer, or take more.")


def plant_labels(root: Settings, dataset: Dataset, planted: int, pictures: int) -> dict[int, int]:
    """Make the copy; returns the row of each planted picture with the index of its true class.

    Args:
        root: a data root of its own: nothing trains on the copy, and no list of datasets shows it.
    Raises:
        GameError: as `check_planting`.
        DatasetError: a picture of the dataset is missing.
    """
    check_planting(dataset, planted, pictures)
    source = random.SystemRandom()  # a seed could be guessed
    chosen = _sample(dataset, pictures, source)
    wrong = {row.index for row in source.sample(chosen, planted)}
    others = range(1, len(dataset.classes))
    given = {
        row.index: (row.label + source.choice(others)) % len(dataset.classes) if row.index in wrong else row.label
        for row in chosen
    }
    source.shuffle(chosen)
    chosen.sort(key=lambda row: given[row.index])
    rows = [
        replace(row, index=place, label=given[row.index], name=f"{dataset.classes[given[row.index]]}/{place + 1}")
        for place, row in enumerate(chosen)
    ]
    _write(root, dataset, rows, planted)
    return {place: row.label for place, row in enumerate(chosen) if row.index in wrong}


def _sample(dataset: Dataset, pictures: int, source: random.Random) -> list[ImageRow]:
    """Pictures in the proportions of the classes, at least `FEWEST_EACH` of each where there are as many."""
    by_class: dict[int, list[ImageRow]] = defaultdict(list)
    for row in dataset.rows:
        by_class[row.label].append(row)
    share = min(1.0, pictures / len(dataset.rows))
    found: list[ImageRow] = []
    for rows in by_class.values():
        found += source.sample(rows, min(len(rows), max(FEWEST_EACH, round(share * len(rows)))))
    return found


def _write(root: Settings, dataset: Dataset, rows: Sequence[ImageRow], planted: int) -> None:
    identity = fingerprint((row.pixel_hash, dataset.classes[row.label], row.split) for row in rows)
    with open_draft(root) as draft:
        for _ in link_pictures(draft.folder, [Placed(row, "", dataset) for row in rows], dataset):
            pass  # a moment's work
        write_table(draft.folder, rows)
        note = f"{planted} labels were made wrong on purpose, to be found: train on {dataset.title} instead."
        write_json(draft.folder / "report.json", asdict(ImportReport(notes=[note])))
        end = f", {planted} labels wrong"
        title = dataset.title[: MAX_TITLE - len(end)] + end
        facts = summarise_rows(dataset, rows, dataset.classes, identity)
        write_json(draft.folder / "dataset.json", {**facts, "title": title, "parent": dataset.id})
        draft.publish(root.datasets_dir / COPY)
