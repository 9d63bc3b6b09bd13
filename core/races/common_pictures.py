"""Predictions of runs on different revisions of a dataset, on the pictures that all of them held out.

The labels are those of the newest revision: a correction is right about a picture also where it was tested before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import ComparisonError, DatasetError
from core.formatting import SPLIT_NAMES, format_count
from core.revisions.revision import read_revision
from core.runs.run import Run
from core.settings import Settings
from core.statistics.caveats import Caveat
from core.statistics.predictions import PredictionTable

MAX_CHAIN = 1000  # revisions between two


@dataclass(frozen=True)
class CommonTables:
    """The tables of runs.

    Attributes:
        caveat: what the comparison rests on where the runs are on different revisions; None for the same dataset.
    """

    tables: tuple[PredictionTable, ...]
    caveat: Caveat | None = None


def read_tables(settings: Settings, runs: Sequence[Run]) -> CommonTables:
    """The predictions of runs, on the same pictures with the same labels where their datasets are revisions of one.

    Raises:
        ComparisonError: the revisions have no held-out picture in common.
        RunError: a run has no predictions, or they are damaged.
    """
    tables = tuple(run.predictions() for run in runs)
    if len({run.meta().dataset_fingerprint for run in runs}) < 2:
        return CommonTables(tables)
    datasets = _datasets_of(settings, runs)
    if datasets is None:
        return CommonTables(tables)  # whoever compares them says why it cannot
    newest = max(datasets, key=lambda item: (item.summary.revision, item.created))
    split = tables[0].split
    truth = {row.pixel_hash: newest.classes[row.label] for row in newest.rows if row.split == split}
    common = set(truth).intersection(*(table.image_ids for table in tables))
    if not common:
        raise ComparisonError(
            f"The revisions have no {SPLIT_NAMES[split]} picture in common: train both on the same revision."
        )
    store = DatasetStore(settings)
    names = [_names_in(store, newest, item) for item in datasets]
    others = sorted({new for found in names for new in found.values()} - set(newest.classes))
    classes = (*newest.classes, *others)
    found = tuple(
        _translate(table, classes, names_of, truth, common) for table, names_of in zip(tables, names, strict=True)
    )
    sentence = (
        f"The runs are on different revisions: compared are the {format_count(len(common), 'picture')} that both held "
        f"out for the test, with the labels of revision {newest.summary.revision}."
    )
    return CommonTables(found, Caveat("revisions", sentence))


def _datasets_of(settings: Settings, runs: Sequence[Run]) -> list[Dataset] | None:
    """The datasets of runs that are revisions of one; None where one is gone, or they are not."""
    store = DatasetStore(settings)
    try:
        found = [store.get(run.config().dataset) for run in runs]
    except DatasetError:
        return None
    changed = any(item.fingerprint != run.meta().dataset_fingerprint for item, run in zip(found, runs, strict=True))
    return None if changed or len({item.root for item in found}) > 1 else found


def _names_in(store: DatasetStore, newest: Dataset, dataset: Dataset) -> Mapping[str, str]:
    """Class of a dataset -> what the newest revision calls it."""
    renamed: list[tuple[str, str]] = []
    at = newest
    for _ in range(MAX_CHAIN):
        if at.id == dataset.id:
            break
        try:
            facts = read_revision(at.folder)
            if facts is None:
                break
            renamed = [*((item.label, item.to) for item in facts.corrections if item.kind == "rename"), *renamed]
            at = store.get(facts.parent)
        except DatasetError:  # a revision between them is gone
            break
    names = {}
    for name in dataset.classes:
        called = name
        for old, new in renamed if at.id == dataset.id else ():
            called = new if called == old else called
        names[name] = called
    return names


def _translate(
    table: PredictionTable,
    classes: tuple[str, ...],
    names: Mapping[str, str],
    truth: Mapping[str, str],
    common: set[str],
) -> PredictionTable:
    """A table on the common pictures, with other classes and labels; classes that were merged add up."""
    rows = [place for place, image in enumerate(table.image_ids) if image in common]
    probabilities = np.zeros((len(rows), len(classes)))
    for place, name in enumerate(table.classes):
        probabilities[:, classes.index(names.get(name, name))] += table.probabilities[rows, place]
    images = tuple(table.image_ids[row] for row in rows)
    labels = np.array([classes.index(truth[image]) for image in images], dtype=np.int64)
    return PredictionTable(table.split, classes, images, table.indices[rows], labels, np.minimum(probabilities, 1.0))
