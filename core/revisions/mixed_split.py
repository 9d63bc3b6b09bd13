"""The same pictures under a split that ignores groups: what makes results flatter, to be shown, not to be used.

The dataset is a neighbour of the first one that shares its files. Each class has as many pictures in each split as
before, chosen by a hash of their content alone: pictures of one person, burst or plant, and copies, are in several.
"""

import hashlib
from collections import defaultdict
from collections.abc import Generator
from dataclasses import asdict, replace

from core.actor import OPERATOR, Actor
from core.datasets.dataset import Dataset, ImageRow, write_table
from core.datasets.dataset_store import DatasetStore
from core.datasets.drafts import open_draft, sweep_drafts
from core.datasets.importing import ImportProgress
from core.datasets.splits import SPLITS, fingerprint
from core.errors import DatasetError
from core.revisions.placed import Placed
from core.revisions.revision import link_pictures, summarise_rows
from core.settings import Settings
from core.storage import slug, write_json

TITLE = "{}, groups ignored"
MAX_TITLE = 80


def has_groups(dataset: Dataset) -> bool:
    """Whether pictures of the dataset are known to belong together."""
    counted: dict[str, int] = defaultdict(int)
    for row in dataset.rows:
        counted[row.group] += bool(row.group)
    return len(counted) > 1 and max(counted.values()) > 1


def mixed_id(dataset: Dataset) -> str:
    """The id of the dataset whose split ignores the groups of this one."""
    return slug(f"{dataset.id[:56]}-mixed")


def mix_groups(settings: Settings, dataset: Dataset, *, by: Actor = OPERATOR) -> Generator[ImportProgress, None, str]:
    """Make that dataset, unless it is there; returns its id.

    Raises:
        DatasetError: no groups are known.
        RightsError: the dataset belongs to another person.
    """
    by.check_may_change(dataset.summary.owner, f"The dataset {dataset.title}")
    if not has_groups(dataset):
        raise DatasetError(
            f"No groups are known of {dataset.title}: import it with --groups, or with a table of groups."
        )
    target = settings.datasets_dir / mixed_id(dataset)
    if target.name in DatasetStore(settings).ids():
        return target.name
    rows = _deal(dataset)
    identity = fingerprint((row.pixel_hash, dataset.classes[row.label], row.split) for row in rows)
    sweep_drafts(settings.datasets_dir)
    with open_draft(settings) as draft:
        yield from link_pictures(draft.folder, [Placed(row, "", dataset) for row in rows], dataset)
        write_table(draft.folder, rows)
        note = f"This split ignores the groups of {dataset.title}, to show what that does: results on it flatter."
        report = dataset.report()
        write_json(draft.folder / "report.json", asdict(replace(report, notes=[*report.notes, note])))
        facts = summarise_rows(dataset, rows, dataset.classes, identity)
        title = TITLE.format(dataset.title[: MAX_TITLE - len(TITLE)])
        write_json(draft.folder / "dataset.json", {**facts, "title": title, "parent": dataset.id})
        draft.publish(target)
    return target.name


def _deal(dataset: Dataset) -> list[ImageRow]:
    """The rows, each class dealt again by content alone into splits of the same size."""
    by_class: dict[int, list[ImageRow]] = defaultdict(list)
    for row in dataset.rows:
        by_class[row.label].append(row)
    chosen: dict[int, str] = {}
    for rows in by_class.values():
        order = sorted(rows, key=lambda row: hashlib.sha256(f"mixed:{row.pixel_hash}".encode()).hexdigest())
        splits = sorted((row.split for row in rows), key=SPLITS.index)
        chosen.update({row.index: split for row, split in zip(order, splits, strict=True)})
    return [replace(row, split=chosen[row.index]) for row in dataset.rows]
